"""The absolute value rounded in a narrow zone about 0, and losses whose zone follows their targets.

With a residual r and epsilon the half-width of the zone,

    h(r) = |r|,  r^2 / (2 epsilon) + epsilon / 2 where |r| <= epsilon,   h' = clip(r / epsilon, -1, 1),

and the parabola of curvature 1 / max(|r|, epsilon) that touches h lies above it everywhere (Hunter & Lange 2000).

Width. A minimum of sums of |r| has as many residuals at 0 as parameters; the zone moves them by less than epsilon, and
the parameters by epsilon times the inverse of those rows. epsilon = 1e-5 of the targets' scale keeps linear fits to
four digits, and holds a hundred roundings of float32. The scale is the interquartile range, the mean distance from
the median where that is 0. Unbound it is 1.
"""

import copy

import numpy as np

from ..backend.namespace import namespace, to_numpy
from .bandwidth import bandwidth

WIDTH = 1e-5  # half-width of the zone, in scales of the targets


def rounded(R, width):
    """h(r)."""
    xp = namespace(R)
    size = xp.abs(R)
    inner = xp.minimum(size, width + xp.zeros_like(R))
    return inner * (size - 0.5 * inner) / width + 0.5 * width


def slope(R, width):
    """h'(r)."""
    return namespace(R).clip(R / width, -1, 1)


def bend(R, width):
    """h''(r)."""
    xp = namespace(R)
    return xp.astype(xp.abs(R) <= width, R.dtype) / width


def weight(R, width):
    """1 / max(|r|, epsilon)."""
    xp = namespace(R)
    return 1 / xp.maximum(xp.abs(R), width + xp.zeros_like(R))


def width_of(loss, F):
    """epsilon, one for all targets or one for each, in F's namespace and dtype."""
    return namespace(F).asarray(loss.scale, dtype=F.dtype) * WIDTH


def widened_at(loss, R, w, levels):
    """The loss with a zone in which residuals are counted (`losses/bandwidth.py`)."""
    widened = copy.copy(loss)
    widened.scale = (bandwidth(to_numpy(R), to_numpy(w), np.asarray(levels)) / WIDTH).tolist()
    return widened


def bound_to(loss, Y, w):
    """The loss with the scale of each target."""
    Y, w = to_numpy(Y).astype(np.float64), to_numpy(w).astype(np.float64)
    low, median, high = np.quantile(Y, [0.25, 0.5, 0.75], axis=0, weights=w, method="inverted_cdf")
    distance = np.average(np.abs(Y - median), axis=0, weights=w)
    scale = np.where(high > low, high - low, distance)
    bound = copy.copy(loss)
    bound.scale = [float(s) or 1.0 for s in scale]
    return bound
