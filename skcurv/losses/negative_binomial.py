"""Counts with variance mu + alpha mu^2: the negative log-likelihood of a negative binomial distribution (NB2).

Two raw outputs a target beside one another, a = log mu and b = log alpha. With theta = 1 / alpha and
rho = alpha mu / (1 + alpha mu) = sigmoid(a + b), log(1 + alpha mu) = softplus(a + b) (Lawless 1987):

    l = (y + theta) log(1 + alpha mu) - y a - [log Gamma(y + theta) - log Gamma(theta) - y log theta]
    -log p = l + log y!
    dl/da = (mu - y) (1 - rho),   dl/db = theta [psi(y + theta) - psi(theta) - log(1 + alpha mu)] + dl/da
    d2l/da2 = mu (1 - rho)^2 + y rho (1 - rho),   d2l/dadb = -(mu - y) rho (1 - rho)
    d2l/db2 = dl/da - dl/db - theta^2 [psi'(y + theta) - psi'(theta)] - mu (1 - rho) + d2l/dadb,

summed over targets. The Fisher is diag(I_a, I_b), I_a = mu (1 - rho) and, with P(y > j) under the model,

    I_b = sum_j P(y > j) (theta / (theta + j))^2 - theta rho.

It has no closed form. In its place stands the smaller of two expressions, of which the first is exact for alpha -> 0
and for mu -> infinity (a gamma distribution), the second, an upper bound by (theta / (theta + j))^2 <= theta / (1 +
theta) theta / (theta + j) for j > 0, for alpha -> infinity, and both for mu -> 0:

    rho^2 [(1 - rho) / (2 (1 + alpha)) + rho (theta^2 psi'(theta) - theta)]
    [P(y > 0) + theta^2 log(1 + alpha mu)] / (1 + theta) - theta rho,   P(y > 0) = 1 - (1 - rho)^theta.

It is between 1 and 1.4 times I_b. S S' = diag(I_a, that).
From theta = 16 on, differences of log Gamma, psi and psi' come from their asymptotic series (Abramowitz & Stegun 1964,
6.1.41), which have digits left where alpha is small. All is computed in float64. Beyond |a| = c and |b| = c / 2
tangents (`losses/common.py`).
"""

import numpy as np
import scipy.special

from ..backend.namespace import namespace, on_host, sigmoid, softplus, to_numpy
from .common import (
    bounded,
    check_range,
    diagonal,
    gradients_at,
    joined,
    log_mean,
    pairs,
    poisson_draws,
    repeated,
    zero_of,
)

BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66)  # B_2, B_4, ..
LARGE = 16.0  # theta from which five terms of the series are exact to rounding
DIGITS = 1e-3  # rho below which the second expression for I_b loses too many
START = 7.0  # largest |b| of a start


class NegativeBinomial:
    """Negative binomial log-loss of counts with a predicted mean and a predicted dispersion, both with a log link.

    References
    ----------
    J. F. Lawless, "Negative binomial and mixed Poisson regression", Canadian Journal of Statistics 15 (1987); M.
    Abramowitz and I. A. Stegun, "Handbook of mathematical functions", National Bureau of Standards 1964.

    Examples
    --------
    >>> import numpy as np
    >>> from skcurv.losses import NegativeBinomial
    >>> F = np.log([[2.0, 0.5]])  # mean 2, variance 2 + 0.5 * 2^2
    >>> NegativeBinomial().predict(F), NegativeBinomial().grad(F, np.array([[4.0]])).round(3)
    (array([[2.]]), array([[-1.  ,  0.18]]))
    """

    name = "negative_binomial"
    out_activation = "exp"
    location_scale = False
    fused = None
    likelihood = "exact"

    def raw_outputs(self, k):
        """2 k."""
        return 2 * k

    def value(self, F, Y):
        """l summed over targets, (n,)."""
        xp, (a, b, beyond_a, beyond_b), y = namespace(F), _clipped(F), _double(Y)
        theta, (g_a, g_b) = xp.exp(-b), _slopes(a, b, y)
        losses = (y + theta) * softplus(a + b) - y * a - _log_gammas(y, theta)
        return _like(xp.sum(losses + beyond_a * g_a + beyond_b * g_b, axis=1), F)

    def grad(self, F, Y):
        """(dl/da, dl/db) of each target, (n, 2 k)."""
        a, b, _, _ = _clipped(F)
        return _like(joined(*_slopes(a, b, _double(Y))), F)

    def hessp(self, F, Y, V):
        """The Hessian above times V, (n, 2 k)."""
        xp, (a, b, _, _), y, (v, u) = namespace(F), _clipped(F), _double(Y), pairs(_double(V))
        mu, theta, rho, rest = xp.exp(a), xp.exp(-b), sigmoid(a + b), sigmoid(-a - b)
        g_a, g_b = _slopes(a, b, y)
        across = -(mu - y) * rho * rest
        corner = g_a - g_b - _trigammas(y, theta) - mu * rest + across
        return _like(joined((mu * rest**2 + y * rho * rest) * v + across * u, across * v + corner * u), F)

    def ggnp(self, F, Y, V):
        """(I_a V_1, I_b V_2) of each target with the stated I_b, (n, 2 k)."""
        return self._information(F) * V

    def factor(self, F, Y):
        """diag(sqrt(I_a), sqrt(I_b)) of each target, (n, 2 k, 2 k)."""
        return diagonal(namespace(F).sqrt(self._information(F)))

    def sample(self, F, m, rng):
        """Gradients at drawn counts, Poisson of gamma-distributed means, (n, 2 k, m)."""
        xp, (a, b, _, _) = namespace(F), _clipped(F)
        scale, theta = repeated(xp.exp(a + b), m), repeated(xp.exp(-b), m)
        return gradients_at(self, F, poisson_draws(scale * rng.standard_gamma(theta), rng))

    def predict(self, F):
        """mu, (n, k)."""
        return _like(namespace(F).exp(_clipped(F)[0]), F)

    def start(self, Y, w):
        """The most likely a and b of each target, (2 k,), |b| at most 7: the least b where counts are not dispersed."""
        a = log_mean(Y, w)
        b = [_start_of_b(*column, to_numpy(w)) for column in zip(to_numpy(a), to_numpy(Y).T, strict=True)]
        return joined(a[None, :], namespace(Y).asarray(b, dtype=Y.dtype)[None, :])[0, :]

    def check_targets(self, Y):
        """Any finite number of at least 0 is allowed."""
        check_range(self, Y, Y >= 0, "finite numbers of at least 0", "Remove the other rows, or use another loss")

    def log_normaliser(self, Y):
        """sum_c log Y_c!, (n,)."""
        return namespace(Y).sum(on_host(scipy.special.gammaln, Y + 1), axis=1)

    def _information(self, F):
        """I_a and the stated I_b of each target, (n, 2 k)."""
        xp, (a, b, _, _) = namespace(F), _clipped(F)
        alpha, theta, rho, rest = xp.exp(b), xp.exp(-b), sigmoid(a + b), sigmoid(-a - b)
        first = rho**2 * (rest / (2 * (1 + alpha)) + rho * _log_gamma_information(theta))
        log = softplus(a + b)
        second = (theta * theta * log - xp.expm1(-theta * log)) / (1 + theta) - theta * rho
        return _like(joined(xp.exp(a) * rest, xp.where(rho > DIGITS, xp.minimum(first, second), first)), F)


