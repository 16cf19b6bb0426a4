import warnings

import numpy as np
import pytest
from scipy.optimize import minimize as scipy_minimize
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from skcurv import CurvatureMLPClassifier, CurvatureMLPRegressor, minimize
from skcurv.solvers import LBFGS
from skcurv.solvers.loop import Budget, train
from skcurv.solvers.protocol import Report

from ..cases import case, problem


def test_it_reaches_the_optimum_of_logistic_regression():
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    ours = CurvatureMLPClassifier((), solver="lbfgs", alpha=1.0, max_iter=1000, tol=0, random_state=0).fit(X, y)
    theirs = LogisticRegression(solver="newton-cholesky", tol=1e-12).fit(X, y)
    np.testing.assert_allclose(ours.coefs_[0][:, 0], theirs.coef_[0], rtol=0, atol=1e-6 * np.abs(theirs.coef_).max())


def test_the_history_has_a_row_an_iteration_with_the_loss_before_it():
    p = problem(case("tanh", "squared_error"), n=30)
    objective, seen = p.objective(), []
    result = train(LBFGS(), objective, p.theta, Budget(30, 12, 0.0, 100), 0, 0.0, tell=seen.append)
    losses = result.history.column("loss")
    assert len(losses) == len(seen) == 12
    assert losses[0] == pytest.approx(objective.value(p.theta), rel=1e-14)
    assert (np.diff([*losses, result.loss]) < 0).all()


def test_the_loop_can_end_it():
    p = problem(case("tanh", "squared_error"), n=30)
    patient = train(LBFGS(), p.objective(), p.theta, Budget(30, 100, 0.0, 3), 0, 0.0)
    hasty = train(LBFGS(), p.objective(), p.theta, Budget(30, 100, 1e9, 3), 0, 0.0)
    assert len(hasty.history.rows) == 4  # the first improves on nothing; three more do not improve by so much
    assert len(patient.history.rows) > 20


def test_a_linear_model_converges_before_the_budget_ends():
    X, y = load_diabetes(return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reg = CurvatureMLPRegressor((), solver="lbfgs", max_iter=500, tol=1e-12, n_iter_no_change=500).fit(X, y)
    assert reg.n_iter_ < 500


def test_a_start_at_the_optimum_is_one_row():
    X = np.zeros((4, 2))
    reg = CurvatureMLPRegressor((), solver="lbfgs", alpha=0.0).fit(X, np.ones(4))
    assert reg.n_iter_ == 1
    np.testing.assert_array_equal(reg.predict(X), np.ones(4))


def test_a_power_of_two_times_the_objective_changes_no_digit():
    """SciPy alone takes a value of 1e-15 for converged, and its steps are at most 1e10 |g| long."""

    def run(k):
        unit = 2.0**k
        return minimize(
            lambda t: unit * (100 * (t[1] - t[0] ** 2) ** 2 + (1 - t[0]) ** 2 + 1),
            [-1.2, 1.0],
            jac=lambda t: unit * np.array([400 * t[0] * (t[0] ** 2 - t[1]) - 2 * (1 - t[0]), 200 * (t[1] - t[0] ** 2)]),
            solver="lbfgs",
        )

    usual = run(0)
    assert usual.success
    np.testing.assert_allclose(usual.x, 1, atol=1e-6)
    for k in (-300, -50, 50, 300):
        other = run(k)
        np.testing.assert_array_equal(other.x, usual.x)
        assert (other.success, other.nit, other.nfev) == (True, usual.nit, usual.nfev)


class _Cliff:
    """An objective x^2 / 2 that falls steeply from 2.9 on, and is infinite beyond |x| = 3."""

    box = None

    def value(self, theta):
        x = float(theta[0])
        return x**2 / 2 - 100 * max(0.0, x - 2.9) if abs(x) < 3 else np.inf

    def point(self, theta):
        return type("Here", (), {"value": self.value(theta), "grad": theta - 100 * (theta > 2.9)})


def test_it_comes_back_from_where_the_objective_is_infinite():
    ends = []

    def see(first, value, last, report):
        assert isinstance(report, Report)
        assert np.isfinite(value)
        ends.append(float(last[0]))
        return False

    LBFGS().minimise(_Cliff(), np.array([2.95]), 50, see)
    assert 2.95 < ends[0] <= ends[-1] < 3


def test_walls_without_a_value_are_no_end():
    """log, and a division by zero beyond 100: the first steps go far behind either."""

    def fun(t):
        return 0.5 * (np.log(t[0]) - 1) ** 2 + 0 / (float(t[0].real) < 100)

    for start in (1e-3, 30.0, 99.0):
        found = minimize(fun, [start], solver="lbfgs")
        assert found.x[0] == pytest.approx(np.e, rel=1e-6)
        assert found.success


def test_evaluations_that_are_used_up_are_no_convergence(monkeypatch):
    def few(*arguments, options, **others):
        return scipy_minimize(*arguments, options={**options, "maxfun": 5}, **others)

    monkeypatch.setattr("skcurv.solvers.lbfgs.minimize", few)
    result = minimize(lambda t: np.sum(np.cosh(t) + t**4), np.full(2, 3.0), solver="lbfgs")
    assert (result.success, result.status) == (False, 1)
    assert 0 < result.nit < 1000


@pytest.mark.parametrize("estimator", [CurvatureMLPClassifier, CurvatureMLPRegressor])
def test_there_is_no_partial_fit_and_no_mini_batch(estimator):
    X, y = np.eye(4), np.array([0, 1, 0, 1])
    assert not hasattr(estimator(solver="lbfgs"), "partial_fit")
    assert hasattr(estimator(solver="adam"), "partial_fit")
    with pytest.raises(ValueError, match=r"batch_size=2 was given to solver='lbfgs'.*Allowed is 'auto'\. Leave"):
        estimator(solver="lbfgs", batch_size=2).fit(X, y)
    assert (
        estimator(solver="lbfgs", batch_size=4, tol=0, max_iter=2, alpha=1e-3).set_params(tol=0).fit(X, y).n_iter_ <= 2
    )


def test_early_stopping_keeps_the_best_validated_point():
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    clf = CurvatureMLPClassifier((20,), solver="lbfgs", early_stopping=True, tol=0, random_state=0).fit(X, y)
    assert len(clf.validation_scores_) == clf.n_iter_
    assert int(np.argmax(clf.validation_scores_)) == clf.n_iter_ - 1 - clf.n_iter_no_change
