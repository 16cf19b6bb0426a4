r"""The Jacobian of a model function by differences, one parameter at a time, inside a box.

With s_j a typical size of parameter j, F = f(theta) (n, k), e_j a unit vector and eps the rounding of float64:

    2-point   (f(theta + h e_j) - F) / h,                         h = eps^(1/2) s_j,   error O(h)
    3-point   (f(theta + h e_j) - f(theta - h e_j)) / (2 h),      h = eps^(1/3) s_j,   error O(h^2)
              (-3 F + 4 f(theta + h e_j) - f(theta + 2 h e_j)) / (2 h)  where one side is outside the box
    cs        Im f(theta + i h e_j) / h,                          h = eps^2 s_j,       exact to rounding

(Nocedal & Wright 2006, section 8.1; for the complex step Squire & Trapp 1998). s_j = max(|theta_j|, SMALL start_j), so
that a parameter that passes zero keeps a sensible step.
"""

import numpy as np

EPS = np.finfo(np.float64).eps
SMALL = 1e-2  # of the size at the start, below which steps do not follow a parameter
STEPS = {"2-point": EPS**0.5, "3-point": EPS ** (1 / 3), "cs": EPS**2}
ERRORS = {"2-point": EPS**0.5, "3-point": EPS ** (2 / 3), "cs": EPS}  # of an entry of J, relative


def jacobian(method, function, theta, X, F, start, box):
    """J (n, k, p).

    Parameters
    ----------
    method : {"2-point", "3-point", "cs"}
    function : callable (theta, X) -> (n, k)
    theta : (p,)
    X : (n, d)
    F : (n, k)
        function(theta, X).
    start : (p,)
        Typical sizes, above 0.
    box : Box or None
        No value outside it is asked for.
    """
    column = {"2-point": _two_point, "3-point": _three_point, "cs": _complex_step}[method]
    J = np.empty((*F.shape, theta.shape[0]))
    for j, size in enumerate(scale(theta, start)):
        room = (np.inf, np.inf) if box is None else (theta[j] - box.lower[j], box.upper[j] - theta[j])
        J[:, :, j] = column(lambda t: function(t, X), theta, j, F, STEPS[method] * size, room)
    return J


def scale(theta, start):
    """Typical sizes s (p,)."""
    return np.maximum(np.abs(theta), SMALL * start)


def _moved(theta, j, h):
    """theta + h e_j, and the change that is left after rounding."""
    moved = theta.copy()
    moved[j] += h
    return moved, moved[j] - theta[j]


def _inward(h, room, steps):
    """h, or -h where there is more room below; shortened where `steps` of them do not fit."""
    sign = 1.0 if room[1] >= steps * h or room[1] >= room[0] else -1.0
    return sign * min(h, room[1 if sign > 0 else 0] / steps)


def _two_point(f, theta, j, F, h, room):
    there, h = _moved(theta, j, _inward(h, room, 1))
    return (f(there) - F) / h


def _three_point(f, theta, j, F, h, room):
    if min(room) >= h:
        (upper, above), (lower, below) = _moved(theta, j, h), _moved(theta, j, -h)
        return (f(upper) - f(lower)) / (above - below)
    h = _inward(h, room, 2)
    (first, h), (second, double) = _moved(theta, j, h), _moved(theta, j, 2 * h)
    ratio = double / h  # 2 but for rounding: the parabola through F and both
    slope_1, slope_2 = (f(first) - F) / h, (f(second) - F) / double
    return (ratio * slope_1 - slope_2) / (ratio - 1)


def _complex_step(f, theta, j, F, h, room):
    there = theta.astype(np.complex128)
    there[j] += 1j * h
    return f(there).imag / h


def along(theta, u, size, error, box):
    """Ends of lines whose differences of derivatives add up to that along u.

    One line through theta, or where that leaves the box two that start there: one in the entries of u that have more
    room ahead, one in the others, backwards. `error` is the relative error of the derivatives; the length balances it
    with the difference's own.

    Returns
    -------
    lines : list of (end (p,), start (p,), distance in units of u, below 0 for a line backwards)
    """
    h = error ** (1 / 3) / max(float(np.max(np.abs(u) / scale(theta, size))), np.finfo(np.float64).tiny)
    if box is None or (box.holds(theta + h * u) and box.holds(theta - h * u)):
        return [(theta + h * u, theta - h * u, 2 * h)]
    ahead = np.minimum(_room(theta, u, box), h) >= np.minimum(_room(theta, -u, box), h)
    lines = []
    for sign, part in ((1.0, np.where(ahead, u, 0.0)), (-1.0, np.where(ahead, 0.0, -u))):
        if part.any():
            a = min(h, float(np.min(_room(theta, part, box))))
            lines.append((box.inside(theta + a * part), theta, sign * a))
    return lines


def _room(theta, u, box):
    """For each entry the largest a with theta + a u in the box, (p,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(u > 0, (box.upper - theta) / u, np.where(u < 0, (box.lower - theta) / u, np.inf))
