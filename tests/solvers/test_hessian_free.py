"""Hessian-free: Newton's direction, least squares in one step, lambda, the line search, negative curvature."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from skcurv import CurvatureMLPClassifier
from skcurv.curvature.products import ggn_product, hessian_product
from skcurv.linalg.cg import Solution
from skcurv.solvers import LMNewton, hessian_free
from skcurv.solvers.hessian_free import HessianFree, HessianFreeState
from skcurv.solvers.linesearch import armijo
from skcurv.solvers.quadratic_model import minimise

from .. import oracles
from ..cases import CASES, LOSSES, SMOOTH, case, problem
from ..test_array_api import _points
from .test_lm_newton import _CliffSquaredError, _with_loss

EPS = np.finfo(np.float64).eps
every_case = pytest.mark.parametrize("c", CASES.values(), ids=CASES)


def _matrix(p, curvature="ggn"):
    """B by brute force."""
    if curvature == "hessian":
        return oracles.hessian(p)
    return oracles.ggn(p) + np.diag(p.alpha / p.v.sum() * oracles.penalised(p.case))


def _state(lam, x=None):
    return HessianFreeState(lam, 0.0, x)


@every_case
def test_enough_iterations_give_the_damped_newton_direction(c, monkeypatch):
    """Conjugate gradients run until the residual is 1e-12 of what it was, or does not fall any more."""
    monkeypatch.setattr(hessian_free, "PROGRESS", 0.0)
    p, lam = problem(c), 0.1
    _, state, _ = HessianFree(cg_iterations=300).step(p.point(), _state(lam))
    B = _matrix(p) + lam * np.eye(p.theta.size)
    best = -np.linalg.solve(B, oracles.gradient(p))
    assert np.linalg.norm(state.x - best) <= 1000 * p.theta.size * EPS * np.linalg.cond(B) * np.linalg.norm(best)


@pytest.mark.parametrize("network", ["linear", "tanh", "logistic"])
def test_enough_iterations_take_the_first_step_of_lm_newton(network, monkeypatch):
    """Whose lambda is 1e-3 of the largest diagonal entry of the Gauss-Newton matrix."""
    monkeypatch.setattr(hessian_free, "PROGRESS", 0.0)
    p = problem(case(network, "squared_error"), n=20)
    lm, here = LMNewton("dense", geodesic=False), p.point()
    theirs, _, other = lm.step(here, lm.init(here, 0))
    ours, _, report = HessianFree().step(p.point(), _state(1e-3 * np.diagonal(oracles.ggn(p)).max()))
    assert report.step_length == 1.0
    assert other.step_length == pytest.approx(1.0)
    np.testing.assert_allclose(ours.theta, theirs.theta, rtol=0, atol=1e-6 * np.abs(theirs.theta - p.theta).max())
    assert report.gain_ratio == pytest.approx(other.gain_ratio, rel=1e-5)


@pytest.mark.parametrize("curvature", ["ggn", "hessian"])
@pytest.mark.parametrize("network", ["linear", "linear one output"])
def test_one_step_solves_least_squares(network, curvature):
    """With damping lambda the error left is lambda (H + lambda I)^-1 times the first."""
    p = problem(case(network, "squared_error"), n=12)
    H, lam = _matrix(p), 1e-10
    best = p.theta - np.linalg.solve(H, oracles.gradient(p))
    there, _, report = HessianFree(curvature).step(p.point(), _state(lam))
    left = lam / np.linalg.eigvalsh(H)[0] + 1000 * p.theta.size * EPS * np.linalg.cond(H) ** 2
    assert np.linalg.norm(there.theta - best) <= left * np.linalg.norm(p.theta - best)
    assert report.gain_ratio == pytest.approx(1.0, abs=1e-6)


@every_case
def test_the_start_of_lambda_is_the_curvature_along_the_gradient(c):
    p = problem(c)
    g = oracles.gradient(p)
    differences = np.finfo(float).eps ** (2 / 3) * np.linalg.norm(oracles.hessian(p)) * 10  # the oracle's own error
    for product, B, error in ((ggn_product, _matrix(p), 0.0), (hessian_product, oracles.hessian(p), differences)):
        lam, _, x, _ = hessian_free._start(p.point(), product)
        assert lam == pytest.approx(abs(g @ B @ g) / (g @ g), rel=1e-10, abs=error)
        assert x is None


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1.0, 1e3, 1e6])
def test_it_finds_the_scale_of_raw_targets(scale):
    """Targets of another network, times a scale: 100 steps leave a fiftieth of their variance.

    At 1e6 a valley holds this method at 1.5 %, and lm-newton at 0.7 %; a lambda of the wrong scale leaves nearly all.
    """
    p, rng = problem(case("silu", "squared_error"), n=60), np.random.default_rng(1)
    Y = scale * oracles.forward(p.case, rng.normal(size=p.theta.size), p.X)
    p = p._replace(Y=Y, v=np.ones(60), alpha=0.0)
    here, state, solver = p.point(), None, HessianFree()
    for _ in range(100):
        here, state, report = solver.step(here, state)
        assert np.isfinite(report.damping)
    assert here.value < 0.02 * Y.var(axis=0).sum() / 2


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("network", ["linear", "two layers", "tanh", "silu", "deep linear", "deep relu"])
@pytest.mark.parametrize("curvature", ["ggn", "hessian"])
def test_every_step_descends_towards_a_stationary_point(network, loss, curvature):
    p = problem(case(network, loss))
    here, state, solver = p.point(), None, HessianFree(curvature)
    slope = np.linalg.norm(here.grad)
    for _ in range(30):
        there, state, report = solver.step(here, state)
        assert there.value <= here.value + 10 * EPS * abs(here.value)
        assert (there is here) == (report.step_length == 0)
        here = there
        if report.converged:
            break
    if set(p.case.activations) <= set(SMOOTH):
        assert np.linalg.norm(here.grad) < 0.02 * slope


@every_case
@pytest.mark.parametrize("lam", [0.03, 30.0])
def test_rho_leaves_lambda_out_and_moves_it(c, lam):
    p = problem(c)
    there, state, report = HessianFree().step(p.point(), _state(lam))
    d = (there.theta - p.theta) / report.step_length
    actual = p.point().moved(d).value - p.point().value
    predicted = oracles.gradient(p) @ d + d @ _matrix(p) @ d / 2
    assert report.gain_ratio == pytest.approx(actual / predicted, rel=1e-6, abs=1e-9)
    factor = 2 / 3 if report.gain_ratio > 3 / 4 else 3 / 2 if report.gain_ratio < 1 / 4 else 1
    assert report.damping == state.lam == pytest.approx(factor * lam)


def test_the_next_step_starts_from_a_part_of_the_last_result(monkeypatch):
    starts, cg = [], hessian_free.cg
    monkeypatch.setattr(hessian_free, "cg", lambda **how: starts.append(how["x"]) or cg(**how))
    here, solver = problem(case("tanh", "multinomial")).point(), HessianFree()
    there, first, _ = solver.step(here, None)
    solver.step(there, first)
    assert starts[0] is None
    np.testing.assert_array_equal(starts[1], 0.95 * first.x)


def test_the_preconditioner_is_the_empirical_fisher_to_a_power(monkeypatch):
    seen, cg = [], hessian_free.cg
    monkeypatch.setattr(hessian_free, "cg", lambda **how: seen.append(how["precondition"]) or cg(**how))
    p, lam = problem(case("tanh", "multinomial")), 0.2
    HessianFree().step(p.point(), _state(lam))
    each = [oracles.gradient(p._replace(v=np.eye(len(p.v))[i], alpha=0.0)) for i in range(len(p.v))]
    squares = sum(v * g**2 for v, g in zip(p.v / p.v.sum(), each, strict=True))
    M = (squares + lam + p.alpha / p.v.sum() * oracles.penalised(p.case)) ** 0.75
    np.testing.assert_allclose(seen[0](np.ones(p.theta.size)), 1 / M, rtol=1e-10)


@pytest.mark.parametrize("longest", [1.0, 2.0, 1e200])
def test_the_walk_back_ends_where_the_objective_is_least(longest):
    """Along Newton's direction of a quadratic, whose minimum is at 1; values beyond may be infinite."""
    p = problem(case("linear", "squared_error"), n=12)
    d = -np.linalg.solve(_matrix(p), oracles.gradient(p))
    with np.errstate(over="ignore"):
        found, there = hessian_free._walk_back(p.point(), [a * d for a in (0.2, 0.6, 1.0, longest)])
    np.testing.assert_array_equal(found, d)
    np.testing.assert_array_equal(there.theta, p.theta + d)


