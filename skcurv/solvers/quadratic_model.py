"""The exact quadratic model on a few directions (Martens & Grosse 2015, section 7).

With directions w_1, ..., w_r (p,), M_ij = w_i' (GGN + lambda I) w_j and b_i = g' w_i, the model's minimum over
d = sum_i c_i w_i is

    M c = -b,    m(d) = g'd + d'(GGN + lambda I) d / 2 = b'c / 2.

For the preconditioned gradient and the last update, c = (alpha, mu) is the step length and the momentum; on a quadratic
they make preconditioned conjugate gradients. Slopes b and curvature M come from the same rows: with the gradient of a
batch and the curvature of a part of it, rows that drive the one can be missing in the other, and the step explodes.
"""

import numpy as np

from ..curvature import slopes_and_gram


def solve(b, M):
    """The coefficients c (r,) of the minimum and its value, at most 0; NaN when the model is not finite or bends down.

    Curvature lost in rounding, as of a saturated softmax, can come out below zero.
    """
    if not (np.isfinite(M).all() and np.isfinite(b).all() and (np.diagonal(M) >= 0).all()):
        return np.full(len(b), np.nan), np.nan
    scale = np.sqrt(np.diagonal(M))
    scale[scale == 0] = 1.0  # a zero direction, for which b_i = 0 too
    c = np.linalg.lstsq(M / np.outer(scale, scale), -b / scale)[0] / scale
    return c, 0.5 * float(b @ c)


def value_of(b, M, c):
    """m(d) for coefficients c (r,)."""
    return float(b @ c + 0.5 * c @ M @ c)


def minimise(here, directions, lam):
    """`solve` of `model`: coefficients c (r,) of the minimum and its value."""
    return solve(*slopes_and_gram(here, directions, lam))
