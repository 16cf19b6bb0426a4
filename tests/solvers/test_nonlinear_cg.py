"""Nonlinear conjugate gradients and its line search: linear CG on quadratics, Wolfe's conditions, infinite values."""

import math
from typing import NamedTuple

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from skcurv import CurvatureMLPClassifier
from skcurv.solvers.linesearch import strong_wolfe
from skcurv.solvers.nonlinear_cg import NonlinearCG, NonlinearCGState, _direction

from .. import oracles
from ..cases import CASES, LOSSES, SMOOTH, case, problem
from ..test_array_api import _points
from .test_lm_newton import _CliffSquaredError, _with_loss
from .test_quadratic_model import conjugate_gradients, dense_model

EPS = np.finfo(np.float64).eps


@pytest.mark.parametrize("network", ["linear one output", "linear"])
def test_on_a_quadratic_it_is_linear_conjugate_gradients(network):
    """The first trial is the exact minimiser, gradients are orthogonal, and the path ends at the minimum."""
    p = problem(case(network, "squared_error"), n=12)
    H = dense_model(p, 0.0)[1]
    g0 = oracles.gradient(p._replace(theta=0 * p.theta))
    here, state, path = p.point(), None, []
    steps = len(np.unique(np.round(np.linalg.eigvalsh(H), 9)))  # repeated by outputs
    assert steps <= p.theta.size
    for _ in range(steps):
        here, state, report = NonlinearCG().step(here, state)
        assert report.step_length > 0
        path.append(here.theta)
    rounding = 100 * EPS * np.linalg.cond(H) ** 2 * np.abs(p.theta).max()
    np.testing.assert_allclose(path, conjugate_gradients(H, -g0, p.theta, steps), rtol=0, atol=rounding)
    np.testing.assert_allclose(here.theta, np.linalg.solve(H, -g0), rtol=0, atol=rounding)


@pytest.mark.parametrize("scale", [2.0**-20, 2.0**20])
def test_a_linear_network_knows_no_scale_of_targets(scale):
    """Targets and start times a power of two: the same path times it, bit by bit."""
    p = problem(case("linear", "squared_error"), n=12)
    ends = []
    for s in (1.0, scale):
        here, state = p._replace(Y=s * p.Y, theta=s * p.theta).point(), None
        for _ in range(4):
            here, state, _ = NonlinearCG().step(here, state)
        ends.append(here.theta / s)
    np.testing.assert_array_equal(*ends)


@pytest.mark.parametrize("slope", [0.01, 0.1, 0.4])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("network", ["linear", "tanh", "deep linear"])
def test_every_step_meets_the_strong_wolfe_conditions(network, loss, slope):
    """By values and gradients of brute force; where the decrease is above rounding."""
    p, solver = problem(case(network, loss)), NonlinearCG(slope)
    here, state = p.point(), None
    for _ in range(8):
        there, state, report = solver.step(here, state)
        d = (there.theta - here.theta) / report.step_length
        before, after = p._replace(theta=here.theta), p._replace(theta=there.theta)
        first, last = oracles.gradient(before) @ d, oracles.gradient(after) @ d
        rounding = 1e-10 * abs(oracles.value(before))
        assert oracles.value(after) <= oracles.value(before) + 1e-4 * report.step_length * first + rounding
        assert abs(last) <= slope * abs(first) + 1e-10 * np.linalg.norm(d)
        here = there


@pytest.mark.parametrize("c", CASES.values(), ids=CASES)
def test_every_step_descends_towards_a_stationary_point(c):
    p = problem(c)
    here, state = p.point(), None
    slope = np.linalg.norm(here.grad)
    for _ in range(60):
        there, state, report = NonlinearCG().step(here, state)
        assert there.value <= here.value + 10 * EPS * abs(here.value)
        assert (there is here) == (report.step_length == 0)
        here = there
        if report.converged:
            break
    if set(c.activations) <= set(SMOOTH):
        assert np.linalg.norm(here.grad) < 0.05 * slope


def _vectors():
    rng = np.random.default_rng(0)
    g, d = rng.normal(size=(2, 9))
    return g, d


