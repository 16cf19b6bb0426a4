"""How many rows a batch must have for its gradient to be more than noise.

With g_i the gradients of the rows' losses and g their mean, a batch of b rows has a gradient whose squared error is
tr Cov(g_i) / b. It is that of the gradient itself at

    b = tr Cov(g_i) / |g|^2

(the simple noise scale of McCandlish et al. 2018, arXiv:1812.06162, eq. 2.9; the norm test of Byrd et al. 2012). Both
are estimated from one sample of rows, |g|^2 without the share that its own noise has in it. The estimate of b from n
rows is off by about sqrt(b / n) of it: few rows do where they find b far below what matters.
"""

from ..backend.namespace import dot, namespace, total

SAMPLE = 4096  # rows that b is estimated from, and the most it can be
FEW = 512  # rows that it is estimated from first
CLEAR = 0.5  # share of the rows that are taken anyway, below which b is far from them


def noise_rows(objective, theta, seed, least):
    """b at theta, at most the rows of the sample.

    Parameters
    ----------
    objective : Objective
    theta : (p,)
    seed : int
        Key of the sample.
    least : int
        Rows that a batch has anyway: how far b is below them does not matter.
    """
    b = _from_sample(objective, theta, seed, FEW)
    return b if b < CLEAR * least else _from_sample(objective, theta, seed, SAMPLE)


def _from_sample(objective, theta, seed, rows):
    """b from so many rows."""
    here = objective.point(theta, next(objective.data.batches(rows, seed, 0)))
    n, xp = here.n, namespace(theta)
    cotangents = here.pullback(n * here.loss_grad)
    g = cotangents.total() / n
    squares, mean = total(xp, cotangents.squares()) / n, dot(xp, g, g)
    signal = (mean - squares / n) / max(1 - 1 / n, 1 / n)
    return min(float(n), (squares - mean) / signal) if signal > 0 else float(n)
