"""Mean and noise of a normal target: the negative log-likelihood of N(mu, s^2) (Nix & Weigend 1994).

Two raw outputs a target beside one another, mu and eta. With r = mu - y and v0 a floor of the variance:

    s^2 = v0 + exp(eta),   rho = d log s^2 / d eta = exp(eta) / s^2
    l = r^2 / (2 s^2) + log(s^2) / 2,   -log p = l + log(2 pi) / 2
    gradient  (r / s^2,  rho (1 - r^2 / s^2) / 2)
    Hessian   [[1 / s^2, -rho r / s^2], [., (rho (1 - rho) (1 - r^2 / s^2) + rho^2 r^2 / s^2) / 2]]
    Fisher    diag(1 / s^2, rho^2 / 2),

summed over targets. S S' is the Fisher, the Hessian's mean. Without a floor l would fall forever where the network
passes through a target. v0 = 1e-6: targets have unit variance where they are standardised, and the least noise is then
a thousandth of their standard deviation.
"""

import math

from ..backend.namespace import namespace, sigmoid, softplus
from .common import bounded, check_finite, diagonal, gradients_at, joined, pairs, repeated, weighted_mean

FLOOR = 1e-6  # v0
LOG_FLOOR = math.log(FLOOR)


class GaussianNLL:
    """Normal log-loss with a predicted mean and a predicted variance.

    References
    ----------
    D. A. Nix and A. S. Weigend, "Estimating the mean and variance of the target probability distribution", IEEE
    International Conference on Neural Networks (1994).

    Examples
    --------
    >>> import numpy as np
    >>> from skcurv.losses import GaussianNLL
    >>> F = np.array([[1.0, 2 * np.log(3.0)]])
    >>> GaussianNLL().predict(F), GaussianNLL().scale(F).round(3)
    (array([[1.]]), array([[3.]]))
    """

    name = "gaussian_nll"
    out_activation = "identity"
    location_scale = True
    fused = None
    likelihood = "exact"

    def raw_outputs(self, k):
        """2 k."""
        return 2 * k

    def value(self, F, Y):
        """sum_c r_c^2 / (2 s_c^2) + log(s_c^2) / 2, (n,)."""
        root, R, _, log_variance = self._parts(F, Y)
        return 0.5 * namespace(F).sum((root * R) ** 2 + log_variance, axis=1)

    def grad(self, F, Y):
        """(r / s^2, rho (1 - r^2 / s^2) / 2) of each target, (n, 2 k)."""
        root, R, rho, _ = self._parts(F, Y)
        return joined(root * (root * R), 0.5 * rho * (1 - (root * R) ** 2))

    def hessp(self, F, Y, V):
        """The Hessian above times V, (n, 2 k)."""
        root, R, rho, _ = self._parts(F, Y)
        (v, u), z = pairs(V), root * R
        across, corner = -rho * root * z, 0.5 * rho * ((1 - rho) * (1 - z * z) + rho * z * z)
        return joined(root * root * v + across * u, across * v + corner * u)

    def ggnp(self, F, Y, V):
        """(V_1 / s^2, rho^2 V_2 / 2) of each target, (n, 2 k)."""
        return self._roots(F) ** 2 * V

    def factor(self, F, Y):
        """diag(1 / s, rho / sqrt(2)) of each target, (n, 2 k, 2 k)."""
        return diagonal(self._roots(F))

    def sample(self, F, m, rng):
        """Gradients at y ~ N(mu, s^2), (n, 2 k, m)."""
        mean, scale = repeated(self.predict(F), m), repeated(self.scale(F), m)
        return gradients_at(self, F, mean + scale * rng.standard_normal(mean.shape))

    def predict(self, F):
        """mu, (n, k)."""
        return pairs(F)[0]

    def scale(self, F):
        """s, (n, k): the predicted standard deviation."""
        log_scale = 0.5 * _log_variance(pairs(F)[1])
        return namespace(F).exp(bounded(log_scale)[0])

    def start(self, Y, w):
        """The weighted mean and log variance of each target, (2 k,); the variance twice v0 at least."""
        xp, mean = namespace(Y), weighted_mean(Y, w)
        variance = weighted_mean((Y - mean) ** 2, w)
        eta = xp.log(xp.maximum(variance - FLOOR, xp.full_like(variance, FLOOR)))
        return joined(mean[None, :], eta[None, :])[0, :]

    def check_targets(self, Y):
        """Any finite number is allowed."""
        check_finite(self, Y)

    def log_normaliser(self, Y):
        """k log(2 pi) / 2, (n,)."""
        return namespace(Y).full_like(Y[:, 0], 0.5 * Y.shape[1] * math.log(2 * math.pi))

    def _parts(self, F, Y):
        """1 / s, r, rho and log s^2, (n, k) each."""
        mu, eta = pairs(F)
        log_variance = _log_variance(eta)
        return namespace(F).exp(-0.5 * log_variance), mu - Y, sigmoid(eta - LOG_FLOOR), log_variance

    def _roots(self, F):
        """1 / s and rho / sqrt(2) of each target, (n, 2 k)."""
        eta = pairs(F)[1]
        return joined(namespace(F).exp(-0.5 * _log_variance(eta)), math.sqrt(0.5) * sigmoid(eta - LOG_FLOOR))


def _log_variance(eta):
    """log(v0 + exp(eta))."""
    return LOG_FLOOR + softplus(eta - LOG_FLOOR)
