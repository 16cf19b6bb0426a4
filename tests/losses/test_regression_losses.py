"""The regression losses: their battery, deviances of scikit-learn, theorems, and fits of linear models."""

import copy

import array_api_strict as xp
import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
import scipy.special
import scipy.stats
from sklearn import metrics

from skcurv import losses
from skcurv.losses.common import poisson_draws
from skcurv.losses.registry import REGRESSION, bind
from skcurv.solvers.protocol import check_fields

from ..cases import assert_close
from ..conformance.losses import BATTERY, LossCase

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


def _normal(rng, n, k):
    return rng.normal(size=(n, k))


def _counts(rng, n, k):
    return rng.negative_binomial(2, 0.4, (n, k)).astype(float)


def _positive(rng, n, k):
    return rng.gamma(2.0, 1.0, (n, k))


def _semicontinuous(rng, n, k):
    return _positive(rng, n, k) * (np.arange(n)[:, None] % 3 > 0)


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


def _quantiles(F, m):
    """q (n, k, m), one increment after the other."""
    q = F.reshape(len(F), -1, m).copy()
    for j in range(1, m):
        q[:, :, j] = q[:, :, j - 1] + np.logaddexp(0, q[:, :, j])
    return q


def _pinball(*levels):
    def formula(F, Y):
        R = Y[:, :, None] - _quantiles(F, len(levels))
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


def _dispersed_fisher(F):
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
        Q = np.stack([(_quantiles(F + e, m) - _quantiles(F - e, m)).reshape(n, r) / 2e-6 for e in h], axis=2)
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
        losses.AbsoluteError(), _absolute, _normal, **ROBUST, fisher=_constant_fisher(1.0), steepness=NARROW
    ),
    "AbsoluteError, wide": LossCase(
        _wide(losses.AbsoluteError()), _wide_absolute, _normal, **ROBUST, fisher=_constant_fisher(1.0)
    ),
    "Quantile": LossCase(
        losses.Quantile(0.8), _pinball(0.8), _normal, **ROBUST, fisher=_constant_fisher(0.16), steepness=NARROW
    ),
    "Quantile, wide": LossCase(
        _wide(losses.Quantile(0.6)), _wide_pinball(0.6), _normal, **ROBUST, fisher=_constant_fisher(0.24)
    ),
    "Quantile, several": LossCase(
        losses.Quantile(LEVELS),
        _pinball(*LEVELS),
        _normal,
        **ROBUST | {"curvature": "own"},
        fisher=_quantile_fisher(*LEVELS),
        steepness=NARROW,
    ),
    "Huber": LossCase(losses.Huber(), _huber(1.35), _normal, **ROBUST, fisher=_constant_fisher(_huber_share(1.35))),
    "Huber, small delta": LossCase(
        losses.Huber(0.5), _huber(0.5), _normal, **ROBUST, fisher=_constant_fisher(_huber_share(0.5))
    ),
    "GaussianNLL": LossCase(
        losses.GaussianNLL(),
        _normal_value,
        _normal,
        (NONE, HUGE),
        _finite,
        curvature="expected",
        nodes=_one_deviation_away,
        density=_normal_density,
    ),
    "Poisson": LossCase(losses.Poisson(), _poisson, _counts, (NONE, HUGE, NEGATIVE), **MEAN, density=_poisson_density),
    "NegativeBinomial": LossCase(
        losses.NegativeBinomial(),
        _dispersed_value,
        _counts,
        (NONE, HUGE, NEGATIVE),
        **MEAN | {"reach": 20.0},
        curvature="own",
        density=_dispersed_density,
        fisher=_dispersed_fisher,
    ),
    "Gamma": LossCase(
        losses.Gamma(),
        _gamma,
        _positive,
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
            _semicontinuous if p < 2 else _positive,
            (NONE, HUGE, NEGATIVE) if p < 2 else (NONE, HUGE, NEGATIVE, ZERO),
            **MEAN | {"reach": 20.0},
            curvature="expected",
            nodes=_around_the_mean,
            spread=lambda M, p=p: M**p,
        )
        for p in (1.1, 1.5, 1.9, 3.0)
    },
}


