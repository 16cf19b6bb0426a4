"""Offsets: exposures, shifts of the target, mini-batches, parts held out, and scikit-learn's routing of them."""

import numpy as np
import pytest
import sklearn
from sklearn.linear_model import PoissonRegressor
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcurv import CurvatureMLPRegressor
from skcurv.losses import Poisson, Quantile
from skcurv.losses.draws import drawn
from skcurv.losses.offset import Offset

from .test_bad_input import three_parts
from .test_mlp import diabetes, regressor

X, y = diabetes()
RNG = np.random.default_rng(0)
EXPOSURE = RNG.uniform(0.05, 3, len(y))
COUNTS = RNG.poisson(EXPOSURE * np.exp(0.3 * X[:, 2] - 0.5 * X[:, 8])).astype(float)
LINEAR = {"solver": "lm-newton", "max_iter": 50, "tol": 0, "random_state": 0}


def linear(loss="poisson", **options):
    return CurvatureMLPRegressor((), loss=loss, **LINEAR | options)


def test_counts_with_an_exposure_are_rates_weighted_by_it():
    """mu = e exp(F): sum e (exp(F) - (y / e) F) both ways; scikit-learn's GLM has the weights alone."""
    offset = np.log(EXPOSURE)
    counts = linear(alpha=0).fit(X, COUNTS, offset=offset)
    rates = linear(alpha=0).fit(X, COUNTS / EXPOSURE, EXPOSURE)
    other = PoissonRegressor(alpha=0, tol=1e-12, max_iter=1000).fit(X, COUNTS / EXPOSURE, EXPOSURE)
    np.testing.assert_allclose(counts.theta_, rates.theta_, rtol=0, atol=1e-8)
    np.testing.assert_allclose(counts.coefs_[0][:, 0], other.coef_, rtol=0, atol=1e-5)
    np.testing.assert_allclose(counts.predict(X), rates.predict(X), rtol=1e-7)
    np.testing.assert_allclose(counts.predict(X, offset), EXPOSURE * rates.predict(X), rtol=1e-7)
    assert counts.score(X, COUNTS, offset=offset) > counts.score(X, COUNTS)


@pytest.mark.parametrize("loss", ["poisson", "log_loss"])
def test_a_network_starts_at_the_best_constant_with_offsets(loss):
    """Without slopes the first parameters are the last."""
    target = COUNTS if loss == "poisson" else np.minimum(COUNTS, 1)
    options = {"init": "glorot", "alpha": 1e12, "solver": "sgd", "max_iter": 1, "tol": 0, "random_state": 0}
    model = CurvatureMLPRegressor((), loss=loss, **options | {"solver": "lm-newton", "max_iter": 30})
    best = model.fit(np.zeros_like(X), target, offset=np.log(EXPOSURE)).intercepts_[0]
    model.set_params(max_iter=1)
    np.testing.assert_allclose(
        model.fit(np.zeros_like(X), target, offset=np.log(EXPOSURE)).intercepts_[0], best, atol=1e-7
    )


@pytest.mark.parametrize("loss", ["squared_error", "huber", "absolute_error", "gaussian_nll", Quantile((0.2, 0.7))])
def test_losses_that_follow_shifts_take_offsets_in_the_units_of_the_target(loss):
    offset = 1e3 * RNG.normal(size=len(y))
    shifted, plain = (
        regressor(loss=loss).fit(X, y + offset, offset=offset),
        regressor(loss=loss).fit(X, y + offset - offset),
    )
    np.testing.assert_array_equal(shifted.theta_, plain.theta_)
    along = offset if plain.predict(X).ndim == 1 else offset[:, None]
    np.testing.assert_allclose(shifted.predict(X, offset), plain.predict(X) + along, rtol=1e-12)
    np.testing.assert_array_equal(shifted.predict(X), plain.predict(X))
    if loss == "gaussian_nll":
        np.testing.assert_array_equal(
            shifted.predict(X, offset, return_std=True)[1], plain.predict(X, return_std=True)[1]
        )


