"""The evidence against closed forms, numerical integration, refits and scikit-learn's linear models."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.linear_model import ARDRegression, BayesianRidge

from skcurv.curvature.assemble import columns_of, form_of
from skcurv.data import Data
from skcurv.linalg import Dense, Gram
from skcurv.losses import SquaredError
from skcurv.losses.log_loss import BernoulliLogLoss
from skcurv.network import MLP
from skcurv.objective import Objective
from skcurv.solvers import KFAC, LMNewton
from skcurv.solvers.evidence import Evidence, Prior, measured, updated
from skcurv.solvers.evidence_runs import train_by_evidence
from skcurv.solvers.leave_one_out import score
from skcurv.solvers.loop import Budget, train
from skcurv.solvers.newton_system import matrix

from ..cases import STEP, assert_close, assert_close_to_difference

EPS = np.finfo(float).eps
LOG_LOSS = BernoulliLogLoss()
FORMS = {"dense": lambda X: Dense(X.T @ X / len(X)), "gram": lambda X: Gram(X / len(X) ** 0.5)}


def _linear(seed=0, n=40, d=5, noise=0.3):
    """Rows and targets of a linear model without a bias."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * np.linspace(0.5, 2.0, d)
    return X, X @ rng.normal(size=d) + noise * rng.normal(size=n)


def _prior(of, a, beta):
    """A prior with one empty group more at its end, that of the biases of the outputs."""
    return Prior(tuple(f"group {k}" for k in range(len(a) + 1)), np.asarray(of), np.append(a, 1.0), beta)


def _mode(X, y, prior):
    return np.linalg.solve(prior.beta * X.T @ X + np.diag(prior.a[prior.of]), prior.beta * X.T @ y)


def _terms(X, y, theta, prior, form="dense"):
    """The terms for rows of weight one and linear outputs."""
    r = X @ theta - y
    grad = (X.T @ r + prior.alpha * theta) / len(y)
    return measured(FORMS[form](X), theta, grad, 0.5 * r @ r, len(y), len(y), prior)


def _fixed_point(X, y, of):
    prior = _prior(of, np.ones(max(of) + 1), 1.0)
    for _ in range(2000):
        prior, change = updated(prior, _terms(X, y, _mode(X, y, prior), prior))
        if change < 1e-13:
            break
    return prior


def test_one_precision_is_that_of_bayesian_ridge():
    X, y = _linear()
    none = dict.fromkeys(("alpha_1", "alpha_2", "lambda_1", "lambda_2"), 0.0)
    ridge = BayesianRidge(fit_intercept=False, tol=1e-14, max_iter=5000, **none).fit(X, y)
    prior = _fixed_point(X, y, [0] * 5)
    np.testing.assert_allclose([prior.a[0], prior.beta], [ridge.lambda_, ridge.alpha_], rtol=1e-8)


def test_a_precision_a_column_is_that_of_ard_regression():
    X, y = _linear()
    none = dict.fromkeys(("alpha_1", "alpha_2", "lambda_1", "lambda_2"), 0.0)
    ard = ARDRegression(fit_intercept=False, tol=1e-14, max_iter=5000, threshold_lambda=1e9, **none).fit(X, y)
    prior = _fixed_point(X, y, range(5))
    np.testing.assert_allclose(np.append(prior.a[:-1], prior.beta), np.append(ard.lambda_, ard.alpha_), rtol=1e-8)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n", [3, 40])
def test_the_evidence_of_a_linear_model_is_exact_at_every_theta(form, n):
    X, y = _linear(n=n)
    prior = _prior([0, 0, 1, 1, 1], [0.7, 3.0], 5.0)
    exact = multivariate_normal(cov=np.eye(n) / prior.beta + X / prior.a[prior.of] @ X.T).logpdf(y)
    for theta in (_mode(X, y, prior), np.arange(5.0)):
        terms = _terms(X, y, theta, prior, form)
        assert_close(terms.log_evidence, exact, 1e4, scale=abs(exact) + prior.beta * terms.losses)