@pytest.mark.parametrize("check", BATTERY, ids=lambda check: check.__name__)
@pytest.mark.parametrize(("name", "k"), [(name, k) for name, case in CASES.items() for k in case.outputs])
def test_conformance(name, k, check):
    check(CASES[name], k)


@pytest.mark.parametrize("name", CASES)
def test_strict_arrays_give_what_numpy_gives(name):
    case, k = CASES[name], 3
    rng, r = np.random.default_rng(0), case.loss.raw_outputs(k)
    F, Y, V, w = rng.normal(size=(7, r)), case.targets(rng, 7, k), rng.normal(size=(7, r)), rng.random(7) + 0.5
    f, y, v, u = (xp.asarray(a) for a in (F, Y, V, w))
    methods = [(name, (F, Y), (f, y)) for name in ("value", "grad", "factor")]
    methods += [(name, (F, Y, V), (f, y, v)) for name in ("hessp", "ggnp")]
    methods += [("predict", (F,), (f,)), ("start", (Y, w), (y, u))]
    methods += [("sample", (F, 3, np.random.default_rng(0)), (f, 3, np.random.default_rng(0)))]
    methods += [("log_normaliser", (Y,), (y,))] * hasattr(case.loss, "log_normaliser")
    methods += [("variance", (abs(F),), (xp.abs(f),))] * hasattr(case.loss, "variance")
    for name, ours, strict in methods:
        given = getattr(case.loss, name)(*strict)
        assert hasattr(given, "__array_namespace__"), name
        desired = getattr(case.loss, name)(*ours)
        assert_close(np.asarray(given), desired, 40, scale=max(1.0, np.abs(desired).max()) * case.steepness)
    assert case.loss.check_targets(y) is None


# ------------------------------------------------------------------------------------------- deviances of scikit-learn


def _half_mean_deviance(power):
    return lambda y, mu: 0.5 * metrics.mean_tweedie_deviance(y, mu, power=power)


DEVIANCES = [
    (losses.Poisson(), lambda y, mu: 0.5 * metrics.mean_poisson_deviance(y, mu), _counts),
    (losses.Gamma(), lambda y, mu: 0.5 * metrics.mean_gamma_deviance(y, mu), _positive),
    *[(losses.Tweedie(p), _half_mean_deviance(p), _semicontinuous) for p in (1, 1.3, 1.8)],
    *[(losses.Tweedie(p), _half_mean_deviance(p), _positive) for p in (2, 2.5, 3)],
    (losses.AbsoluteError(), metrics.mean_absolute_error, _normal),
    *[(losses.Quantile(t), lambda y, q, t=t: metrics.mean_pinball_loss(y, q, alpha=t), _normal) for t in (0.1, 0.7)],
]


@pytest.mark.parametrize(("loss", "deviance", "targets"), DEVIANCES, ids=lambda value: getattr(value, "name", ""))
def test_differences_of_the_mean_value_are_those_of_half_the_deviance(loss, deviance, targets):
    rng = np.random.default_rng(5)
    F, G, Y = rng.normal(size=(30, 1)), rng.normal(size=(30, 1)), targets(rng, 30, 1)
    ours = (loss.value(F, Y) - loss.value(G, Y)).mean()
    theirs = deviance(Y[:, 0], loss.predict(F)[:, 0]) - deviance(Y[:, 0], loss.predict(G)[:, 0])
    assert_close(ours, theirs, 200, scale=np.abs(loss.value(F, Y)).max())


@pytest.mark.parametrize(("power", "limit"), [(1.0, losses.Poisson()), (2.0, losses.Gamma())])
def test_tweedie_has_poisson_and_gamma_as_limits(power, limit):
    rng = np.random.default_rng(6)
    F, Y, V = rng.normal(size=(9, 2)), _positive(rng, 9, 2), rng.normal(size=(9, 2))
    exact, near = losses.Tweedie(power), losses.Tweedie(power + 1e-9 * (1.5 - power))
    for name, args in (("grad", (F, Y)), ("hessp", (F, Y, V)), ("ggnp", (F, Y, V)), ("factor", (F, Y))):
        assert_close(getattr(exact, name)(*args), getattr(limit, name)(*args), 20, scale=20.0)
        np.testing.assert_allclose(getattr(near, name)(*args), getattr(limit, name)(*args), rtol=0, atol=1e-7)
    constant = exact.value(F, Y) - limit.value(F, Y)
    assert_close(constant, exact.value(0 * F, Y) - limit.value(0 * F, Y), 20, scale=40.0)
    np.testing.assert_allclose(near.value(F, Y), exact.value(F, Y), rtol=0, atol=1e-7)


