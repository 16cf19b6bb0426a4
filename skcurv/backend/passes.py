"""Arithmetic of large arrays in one pass over memory.

A vector as long as the parameters of a large network does not stay in the processor's cache: an expression costs what
it moves, and NumPy moves every intermediate result. The array expressions are the definitions; on large NumPy arrays
the compiled loops of `fused` do the same in one pass. Below that size they would save less than loading the compiler
costs.
"""

import numpy as np

from .namespace import namespace

LARGE = 2**17  # entries above which a compiled pass pays


def large(x):
    """Whether x is an array for a compiled pass."""
    return type(x) is np.ndarray and x.size > LARGE and x.flags.c_contiguous


def combined(a, x, b, y):
    """a x + b y in a new array, for numbers a and b and arrays of one shape and dtype."""
    if not (large(x) and large(y)):
        out = a * x
        out += b * y
        return out
    from .fused import combine

    out, scalar = np.empty_like(x), x.dtype.type
    combine(scalar(a), x.reshape(-1), scalar(b), y.reshape(-1), out.reshape(-1))
    return out


def logistic(F, Y):
    """The row sums of log(1 + exp(F)) - Y F, (n,), and the slopes 1 / (1 + exp(-F)) - Y, in new arrays."""
    xp = namespace(F)
    E = xp.exp(-xp.abs(F))
    if not (large(F) and large(Y)):
        low = xp.minimum(F, xp.zeros_like(F))
        return xp.sum(F - low + xp.log1p(E) - Y * F, axis=1), xp.exp(low) / (1 + E) - Y
    from .fused import logistic_rows

    losses = np.empty_like(F[:, 0])
    logistic_rows(F, Y, E, np.log1p(E), losses)
    return losses, E
