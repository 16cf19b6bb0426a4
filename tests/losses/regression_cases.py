"""The regression losses and what their batteries need: formulas, densities and Fisher matrices of their own."""

import numpy as np
import scipy.integrate
import scipy.special
import scipy.stats

from skcurv import losses

from ..conformance.losses import LossCase

LEVELS = (0.1, 0.5, 0.6, 0.9)


def _with(value):
    def leave(Y):
        Y = Y.copy()
        Y[1, 0] = value
        return Y

    return leave


def _wide(loss):
    """The loss for targets of a scale so large that its zone is 0.3 wide."""
    loss.scale = 3e4
    return loss


def normal(rng, n, k):
    return rng.normal(size=(n, k))


def counts(rng, n, k):
    return rng.negative_binomial(2, 0.4, (n, k)).astype(float)


def positive(rng, n, k):
    return rng.gamma(2.0, 1.0, (n, k))


def semicontinuous(rng, n, k):
    return positive(rng, n, k) * (np.arange(n)[:, None] % 3 > 0)


def _finite(P):
    return np.isfinite(P).all()


def _above_zero(P):
    return _finite(P) and np.all(P > 0)


def _huber(delta):
    return lambda F, Y: scipy.special.huber(delta, F - Y).sum(axis=1)


def _absolute(F, Y):
    return np.abs(F - Y).sum(axis=1)


def _wide_absolute(F, Y):
    return (scipy.special.huber(0.3, F - Y) / 0.3 + 0.15).sum(axis=1)


def quantiles(F, m):
    """q (n, k, m), one increment after the other."""
    q = F.reshape(len(F), -1, m).copy()
    for j in range(1, m):
        q[:, :, j] = q[:, :, j - 1] + np.logaddexp(0, q[:, :, j])
    return q


def _pinball(*levels):
    def formula(F, Y):
        R = Y[:, :, None] - quantiles(F, len(levels))
        return np.maximum(np.array(levels) * R, (np.array(levels) - 1) * R).sum(axis=(1, 2))

    return formula


def _wide_pinball(tau):
    return lambda F, Y: 0.5 * _wide_absolute(F, Y) + (0.5 - tau) * (F - Y).sum(axis=1)


def _poisson(F, Y):
    return (np.exp(F) - Y * F).sum(axis=1)


def _poisson_density(F, Y):
    return scipy.stats.poisson.pmf(Y, np.exp(F)).prod(axis=1)


def _gamma(F, Y):
    return (Y * np.exp(-F) + F).sum(axis=1)


def _tweedie(p):
    def formula(F, Y):
        mu = np.exp(F)
        return ((mu ** (2 - p) - 1) / (2 - p) - Y * (mu ** (1 - p) - 1) / (1 - p)).sum(axis=1)

    return formula


def _around_the_mean(F):
    """Two targets of mean exp(F): enough where the Hessian is linear in y."""
    mu = np.exp(F)
    return np.stack([0.5 * mu, 1.5 * mu]), np.full((2, *F.shape), 0.5)


def _normal_moments(F):
    return F[:, 0::2], np.sqrt(1e-6 + np.exp(F[:, 1::2]))


def _normal_density(F, Y):
    return scipy.stats.norm.pdf(Y, *_normal_moments(F)).prod(axis=1)


def _normal_value(F, Y):
    return -np.log(np.sqrt(2 * np.pi) ** Y.shape[1] * _normal_density(F, Y))


def _one_deviation_away(F):
    """Two targets with the mean and variance of the model: enough where the Hessian is quadratic in y."""
    mean, scale = _normal_moments(F)
    return np.stack([mean - scale, mean + scale]), np.full((2, *mean.shape), 0.5)


def _dispersed(F):
    """scipy's negative binomial of each target, and 1 / alpha."""
    mu, theta = np.exp(F[:, 0::2]), np.exp(-F[:, 1::2])
    return scipy.stats.nbinom(theta, theta / (theta + mu)), theta


def _dispersed_density(F, Y):
    return _dispersed(F)[0].pmf(Y).prod(axis=1)


def _dispersed_value(F, Y):
    return -(_dispersed(F)[0].logpmf(Y) + scipy.special.gammaln(Y + 1)).sum(axis=1)


def dispersed_fisher(F):
    """The Fisher summed over counts, (n, 2 k, 2 k)."""
    model, theta = _dispersed(F)
    j = np.arange(1 + int(model.ppf(1 - 1e-15).max()))[:, None, None]
    I_b = (model.sf(j) * (theta / (theta + j)) ** 2).sum(axis=0) - np.exp(F[:, 0::2]) * theta / (theta + model.mean())
    I_a = model.mean() * theta / (theta + model.mean())
    return np.stack([np.diag(row) for row in np.stack([I_a, I_b], axis=2).reshape(len(F), -1)])


