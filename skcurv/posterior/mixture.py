r"""The equal mixture of m normal distributions: its moments and its quantiles.

With means mu_j and standard deviations s_j, j = 1..m, and Phi the normal distribution function,

    E y   = sum_j mu_j / m
    Var y = sum_j s_j^2 / m + sum_j (mu_j - E y)^2 / m
    F(y)  = sum_j Phi((y - mu_j) / s_j) / m.

At the least of the m quantiles mu_j + s_j Phi^-1(q) no Phi is above q, at the largest none is below it: the mixture's
quantile lies between the two. Halving the interval 64 times leaves less of it than rounding.
"""

import numpy as np
from scipy.special import ndtr, ndtri

HALVINGS = 64


def moments(means, deviations):
    """Mean and standard deviation (...) for those of the parts (m, ...)."""
    mean = means.mean(axis=0)
    return mean, np.sqrt(np.mean(deviations**2 + (means - mean) ** 2, axis=0))


def quantiles(means, deviations, levels):
    """Quantiles (..., *l) at levels (*l), for means and deviations (m, ...) of the parts."""
    more = (..., *(None,) * levels.ndim)
    means, deviations = means[more], deviations[more]
    each = means + deviations * ndtri(levels)
    low, high = each.min(axis=0), each.max(axis=0)
    for _ in range(HALVINGS):
        middle = low + (high - low) / 2
        with np.errstate(divide="ignore", invalid="ignore"):  # a deviation of 0 is a step
            below = ndtr((middle - means) / deviations).mean(axis=0) < levels
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return low + (high - low) / 2
