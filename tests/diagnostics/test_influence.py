"""Rows left out by one Newton step, against fits that never saw them."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from skcurv import CurvatureMLPClassifier, CurvatureMLPRegressor, CurvatureRegressor
from skcurv.curvature import curvature
from skcurv.diagnostics import effective_n_parameters, influence
from skcurv.posterior.forms import HOWS

RNG = np.random.default_rng(7)
N = 24
X = RNG.normal(size=(N, 3))
Y = X @ RNG.normal(size=(3, 2)) + 0.5 * RNG.normal(size=(N, 2))
W = RNG.uniform(0.5, 2, N)
OPTIONS = {"solver": "lm-newton", "max_iter": 100, "tol": 0, "random_state": 0}


def _ridge(**options):
    return CurvatureMLPRegressor((), alpha=0.8, target_scaling=None, **OPTIONS, **options)


def _without(model, y, w=None):
    """Fits without each row."""
    for i in range(len(y)):
        kept = np.arange(len(y)) != i
        yield i, model.fit(X[kept], y[kept], None if w is None else w[kept])


@pytest.mark.parametrize("how", ["dense", "gram", "layer", "last-layer"])
def test_a_linear_model_is_exact(how):
    new = RNG.normal(size=(4, 3))
    found = influence(_ridge().fit(X, Y, W), X, Y, how, sample_weight=W, on=new)
    before = _ridge().fit(X, Y, W).predict(new)
    tolerance = {"atol": 1e-6 if how == "gram" else 1e-9, "rtol": 0}
    for i, refit in _without(_ridge(), Y, W):
        exact = refit.predict(X[[i]])[0]
        np.testing.assert_allclose(found.left_out[i], exact, **tolerance)
        np.testing.assert_allclose(found.change[i], refit.predict(new) - before, **tolerance)
        np.testing.assert_allclose(found.loss[i], 0.5 * np.sum((exact - Y[i]) ** 2), atol=1e-5)


def test_leverages_and_pulls_are_those_of_least_squares():
    y = Y[:, 0]
    reg = CurvatureRegressor(lambda X, b, c: X @ b + c, {"b": np.zeros(3), "c": 0.0}).fit(X, y)
    found = influence(reg, X, y)
    A = np.column_stack([X, np.ones(N)])
    hat = np.diagonal(A @ np.linalg.solve(A.T @ A, A.T))
    np.testing.assert_allclose(found.leverage, hat, rtol=1e-8)
    residual = y - LinearRegression().fit(X, y).predict(X)
    np.testing.assert_allclose(found.left_out, y - residual / (1 - hat), rtol=1e-6)
    np.testing.assert_allclose(found.pull, residual**2 * hat / (1 - hat) ** 2, rtol=1e-6)  # Cook 1977, times p s^2


@pytest.mark.parametrize("how", HOWS)
def test_leverages_sum_to_the_effective_number_of_parameters(how):
    reg = CurvatureMLPRegressor((4,), "tanh", alpha=0.5, **OPTIONS).fit(X, Y)
    found = influence(reg, X, Y, how)
    if how in ("dense", "gram"):
        C = curvature(reg, X, Y, how="dense")
        shift = np.where(np.arange(C.shape[0]) < C.shape[0] - 2, C.penalty.max(), 1e-12)
        np.testing.assert_allclose(found.leverage.sum(), effective_n_parameters(C, shift).value, rtol=1e-5)
    assert (found.leverage > 0).all()


def test_logistic_regression_is_near_its_refits():
    y = (Y[:, 0] > 0).astype(int)
    clf = CurvatureMLPClassifier((), alpha=0.5, **OPTIONS)
    full = clf.fit(X, y).predict_proba(X)[:, 1]
    found = influence(clf, X, y)
    exact = np.array([refit.predict_proba(X[[i]])[0, 1] for i, refit in _without(clf, y)])
    moved = np.abs(exact - full).max()
    assert np.abs(found.left_out[:, 0] - exact).max() < 0.15 * moved


def test_a_small_network_is_near_its_refits_from_the_same_start():
    reg = CurvatureMLPRegressor((3,), "tanh", alpha=0.3, target_scaling=None, **OPTIONS).fit(X, Y[:, 0])
    full, theta = reg.predict(X), reg.theta_.copy()
    found = influence(reg, X, Y[:, 0])
    exact = np.empty(N)
    for i in range(N):
        kept = np.arange(N) != i
        refit = CurvatureMLPRegressor((3,), "tanh", alpha=0.3, target_scaling=None, warm_start=True, **OPTIONS)
        refit.fit(X[kept], Y[kept, 0])
        refit.theta_ = theta.copy()
        exact[i] = refit.fit(X[kept], Y[kept, 0]).predict(X[[i]])[0]
    assert np.corrcoef(exact - full, found.left_out - full)[0, 1] > 0.9


def test_rows_without_weight_have_no_influence():
    w = W.copy()
    w[[0, 5]] = 0
    reg = _ridge().fit(X, Y, w)
    found = influence(reg, X, Y, sample_weight=w)
    np.testing.assert_allclose(found.left_out[[0, 5]], reg.predict(X[[0, 5]]), rtol=1e-12)
    assert not found.leverage[[0, 5]].any()
    assert not found.pull[[0, 5]].any()
    assert found.change is None
