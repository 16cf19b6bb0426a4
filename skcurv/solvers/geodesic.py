"""The second-order term of a Levenberg-Marquardt step along a geodesic (Transtrum & Sethna 2012).

Symbols as in `lm_newton`. With F'' the second derivative of the outputs along the step v,

    a = -(C + D + lambda M)^-1 sum_i w_i J_i' H_i F''_i / 2,        of no use where 2 |a|_M > 3/2 |v|_M.
"""

from ..backend.namespace import dot, namespace, rounding

BEND = 1.5  # most of 2 |a| / |v|


def acceleration(here, solve, M, v):
    """a for the step v; NaN where it is too long: the path then bends more than the model can see."""
    loss, batch, xp = here.objective.loss, here.batch, namespace(v)
    V = batch.weights[:, None] * loss.ggnp(here.tape.F, batch.Y, second_derivative(here, v))
    a = -0.5 * solve(here.pullback(V).total())
    if here.objective.box is not None:  # what ends on the border stays there
        box, there = here.objective.box, here.theta + v
        a = xp.where((there > box.lower) & (there < box.upper), a, xp.zeros_like(a))
    return a if 4 * dot(xp, M * a, a) <= BEND**2 * dot(xp, M * v, v) else xp.full_like(a, xp.nan)


def _length(here, u):
    """|u| in units of the parameters' sizes."""
    u = u / here.objective.network.scale(here.theta)
    return dot(namespace(u), u, u) ** 0.5


def second_derivative(here, u):
    """The second derivative of the outputs F (n, k) along u.

    That of a model function is a central difference, of error about sqrt(eps). Where that would leave the box, for
    theta + u in it, it is a difference ahead, of error about eps^(1/4).
    """
    if here.objective.network.layout.shapes:
        return here.objective.network.derivatives(here.tape, u)[1]
    h, box = rounding(u) ** 0.25 / (_length(here, u) or 1.0), here.objective.box
    if box is None or (box.holds(here.theta + h * u) and box.holds(here.theta - h * u)):
        steps = h, -h, 0.0
    else:
        h = min(h, 0.5)
        steps = 2 * h, 0.0, h
    first, last, middle = (here.moved(step * u).tape.F if step else here.tape.F for step in steps)
    return (first - 2 * middle + last) / h / h  # h^2 may overflow
