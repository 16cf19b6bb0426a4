"""Counts with mean mu = exp(F): the negative log-likelihood of a Poisson distribution.

    l = mu - y F,   -log p = l + log y!,   gradient mu - y,   Hessian = GGN = Fisher = mu,

summed over outputs (McCullagh & Nelder 1989, chapter 6). Beyond |F| = c tangents (`losses/common.py`).
"""

import scipy.special

from ..backend.namespace import namespace, on_host
from .common import bounded, check_range, diagonal, gradients_at, log_mean, poisson_draws, repeated


class Poisson:
    """Poisson log-loss of counts, or of any targets of at least 0, with a log link.

    Examples
    --------
    >>> import numpy as np
    >>> from skcurv.losses import Poisson
    >>> Poisson().grad(np.zeros((1, 2)), np.array([[1.0, 3.0]]))
    array([[ 0., -2.]])
    """

    name = "poisson"
    out_activation = "exp"
    location_scale = False
    fused = None
    likelihood = "exact"
    diagonal = True

    def raw_outputs(self, k):
        """k."""
        return k

    def value(self, F, Y):
        """sum_c mu_c - Y_c F_c, (n,)."""
        xp = namespace(F)
        M, beyond = bounded(F)
        return xp.sum(xp.exp(M) * (1 + beyond) - Y * F, axis=1)

    def grad(self, F, Y):
        """mu - Y, (n, k)."""
        return self.predict(F) - Y

    def hessp(self, F, Y, V):
        """mu V, (n, k)."""
        return self.predict(F) * V

    ggnp = hessp

    def factor(self, F, Y):
        """diag(sqrt(mu)), (n, k, k)."""
        return diagonal(namespace(F).exp(0.5 * bounded(F)[0]))

    def sample(self, F, m, rng):
        """mu - y with y ~ Poisson(mu), (n, k, m)."""
        return gradients_at(self, F, poisson_draws(repeated(self.predict(F), m), rng))

    def predict(self, F):
        """mu, (n, k)."""
        return namespace(F).exp(bounded(F)[0])

    def start(self, Y, w):
        """The logarithm of the weighted mean, (k,); of 1/2 in all where every target is 0."""
        return log_mean(Y, w)

    def check_targets(self, Y):
        """Any finite number of at least 0 is allowed."""
        check_range(self, Y, Y >= 0, "finite numbers of at least 0", "Remove the other rows, or use another loss")

    def log_normaliser(self, Y):
        """sum_c log Y_c!, (n,)."""
        return namespace(Y).sum(on_host(scipy.special.gammaln, Y + 1), axis=1)