@pytest.mark.parametrize("rise", [np.nan, np.inf, -np.inf])
def test_the_walk_back_passes_over_what_is_no_number(rise):
    p = problem(case("linear", "squared_error"), n=12)
    d = -np.linalg.solve(_matrix(p), oracles.gradient(p))
    F = p.point().tape.F
    reach = 1.5 * np.abs(p.point().moved(d).tape.F - F).max()
    here = _with_loss(p, _CliffSquaredError(F, reach, rise))
    found, there = hessian_free._walk_back(here, [a * d for a in (0.2, 1.0, 2.0, 3.0)])
    np.testing.assert_array_equal(found, d)
    assert there.value < here.value


@pytest.mark.parametrize("scale", [1.0, 10.0, 100.0])
def test_armijo_takes_the_first_power_that_decreases_enough(scale):
    p = problem(case("tanh", "multinomial"))
    here, d = p.point(), -scale * p.point().grad
    a, there = armijo(here, d, here.moved(d))

    def enough(a):
        return oracles.value(p, p.theta + a * d) <= oracles.value(p) + 1e-2 * a * (oracles.gradient(p) @ d)

    first = next(0.8**k for k in range(60) if enough(0.8**k))
    assert a == pytest.approx(first, rel=1e-12)
    np.testing.assert_array_equal(there.theta, p.theta + a * d)


