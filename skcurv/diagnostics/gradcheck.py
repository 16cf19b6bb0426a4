r"""Derivatives against central differences.

For each entry j, with h_j = eps^(1/3) max(1, |theta_j|) and D_j(h) = (f(theta + h e_j) - f(theta - h e_j)) / (2 h),

    D_j(h) - df/dtheta_j = h^2 f''' / 6 + O(h^4) + rounding of f / h,    D_j(2h) - D_j(h) = h^2 f''' / 2 + O(h^4):

the two differences bound the error of truncation, and ROUNDINGS eps^(2/3) times the largest of |f|, |D| and |g| that of
rounding (Nocedal & Wright 2006, section 8.1). Where they disagree by BLURRED of that size the function is not smooth or
not exact enough, and nothing can be said. Products with a matrix are differences of the gradient, or of the outputs,
along random directions of signs.
"""

from dataclasses import dataclass

import numpy as np

STEP = np.finfo(np.float64).eps ** (1 / 3)
ROUNDINGS = 60
BLURRED = 1e-4  # disagreement of the differences, relative to the largest entry, that leaves the question open
DIRECTIONS = 3


@dataclass(frozen=True)
class GradientCheck:
    """The outcome of a check: the entry that is farthest from its difference, in units of the tolerance.

    Attributes
    ----------
    ok : bool
        Whether every entry agrees with its difference.
    what : str
        Which derivative the worst entry belongs to.
    where : tuple of int
        Its index.
    given, difference : float
        The derivative that was given, and its central difference.
    tolerance : float
        How far they may lie apart.
    clear : bool
        Whether the differences are sharp enough to tell.
    """

    ok: bool
    what: str
    where: tuple
    given: float
    difference: float
    tolerance: float
    clear: bool

    @property
    def error(self):
        """|given - difference|, infinite where one is not finite."""
        error = abs(self.given - self.difference)
        return error if np.isfinite(error) else float("inf")

    @property
    def verdict(self):
        """The outcome in words."""
        at = f"the {self.what} at index {', '.join(map(str, self.where))}"
        numbers = f"{self.given:.9g} was given, the difference is {self.difference:.9g}"
        if self.ok:
            return f"All entries are right; the worst is {at}: {numbers}."
        if not self.clear:
            return (
                f"Cannot tell for {at}: {numbers}, but steps of two lengths disagree. The function has a kink there, "
                "or too few digits. Check at another point, in float64."
            )
        return f"Wrong is {at}: {numbers}, {self.error / self.tolerance:.2g} times farther than differences can err."

    def __str__(self):
        return self.verdict


def gradcheck(value, grad, theta, hessp=None, rng=0):
    """Check a gradient, and products with the Hessian, against central differences in float64.

    Parameters
    ----------
    value : callable theta -> float
    grad : callable theta -> array (p,)
        What is checked; 4 p values are taken.
    theta : array-like (p,)
        Where; away from kinks.
    hessp : callable (theta, u) -> array (p,), default=None
        Products with the Hessian, checked along three random directions against differences of `grad`.
    rng : int, Generator or None, default=0
        Determines the directions.

    Returns
    -------
    GradientCheck

    References
    ----------
    J. Nocedal and S. J. Wright, "Numerical optimization", 2nd edition, Springer 2006, section 8.1.

    Examples
    --------
    >>> import numpy as np
    >>> from skcurv.diagnostics import gradcheck
    >>> gradcheck(lambda t: np.sum(t**3), lambda t: 3 * t**2, [1.0, 2.0]).ok
    True
    >>> check = gradcheck(lambda t: np.sum(t**3), lambda t: np.array([3.0, 2.0]) * t**2, [1.0, 2.0])
    >>> check.ok, check.where
    (False, (1,))
    """
    theta = np.asarray(theta, dtype=np.float64)
    checks = [compare("gradient", grad(theta), lambda h: _differences(value, theta, h), abs(float(value(theta))))]
    if hessp is not None:
        for u in signs(rng, theta.shape):
            checks.append(_along("Hessian product", hessp(theta, u), grad, theta, u))
    return worst(checks)