def test_the_terms_are_the_gradient_of_the_log_evidence():
    X, y = _linear()
    prior = _prior([0, 0, 1, 1, 1], [0.7, 3.0], 5.0)
    terms = _terms(X, y, _mode(X, y, prior), prior)

    def log_evidence(logs):
        moved = prior._replace(a=np.append(np.exp(logs[:-1]), 1.0), beta=float(np.exp(logs[-1])))
        return _terms(X, y, np.ones(5), moved).log_evidence

    logs = np.log(np.append(prior.a[:-1], prior.beta))
    units = np.eye(3) * STEP
    numeric = [(log_evidence(logs + u) - log_evidence(logs - u)) / (2 * STEP) for u in units]
    by_group = 0.5 * (terms.gamma - prior.a * terms.squares)[:-1]
    by_noise = 0.5 * (terms.numbers - terms.gamma.sum()) - prior.beta * terms.losses
    assert_close_to_difference(np.append(by_group, by_noise), numeric, scale=100)


def _network(n=200, k=1, sizes=(1, 1), weights=None, noise=0.1):
    """An objective of one tanh layer, and the parameters of its targets; biases of the outputs are 0."""
    rng = np.random.default_rng(3)
    net = MLP((*sizes, k), ("tanh",) * (len(sizes) - 1))
    X, theta = rng.normal(size=(n, sizes[0])), rng.uniform(0.5, 1.5, net.layout.size)
    theta[-k:] = 0
    Y = net.output(theta, X) + noise * rng.normal(size=(n, k))
    return Objective(net, SquaredError(), Data(X, Y, np.ones(n) if weights is None else weights), 0.0), theta


def _at(objective, theta, prior):
    """The Point under the prior's penalty, its curvature and its terms."""
    data = objective.data
    here = Objective(objective.network, objective.loss, data, prior.alpha).point(theta)
    C, W = matrix(here, "dense", "ggn", None), data.total_weight
    losses = W * (here.value - here.objective.penalty(theta))
    return here, C, measured(C, theta, here.grad, losses, W, W * here.k, prior)


def _mode_of(objective, theta, prior):
    """The Point where lm-newton ends."""
    here, solver = _at(objective, theta, prior)[0], LMNewton()
    state = solver.init(here, 0)
    for _ in range(40):
        here, state, _ = solver.step(here, state)
    return here


def _error_of_three_parameters(n):
    """The error of the log evidence against Gauss-Hermite quadrature around a mode; a fourth parameter is held.

    Without noise in the targets the Hessian tends to the Gauss-Newton matrix as fast.
    """
    objective, theta = _network(n, noise=0.0)
    prior = Prior(("weights 1", "biases 1", "weights 2", "bias"), np.arange(4), np.array([1.0, 2.0, 0.5, 1e12]), 100.0)
    here = _mode_of(objective, theta, prior)
    _, C, terms = _at(objective, here.theta, prior)
    H = prior.beta * n * (C.C + np.diag(prior.alpha / n))[:3, :3]
    x, w = np.polynomial.hermite_e.hermegauss(14)  # against the weight exp(-z^2 / 2)
    L, terms_of_sum = np.linalg.cholesky(np.linalg.inv(H)), []
    for node in np.ndindex(14, 14, 14):
        z = x[list(node)]
        at = here.theta + np.append(L @ z, 0.0)
        rise = prior.beta * n * (here.objective.value(at) - here.value)
        terms_of_sum.append(np.prod(w[list(node)]) * np.exp(0.5 * z @ z - rise))
    integral = np.log(sum(terms_of_sum)) + np.linalg.slogdet(L)[1] - prior.beta * n * here.value
    integral += 0.5 * (np.log(prior.a[:3]).sum() - 3 * np.log(2 * np.pi) + n * np.log(prior.beta / 2 / np.pi))
    assert terms.decrement < 1e-6
    return abs(terms.log_evidence - integral)


def test_the_evidence_of_three_parameters_tends_to_its_integral_as_one_over_n():
    few, many = _error_of_three_parameters(200), _error_of_three_parameters(1600)
    assert few < 0.1
    assert many < few / 5