@pytest.mark.parametrize("rise", [np.nan, np.inf, -np.inf, 10.0])
def test_a_step_that_cannot_descend_leaves_theta_and_raises_lambda(rise):
    p = problem(case("two layers", "squared_error"))
    here = _with_loss(p, _CliffSquaredError(p.point().tape.F, 0.0, rise))
    state, lam = _state(0.5), 0.5
    for exponent in (1, 2, 4, 8):
        there, state, report = HessianFree().step(here, state)
        lam *= 1.5**exponent
        assert there is here
        assert report.step_length == 0
        assert report.damping == state.lam == pytest.approx(lam)
        assert state.x is None
        assert not np.isinf(report.gain_ratio)


@pytest.mark.parametrize("reach", [1e-1, 1e-3])
def test_a_shorter_step_is_taken_before_a_cliff(reach):
    p = problem(case("two layers", "squared_error"))
    here = _with_loss(p, _CliffSquaredError(p.point().tape.F, reach))
    there, _, report = HessianFree().step(here, _state(1e-3))
    assert there.value < here.value
    assert 0 < report.step_length < 1


def test_values_that_are_no_numbers_are_trouble():
    p = problem(case("two layers", "squared_error"))
    here = _with_loss(p, _CliffSquaredError(p.point().tape.F, -1.0))
    there, state, report = HessianFree().step(here, None)
    assert there is here
    assert state is None
    assert "finite" in report.trouble


@pytest.mark.parametrize("network", ["tanh", "two layers", "deep linear"])
def test_negative_curvature_ends_conjugate_gradients_and_the_step_descends(network, monkeypatch):
    ends, cg = [], hessian_free.cg

    def watched(**how):
        ends.append(cg(**how))
        return ends[-1]

    monkeypatch.setattr(hessian_free, "cg", watched)
    p = problem(case(network, "squared_error"), alpha=0.0)
    lowest = np.linalg.eigvalsh(_matrix(p, "hessian"))[0]
    assert lowest < -1e-3
    there, _, report = HessianFree("hessian").step(p.point(), _state(-lowest / 100))
    assert ends[0].ended == "curvature"
    assert there.value < p.point().value
    assert report.step_length > 0


@pytest.mark.parametrize("x", [None, 1.0, -1.0])
def test_without_an_iteration_the_step_is_along_the_gradient(x, monkeypatch):
    """Or where conjugate gradients end at a point that does not descend."""
    p, lam = problem(case("tanh", "multinomial")), 0.3
    here = p.point()
    stuck = -here.grad if x is None else x * here.grad
    found = Solution(stuck, (stuck,), 0.0, 0 if x is None else 3, "curvature")
    monkeypatch.setattr(hessian_free, "cg", lambda **how: found)
    d, last, there = HessianFree()._direction(here, lam, None)
    (alpha,), _ = minimise(here, [-here.grad], lam)
    if x == -1.0:
        np.testing.assert_array_equal(d, stuck)
        return
    np.testing.assert_allclose(d, -alpha * here.grad, rtol=1e-14)
    np.testing.assert_array_equal(there.theta, here.theta + d)
    assert last is None


def test_a_vanishing_gradient_is_convergence():
    p = problem(case("linear", "squared_error"), n=12)
    p = p._replace(theta=p.theta - np.linalg.solve(_matrix(p), oracles.gradient(p)))
    there, _, report = HessianFree().step(p.point(), None)
    assert report.converged
    np.testing.assert_allclose(there.theta, p.theta, rtol=0, atol=1e-12)


@pytest.mark.parametrize("curvature", ["ggn", "hessian"])
def test_strict_arrays_take_the_same_steps(curvature):
    """From parameters moved by rounding, for how far that is amplified: the tolerance is a hundred times as much."""
    p, ours, strict = _points(case("tanh", "multinomial"))
    other = ours.moved(1e-14 * np.ones(p.theta.size))
    states = [None] * 3
    for _ in range(4):
        points = []
        for i, here in enumerate((ours, strict, other)):
            there, states[i], _ = HessianFree(curvature).step(here, states[i])
            points.append(there)
        ours, strict, other = points
    assert hasattr(strict.theta, "__array_namespace__")
    reach = 100 * np.abs(other.theta - ours.theta).max() + 1e-13
    np.testing.assert_allclose(np.asarray(strict.theta), ours.theta, rtol=0, atol=reach)


def test_no_hidden_layer_reaches_the_optimum_of_logistic_regression():
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    ours = CurvatureMLPClassifier((), solver=HessianFree(), alpha=1.0, tol=0, max_iter=100).fit(X, y)
    theirs = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(X, y)
    np.testing.assert_allclose(ours.coefs_[0].T, theirs.coef_, rtol=0, atol=1e-6)