def check_network(network, theta, X, rng=0):
    """Check the products of a network at parameters and rows: pullback, pushforward and second order.

    Parameters
    ----------
    network : Network
        With `forward`, `pullback`, `pushforward` and `second_order`.
    theta : array-like (p,)
        Parameters, away from kinks.
    X : array-like (n, d)
        Few rows: 4 p forward passes are taken.
    rng : int, Generator or None, default=0
        Determines cotangents and directions.

    Returns
    -------
    GradientCheck

    Examples
    --------
    >>> import numpy as np
    >>> from skcurv.diagnostics import check_network
    >>> from skcurv.network import MLP
    >>> check_network(MLP((2, 3, 1), ["tanh"]), np.linspace(-1, 1, 13), np.ones((2, 2))).ok
    True
    """
    rng, theta, X = np.random.default_rng(rng), np.asarray(theta, np.float64), np.asarray(X, np.float64)

    def outputs(theta):
        return network.forward(theta, X).F

    V = rng.normal(size=outputs(theta).shape)
    checks = [
        gradcheck(
            lambda theta: np.sum(V * outputs(theta)),
            lambda theta: network.pullback(network.forward(theta, X), V).total(),
            theta,
            lambda theta, u: network.second_order(network.forward(theta, X), V, u),
            rng,
        )
    ]
    for u in signs(rng, theta.shape):
        checks.append(_along("pushforward", network.pushforward(network.forward(theta, X), u), outputs, theta, u))
    return worst(checks)


def worst(checks):
    """The check farthest from agreement; the gradient's own stand for all that agree."""
    return max(checks, key=lambda check: (not check.ok, check.error / check.tolerance))


def signs(rng, shape):
    """Random directions of signs, (DIRECTIONS, *shape)."""
    return np.random.default_rng(rng).choice([-1.0, 1.0], (DIRECTIONS, *shape))


def _along(what, given, function, theta, u):
    """A product with u against the difference of a function along u."""
    scale = max(1.0, float(np.abs(theta).max()))

    def difference(h):
        h = h * scale
        return (np.asarray(function(theta + h * u)) - np.asarray(function(theta - h * u))) / (2 * h)

    return compare(what, given, difference, float(np.abs(function(theta)).max()))


def _differences(value, theta, h):
    """Central differences of a number by every entry of theta."""
    slopes = np.empty(theta.shape)
    for place in np.ndindex(theta.shape):
        step = np.zeros(theta.shape)
        step[place] = h * max(1.0, abs(theta[place]))
        upper, lower = theta + step, theta - step
        slopes[place] = (float(value(upper)) - float(value(lower))) / (upper - lower)[place]
    return slopes


def compare(what, given, difference, magnitude):
    """The worst entry of `given` against differences of two steps."""
    given = np.asarray(given, dtype=np.float64)
    fine, coarse = difference(STEP), difference(2 * STEP)
    if given.shape != fine.shape:
        raise ValueError(
            f"A {what} of shape {given.shape} was given. Allowed is shape {fine.shape}, that of what it is the "
            "derivative by. Hand back one number for each entry."
        )
    with np.errstate(invalid="ignore"):
        scale = max(magnitude, _largest(fine), _largest(given), np.finfo(np.float64).tiny)
        spread = np.abs(coarse - fine)
        tolerance = ROUNDINGS * STEP**2 * scale + spread
        excess = np.abs(given - fine) / tolerance
    excess = np.where(np.isfinite(excess), excess, np.inf)
    blurred = ~(spread <= BLURRED * scale)
    place = np.unravel_index(int(np.argmax(np.where(blurred, excess + 1, excess))), given.shape)
    clear, right = not bool(blurred[place]), bool((excess <= 1).all() and not blurred.any())
    where = tuple(int(i) for i in place)
    return GradientCheck(right, what, where, float(given[place]), float(fine[place]), float(tolerance[place]), clear)


def _largest(x):
    """The largest finite magnitude."""
    return float(np.max(np.where(np.isfinite(x), np.abs(x), 0.0)))