def test_the_score_of_a_linear_model_is_that_of_refits():
    rng = np.random.default_rng(0)
    net, prior = MLP((3, 2), ()), None
    X, Y = rng.normal(size=(12, 3)), rng.normal(size=(12, 2))
    prior = Prior(("weights 1", "biases 1"), np.array([0] * 6 + [1] * 2), np.array([2.0, 0.5]), 3.0)
    objective = Objective(net, SquaredError(), Data(X, Y, np.ones(12)), prior.alpha)
    A, B = np.hstack([X, np.ones((12, 1))]), np.diag([2.0] * 3 + [0.5])
    theta = np.linalg.solve(3.0 * A.T @ A + B, 3.0 * A.T @ Y)
    densities = []
    for i in range(12):
        rest = np.arange(12) != i
        P = np.linalg.inv(3.0 * A[rest].T @ A[rest] + B)
        mean, var = 3.0 * A[i] @ P @ A[rest].T @ Y[rest], 1 / 3.0 + A[i] @ P @ A[i]
        densities.append(multivariate_normal(mean, var * np.eye(2)).logpdf(Y[i]))
    here = objective.point(theta.ravel())
    assert_close(score(here, matrix(here, "dense", "ggn", None), prior), np.mean(densities), 1e4)


def test_the_score_of_a_logistic_regression_is_near_that_of_refits():
    """One Newton step leaves an error of a second step, the square of what a refit changes: far below the change."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 2))
    Y = (X[:, :1] + rng.logistic(size=(30, 1)) > 0).astype(float)
    prior = Prior(("layer 1", "output biases"), np.array([0, 0, 1]), np.array([1.0, 1.0]), 1.0)

    def fit(rows):
        objective = Objective(MLP((2, 1), ()), LOG_LOSS, Data(X[rows], Y[rows], np.ones(len(rows))), prior.alpha)
        return train(LMNewton(), objective, np.zeros(3), Budget(len(rows), 50, 0.0, 100), 0, 0.0).theta, objective

    theta, objective = fit(np.arange(30))
    left_out = []
    for i in range(30):
        without, _ = fit(np.delete(np.arange(30), i))
        left_out.append(-LOG_LOSS.value(objective.network.output(without, X[i : i + 1]), Y[i : i + 1])[0])
    here = objective.point(theta)
    trained = -float(np.mean(LOG_LOSS.value(here.tape.F, Y)))
    found = score(here, matrix(here, "dense", "ggn", None), prior)
    assert abs(found - np.mean(left_out)) < 0.05 * (trained - np.mean(left_out))


def test_kronecker_products_of_one_layer_give_the_terms_of_the_whole_matrix():
    """C = A (x) I of a linear model is a Kronecker product; one precision for all, biases too."""
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    prior = Prior(("layer 1", "output biases"), np.array([0] * 6 + [1] * 2), np.array([2.0, 2.0]), 3.0)
    here = Objective(MLP((3, 2), ()), SquaredError(), Data(X, Y, np.ones(20)), prior.alpha).point(rng.normal(size=8))
    whole = matrix(here, "dense", "ggn", None)
    products = form_of("kron", here, lambda: columns_of("ggn", 0, 0), here.k).in_eigenbasis()
    found = [np.hstack(measured(C, here.theta, here.grad, 5.0, 20.0, 40.0, prior)[:-1]) for C in (whole, products)]
    assert_close(*found, 1e4)


def test_a_weight_counts_as_rows():
    weights = np.array([1.0, 3.0, 0.0, 2.0] * 5)
    objective, theta = _network(20, 2, (2, 3), weights)
    data = objective.data
    rows = np.repeat(np.arange(len(data.w)), weights[weights > 0].astype(int))
    repeated = Objective(objective.network, objective.loss, Data(data.X[rows], data.Y[rows], np.ones(len(rows))), 0.0)
    prior, found = Evidence().prior(objective.network.layout, objective.data.total_weight), []
    for one in (objective, repeated):
        here, C, terms = _at(one, theta, prior)
        found.append(np.hstack([*terms[:-1], score(here, C, prior)]))
    assert_close(found[0], found[1], 1e4)


@pytest.mark.parametrize(
    ("precisions", "groups"),
    [
        ("layer", [0] * 9 + [1, 1, 1, 2]),
        ("one", [0] * 12 + [1]),
        ("feature", [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4]),
    ],
)
def test_groups_of_parameters(precisions, groups):
    prior = Evidence(precisions, start=0.5).prior(MLP((2, 3, 1), ("tanh",)).layout, 14)
    assert prior.of.tolist() == groups
    assert prior.a.tolist() == [7.0] * (len(prior.names) - 1) + [1.0]


def _run(objective, theta, max_iter=30, solver=None, patience=1000, tol=0.0):
    prior = Evidence().prior(objective.network.layout, objective.data.total_weight)
    budget = Budget(objective.data.n, max_iter, tol, patience)
    return train_by_evidence(solver or LMNewton(), objective, theta, prior, budget, 0, 0.0)


def test_kfac_ends_where_lm_newton_does_on_a_linear_model():
    X, y = _linear(n=60)
    X, y = X - X.mean(axis=0), y - y.mean()
    objective = Objective(MLP((5, 1), ()), SquaredError(), Data(X, y[:, None] / y.std(), np.ones(60)), 0.0)
    ends = [_run(objective, np.zeros(6), 500, solver)[1] for solver in (LMNewton(), KFAC())]
    np.testing.assert_allclose(ends[1].prior.a, ends[0].prior.a, rtol=1e-4)
    np.testing.assert_allclose(ends[1].prior.beta, ends[0].prior.beta, rtol=1e-5)
    np.testing.assert_allclose(ends[1].theta, ends[0].theta, atol=1e-5)


@pytest.mark.parametrize(("solver", "start"), [(LMNewton(), 0.1), (LMNewton(), 3.0), (KFAC(), 10.0)])
def test_a_network_that_a_strong_prior_holds_at_zero_has_a_second_pass(solver, start):
    rng = np.random.default_rng(0)
    X = rng.uniform(-3, 3, (60, 1))
    Y = np.sin(2 * X) + 0.1 * rng.normal(size=(60, 1))
    objective = Objective(MLP((1, 8, 1), ("tanh",)), SquaredError(), Data(X, Y, np.ones(60)), 0.0)
    prior, theta = Evidence(start=start).prior(objective.network.layout, 60.0), rng.normal(size=25)
    _, found = train_by_evidence(solver, objective, theta, prior, Budget(60, 1000, 1e-4, 10), 0, 0.0)
    assert found.terms.gamma.sum() > 8
    assert found.prior.beta**-0.5 < 0.15


def test_a_run_keeps_its_best_score_and_can_be_repeated():
    objective, theta = _network(40, 1, (2, 4))
    theta = 0.3 * np.random.default_rng(1).normal(size=len(theta))
    (result, found), (again, _) = _run(objective, theta), _run(objective, theta)
    history = result.history.arrays()
    assert found.terms.score == history["leave_one_out"].max()
    assert found.terms.log_evidence in history["log_evidence"]
    np.testing.assert_array_equal(result.theta, again.theta)
    _, _, terms = _at(objective, result.theta, found.prior)
    assert_close(terms.log_evidence, found.terms.log_evidence, 1e4)


def test_rows_held_in_sample_space_give_the_same_run():
    objective, theta = _network(10, 1, (3, 6))
    (dense, first), (gram, second) = (_run(objective, theta, 5, LMNewton(structure=s)) for s in ("dense", "gram"))
    np.testing.assert_allclose(dense.theta, gram.theta, atol=1e-8)
    np.testing.assert_allclose(first.terms.log_evidence, second.terms.log_evidence, rtol=1e-8)


def test_a_run_of_a_linear_model_ends_at_its_fixed_point():
    X, y = _linear(n=60)
    X, y = X - X.mean(axis=0), y - y.mean()
    data = Data(X, y[:, None] / y.std(), np.ones(60))
    result, found = _run(Objective(MLP((5, 1), ()), SquaredError(), data, 0.0), np.zeros(6), 500)
    assert result.converged
    terms, a = found.terms, found.prior.a
    np.testing.assert_allclose(a[0] * terms.squares[0], terms.gamma[0], rtol=1e-6)
    np.testing.assert_allclose(2 * found.prior.beta * terms.losses, 60 - terms.gamma.sum(), rtol=1e-6)