# ------------------------------------------------------------------------------------------------------- raw outputs


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_quantiles_never_cross(dtype):
    F = (30 * np.random.default_rng(7).normal(size=(200, 8))).astype(dtype)
    q = losses.Quantile(LEVELS).predict(F).reshape(200, 2, 4)
    assert q.dtype == dtype
    assert np.all(np.diff(q, axis=2) >= 0)
    np.testing.assert_array_equal(q[:, :, 0], F[:, ::4])


def test_curvature_of_several_quantiles_is_that_of_their_residuals():
    rng = np.random.default_rng(8)
    F, Y = rng.normal(size=(5, 8)), rng.normal(size=(5, 2))
    q, h = _quantiles(F, 4), 1e-6
    W = [np.diag(0.5 / np.abs(row - y[:, None]).ravel()) for row, y in zip(q, Y, strict=True)]
    Q = np.stack([(_quantiles(F + e, 4) - _quantiles(F - e, 4)).reshape(5, 8) / (2 * h) for e in h * np.eye(8)], axis=2)
    S = losses.Quantile(LEVELS).factor(F, Y)
    brute = np.swapaxes(Q, 1, 2) @ np.array(W) @ Q
    np.testing.assert_allclose(S @ np.swapaxes(S, 1, 2), brute, rtol=0, atol=1e-8 * np.abs(brute).max())


def test_start_of_several_quantiles_is_the_weighted_quantiles():
    rng = np.random.default_rng(9)
    Y, w = rng.normal(size=(41, 2)), rng.uniform(0.5, 2.0, 41)
    loss = losses.Quantile(LEVELS)
    q = loss.predict(loss.start(Y, w)[None, :])[0]
    desired = np.quantile(Y, LEVELS, axis=0, weights=w, method="inverted_cdf").T.ravel()
    np.testing.assert_allclose(q, desired, rtol=0, atol=1e-5)


def test_negative_binomial_curvature_is_near_the_fisher():
    """I_a to rounding; the stand-in of I_b between 1 and 1.4 times it."""
    for mu in (0.01, 0.3, 3, 30, 300):
        for alpha in (1e-3, 0.1, 1, 3, 20):
            F = np.log([[mu, alpha]])
            S = losses.NegativeBinomial().factor(F, None)[0]
            assert_close(S[0, 0] ** 2, mu / (1 + alpha * mu), 20)
            assert 1 - 1e-6 <= S[1, 1] ** 2 / _dispersed_fisher(F)[0, 1, 1] <= 1.4
            assert S[0, 1] == S[1, 0] == 0


@pytest.mark.parametrize("log_alpha", [-30.0, -3.0, -2.7725887, -2.77, 0.0, 5.0])
def test_negative_binomial_keeps_its_digits_on_both_sides_of_the_series(log_alpha):
    """Against products over counts: Gamma(y + theta) / Gamma(theta) = theta (theta + 1) .. (theta + y - 1)."""
    y, mu, alpha = np.array([0, 1, 2, 7, 40]), 5.0, np.exp(log_alpha)
    F = np.tile([np.log(mu), log_alpha], (5, 1))
    j = [np.arange(one) for one in y]
    log_ratio = np.array([np.log1p(alpha * i).sum() for i in j])
    exact = (y + 1 / alpha) * np.log1p(alpha * mu) - y * np.log(mu) - log_ratio
    assert_close(losses.NegativeBinomial().value(F, y[:, None].astype(float)), exact, 40)
    slope = np.array([1 / (1 + alpha * i) for i in j], dtype=object)
    exact = np.array([s.sum() for s in slope]) - np.log1p(alpha * mu) / alpha + (mu - y) / (1 + alpha * mu)
    grad = losses.NegativeBinomial().grad(F, y[:, None].astype(float))[:, 1]
    assert_close(grad, exact, 40, scale=40.0)


