"""``alpha="evidence"`` of the regressor: the attributes it leaves, units, weights, misuse."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import BayesianRidge
from sklearn.metrics import log_loss

from skcurv import CurvatureMLPClassifier, CurvatureMLPRegressor
from skcurv.curvature.assemble import point
from skcurv.posterior import laplace
from skcurv.solvers import Evidence, LMNewton

FITTED = {
    "alpha_",
    "effective_n_parameters_",
    "leave_one_out_score_",
    "log_evidence_",
    "noise_variance_",
    "precisions_",
}


def _rows(n=60, seed=0):
    """Rows of which two features count, and noisy targets."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    return X, 3 + np.sin(2 * X[:, 0]) + 0.5 * X[:, 1] + 0.1 * rng.normal(size=n)


def _regressor(hidden=(6,), alpha="evidence", **changes):
    numbers = {"solver": "lm-newton", "max_iter": 40, "tol": 0, "random_state": 0}
    return CurvatureMLPRegressor(hidden, "tanh", alpha=alpha, **(numbers | changes))


def test_a_linear_model_is_bayesian_ridge():
    """Up to the intercept, which is one more parameter with a prior of its own."""
    X, y = _rows(4000)
    X, y = X - X.mean(axis=0), y - y.mean()
    reg = _regressor((), max_iter=300, n_iter_no_change=300).fit(X, y)
    none = dict.fromkeys(("alpha_1", "alpha_2", "lambda_1", "lambda_2"), 0.0)
    ridge = BayesianRidge(fit_intercept=False, tol=1e-12, max_iter=1000, **none).fit(X, y)
    np.testing.assert_allclose(reg.noise_variance_, 1 / ridge.alpha_, rtol=2 / 4000)
    np.testing.assert_allclose(reg.predict(X), ridge.predict(X), atol=1e-5)
    assert abs(reg.effective_n_parameters_ - 5) < 0.02


@pytest.mark.parametrize("precisions", ["layer", "one", "feature"])
def test_a_fit_leaves_its_attributes_and_a_fit_without_evidence_does_not(precisions):
    X, y = _rows()
    reg = _regressor(alpha=Evidence(precisions)).fit(X, y)
    assert set(vars(reg)) >= FITTED
    assert 0 < reg.effective_n_parameters_ < 37
    assert reg.alpha_.shape == reg.theta_.shape
    assert reg.leave_one_out_score_ == pytest.approx(reg.history_["leave_one_out"].max() - np.log(y.std()))
    assert not FITTED & set(vars(reg.set_params(alpha=1.0, warm_start=True).fit(X, y)))


def _classifier(**changes):
    numbers = {"solver": "lm-newton", "alpha": "evidence", "max_iter": 40, "tol": 0, "random_state": 0}
    return CurvatureMLPClassifier((6,), "tanh", **(numbers | changes))


@pytest.mark.parametrize("solver", ["lm-newton", "kfac"])
@pytest.mark.parametrize("classes", [2, 3])
def test_a_classifier_sets_its_own_penalty(solver, classes):
    """Labels of which a fifth are drawn at random: a network without a penalty learns those as well."""
    X, y = _rows(900)
    rng = np.random.default_rng(1)
    labels = np.digitize(y, np.quantile(y, np.arange(1, classes) / classes))
    labels = np.where(rng.uniform(size=900) < 0.2, rng.integers(classes, size=900), labels)

    def loss(clf):
        return log_loss(labels[300:], clf.predict_proba(X[300:]))

    clf = _classifier(solver=solver, max_iter=100).fit(X[:300], labels[:300])
    assert loss(clf) < loss(_classifier(solver=solver, max_iter=100, alpha=1e-4).fit(X[:300], labels[:300])) - 0.1
    assert set(vars(clf)) >= FITTED - {"noise_variance_"}
    assert not hasattr(clf, "noise_variance_")
    assert 5 < clf.effective_n_parameters_ < len(clf.theta_)
    assert abs(clf.leave_one_out_score_ + loss(clf)) < 0.15


def test_the_evidence_of_counts_has_their_normaliser():
    X, _ = _rows(50)
    y = np.random.default_rng(0).poisson(np.exp(0.5 * X[:, 0]))
    reg = _regressor((), loss="poisson").fit(X, y)
    np.testing.assert_allclose(laplace(reg, X, y, prior_precision=reg.alpha_).log_evidence, reg.log_evidence_)


def test_features_without_effect_have_little_relevance():
    X, y = _rows(200)
    relevances = _regressor(alpha=Evidence("feature")).fit(X, y).feature_relevances_
    assert relevances.sum() == pytest.approx(1)
    assert relevances[2:].max() < 1e-3 * relevances[:2].min()


