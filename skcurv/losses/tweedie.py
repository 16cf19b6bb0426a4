"""Targets with mean mu = exp(F) and variance phi mu^p: half the Tweedie deviance (Jorgensen 1987).

    l = (mu^(2-p) - 1) / (2 - p) - y (mu^(1-p) - 1) / (1 - p),   q -> 0: (mu^q - 1) / q -> F,
    gradient mu^(2-p) - y mu^(1-p),   Hessian (2 - p) mu^(2-p) + (p - 1) y mu^(1-p),   Fisher mu^(2-p),

summed over outputs; half the deviance up to terms without F. p = 1 is the Poisson loss and p = 2 the gamma loss, each
plus a constant. S S' is the Fisher, the Hessian's mean; for p = 1 it is the Hessian. Beyond |F| = c / max(1, p - 1)
tangents (`losses/common.py`).

Samples have phi = 1. For 1 < p < 2 a target is a sum of N gamma variables (Jorgensen 1987):

    N ~ Poisson(mu^(2-p) / (2 - p)),   y = (p - 1) mu^(p-1) Gamma(N (2 - p) / (p - 1)).

For p > 2 no targets are drawn but gradients S xi, xi standard normal.
"""

from dataclasses import dataclass

from sklearn.base import BaseEstimator

from ..backend.namespace import is_number, namespace
from .common import (
    bounded,
    check_range,
    diagonal,
    gradients_at,
    log_mean,
    poisson_draws,
    repeated,
    surrogate_draws,
)


@dataclass(eq=False, repr=False)
class Tweedie(BaseEstimator):
    """Half Tweedie deviance, up to terms without F, with a log link.

    Parameters
    ----------
    power : float, default=1.5
        The variance is proportional to mean ** power: 1 is Poisson, between 1 and 2 a sum of a random number of gamma
        variables with a mass at zero, 2 gamma, above 2 a positive stable family, 3 the inverse Gaussian.

    References
    ----------
    B. Jorgensen, "Exponential dispersion models", Journal of the Royal Statistical Society B 49 (1987); P. K. Dunn and
    G. K. Smyth, "Series evaluation of Tweedie exponential dispersion model densities", Statistics and Computing 15
    (2005).

    Examples
    --------
    >>> import numpy as np
    >>> from skcurv.losses import Tweedie
    >>> Tweedie(power=1.9).grad(np.zeros((1, 2)), np.array([[1.0, 3.0]]))
    array([[ 0., -2.]])
    """

    power: float = 1.5

    name = "tweedie"
    domains = {"power": (lambda p: is_number(p) and p >= 1, "a finite number of at least 1")}
    out_activation = "exp"
    location_scale = False
    fused = None
    likelihood = "dispersion"

    def raw_outputs(self, k):
        """k."""
        return k

    def value(self, F, Y):
        """sum_c (mu_c^(2-p) - 1) / (2 - p) - Y_c (mu_c^(1-p) - 1) / (1 - p), (n,)."""
        p, (M, beyond) = self.power, self._bounded(F)
        tangent = beyond * self.grad(M, Y)
        return namespace(F).sum(_power_less_one(M, 2 - p) - Y * _power_less_one(M, 1 - p) + tangent, axis=1)

    def grad(self, F, Y):
        """mu^(2-p) - Y mu^(1-p), (n, k)."""
        upper, lower = self._powers(F)
        return upper - Y * lower

    def hessp(self, F, Y, V):
        """((2 - p) mu^(2-p) + (p - 1) Y mu^(1-p)) V, (n, k)."""
        p, (upper, lower) = self.power, self._powers(F)
        return ((2 - p) * upper + (p - 1) * Y * lower) * V

    def ggnp(self, F, Y, V):
        """mu^(2-p) V, (n, k)."""
        return self._powers(F)[0] * V

    def factor(self, F, Y):
        """diag(mu^(1-p/2)), (n, k, k)."""
        return diagonal(namespace(F).exp((1 - 0.5 * self.power) * self._bounded(F)[0]))

    def sample(self, F, m, rng):
        """Gradients at drawn targets, (n, k, m); for p > 2 S xi."""
        p = self.power
        if p > 2:
            return surrogate_draws(self.factor(F, None), m, rng)
        mean = repeated(self.predict(F), m)
        if p == 2:
            return gradients_at(self, F, mean * rng.standard_exponential(mean.shape))
        number = poisson_draws(mean ** (2 - p) / (2 - p), rng)
        if p > 1:
            number = (p - 1) * mean ** (p - 1) * rng.standard_gamma(number * ((2 - p) / (p - 1)))
        return gradients_at(self, F, number)

    def predict(self, F):
        """mu, (n, k)."""
        return namespace(F).exp(self._bounded(F)[0])

    def start(self, Y, w):
        """The logarithm of the weighted mean, (k,); of 1/2 in all where every target is 0."""
        return log_mean(Y, w)

    def check_targets(self, Y):
        """Finite numbers: of at least 0 for p < 2, above 0 from there on."""
        remedy = "Remove the other rows, or use another loss"
        if self.power < 2:
            check_range(self, Y, Y >= 0, f"finite numbers of at least 0 for power={self.power}", remedy)
        else:
            check_range(self, Y, Y > 0, f"finite numbers above 0 for power={self.power}", remedy)

    def variance(self, M):
        """M^p."""
        return M**self.power

    def _bounded(self, F):
        return bounded(F, 1 / max(1.0, self.power - 1))

    def _powers(self, F):
        """mu^(2-p) and mu^(1-p)."""
        xp, p, M = namespace(F), self.power, self._bounded(F)[0]
        return xp.exp((2 - p) * M), xp.exp((1 - p) * M)


def _power_less_one(M, q):
    """(mu^q - 1) / q, with its limit M at q = 0."""
    return namespace(M).expm1(q * M) / q if q else M
