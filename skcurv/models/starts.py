"""Random starts: the given one first, the others drawn around it or between bounds.

With both bounds finite a parameter is drawn uniformly between them; with one, its distance from that bound is the
start's times exp(z); without, it is start + |start| z, or z where the start is 0; z standard normal.
"""

import numpy as np


def random_starts(parameters, n, rng):
    """A list of n vectors theta (p,).

    Parameters
    ----------
    parameters : Parameters
    n : int
    rng : Generator
    """
    free = parameters.free
    start, lower, upper = parameters.theta, parameters.lower[free], parameters.upper[free]
    return [start] + [_drawn(start, lower, upper, rng) for _ in range(n - 1)]


def _drawn(start, lower, upper, rng):
    u, z = rng.random(start.shape), rng.standard_normal(start.shape)
    size = np.where(start == 0, 1.0, np.abs(start))
    with np.errstate(invalid="ignore", over="ignore"):
        between = lower + u * (upper - lower)
        above = lower + np.where(start > lower, start - lower, size) * np.exp(z)
        below = upper - np.where(start < upper, upper - start, size) * np.exp(z)
    one_sided = np.where(np.isfinite(lower), above, below)
    bounded = np.where(np.isfinite(lower) & np.isfinite(upper), between, one_sided)
    return np.where(np.isfinite(lower) | np.isfinite(upper), bounded, start + size * z)
