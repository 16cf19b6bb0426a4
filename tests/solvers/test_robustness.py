"""Every solver on data that go wrong easily: finite, no worse than the start, one warning at most, the same bits."""

import re
import warnings
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from sklearn.exceptions import ConvergenceWarning

from skcurv.curvature import slopes_and_gram
from skcurv.solvers import SGD, SOLVERS
from skcurv.solvers.loop import ROUNDING
from skcurv.solvers.quadratic_model import minimise

from ..cases import case, problem
from .strategies import NAMED, OF_LOSSES, RECIPES

STILL = SGD(1e-300)  # no step: its loss is that of the parameters it is given
ENDINGS = (
    r"used up max_iter=\d+ after \d+ iterations before the loss settled\. Remedy: .+\.",
    r"failed: the loss is no longer finite in iteration \d+\. The best point seen is kept\. Remedy: .+\.",
    r"failed: the objective rose from \S+ to \S+ by iteration \d+\. The best point seen is kept\. Remedy: .+\.",
)


def fit(model, X, y, w):
    """The fitted model and what it warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y, w)
    return model, [(one.category, str(one.message)) for one in caught]


@lru_cache(maxsize=1000)
def at_start(recipe, double):
    """The objective at the first parameters, and their score on the part held out, if there is one."""
    X, y, w = recipe.data()
    model, _ = fit(recipe.estimator(STILL, max_iter=1), X.astype(np.float64) if double else X, y, w)
    assert np.isfinite(model.loss_)
    return model.loss_, model.validation_scores_ and model.validation_scores_[0]


def check_fit(recipe, name):
    """Everything a fit promises, whatever the data."""
    data, solver = recipe.data(), SOLVERS[name]()
    model, caught = fit(recipe.estimator(solver), *data)
    check_warnings(caught, name)
    check_attributes(model, recipe, broke_down="no longer finite" in str(caught))
    (check_labels if recipe.classifies else check_predictions)(model, *data[:2])
    check_end(model, recipe, at_start(recipe, solver.double))
    if not recipe.alpha:
        again, _ = fit(recipe.estimator(solver), *data)
        np.testing.assert_array_equal(again.theta_, model.theta_)
        assert again.loss_curve_[:-1] == model.loss_curve_[:-1]  # NaN may end it
        assert again.loss_ == model.loss_


def check_warnings(caught, name):
    """None or one, a ConvergenceWarning in the words of the loop."""
    assert len(caught) <= 1, caught
    for category, message in caught:
        assert category is ConvergenceWarning, (category, message)
        assert any(re.fullmatch(f"solver='{name}' {ending}", message) for ending in ENDINGS), message


def check_attributes(model, recipe, broke_down):
    """Finite, but for the last losses of a run that broke down and for what was not tested."""
    assert model.theta_.dtype == recipe.dtype
    for array in (model.theta_, *model.coefs_, *model.intercepts_, [model.loss_, model.best_loss_]):
        assert np.isfinite(array).all()
    history = model.history_
    assert all(len(column) == model.n_iter_ for column in history.values())
    assert 1 <= model.n_iter_ <= recipe.epochs
    assert np.isfinite(history["loss"][:-1] if broke_down else history["loss"]).all()
    assert np.isfinite(history["step_length"]).all()
    assert (np.diff(history["seconds"]) >= 0).all()
    assert np.isfinite(history.get("damping", 0.0)).all()
    assert np.all(history.get("damping", 1.0) > 0)
    assert not np.isinf(history.get("gain_ratio", 0.0)).any()
    assert model.best_loss_ <= model.loss_


def check_predictions(model, X, y):
    """Finite numbers like the targets."""
    predicted = model.predict(X)
    assert predicted.shape == y.shape
    assert predicted.dtype == X.dtype
    assert np.isfinite(predicted).all()


def check_labels(model, X, y):
    """Known labels, probabilities and finite logarithms of them."""
    predicted, P, L, F = (
        model.predict(X),
        model.predict_proba(X),
        model.predict_log_proba(X),
        model.decision_function(X),
    )
    assert predicted.shape == y.shape
    assert np.isin(predicted, np.unique(y) if y.ndim == 1 else (0, 1)).all()
    assert P.shape == L.shape == (len(y), len(model.classes_))
    assert P.dtype == L.dtype == F.dtype == X.dtype
    assert ((P >= 0) & (P <= 1)).all()
    assert np.isfinite(L).all()
    assert np.isfinite(F).all()
    if y.ndim == 1:
        np.testing.assert_allclose(P.sum(axis=1), 1, rtol=0, atol=P.shape[1] * np.finfo(X.dtype).eps)


def check_end(model, recipe, start):
    """Where a part is held out, its score is not below that at the start; else the objective is not above it.

    Parameters kept in their precision have the loss and the score that the fit says.
    """
    (loss, score), double = start, SOLVERS[model.solver.name].double
    if not recipe.holds_out:
        eps = np.finfo(np.float64 if double else recipe.dtype).eps
        assert model.loss_ <= loss + ROUNDING * eps * abs(loss)
    if not double or recipe.dtype == "float64":
        ended = recipe.estimator(STILL, max_iter=1, warm_start=True)
        ended.__dict__ = {**vars(model), **vars(ended)}
        ended, _ = fit(ended, *recipe.data())
        assert ended.loss_ == model.loss_
        assert not recipe.holds_out or ended.validation_scores_[0] >= score


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", NAMED)
@pytest.mark.parametrize("name", SOLVERS)
def test_named_shapes(name, shape, dtype):
    for alpha in (0.0, 1.0):
        check_fit(NAMED[shape]._replace(alpha=alpha, dtype=dtype), name)


@pytest.mark.parametrize("recipe", OF_LOSSES.values(), ids=map(": ".join, OF_LOSSES))
@pytest.mark.parametrize("name", SOLVERS)
def test_losses(name, recipe):
    check_fit(recipe, name)
    check_fit(recipe._replace(dtype="float32", alpha=1.0), name)


@pytest.mark.parametrize("name", SOLVERS)
@settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(recipe=RECIPES)
def test_mixed_shapes(name, recipe):
    check_fit(recipe, name)


def test_curvature_lost_in_rounding_is_no_exception():
    """A softmax does not see a common shift of its outputs: along it d'Cd is rounding of either sign."""
    p, rng = problem(case("linear", "multinomial")), np.random.default_rng(0)
    here, signs = p._replace(alpha=0.0).point(), set()
    shift = np.array([0.0] * 6 + [1.0] * 2)
    for size in 10.0 ** rng.uniform(0, 8, 100):
        d = size * shift
        signs.add(np.sign(slopes_and_gram(here, [d])[1][0, 0]))
        c, predicted = minimise(here, [d], 0.0)
        assert np.isnan(predicted) or (np.isfinite(c).all() and predicted <= 0)
    assert -1 in signs
