"""What several losses need: reach of exponentials, diagonal factors, draws, start values, domains.

Losses with a log link are exponentials of F. Beyond |F| = c, half the logarithm of the dtype's largest number (44 in
float32, 354 in float64), they go on as their tangent:

    M = clip(F, -c, c),   l(F) = l(M) + l'(M) (F - M),   gradient l'(M),

so that nothing overflows, gradients remain those of the value, and their signs are right. Means outside
[exp(-c), exp(c)] cannot be told apart. The curvature stays that at M, where a tangent has none.
"""

import math

import numpy as np

from ..backend.namespace import finite, namespace

HALVINGS = 64
MOST = 1e15  # counts of a larger mean are normal, to within a rounding of the mean


def bounded(F, share=1.0):
    """M = clip(F, -share c, share c) and F - M."""
    xp = namespace(F)
    c = 0.5 * share * math.log(float(xp.finfo(F.dtype).max))
    M = xp.clip(F, -c, c)
    return M, F - M


def diagonal(D):
    """diag(D_i) for each row, (n, k, k)."""
    return D[:, :, None] * namespace(D).eye(D.shape[1], dtype=D.dtype)[None, :, :]


def pairs(F):
    """The first and second raw outputs of each target, (n, k) and (n, k)."""
    return F[:, 0::2], F[:, 1::2]


def joined(A, B):
    """The inverse of `pairs`, (n, 2 k)."""
    return namespace(A).reshape(namespace(A).stack([A, B], axis=2), (A.shape[0], -1))


def gradients_at(loss, F, Y):
    """The gradients at drawn targets, a NumPy array Y (n, k, m): (n, r, m)."""
    xp, (n, r), (_, k, m) = namespace(F), F.shape, Y.shape
    rows = xp.reshape(xp.broadcast_to(F[:, None, :], (n, m, r)), (n * m, r))
    drawn = xp.asarray(np.reshape(np.moveaxis(Y, 2, 1), (n * m, k)), dtype=F.dtype)
    return xp.permute_dims(xp.reshape(loss.grad(rows, drawn), (n, m, r)), (0, 2, 1))


def surrogate_draws(S, m, rng):
    """S xi with xi standard normal, (n, k, m): where no targets can be drawn, of second moment S S' all the same."""
    xi = rng.standard_normal((S.shape[0], S.shape[2], m))
    return S @ namespace(S).asarray(xi, dtype=S.dtype)


def repeated(mean, m):
    """A host copy of means (n, k) for m draws, (n, k, m) in float64."""
    return np.repeat(np.asarray(mean, dtype=np.float64)[:, :, None], m, axis=2)


def poisson_draws(mean, rng):
    """Counts with these means, in float64."""
    draws = rng.poisson(np.minimum(mean, MOST)).astype(np.float64)
    if mean.max() > MOST:
        draws = np.where(mean > MOST, mean + np.sqrt(mean) * rng.standard_normal(mean.shape), draws)
    return draws


def weighted_mean(Y, w):
    """sum_i w_i Y_i / sum_i w_i, (k,)."""
    xp = namespace(Y)
    return xp.sum(w[:, None] * Y, axis=0) / xp.sum(w)


def log_mean(Y, w):
    """The logarithm of the weighted mean, (k,); where all targets are 0, as if they summed to 1/2."""
    xp = namespace(Y)
    mean = weighted_mean(Y, w)
    return xp.log(xp.where(mean > 0, mean, 0.5 / xp.sum(w) + xp.zeros_like(mean)))


def zero_of(slope, low, high):
    """Where a function of arrays (k,) changes from minus to plus between two of them, by bisection."""
    xp = namespace(low)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        beyond = slope(middle) > 0
        low, high = xp.where(beyond, low, middle), xp.where(beyond, middle, high)
    return 0.5 * (low + high)


def centre(loss, Y, w):
    """The constant f (k,) with sum_i w_i grad(f, Y_i) = 0, of a loss that is convex in f - y of each output."""
    xp = namespace(Y)

    def slope(f):
        return xp.sum(w[:, None] * loss.grad(xp.broadcast_to(f[None, :], Y.shape), Y), axis=0)

    return zero_of(slope, xp.min(Y, axis=0), xp.max(Y, axis=0))


def check_range(loss, Y, inside, allowed, remedy):
    """Raise ValueError unless all of `inside` hold and Y is finite; the two phrases end the message."""
    xp = namespace(Y)
    whole = finite(xp, Y)
    if not (whole and bool(xp.all(inside))):
        given = f"ranges from {float(xp.min(Y)):.6g} to {float(xp.max(Y)):.6g}" if whole else "contains NaN or infinity"
        raise ValueError(f"y {given}. loss={loss.name!r} allows {allowed}. {remedy}.")


def check_finite(loss, Y):
    """Raise ValueError unless Y is finite."""
    remedy = "Remove or impute those rows before the fit"
    check_range(loss, Y, namespace(Y).isfinite(Y), "any finite number", remedy)
