"""Positive targets with mean mu = exp(F) and a constant coefficient of variation: half the gamma deviance.

    l = y / mu + F = half the deviance + 1 + log y,   gradient 1 - y / mu,   Hessian y / mu,   Fisher 1,

summed over outputs (McCullagh & Nelder 1989, chapter 8). S S' is the Fisher, the Hessian's mean; Var y = phi mu^2.
Samples have phi = 1, the exponential distribution. Beyond |F| = c tangents (`losses/common.py`).
"""

from ..backend.namespace import namespace
from .common import bounded, check_range, diagonal, gradients_at, log_mean, repeated


class Gamma:
    """Half gamma deviance of targets above 0, up to terms without F, with a log link.

    Examples
    --------
    >>> import numpy as np
    >>> from skcurv.losses import Gamma
    >>> Gamma().grad(np.zeros((1, 2)), np.array([[1.0, 3.0]]))
    array([[ 0., -2.]])
    """

    name = "gamma"
    out_activation = "exp"
    location_scale = False
    fused = None
    likelihood = "dispersion"

    def raw_outputs(self, k):
        """k."""
        return k

    def value(self, F, Y):
        """sum_c Y_c / mu_c + F_c, (n,)."""
        M, beyond = bounded(F)
        return namespace(F).sum(Y * namespace(F).exp(-M) * (1 - beyond) + F, axis=1)

    def grad(self, F, Y):
        """1 - Y / mu, (n, k)."""
        return 1 - self._ratio(F, Y)

    def hessp(self, F, Y, V):
        """Y / mu V, (n, k)."""
        return self._ratio(F, Y) * V

    def ggnp(self, F, Y, V):
        """V: the Fisher is the identity."""
        return V

    def factor(self, F, Y):
        """The identity for each row, (n, k, k)."""
        return diagonal(namespace(F).ones_like(F))

    def sample(self, F, m, rng):
        """1 - y / mu with y / mu exponential, (n, k, m)."""
        draws = rng.standard_exponential((*F.shape, m))
        return gradients_at(self, F, repeated(self.predict(F), m) * draws)

    def predict(self, F):
        """mu, (n, k)."""
        return namespace(F).exp(bounded(F)[0])

    def start(self, Y, w):
        """The logarithm of the weighted mean, (k,)."""
        return log_mean(Y, w)

    def check_targets(self, Y):
        """Any finite number above 0 is allowed."""
        remedy = "Remove the other rows, or use loss='tweedie', which allows 0"
        check_range(self, Y, Y > 0, "finite numbers above 0", remedy)

    def variance(self, M):
        """M^2."""
        return M * M

    def _ratio(self, F, Y):
        return Y * namespace(F).exp(-bounded(F)[0])
