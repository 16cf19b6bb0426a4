"""What losses of labels share: checks of targets that are probabilities, logarithms of a softmax, one-hot draws."""

from ..backend.namespace import namespace, to_numpy

LEAST = 1e-3  # frequency below which a class counts as that frequent for the start


def check_unit(Y, name, allowed="numbers in [0, 1]"):
    """Raise ValueError when a target leaves [0, 1]."""
    xp = namespace(Y)
    if not bool(xp.all((Y >= 0) & (Y <= 1))):  # NaN fails both comparisons
        raise ValueError(
            f"y ranges from {float(xp.min(Y)):.6g} to {float(xp.max(Y)):.6g}. loss='{name}' allows {allowed}. "
            "Rescale the targets, or use loss='squared_error'."
        )


def check_simplex(Y, name):
    """Raise ValueError when a row of Y is no distribution."""
    check_unit(Y, name, "rows of non-negative numbers that sum to one")
    sums = to_numpy(namespace(Y).sum(Y, axis=1))
    if abs(sums - 1).max() > 1e-4:
        raise ValueError(
            f"Rows of y sum to between {sums.min():.6g} and {sums.max():.6g}. loss='{name}' with several classes "
            "allows rows of non-negative numbers that sum to one. Normalise each row."
        )


def frequencies(Y, w):
    """Weighted means (k,) kept away from 0 and 1, where the best constant output is infinite."""
    xp = namespace(Y)
    return xp.clip(xp.sum(w[:, None] * Y, axis=0) / xp.sum(w), LEAST, 1 - LEAST)


def log_softmax(F):
    """log p, (n, k), to full relative precision, also where p is near 1.

    The rest r = sum of exp(F - max F) over all outputs but the largest is summed by itself, and log p = F - max F -
    log1p(r).
    """
    xp, top = namespace(F), namespace(F).max(F, axis=1, keepdims=True)
    first = xp.arange(F.shape[1])[None, :] == xp.argmax(F, axis=1, keepdims=True)
    rest = xp.sum(xp.where(first, xp.zeros_like(F), xp.exp(F - top)), axis=1, keepdims=True)
    return (F - top) - xp.log1p(rest)


def one_hot_draws(P, m, rng):
    """m one-hot targets a row, (n, k, m), drawn from the rows of P (n, k)."""
    xp = namespace(P)
    edges = xp.cumulative_sum(P, axis=1)[:, :, None]
    uniform = xp.asarray(rng.random((P.shape[0], 1, m)), dtype=P.dtype)
    below = xp.astype(uniform < edges[:, :-1, :], P.dtype)  # the last edge is 1 but for rounding
    first, last = xp.zeros_like(uniform), xp.ones_like(uniform)
    steps = xp.concat([first, below, last], axis=1)
    return steps[:, 1:, :] - steps[:, :-1, :]