def _clipped(F):
    """a and b within reach and what is beyond, in float64."""
    (a, b), (over, above) = bounded(F), bounded(F, 0.5)
    return tuple(map(_double, (pairs(a)[0], pairs(over)[1], pairs(b)[0], pairs(above)[1])))


def _double(x):
    xp = namespace(x)
    return xp.astype(x, xp.float64, copy=False)


def _like(x, F):
    return namespace(x).astype(x, F.dtype, copy=False)


def _start_of_b(a, y, w):
    """The most likely b at a constant a, each distinct count taken once."""
    values, place = np.unique(y, return_inverse=True)
    weights, y = np.bincount(place, w), values.astype(np.float64)[:, None]

    def slope(b):
        return weights @ _slopes(np.full_like(y, a), np.broadcast_to(b, y.shape), y)[1]

    return float(zero_of(slope, np.array([-START]), np.array([START]))[0])


def _slopes(a, b, y):
    """dl/da and dl/db."""
    xp = namespace(a)
    theta, g_a = xp.exp(-b), (xp.exp(a) - y) * sigmoid(-a - b)
    return g_a, _digammas(y, theta) - theta * softplus(a + b) + g_a


def _by_size(theta, small, large):
    """small(theta) below LARGE, large(theta) from there on."""
    xp = namespace(theta)
    limit = xp.full_like(theta, LARGE)
    return xp.where(theta < limit, small(xp.minimum(theta, limit)), large(xp.maximum(theta, limit)))


def _series(z, weight, power):
    """sum_j B_2j weight(2 j) z^(power - 2 j): what follows the leading terms of log Gamma, psi and psi'."""
    terms = [B * weight(2 * j) * z ** (power - 2 * j) for j, B in enumerate(BERNOULLI, start=1)]
    return sum(terms[1:], terms[0])


def _log_gammas(y, theta):
    """log Gamma(y + theta) - log Gamma(theta) - y log theta."""
    xp = namespace(y)

    def small(t):
        return on_host(scipy.special.gammaln, y + t) - on_host(scipy.special.gammaln, t) - y * xp.log(t)

    def rest(z):
        return _series(z, lambda j: 1 / (j * (j - 1)), 1)

    def large(t):
        return (y + t - 0.5) * xp.log1p(y / t) - y + rest(y + t) - rest(t)

    return _by_size(theta, small, large)


def _digammas(y, theta):
    """theta (psi(y + theta) - psi(theta))."""

    def small(t):
        return t * (on_host(scipy.special.digamma, y + t) - on_host(scipy.special.digamma, t))

    def rest(z):
        return 0.5 / z + _series(z, lambda j: 1 / j, 0)

    def large(t):
        return t * (namespace(y).log1p(y / t) - rest(y + t) + rest(t))

    return _by_size(theta, small, large)


def _trigamma(z):
    return on_host(lambda x: scipy.special.zeta(2, x), z)


def _trigamma_rest(z):
    """psi'(z) - 1 / z for large z."""
    return 0.5 / z**2 + _series(z, lambda j: 1, -1)


def _trigammas(y, theta):
    """theta^2 (psi'(y + theta) - psi'(theta))."""

    def small(t):
        return t * t * (_trigamma(y + t) - _trigamma(t))

    def large(t):
        return t * t * (_trigamma_rest(y + t) - _trigamma_rest(t)) - y / (1 + y / t)

    return _by_size(theta, small, large)


def _log_gamma_information(theta):
    """theta^2 psi'(theta) - theta: the Fisher information of log theta in a gamma distribution of shape theta."""
    return _by_size(theta, lambda t: t * t * _trigamma(t) - t, lambda t: t * t * _trigamma_rest(t))
