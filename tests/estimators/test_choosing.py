"""Searches by the evidence, without a validation set: where theory is sure of the winner, and what has no evidence."""

import pickle

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcurv import CurvatureMLPClassifier, CurvatureMLPRegressor
from skcurv.posterior import laplace, log_evidence_scorer

ROWS = np.arange(150)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 2))
NOISE = 0.1 * RNG.normal(size=150)
CURVED = np.tanh(2 * X[:, 0] - 1) - np.tanh(X[:, 1] + 1) + NOISE
STRAIGHT = X[:, 0] - 2 * X[:, 1] + 1 + NOISE


def _regressor(hidden=(2,), **options):
    numbers = {"solver": "lm-newton", "alpha": "evidence", "max_iter": 60, "tol": 0, "random_state": 0}
    return CurvatureMLPRegressor(hidden, "tanh", **(numbers | options))


def _searched(y, grid, estimator):
    return GridSearchCV(estimator, grid, scoring=log_evidence_scorer, cv=[(ROWS, ROWS)]).fit(X, y)


@pytest.mark.parametrize(
    ("y", "name", "values", "winner"),
    [
        (CURVED, "hidden_layer_sizes", [(), (2,), (20,)], (2,)),
        (CURVED, "activation", ["identity", "tanh"], "tanh"),
        (STRAIGHT, "hidden_layer_sizes", [(), (2,), (20,)], ()),
        (STRAIGHT, "activation", ["identity", "tanh"], "identity"),
    ],
)
def test_the_evidence_prefers_the_smallest_model_that_is_the_truth(y, name, values, winner):
    assert _searched(y, {name: values}, _regressor()).best_params_ == {name: winner}


def test_pipelines_are_searched_and_the_winner_is_refitted_on_all_rows():
    search = _searched(
        STRAIGHT,
        {"curvaturemlpregressor__hidden_layer_sizes": [(), (3,)]},
        make_pipeline(StandardScaler(), _regressor()),
    )
    assert search.best_params_ == {"curvaturemlpregressor__hidden_layer_sizes": ()}
    assert search.best_score_ == search.best_estimator_[-1].log_evidence_
    assert search.score(X[:5], STRAIGHT[:5]) == search.best_score_  # of the fit, whatever the rows


def test_fits_by_a_number_have_the_evidence_of_their_posterior():
    y = (CURVED > 0).astype(int)
    clf = CurvatureMLPClassifier((), solver="lm-newton", alpha=1.0, posterior="laplace", random_state=0).fit(X, y)
    assert log_evidence_scorer(clf) == pytest.approx(laplace(clf, X, y).log_evidence, rel=1e-10)
    both = _regressor(posterior="laplace").fit(X, CURVED)
    assert log_evidence_scorer(both, X, CURVED) == both.log_evidence_


@pytest.mark.parametrize(
    "fitted",
    [
        LinearRegression(),
        CurvatureMLPRegressor((), solver="lm-newton"),
        CurvatureMLPRegressor((), solver="lm-newton", loss="gamma", alpha=1.0, posterior="laplace"),
        make_pipeline(StandardScaler(), LinearRegression()),
    ],
)
def test_what_has_no_evidence_says_how_to_get_one(fitted):
    with pytest.raises(ValueError, match=r"that has none\. Allowed are fits with alpha='evidence'.*Set one"):
        log_evidence_scorer(fitted.fit(X, np.exp(STRAIGHT)))


def test_the_scorer_is_pickled():
    assert pickle.loads(pickle.dumps(log_evidence_scorer)) is log_evidence_scorer
