"""How many rows a batch must have for its gradient to be more than noise.

With g_i the gradients of the rows' losses and g their mean, a batch of b rows has a gradient whose squared error is
tr Cov(g_i) / b. It is that of the gradient itself at

    b = tr Cov(g_i) / |g|^2

(the simple noise scale of McCandlish et al. 2018, arXiv:1812.06162, eq. 2.9; the norm test of Byrd et al. 2012). Both
are estimated from one sample of rows, |g|^2 without the share that its own noise has in it.
"""

from ..backend.namespace import dot, namespace, total

SAMPLE = 4096  # rows that b is estimated from, and the most it can be


def noise_rows(objective, theta, seed):
    """b at theta, at most the rows of the sample.

    Parameters
    ----------
    objective : Objective
    theta : (p,)
    seed : int
        Key of the sample.
    """
    here = objective.point(theta, next(objective.data.batches(SAMPLE, seed, 0)))
    n, xp = here.n, namespace(theta)
    cotangents = here.pullback(n * here.loss_grad)
    g = cotangents.total() / n
    squares, mean = total(xp, cotangents.squared_norms()) / n, dot(xp, g, g)
    signal = (mean - squares / n) / max(1 - 1 / n, 1 / n)
    return min(float(n), (squares - mean) / signal) if signal > 0 else float(n)
