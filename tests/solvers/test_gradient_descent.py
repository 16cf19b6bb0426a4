"""Gradient descent with the step 1 / L: the length of the step, its theorems on quadratics, L in the state."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from skcurv import CurvatureMLPClassifier
from skcurv.solvers.gradient_descent import GradientDescent, GradientDescentState

from .. import oracles
from ..cases import CASES, case, problem
from ..test_array_api import _points
from .test_lm_newton import _CliffSquaredError, _with_loss
from .test_quadratic_model import dense_model

EPS = np.finfo(np.float64).eps


def _quadratic(network="linear"):
    """A least-squares problem, its Hessian, its least point and value."""
    p = problem(case(network, "squared_error"), n=12)
    g, H = dense_model(p, 0.0)
    best = p.theta - np.linalg.solve(H, g)
    return p, H, best, oracles.value(p, best)


def _run(solver, here, steps):
    state = None
    for _ in range(steps):
        there, state, report = solver.step(here, state)
        yield here, there, state, report
        here = there


@pytest.mark.parametrize("c", CASES.values(), ids=CASES)
def test_the_step_is_the_gradient_over_the_largest_eigenvalue(c):
    """With as many Lanczos steps as parameters L is exact; a step too long in spite of that is rejected."""
    p = problem(c)
    g, C = dense_model(p, 0.0)
    L = np.linalg.eigvalsh(C)[-1]
    there, state, report = GradientDescent(lanczos_steps=100).step(p.point(), None)
    if report.step_length:
        assert report.step_length == pytest.approx(1 / L, rel=1e-10)
        np.testing.assert_allclose(there.theta, p.theta - g / L, rtol=0, atol=1e-10 * np.abs(g / L).max())
    else:
        assert oracles.value(p, p.theta - g / L) > oracles.value(p)
        np.testing.assert_allclose(state.L, 2 * L, rtol=1e-10)


@pytest.mark.parametrize("network", ["linear", "linear one output"])
def test_on_a_quadratic_every_step_does_what_theory_promises(network):
    """f falls by g'g / 2L or more; the distance to the minimum by the factor 1 - mu / L; f - f* <= L |e|^2 / 2t."""
    p, H, best, least = _quadratic(network)
    mu, L = np.linalg.eigvalsh(H)[[0, -1]]
    start = np.linalg.norm(p.theta - best)
    for t, (here, there, _, report) in enumerate(_run(GradientDescent(lanczos_steps=20), p.point(), 40), 1):
        assert report.step_length == pytest.approx(1 / L, rel=1e-9)
        assert there.value <= here.value - here.grad @ here.grad / (2 * L) + 1e-12
        left, before = np.linalg.norm(there.theta - best), np.linalg.norm(here.theta - best)
        assert left <= (1 - mu / L) * before * (1 + 1e-9) + 1e-12
        assert there.value - least <= L * start**2 / (2 * t) + 1e-12


@pytest.mark.parametrize("lanczos_steps", [1, 2, 3])
def test_few_lanczos_steps_find_the_largest_eigenvalue_in_time(lanczos_steps):
    """The last vector and the gradient together are enough; too small an L is doubled before f can rise."""
    p, H, _, _ = _quadratic()
    solver = GradientDescent(lanczos_steps=lanczos_steps, refresh_period=1)
    for here, there, state, _ in _run(solver, p.point(), 40):
        assert there.value <= here.value * (1 + 10 * EPS)
        assert np.linalg.norm(state.y) == pytest.approx(1.0, abs=100 * EPS)
    L = np.linalg.eigvalsh(H)[-1]
    assert state.L <= 2 * L
    if lanczos_steps > 1:
        np.testing.assert_allclose(state.L, L, rtol=1e-2)


@pytest.mark.parametrize(("gradient", "kept"), [(0, -1), (-1, 0)])
def test_the_gradient_and_the_last_vector_both_start_an_estimate(gradient, kept):
    """Each an eigenvector of the smallest or the largest eigenvalue, alone an invariant subspace."""
    p, H, best, _ = _quadratic("linear one output")
    values, Q = np.linalg.eigh(H)
    here = p._replace(theta=best + Q[:, gradient]).point()
    _, state, _ = GradientDescent().step(here, GradientDescentState(1.0, Q[:, kept], 0))
    np.testing.assert_allclose(state.L, values[-1], rtol=1e-10)
    np.testing.assert_allclose(abs(state.y @ Q[:, -1]), 1.0, rtol=1e-10)


