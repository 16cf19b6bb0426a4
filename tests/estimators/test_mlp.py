"""The two estimators: attributes, shapes and kinds of targets, the objective and the outputs by hand."""

import numpy as np
import pytest
from scipy.special import expit, logsumexp
from sklearn.datasets import load_diabetes, load_iris, make_multilabel_classification
from sklearn.metrics import accuracy_score, r2_score
from sklearn.preprocessing import StandardScaler

from skcurv import CurvatureMLPClassifier, CurvatureMLPRegressor
from skcurv.solvers import SOLVERS

every_solver = pytest.mark.parametrize("solver", SOLVERS)
every_incremental_solver = pytest.mark.parametrize("solver", [name for name, s in SOLVERS.items() if not s.full_batch])
SECOND = ("lm-newton", "hessian-free", "natural-gradient", "diag-fisher", "block-fisher", "kfac")


def rows(solver, batch_size):
    """The batch size where the solver takes one."""
    return "auto" if SOLVERS[solver].full_batch else batch_size


def iris(dtype=np.float64):
    X, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(X).astype(dtype), y


def diabetes(dtype=np.float64):
    X, y = load_diabetes(return_X_y=True)
    return StandardScaler().fit_transform(X).astype(dtype), y.astype(dtype)


def classifier(solver="kfac", **options):
    return CurvatureMLPClassifier((5,), **{"solver": solver, "max_iter": 8, "tol": 0, "random_state": 0} | options)


def regressor(solver="kfac", **options):
    return CurvatureMLPRegressor((5,), **{"solver": solver, "max_iter": 8, "tol": 0, "random_state": 0} | options)


def outputs(model, X, phi=lambda z: np.maximum(z, 0)):
    """The forward pass through `coefs_` and `intercepts_`."""
    for W, b in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        X = phi(X @ W + b)
    return X @ model.coefs_[-1] + model.intercepts_[-1]


def objective(model, losses, w=None):
    """The weighted mean of losses (n,) and the penalty."""
    w = np.ones(len(losses)) if w is None else w
    return w @ losses / w.sum() + model.alpha / (2 * w.sum()) * sum((W**2).sum() for W in model.coefs_)


@every_solver
def test_attributes_of_a_classifier(solver):
    X, y = iris()
    model = classifier(solver, early_stopping=True, n_iter_no_change=20).fit(X, y)
    assert [W.shape for W in model.coefs_] == [(4, 5), (5, 3)]
    assert [b.shape for b in model.intercepts_] == [(5,), (3,)]
    assert (model.n_layers_, model.n_outputs_, model.out_activation_, model.n_features_in_) == (3, 3, "softmax", 4)
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])
    assert len(model.loss_curve_) == len(model.validation_scores_) == model.n_iter_ == 8
    assert model.best_loss_ == min(*model.loss_curve_, model.loss_)
    assert not hasattr(model, "feature_names_in_")
    expected = {"iteration", "epoch", "seconds", "loss", "validation_score", "step_length"}
    assert set(model.history_) == expected | ({"damping", "gain_ratio"} if solver in SECOND else set())
    assert {len(column) for column in model.history_.values()} == {8}
    np.testing.assert_array_equal(model.history_["epoch"], np.arange(1, 9))
    assert model.history_["loss"].tolist() == model.loss_curve_


@every_solver
def test_attributes_of_a_regressor(solver):
    X, y = diabetes()
    model = regressor(solver).fit(X, y)
    assert (model.n_layers_, model.n_outputs_, model.out_activation_) == (3, 1, "identity")
    assert model.validation_scores_ is None
    assert model.loss_ < model.loss_curve_[0]


def test_coefs_are_views_of_theta():
    model = classifier().fit(*iris())
    parts = [part for pair in zip(model.coefs_, model.intercepts_, strict=True) for part in pair]
    assert all(np.shares_memory(part, model.theta_) for part in parts)
    np.testing.assert_array_equal(np.concatenate([part.ravel() for part in parts]), model.theta_)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_loss_is_the_objective_by_hand(dtype):
    """Half squares of standardised targets; the multinomial, binary and multilabel log-loss; weights; the penalty."""
    w = np.random.default_rng(0).uniform(0, 2, 150)
    tolerance = {"rel": float(30 * np.finfo(dtype).eps)}
    X, y = diabetes(dtype)
    model = regressor(alpha=3.0).fit(X[:150], y[:150], w)
    mean = np.average(y[:150], weights=w)
    Y = (y[:150] - mean) / np.sqrt(np.average((y[:150] - mean) ** 2, weights=w))
    assert model.loss_ == pytest.approx(objective(model, (outputs(model, X[:150])[:, 0] - Y) ** 2 / 2, w), **tolerance)
    X, y = iris(dtype)
    model = classifier(alpha=3.0, activation="tanh").fit(X, y, w)
    F = outputs(model, X, np.tanh)
    losses = logsumexp(F, axis=1) - F[np.arange(150), y]
    assert model.loss_ == pytest.approx(objective(model, losses, w), **tolerance)
    for labels in (y == 2, np.stack([y == 0, X[:, 0] > 0], axis=1)):
        model = classifier(alpha=3.0).fit(X, labels.astype(int), w)
        F, Y = outputs(model, X), np.reshape(labels, (150, -1))
        assert model.loss_ == pytest.approx(objective(model, (np.logaddexp(0, F) - Y * F).sum(1), w), **tolerance)