def test_the_direction_is_that_of_polak_and_ribiere():
    g, d = _vectors()
    g_1 = np.linalg.qr(np.array([g, d]).T)[0][:, 1]  # orthogonal to g, as after an exact line search
    expected = -g + g @ (g - g_1) / (g_1 @ g_1) * d
    d = d if g @ expected < 0 else -d
    expected = -g + g @ (g - g_1) / (g_1 @ g_1) * d
    np.testing.assert_allclose(_direction(g, NonlinearCGState(g_1, d)), expected, rtol=1e-12)


@pytest.mark.parametrize("share", [0.2, 1.0, 2.0, -0.2])
def test_gradients_that_overlap_restart_it(share):
    """Also where beta would be negative: share > 1."""
    g, d = _vectors()
    np.testing.assert_array_equal(_direction(g, NonlinearCGState(share * g, d)), -g)


def test_a_direction_that_does_not_descend_restarts_it():
    g, _ = _vectors()
    g_1 = np.linalg.qr(np.array([g, np.ones(9)]).T)[0][:, 1]
    assert g @ (-g + (g @ (g - g_1)) * g) > 0
    np.testing.assert_array_equal(_direction(g, NonlinearCGState(g_1, g)), -g)
    np.testing.assert_array_equal(_direction(g, NonlinearCGState(0 * g, g)), -g)


@pytest.mark.parametrize("rise", [np.nan, np.inf, 10.0])
def test_a_step_that_cannot_descend_leaves_theta(rise):
    """All is higher but for steps so short that no output changes."""
    p = problem(case("two layers", "squared_error"))
    here = _with_loss(p, _CliffSquaredError(p.point().tape.F, 0.0, rise))
    there, state, report = NonlinearCG().step(here, None)
    assert report.step_length < 1e-15
    np.testing.assert_allclose(there.theta, p.theta, rtol=0, atol=1e-15)
    assert (there is here) == (state is None) == (report.step_length == 0)


@pytest.mark.parametrize("rise", [np.nan, np.inf, 10.0])
@pytest.mark.parametrize("reach", [1e-1, 1e-3, 1e-9])
def test_a_shorter_step_is_taken_before_a_cliff(reach, rise):
    p = problem(case("two layers", "squared_error"))
    here = _with_loss(p, _CliffSquaredError(p.point().tape.F, reach, rise))
    there, _, report = NonlinearCG().step(here, None)
    assert there.value < here.value
    assert report.step_length > 0


def test_values_that_are_no_numbers_are_trouble():
    p = problem(case("two layers", "squared_error"))
    here = _with_loss(p, _CliffSquaredError(p.point().tape.F, -1.0))
    there, state, report = NonlinearCG().step(here, None)
    assert there is here
    assert state is None
    assert "finite" in report.trouble


class _FlatSquaredError(type(LOSSES["squared_error"])):
    def ggnp(self, F, Y, V):
        return 0 * V


def test_without_curvature_the_first_trial_has_length_one(monkeypatch):
    p, tried = problem(case("tanh", "squared_error"), alpha=0.0), []
    here = _with_loss(p, _FlatSquaredError())
    monkeypatch.setattr(
        "skcurv.solvers.nonlinear_cg.strong_wolfe",
        lambda here, d, a, there, c2: tried.append(a) or strong_wolfe(here, d, a, there, c2),
    )
    there, _, _ = NonlinearCG().step(here, None)
    assert tried == [pytest.approx(1 / np.linalg.norm(here.grad), rel=1e-12)]
    assert there.value < here.value


def test_a_vanishing_gradient_is_convergence():
    p = problem(case("linear", "squared_error"), n=12)
    g, H = dense_model(p, 0.0)
    p = p._replace(theta=p.theta - np.linalg.solve(H, g))
    there, _, report = NonlinearCG().step(p.point(), None)
    assert report.converged
    np.testing.assert_allclose(there.theta, p.theta, rtol=0, atol=1e-12)


def test_strict_arrays_take_the_same_steps():
    """From parameters moved by rounding, for how far that is amplified: the tolerance is a hundred times as much."""
    p, ours, strict = _points(case("tanh", "multinomial"))
    other = ours.moved(1e-14 * np.ones(p.theta.size))
    states = [None] * 3
    for _ in range(4):
        points = []
        for i, here in enumerate((ours, strict, other)):
            there, states[i], _ = NonlinearCG().step(here, states[i])
            points.append(there)
        ours, strict, other = points
    assert hasattr(strict.theta, "__array_namespace__")
    reach = 100 * np.abs(other.theta - ours.theta).max() + 1e-13
    np.testing.assert_allclose(np.asarray(strict.theta), ours.theta, rtol=0, atol=reach)