def test_shapes_of_offsets():
    """(n,) for every target, (n, k) for each, (n, r) for each raw output; a mean's goes to the first of its outputs."""
    offset, several = np.log(EXPOSURE), np.stack([COUNTS, COUNTS + 1], axis=1)
    one = regressor(loss="poisson").fit(X, several, offset=offset)
    both = regressor(loss="poisson").fit(X, several, offset=np.stack([offset, offset], axis=1))
    np.testing.assert_array_equal(one.theta_, both.theta_)
    column = regressor(loss="negative_binomial").fit(X, COUNTS, offset=offset)
    outputs = regressor(loss="negative_binomial").fit(X, COUNTS, offset=np.stack([offset, 0 * offset], axis=1))
    np.testing.assert_array_equal(column.theta_, outputs.theta_)
    np.testing.assert_allclose(column.predict(X, offset), EXPOSURE * column.predict(X), rtol=1e-12)
    for bad in (offset[:-1], np.ones((len(y), 3)), 1.0 * np.ones((len(y), 1, 1))):
        for call in (
            lambda bad=bad: regressor(loss="poisson").fit(X, COUNTS, offset=bad),
            lambda bad=bad: one.predict(X, bad),
        ):
            with pytest.raises(ValueError, match=r"offset|dim"):
                call()
    with pytest.raises(ValueError, match="offset of shape") as caught:
        regressor().fit(X, y, offset=np.ones((len(y), 2)))
    three_parts(caught.value)
    with pytest.raises(ValueError, match="offset contains NaN"):
        regressor(loss="poisson").fit(X, COUNTS, offset=np.where(np.arange(len(y)) == 3, np.nan, offset))


@pytest.mark.parametrize("solver", ["adam", "kfac", "natural-gradient", "diag-fisher", "lm-newton"])
def test_mini_batches_and_chunks_carry_their_offsets(solver):
    offset = np.random.default_rng(1).normal(size=len(y))
    counts = RNG.poisson(np.exp(offset + 0.5 * X[:, 2])).astype(float)
    model = regressor(solver, loss="poisson", batch_size=64, max_iter=60, alpha=0).fit(X, counts, offset=offset)
    rates = model.predict(X)
    assert np.corrcoef(np.log(rates), X[:, 2])[0, 1] > 0.7
    assert 0.5 < np.median(rates) < 2
    options = {"loss": "poisson", "batch_size": 64, "alpha": 0, "max_iter": 2}
    once = regressor(solver, **options).fit(X, counts, offset=offset)
    twice = regressor(solver, **options).partial_fit(X, counts, None, offset).partial_fit(X, counts, offset=offset)
    np.testing.assert_array_equal(once.theta_, twice.theta_)


def test_a_sampled_fisher_draws_at_the_shifted_outputs():
    """E[s s'] of a Poisson target is its mean, offset included."""
    Y = np.repeat([[1.0, 0.0], [1.0, 2.0]], 10, axis=0)
    s = drawn(Offset(Poisson(), 1), np.zeros((20, 1)), Y, 2000, np.random.default_rng(0))
    np.testing.assert_allclose((s**2).reshape(2, -1).mean(axis=1), np.exp([0.0, 2.0]), rtol=0.05)


def test_the_part_held_out_keeps_its_offsets():
    offset = np.log(EXPOSURE)
    model = regressor("adam", loss="poisson", early_stopping=True, max_iter=40).fit(X, COUNTS, offset=offset)
    with_offset = model.validation_scores_
    model.fit(X, COUNTS)
    assert max(with_offset) > max(model.validation_scores_)
    with pytest.raises(ValueError, match="scoring='r2'") as caught:
        model.set_params(scoring="r2").fit(X, COUNTS, offset=offset)
    three_parts(caught.value)
    assert regressor(early_stopping=True, scoring="r2").fit(X, y, offset=X[:, 0]).validation_scores_


def test_offsets_are_routed_through_pipelines_and_searches():
    offset = np.log(EXPOSURE)
    with sklearn.config_context(enable_metadata_routing=True):
        model = (
            linear().set_fit_request(offset=True, sample_weight=True).set_score_request(offset=True, sample_weight=True)
        )
        pipeline = make_pipeline(
            StandardScaler().set_fit_request(sample_weight=False), model.set_predict_request(offset=True)
        )
        search = GridSearchCV(pipeline, {"curvaturemlpregressor__alpha": [0.0, 1e3]}, cv=3)
        search.fit(X, COUNTS, offset=offset, sample_weight=np.ones(len(y)))
        predicted = search.best_estimator_.predict(X, offset=offset)
        scores = cross_val_score(pipeline, X, COUNTS, params={"offset": offset, "sample_weight": np.ones(len(y))})
    alone = linear(alpha=search.best_params_["curvaturemlpregressor__alpha"]).fit(X, COUNTS, offset=offset)
    np.testing.assert_allclose(predicted, alone.predict(X, offset), rtol=1e-6)
    without = cross_val_score(linear(), X, COUNTS)
    assert scores.mean() > without.mean()
