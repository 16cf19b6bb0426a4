"""The regression losses: their battery, deviances of scikit-learn, and theorems."""

import copy

import array_api_strict as xp
import numpy as np
import pytest
import scipy.stats
from sklearn import metrics

from skcurv import losses
from skcurv.losses.common import poisson_draws
from skcurv.losses.registry import REGRESSION, bind
from skcurv.solvers.protocol import check_fields

from ..cases import assert_close
from ..conformance.losses import BATTERY
from .regression_cases import CASES, LEVELS, counts, dispersed_fisher, normal, positive, quantiles, semicontinuous


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
    (losses.Poisson(), lambda y, mu: 0.5 * metrics.mean_poisson_deviance(y, mu), counts),
    (losses.Gamma(), lambda y, mu: 0.5 * metrics.mean_gamma_deviance(y, mu), positive),
    *[(losses.Tweedie(p), _half_mean_deviance(p), semicontinuous) for p in (1, 1.3, 1.8)],
    *[(losses.Tweedie(p), _half_mean_deviance(p), positive) for p in (2, 2.5, 3)],
    (losses.AbsoluteError(), metrics.mean_absolute_error, normal),
    *[(losses.Quantile(t), lambda y, q, t=t: metrics.mean_pinball_loss(y, q, alpha=t), normal) for t in (0.1, 0.7)],
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
    F, Y, V = rng.normal(size=(9, 2)), positive(rng, 9, 2), rng.normal(size=(9, 2))
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
    q, h = quantiles(F, 4), 1e-6
    W = [np.diag(0.5 / np.abs(row - y[:, None]).ravel()) for row, y in zip(q, Y, strict=True)]
    Q = np.stack([(quantiles(F + e, 4) - quantiles(F - e, 4)).reshape(5, 8) / (2 * h) for e in h * np.eye(8)], axis=2)
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
            assert 1 - 1e-6 <= S[1, 1] ** 2 / dispersed_fisher(F)[0, 1, 1] <= 1.4
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