def test_no_hidden_layer_reaches_the_optimum_of_logistic_regression():
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    ours = CurvatureMLPClassifier((), solver=NonlinearCG(), alpha=1.0, tol=0, max_iter=300).fit(X, y)
    theirs = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(X, y)
    np.testing.assert_allclose(ours.coefs_[0].T, theirs.coef_, rtol=0, atol=1e-5)


class _Curve(NamedTuple):
    """A function of one variable as Points along a line."""

    function: object
    theta: np.ndarray

    @property
    def value(self):
        return self.function(self.theta[0])[0]

    @property
    def grad(self):
        return np.array([self.function(self.theta[0])[1]])

    def moved(self, d):
        return _Curve(self.function, self.theta + d)


def _barrier(x):
    """-log(1 - x) - 3 x: no number from 1 on, least at 2/3."""
    return (-math.log(1 - x) - 3 * x, 1 / (1 - x) - 3) if x < 1 else (math.nan, math.nan)


def _wiggle(x):
    """Descends from 0, with many local minima."""
    return math.sin(5 * x) / 5 + (x - 3) ** 2, math.cos(5 * x) + 2 * (x - 3)


def _lost_slope(x):
    """Lower from 1 on, but without a slope there."""
    return ((x - 0.5) ** 2, 2 * x - 1) if x < 1 else (-100.0, math.nan)


def _jump(x):
    """A minimum of -10 at 1, and from 1.5 on a line that starts again at -1."""
    return (10 * ((x - 1) ** 2 - 1), 20 * (x - 1)) if x < 1.5 else (-3 * (x - 1.5) - 1, -3.0)


CURVES = {
    "quadratic": lambda x: ((x - 1) ** 2, 2 * (x - 1)),
    "steep quartic": lambda x: ((x - 1) ** 4 * 1e6, 4e6 * (x - 1) ** 3),
    "barrier": _barrier,
    "lost slope": _lost_slope,
    "wiggle": _wiggle,
    "long valley": lambda x: (-x / (x * x + 2), (x * x - 2) / (x * x + 2) ** 2),  # More & Thuente 1994, eq. 5.1
    "kink": lambda x: (abs(x - 1) + 0.05 * x * x, math.copysign(1, x - 1) + 0.1 * x),
}


@pytest.mark.parametrize("a", [1e-8, 1e-3, 0.3, 1.0, 10.0, 1e6, 1e12])
@pytest.mark.parametrize("name", CURVES)
def test_strong_wolfe_holds_from_any_first_trial(name, a):
    """At the kink no small slope exists: there the decrease alone is asked."""
    here, d = _Curve(CURVES[name], np.zeros(1)), np.ones(1)
    found, there = strong_wolfe(here, d, a, here.moved(a * d), 0.1)
    first = here.grad[0]
    assert found > 0
    assert there.theta[0] == found
    assert there.value <= here.value + 1e-4 * found * first
    if name != "kink":
        assert abs(there.grad[0]) <= 0.1 * abs(first)


def test_a_trial_above_the_best_one_has_gone_too_far():
    """0.5 descends, 2 less so although its slope goes on: the step lies between them."""
    here, d = _Curve(_jump, np.zeros(1)), np.ones(1)
    found, _ = strong_wolfe(here, d, 0.5, here.moved(0.5 * d), 0.1)
    assert 0.9 <= found <= 1.1


@pytest.mark.parametrize("value", [math.nan, math.inf, 1.0])
def test_strong_wolfe_returns_its_start_where_nothing_descends(value):
    here, d = _Curve(lambda x: (0.0, -1.0) if x == 0 else (value, 1.0), np.zeros(1)), np.ones(1)
    assert strong_wolfe(here, d, 1.0, here.moved(d), 0.1) == (0.0, here)
    up = _Curve(lambda x: (x, 1.0), np.zeros(1))
    assert strong_wolfe(up, d, 1.0, up.moved(d), 0.1) == (0.0, up)


def test_strong_wolfe_ends_on_a_line_without_end():
    here, d = _Curve(lambda x: (-x, -1.0), np.zeros(1)), np.ones(1)
    found, there = strong_wolfe(here, d, 1.0, here.moved(d), 0.1)
    assert 1.0 < found < math.inf
    assert there.value == -found