def _quantile_fisher(*levels):
    """Q' (min(tau_i, tau_j) - tau_i tau_j) Q by target, with Q by differences."""
    tau, m = np.array(levels), len(levels)
    covariance = np.minimum(tau[:, None], tau) - tau[:, None] * tau

    def fisher(F):
        n, r = F.shape
        h = 1e-6 * np.eye(r)
        Q = np.stack([(quantiles(F + e, m) - quantiles(F - e, m)).reshape(n, r) / 2e-6 for e in h], axis=2)
        return np.swapaxes(Q, 1, 2) @ np.kron(np.eye(r // m), covariance) @ Q

    return fisher


def _constant_fisher(share):
    return lambda F: np.tile(share * np.eye(F.shape[1]), (len(F), 1, 1))


def _huber_share(delta):
    """P(|r| <= delta) under the density proportional to exp(-l)."""
    mass = [
        scipy.integrate.quad(lambda r: np.exp(-scipy.special.huber(delta, r)), 0, end)[0] for end in (delta, np.inf)
    ]
    return mass[0] / mass[1]


NONE, HUGE, NEGATIVE, ZERO = map(_with, (np.nan, np.inf, -0.1, 0.0))
NARROW = 1e5  # 1 / epsilon
ROBUST = {"outside": (NONE, HUGE), "inside": _finite, "curvature": "majoriser"}
MEAN = {"inside": _above_zero, "reach": 40.0}
CASES = {
    "AbsoluteError": LossCase(
        losses.AbsoluteError(), _absolute, normal, **ROBUST, fisher=_constant_fisher(1.0), steepness=NARROW
    ),
    "AbsoluteError, wide": LossCase(
        _wide(losses.AbsoluteError()), _wide_absolute, normal, **ROBUST, fisher=_constant_fisher(1.0)
    ),
    "Quantile": LossCase(
        losses.Quantile(0.8), _pinball(0.8), normal, **ROBUST, fisher=_constant_fisher(0.16), steepness=NARROW
    ),
    "Quantile, wide": LossCase(
        _wide(losses.Quantile(0.6)), _wide_pinball(0.6), normal, **ROBUST, fisher=_constant_fisher(0.24)
    ),
    "Quantile, several": LossCase(
        losses.Quantile(LEVELS),
        _pinball(*LEVELS),
        normal,
        **ROBUST | {"curvature": "own"},
        fisher=_quantile_fisher(*LEVELS),
        steepness=NARROW,
    ),
    "Huber": LossCase(losses.Huber(), _huber(1.35), normal, **ROBUST, fisher=_constant_fisher(_huber_share(1.35))),
    "Huber, small delta": LossCase(
        losses.Huber(0.5), _huber(0.5), normal, **ROBUST, fisher=_constant_fisher(_huber_share(0.5))
    ),
    "GaussianNLL": LossCase(
        losses.GaussianNLL(),
        _normal_value,
        normal,
        (NONE, HUGE),
        _finite,
        curvature="expected",
        nodes=_one_deviation_away,
        density=_normal_density,
    ),
    "Poisson": LossCase(losses.Poisson(), _poisson, counts, (NONE, HUGE, NEGATIVE), **MEAN, density=_poisson_density),
    "NegativeBinomial": LossCase(
        losses.NegativeBinomial(),
        _dispersed_value,
        counts,
        (NONE, HUGE, NEGATIVE),
        **MEAN | {"reach": 20.0},
        curvature="own",
        density=_dispersed_density,
        fisher=dispersed_fisher,
    ),
    "Gamma": LossCase(
        losses.Gamma(),
        _gamma,
        positive,
        (NONE, HUGE, NEGATIVE, ZERO),
        **MEAN,
        curvature="expected",
        nodes=_around_the_mean,
        spread=lambda M: M**2,
    ),
    **{
        f"Tweedie, {p}": LossCase(
            losses.Tweedie(p),
            _tweedie(p),
            semicontinuous if p < 2 else positive,
            (NONE, HUGE, NEGATIVE) if p < 2 else (NONE, HUGE, NEGATIVE, ZERO),
            **MEAN | {"reach": 20.0},
            curvature="expected",
            nodes=_around_the_mean,
            spread=lambda M, p=p: M**p,
        )
        for p in (1.1, 1.5, 1.9, 3.0)
    },
}