def test_negative_binomial_start_of_counts_that_are_not_dispersed():
    start = losses.NegativeBinomial().start(np.tile([[4.0], [5.0]], (20, 1)), np.ones(40))
    np.testing.assert_allclose(start, [np.log(4.5), -7.0], rtol=1e-12)


def test_predicted_standard_deviation_has_a_floor():
    F = np.array([[0.0, -1e4, 0.0, 2 * np.log(3.0)]])
    np.testing.assert_allclose(losses.GaussianNLL().scale(F), [[1e-3, 3.0]], rtol=1e-6)
    assert np.isfinite(losses.GaussianNLL().value(F, np.zeros((1, 2)))).all()


def test_poisson_start_of_zeros_is_half_a_count():
    start = losses.Poisson().start(np.zeros((10, 2)), np.ones(10))
    np.testing.assert_allclose(start, np.log(0.05), rtol=1e-12)


def test_counts_of_huge_means_are_normal():
    draws = poisson_draws(np.full(4000, 1e20), np.random.default_rng(0))
    z = (draws - 1e20) / 1e10
    assert scipy.stats.kstest(z, "norm").pvalue > 1e-3


# ------------------------------------------------------------------------------------------- scale of the rounded zone


@pytest.mark.parametrize("loss", [losses.AbsoluteError(), losses.Quantile(0.3), losses.Quantile(LEVELS)])
def test_a_bound_loss_follows_the_units_of_the_targets(loss):
    rng = np.random.default_rng(10)
    Y, w, c = rng.normal(size=(30, 2)), np.ones(30), np.array([1e6, 1e-3])
    R = 1e-5 * rng.normal(size=(30, 2))
    one, other = bind(loss, Y, w), bind(loss, Y * c, w)
    m = loss.raw_outputs(1)
    near, far = (np.repeat(y + r, m, axis=1) for y, r in ((Y, R), (Y * c, R * c)))
    if m == 1:
        np.testing.assert_allclose(other.grad(far, Y * c), one.grad(near, Y), rtol=0, atol=1e-7)
    np.testing.assert_allclose(np.array(other.scale), np.array(one.scale) * c, rtol=1e-12)
    assert loss.scale == 1.0
    assert "scale" not in loss.__dict__


@pytest.mark.parametrize(
    ("y", "scale"), [([0.0, 0, 0, 0, 0, 6], 1.0), ([2.0, 2, 2, 2, 2, 2], 1.0), ([0.0, 1, 2, 3, 4, 5], 3.0)]
)
def test_scale_of_targets_with_ties(y, scale):
    assert bind(losses.AbsoluteError(), np.array(y)[:, None], np.ones(6)).scale == [scale]


def test_losses_without_a_scale_are_bound_as_they_are():
    loss = losses.Huber()
    assert bind(loss, np.ones((3, 1)), np.ones(3)) is loss


# ------------------------------------------------------------------------------------------------------------ fields


@pytest.mark.parametrize(
    "loss",
    [
        losses.Huber(0.0),
        losses.Huber("a"),
        losses.Tweedie(0.9),
        losses.Tweedie(np.nan),
        *[losses.Quantile(levels) for levels in (0.0, 1, [], (0.5, 0.5), (0.9, 0.1), (0.1, 1.0), "a", None, ["a"])],
    ],
)
def test_fields_outside_their_domain_are_rejected(loss):
    with pytest.raises(ValueError, match=r"Allowed is .+\. Set .+\."):
        check_fields(loss, loss.domains)


@pytest.mark.parametrize(
    "loss", [losses.Huber(2), losses.Tweedie(1), *[losses.Quantile(q) for q in (0.2, (0.3,), np.array(LEVELS))]]
)
def test_fields_inside_are_accepted(loss):
    assert check_fields(loss, loss.domains) is None
    assert copy.deepcopy(loss).get_params().keys() == loss.get_params().keys()


def test_every_regression_loss_is_registered_by_its_name():
    assert set(REGRESSION) == {case.loss.name for case in CASES.values()} | {"squared_error", "log_loss"}