@pytest.mark.parametrize("scale", [2.0**-20, 2.0**20])
def test_a_linear_network_knows_no_scale_of_targets(scale):
    """Targets and start times a power of two: the same path times it, bit by bit."""
    p = problem(case("linear", "squared_error"), n=12)
    one, other = (
        [
            there.theta / s
            for _, there, _, _ in _run(GradientDescent(), p._replace(Y=s * p.Y, theta=s * p.theta).point(), 25)
        ]
        for s in (1.0, scale)
    )
    np.testing.assert_array_equal(one, other)


def test_the_curvature_is_looked_up_once_a_period():
    p = problem(case("tanh", "multinomial"))
    states = [state for *_, state, report in _run(GradientDescent(refresh_period=5), p.point(), 15)]
    for step in range(1, 15):
        assert (states[step].y is states[step - 1].y) == (step % 5 != 0)
    assert [state.step for state in states] == list(range(1, 16))


@pytest.mark.parametrize("rise", [np.nan, np.inf, -np.inf, 10.0])
def test_a_step_that_does_not_descend_leaves_theta_and_doubles_l(rise):
    p = problem(case("two layers", "squared_error"))
    here = _with_loss(p, _CliffSquaredError(p.point().tape.F, 0.0, rise))
    there, first, report = GradientDescent().step(here, None)
    again, second, _ = GradientDescent().step(here, first)
    assert there is again is here
    assert report.step_length == 0
    assert second == GradientDescentState(2 * first.L, first.y, 2)


def test_l_doubles_until_a_step_descends():
    p = problem(case("two layers", "squared_error"))
    here = _with_loss(p, _CliffSquaredError(p.point().tape.F, 1e-3))
    reports = [
        (there is here, report) for here, there, _, report in _run(GradientDescent(refresh_period=100), here, 30)
    ]
    rejected = [stayed for stayed, _ in reports]
    first = rejected.index(False)
    assert first > 1
    assert reports[first][1].step_length > 0


def test_values_that_are_no_numbers_are_trouble():
    p = problem(case("two layers", "squared_error"))
    here = _with_loss(p, _CliffSquaredError(p.point().tape.F, -1.0))
    there, state, report = GradientDescent().step(here, None)
    assert there is here
    assert state is None
    assert "finite" in report.trouble


def test_a_vanishing_gradient_is_convergence():
    p, _, best, _ = _quadratic()
    there, _, report = GradientDescent().step(p._replace(theta=best).point(), None)
    assert report.converged
    np.testing.assert_allclose(there.theta, best, rtol=0, atol=1e-12)


@pytest.mark.parametrize("missed", [0.0, 1.0])
def test_a_vanishing_curvature_makes_a_step_of_length_one(missed):
    """Without a gradient there is no step."""
    p = problem(case("linear one output", "squared_error"), alpha=0.0)

    class Flat(type(p.objective().loss)):
        def ggnp(self, F, Y, V):
            return 0 * V

    p = p._replace(Y=0 * p.Y + 10 * missed, theta=0 * p.theta)
    here = _with_loss(p, Flat())
    there, _, report = GradientDescent().step(here, None)
    assert np.linalg.norm(there.theta - p.theta) == pytest.approx(missed, abs=1e-12)
    assert report.converged == (missed == 0)


def test_strict_arrays_take_the_same_steps():
    """From parameters moved by rounding, for how far that is amplified: the tolerance is a hundred times as much."""
    p, ours, strict = _points(case("tanh", "multinomial"))
    other = ours.moved(1e-14 * np.ones(p.theta.size))
    states = [None] * 3
    for _ in range(4):
        points = []
        for i, here in enumerate((ours, strict, other)):
            there, states[i], _ = GradientDescent().step(here, states[i])
            points.append(there)
        ours, strict, other = points
    assert hasattr(strict.theta, "__array_namespace__")
    reach = 100 * np.abs(other.theta - ours.theta).max() + 1e-13
    np.testing.assert_allclose(np.asarray(strict.theta), ours.theta, rtol=0, atol=reach)


def test_no_hidden_layer_reaches_the_optimum_of_logistic_regression():
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    ours = CurvatureMLPClassifier((), solver=GradientDescent(), alpha=20.0, tol=0, max_iter=500).fit(X, y)
    theirs = LogisticRegression(C=1 / 20, solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(X, y)
    np.testing.assert_allclose(ours.coefs_[0].T, theirs.coef_, rtol=0, atol=1e-5)