def test_the_noise_is_found():
    """Where a network of this size is the truth: within four standard errors of a variance, 4 sqrt(2 / n)."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(800, 2))
    y = np.tanh(2 * X[:, 0]) - np.tanh(X[:, 1] - 1) + 0.1 * rng.normal(size=800)
    assert _regressor(max_iter=60).fit(X, y).noise_variance_ == pytest.approx(0.01, rel=0.2)


def test_units_of_the_target():
    X, y = _rows()
    one, other = _regressor().fit(X, y), _regressor().fit(X, 8 * y)  # a power of two: the same roundings
    np.testing.assert_array_equal(one.theta_, other.theta_)
    assert other.noise_variance_ == pytest.approx(64 * one.noise_variance_)
    assert other.log_evidence_ == pytest.approx(one.log_evidence_ - 60 * np.log(8))
    assert other.leave_one_out_score_ == pytest.approx(one.leave_one_out_score_ - np.log(8))


def test_several_targets_have_one_noise_each_in_their_units():
    X, y = _rows()
    noise = _regressor().fit(X, np.column_stack([y, 8 * y])).noise_variance_
    assert noise.shape == (2,)
    assert noise[1] == pytest.approx(64 * noise[0])


def test_a_weight_counts_as_rows():
    X, y = _rows(30)
    w = np.arange(30) % 3
    rows = np.repeat(np.arange(30), w)
    one, other = _regressor(max_iter=8).fit(X, y, sample_weight=w), _regressor(max_iter=8).fit(X[rows], y[rows])
    assert one.log_evidence_ == pytest.approx(other.log_evidence_, rel=1e-6)
    assert one.leave_one_out_score_ == pytest.approx(other.leave_one_out_score_, rel=1e-6)


def test_curvature_of_a_fitted_estimator_has_the_penalty_that_was_found():
    X, y = _rows()
    reg = _regressor(tol=1e-4, max_iter=200).fit(X, y)
    here = point(reg, X, y)
    np.testing.assert_allclose(here.objective.shift(here.theta), reg.alpha_ / 60)
    assert here.value == pytest.approx(reg.loss_)


@pytest.mark.parametrize(
    "kind", ["more parameters than rows", "constant feature", "constant target", "single precision"]
)
def test_odd_data_give_finite_numbers(kind):
    X, y = _rows(8 if kind == "more parameters than rows" else 40)
    X[:, 3] = X[:, 3] if kind != "constant feature" else 1.0
    y = y if kind != "constant target" else np.full(len(y), 2.0)
    X = X if kind != "single precision" else X.astype(np.float32)
    reg = _regressor(max_iter=20).fit(X, y)
    numbers = reg.log_evidence_, reg.leave_one_out_score_, reg.effective_n_parameters_, reg.noise_variance_
    assert np.isfinite(numbers).all()
    assert np.isfinite(reg.predict(X)).all()


def test_parameters_of_the_object_can_be_searched():
    reg = clone(_regressor(alpha=Evidence())).set_params(alpha__precisions="one", alpha__start=0.01)
    assert (reg.alpha.precisions, reg.alpha.start) == ("one", 0.01)
    with pytest.raises(ValueError, match=r"alpha__start was given where alpha='evidence' is a name.*Pass alpha=Evid"):
        _regressor().set_params(alpha__start=0.01)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"solver": "adam"}, r"solver='adam'. Allowed is 'lm-newton' or 'kfac'"),
        ({"solver": LMNewton(curvature="hessian")}, r"curvature='hessian'. Allowed is 'auto' or 'ggn'"),
        ({"loss": "huber"}, r"loss='huber'. Allowed are 'squared_error' and losses that are a density"),
        ({"loss": "gamma"}, r"loss='gamma'. Allowed are 'squared_error' and"),
        ({"target_scaling": None}, r"target_scaling=None. Allowed is 'auto'"),
        ({"batch_size": 10}, r"batch_size=10. Allowed is 'auto'"),
        ({"early_stopping": True}, r"early_stopping=True. Allowed is False"),
        ({"alpha": "bayes"}, r"alpha='bayes'.*'evidence'"),
        ({"alpha": -1.0}, r"alpha=-1.0.*at least 0"),
        ({"solver": "kfac", "alpha": Evidence("feature")}, r"precisions='feature'.*solver='kfac'. Allowed are 'layer'"),
        ({"alpha": Evidence("unit")}, r"precisions='unit'.*'layer'"),
        ({"alpha": Evidence(start=0)}, r"start=0.*above 0"),
    ],
)
def test_misuse_is_told(changes, words):
    with pytest.raises(ValueError, match=words):
        _regressor(**changes).fit(*_rows())


def test_there_is_no_partial_fit():
    assert hasattr(_regressor(alpha=1.0), "partial_fit")
    assert not any(hasattr(_regressor(alpha=alpha), "partial_fit") for alpha in ("evidence", Evidence()))