def test_binary_multiclass_and_string_labels():
    X, y = iris()
    names = np.array(["c", "a", "b"])[y]
    model = classifier(max_iter=20).fit(X, names)
    np.testing.assert_array_equal(model.classes_, ["a", "b", "c"])
    assert model.score(X, names) == accuracy_score(names, model.predict(X)) > 0.9
    P, L, F = model.predict_proba(X), model.predict_log_proba(X), model.decision_function(X)
    assert P.shape == L.shape == F.shape == (150, 3)
    np.testing.assert_allclose(P.sum(axis=1), 1, rtol=1e-14)
    np.testing.assert_allclose(np.exp(L), P, rtol=1e-12)
    np.testing.assert_array_equal(model.classes_[P.argmax(axis=1)], model.predict(X))
    model = classifier(max_iter=20).fit(X[:100], names[:100])
    P, F = model.predict_proba(X[:100]), model.decision_function(X[:100])
    assert model.out_activation_ == "logistic"
    assert (P.shape, F.shape) == ((100, 2), (100,))
    np.testing.assert_allclose(P[:, 1], expit(F), rtol=1e-12)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X[:100])), P, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(model.predict(X[:100]), model.classes_[(F > 0).astype(int)])


@every_solver
def test_multilabel_targets(solver):
    X, Y = make_multilabel_classification(120, 6, n_classes=3, random_state=0)
    X = StandardScaler().fit_transform(X)
    model = classifier(solver).fit(X, Y)
    P, L, predicted = model.predict_proba(X), model.predict_log_proba(X), model.predict(X)
    assert P.shape == L.shape == predicted.shape == model.decision_function(X).shape == (120, 3)
    np.testing.assert_allclose(np.exp(L), P, rtol=1e-10)
    np.testing.assert_array_equal(predicted, P > 0.5)
    assert model.out_activation_ == "logistic"
    assert model.loss_ < model.loss_curve_[0]
    assert model.score(X, Y) == accuracy_score(Y, predicted)


def test_shapes_of_regression_targets_are_given_back():
    X, y = diabetes()
    for target in (y, y[:, None], np.stack([y, X[:, 0], -y], axis=1)):
        model = regressor(max_iter=15).fit(X, target)
        assert model.predict(X).shape == target.shape
        assert model.score(X, target) == r2_score(target, model.predict(X)) > 0.4


def test_an_affine_map_of_the_targets_maps_the_predictions():
    """The targets are standardised inside."""
    X, y = diabetes()
    plain, mapped = (regressor().fit(X, target) for target in (y, 1e6 * y - 1e7))
    np.testing.assert_allclose(mapped.predict(X), 1e6 * plain.predict(X) - 1e7, rtol=1e-7)
    assert mapped.loss_ == pytest.approx(plain.loss_, rel=1e-7)
    raw = regressor(target_scaling=None, max_iter=1).fit(X, y)
    assert raw.loss_curve_[0] == pytest.approx(objective(raw, (y - y.mean()) ** 2 / 2), rel=0.1)


def test_targets_in_the_unit_interval_by_log_loss():
    X, y = diabetes()
    Y = np.stack([expit((y - 150) / 80), X[:, 0] > 0], axis=1)
    model = regressor(loss="log_loss", max_iter=20).fit(X, Y)
    predicted = model.predict(X)
    assert model.out_activation_ == "logistic"
    assert np.all((predicted >= 0) & (predicted <= 1))
    np.testing.assert_allclose(predicted, expit(outputs(model, X)), rtol=1e-12)
    assert model.score(X, Y) > 0.5


def test_log_probabilities_are_finite_where_probabilities_underflow():
    X, y = iris()
    for labels in (y, y == 2, np.stack([y == 0, y == 1], axis=1).astype(int)):
        model = classifier(solver="adam").fit(X, labels)
        far = 1e4 * X
        L, P = model.predict_log_proba(far), model.predict_proba(far)
        assert np.isfinite(L).all()
        assert np.finfo(P.dtype).tiny == P.min()
        assert L.min() < -1000
        assert np.isfinite(P).all()
