"""The estimators with every loss: shapes, units, outside references for linear models, losses of the user's own."""

import numpy as np
import pytest
import scipy.stats
from sklearn.linear_model import GammaRegressor, PoissonRegressor, QuantileRegressor, TweedieRegressor
from sklearn.metrics import d2_pinball_score, r2_score

from skcurv import CurvatureMLPRegressor
from skcurv.losses import Poisson, Quantile, Tweedie
from skcurv.losses.registry import REGRESSION

from .test_bad_input import three_parts
from .test_mlp import diabetes, iris, regressor

X, y = iris()
XR, yr = diabetes()
POSITIVE = 1 + yr / 100
LINEAR = {"solver": "lm-newton", "max_iter": 100, "tol": 0, "random_state": 0}


def linear(loss, **options):
    return CurvatureMLPRegressor((), loss=loss, **LINEAR | options)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", REGRESSION)
def test_every_regression_loss_keeps_shapes_and_dtype(loss, dtype):
    data, target = XR.astype(dtype), (POSITIVE / POSITIVE.max()).astype(dtype)
    for shaped in (target, target[:, None], np.stack([target, target**2, target / 2], axis=1)):
        model = regressor(loss=loss).fit(data, shaped)
        predicted = model.predict(data)
        assert predicted.shape == shaped.shape
        assert predicted.dtype == dtype
        assert np.isfinite(predicted).all()
        assert model.loss == loss
        assert model.n_outputs_ == model.loss_function_.raw_outputs(1 if shaped.ndim == 1 else shaped.shape[1])
        assert model.score(data, shaped) == r2_score(shaped, predicted) > 0.1


@pytest.mark.parametrize(
    ("loss", "theirs"),
    [("poisson", PoissonRegressor), ("gamma", GammaRegressor), (Tweedie(1.7), TweedieRegressor)],
)
def test_linear_models_with_a_log_link_equal_those_of_scikit_learn(loss, theirs):
    """Their objective is half the mean deviance + alpha / 2 |w|^2, ours with l2 = alpha / sum of weights."""
    w = np.random.default_rng(0).uniform(0.5, 2, len(yr))
    options = {"power": 1.7, "link": "log"} if theirs is TweedieRegressor else {}
    other = theirs(alpha=0.1, tol=1e-12, max_iter=10_000, solver="newton-cholesky", **options)
    other.fit(XR, POSITIVE, sample_weight=w)
    model = linear(loss, alpha=0.1 * w.sum()).fit(XR, POSITIVE, w)
    np.testing.assert_allclose(model.coefs_[0][:, 0], other.coef_, rtol=0, atol=1e-6)
    np.testing.assert_allclose(model.intercepts_[0], other.intercept_, rtol=0, atol=1e-6)
    np.testing.assert_allclose(model.predict(XR), other.predict(XR), rtol=1e-6)


@pytest.mark.parametrize("level", [0.1, 0.5, 0.8])
def test_linear_quantiles_equal_those_of_scikit_learn(level):
    other = QuantileRegressor(quantile=level, alpha=0).fit(XR, yr)
    model = linear(Quantile(level), alpha=0, max_iter=1000).fit(XR, yr)
    scale = model.targets_.scale[0]
    np.testing.assert_allclose(scale * model.coefs_[0][:, 0], other.coef_, rtol=0, atol=1e-4 * scale)
    np.testing.assert_allclose(model.predict(XR), other.predict(XR), rtol=0, atol=2e-4 * scale)


def test_the_absolute_error_is_the_median():
    medians = (linear(loss, alpha=0, max_iter=1000).fit(XR, yr).predict(XR) for loss in ("absolute_error", "quantile"))
    np.testing.assert_allclose(*medians, rtol=1e-4)


def test_several_quantiles_have_an_axis_of_their_own_and_never_cross():
    levels = (0.1, 0.45, 0.9)
    for target in (yr, yr[:, None], np.stack([yr, -yr], axis=1)):
        model = regressor(loss=Quantile(levels), max_iter=60).fit(XR, target)
        predicted = model.predict(XR)
        assert predicted.shape == (*target.shape, 3)
        assert np.all(np.diff(predicted, axis=-1) > 0)
        np.testing.assert_allclose(
            (target[..., None] <= predicted).mean(axis=0), np.broadcast_to(levels, predicted.shape[1:]), atol=0.06
        )
        assert model.score(XR, target) == r2_score(target, predicted[..., 1])
    low = regressor(loss=Quantile(levels), max_iter=60).fit(XR, yr).predict(XR)[:, 0]
    assert d2_pinball_score(yr, low, alpha=0.1) > 0.1


@pytest.mark.parametrize("solver", ["kfac", "lm-newton"])
@pytest.mark.parametrize("shape", [(), (1,), (2,)])
def test_the_standard_deviation_is_in_the_units_of_the_target(shape, solver):
    rng = np.random.default_rng(0)
    data = rng.uniform(-1, 1, (2000, 1))
    noise = 50 * np.exp(data) * np.ones(shape or 1)
    target = (1000 + 200 * data + noise * rng.normal(size=noise.shape)).reshape(2000, *shape)
    model = CurvatureMLPRegressor((8,), "tanh", solver=solver, loss="gaussian_nll", max_iter=60, tol=0, random_state=0)
    mean, std = model.fit(data, target).predict(data, return_std=True)
    assert mean.shape == std.shape == target.shape
    np.testing.assert_array_equal(mean, model.predict(data))
    assert np.abs(np.log(std / noise.reshape(target.shape))).mean() < 0.1
    if (
        solver == "lm-newton"
    ):  # it ends at the minimum; the noise of kfac's batches alone takes a statistic to the bound
        assert scipy.stats.kstest(((target - mean) / std).ravel(), "norm").statistic < 0.03


def test_a_standard_deviation_of_a_loss_that_has_none():
    for loss in ("squared_error", "absolute_error", "poisson"):
        with pytest.raises(ValueError, match="predicts no standard deviation") as caught:
            regressor(loss=loss, max_iter=1).fit(XR, yr).predict(XR, return_std=True)
        three_parts(caught.value)


@pytest.mark.parametrize("loss", [name for name, cls in REGRESSION.items() if getattr(cls, "location_scale", False)])
def test_an_affine_map_of_the_targets_maps_the_predictions(loss):
    """Losses that follow shifts and scales are trained on standardised targets."""
    plain, mapped = (linear(loss, max_iter=20).fit(XR, target) for target in (yr, 1e6 * yr - 1e7))
    np.testing.assert_allclose(mapped.predict(XR), 1e6 * plain.predict(XR) - 1e7, rtol=1e-5)
    assert mapped.loss_ == pytest.approx(plain.loss_, rel=1e-6)
    assert mapped.targets_.scaled


@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie", "negative_binomial", "log_loss"])
def test_targets_with_a_domain_are_left_as_they_are(loss):
    model = regressor(loss=loss, max_iter=1).fit(XR, POSITIVE / 5)
    assert not model.targets_.scaled
    assert np.all(model.predict(XR) > 0)
    with pytest.raises(ValueError, match="allows") as caught:
        regressor(loss=loss).fit(XR, -POSITIVE)
    three_parts(caught.value)


TAGGED = [("gamma", True), ("poisson", True), ("huber", False), (Poisson(), True), (lambda F, Y: F[:, 0], False)]


@pytest.mark.parametrize(("loss", "positive"), TAGGED)
def test_the_tag_of_positive_targets(loss, positive):
    assert regressor(loss=loss).__sklearn_tags__().target_tags.positive_only == positive
