"""What leaves a Levenberg-Marquardt run unchanged, and the second-order step along a geodesic."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from skcurv.data import Data
from skcurv.losses import SquaredError
from skcurv.network.parametric import FlatLayout, Given, Parametric
from skcurv.objective import Objective
from skcurv.solvers import LMNewton
from skcurv.solvers import geodesic as path
from skcurv.solvers.geodesic import second_derivative
from skcurv.solvers.lm_newton import LMState

from .. import oracles
from ..cases import CASES, Case, assert_close, case, problem

EPS = np.finfo(np.float64).eps
TANH = Case((3, 4, 1), ("tanh",), "squared_error")


def _run(solver, p, steps, lam=None):
    here, points = p.point(), []
    state = solver.init(here, 0)._replace(lam=lam)
    for _ in range(steps):
        here, state, report = solver.step(here, state)
        points.append(here)
        if report.converged:
            break
    return points


def _mapped(p, T, shift=0.0):
    """The same functions of inputs X T + shift: W' = T^-1 W, b' = b - shift W'."""
    blocks = [block.copy() for block in p.case.network.layout.blocks(p.theta)]
    W = np.linalg.solve(T, blocks[0][:-1])
    blocks[0] = np.vstack([W, blocks[0][-1] - np.broadcast_to(shift, len(T)) @ W])
    return p._replace(X=p.X @ T + shift, theta=p.case.network.layout.join(blocks))


def _decay(units, start):
    """A Point of a exp(-b x) whose parameters theta are (a, b) / units."""
    x = np.arange(1.0, 7.0)
    y = np.array([109.0, 149.0, 149.0, 191.0, 213.0, 224.0])[:, None]

    def model(theta, X):
        a, b = theta * units
        return (a * np.exp(-b * X[:, 0]))[:, None]

    def jacobian(theta, X):
        a, b = theta * units
        e = np.exp(-b * X[:, 0])
        return (np.stack([e, -a * X[:, 0] * e], axis=1) * units)[:, None, :]

    theta = np.array(start) / units
    network = Parametric(model, Given(jacobian, theta, None), FlatLayout(2, (1, 1)))
    return Objective(network, SquaredError(), Data(x[:, None], y, np.ones(6)), 0.0).point(theta)


def _steps(solver, here, count=8):
    state, thetas = solver.init(here, 0), []
    for _ in range(count):
        here, state, _ = solver.step(here, state)
        thetas.append(here.theta)
    return np.array(thetas)


@pytest.mark.parametrize("scaling", ["auto", "diagonal", "relative"])
@pytest.mark.parametrize("start", [(1.0, 1.0), (150.0, 0.0)])
def test_model_functions_do_not_see_the_units_of_their_parameters(scaling, start):
    """M changes with the units as C does; powers of two round to the same. A start of 0 counts as 1 in any units."""
    units = np.array([2.0**8, 1.0 if start[1] == 0 else 2.0**-8])
    steps, others = (_steps(LMNewton(scaling=scaling), _decay(u, start)) for u in (np.ones(2), units))
    assert np.ptp(steps, axis=0).min() > 0
    assert np.array_equal(others * units, steps)


def test_automatic_scaling_is_relative_for_model_functions_and_none_for_networks():
    for kind, start in (("relative", _decay(1.0, (1.0, 1.0))), ("identity", problem(TANH).point())):
        auto, named, other = (_steps(LMNewton(scaling=scaling), start, 2) for scaling in ("auto", kind, "diagonal"))
        assert np.array_equal(auto, named)
        assert not np.allclose(auto, other)


@pytest.mark.parametrize("curvature", ["ggn", "hessian"])
@pytest.mark.parametrize("structure", ["dense", "gram", "layer"])
def test_diagonal_scaling_does_not_see_the_units_of_inputs(structure, curvature):
    """With M = diag C all of C, M and g change with the units as the step does; powers of two round to the same.

    But for the geodesic's difference, whose step is relative to the parameters.
    """
    structure = "dense" if curvature == "hessian" else structure
    p = problem(TANH, n=30, alpha=0.0)
    other = _mapped(p, np.diag([2.0**-10, 1.0, 2.0**9]))
    solver = LMNewton(structure, curvature, scaling="diagonal", geodesic=False)
    for one, two in zip(_run(solver, p, 8), _run(solver, other, 8), strict=True):
        np.testing.assert_allclose(two.tape.F, one.tape.F, rtol=0, atol=1e-9 * np.abs(one.tape.F).max())
    plain = [_run(LMNewton("dense"), q, 1)[0].tape.F for q in (p, other)]
    assert np.abs(plain[0] - plain[1]).max() > 0.01


def test_columns_of_any_scale_cost_at_most_twice_the_iterations():
    """Scales from 1e-3 to 1e3 on real data, from the same function; the identity scaling needs more."""
    X, y = load_diabetes(return_X_y=True)
    X, y = (X / X.std(axis=0))[:200], ((y - y.mean()) / y.std())[:200, None]
    c = Case((10, 5, 1), ("tanh",), "squared_error")
    p = problem(c, n=200, alpha=0.0)._replace(X=X, Y=y, v=np.ones(200))
    p = p._replace(theta=0.3 * p.theta)
    other = _mapped(p, np.diag(10 ** np.random.default_rng(0).uniform(-3, 3, 10)))
    solver = LMNewton("dense", scaling="diagonal")
    target = 1.001 * _run(solver, p, 30)[-1].value
    needed = [sum(h.value > target for h in _run(solver, q, 60)) + 1 for q in (p, other)]
    assert needed[1] <= 2 * needed[0]
    assert _run(LMNewton("dense"), other, 60)[-1].value > target


def test_without_damping_affine_maps_of_the_inputs_change_nothing():
    """C' = T' C T and g' = T' g for the linear map T of the parameters: d' = T^-1 d, up to the floor of lambda."""
    p = problem(TANH, n=60, alpha=0.0)
    rng = np.random.default_rng(3)
    p = p._replace(Y=oracles.forward(TANH, p.theta, p.X) + 0.01 * rng.normal(size=p.Y.shape))
    p = p._replace(theta=p.theta + 0.02 * rng.normal(size=p.theta.size))
    assert np.linalg.matrix_rank(oracles.ggn(p)) == p.theta.size
    other = _mapped(p, np.eye(3) + 0.5 * rng.normal(size=(3, 3)), rng.normal(size=3))
    np.testing.assert_allclose(other.point().tape.F, p.point().tape.F, rtol=0, atol=1e-12)
    runs = [_run(LMNewton("dense"), q, 4, lam=0.0) for q in (p, other)]
    for one, two in zip(*runs, strict=True):
        np.testing.assert_allclose(two.tape.F, one.tape.F, rtol=0, atol=1e-6)
    assert np.abs(runs[0][0].tape.F - p.point().tape.F).max() > 1e-3


def test_the_running_maximum_of_the_diagonal_never_falls():
    p, solver = problem(TANH, n=30), LMNewton(scaling="diagonal")
    here, state = p.point(), solver.init(p.point(), 0)
    tops = []
    for _ in range(6):
        here, state, _ = solver.step(here, state)
        tops.append(state.top)
    assert np.all(np.diff(tops, axis=0) >= 0)
    assert_close(tops[0], np.diagonal(oracles.ggn(p)), 20 * p.theta.size * p.Y.size)


@pytest.mark.parametrize("c", CASES.values(), ids=CASES)
def test_the_second_derivative_along_a_direction(c):
    """Against central differences of brute-force Jacobians, which are off by eps^(2/3) of the fourth derivative."""
    p, h = problem(c), EPS ** (1 / 3)
    u = np.random.default_rng(4).normal(size=p.theta.size)
    kept = p.v > 0
    ahead, behind = (oracles.jacobian(c, p.theta + step * u, p.X[kept]) @ u for step in (h, -h))
    expected = (ahead - behind) / (2 * h)
    reach = (1 + np.linalg.norm(p.theta)) * (1 + np.linalg.norm(u)) ** 2 * (1 + np.abs(expected).max())
    np.testing.assert_allclose(second_derivative(p.point(), u), expected, rtol=0, atol=60 * EPS ** (2 / 3) * reach)


@pytest.mark.parametrize("loss", ["squared_error", "multinomial"])
@pytest.mark.parametrize("scaling", ["identity", "diagonal"])
def test_the_geodesic_term_solves_its_equation(monkeypatch, loss, scaling):
    """a = -(C + D + lambda M)^-1 sum_i w_i J_i' H_i F''_i / 2, and no step where it is too long."""
    p, lam = problem(case("one output" if loss == "squared_error" else "tanh", loss)), 0.5
    C, w = oracles.ggn(p), p.v / p.v.sum()
    M = np.eye(p.theta.size) if scaling == "identity" else np.diag(np.maximum(np.diagonal(C), EPS * C.max()))
    monkeypatch.setattr(path, "BEND", 1e9)
    bent, plain = (LMNewton("dense", scaling=scaling, geodesic=g) for g in (True, False))
    v = plain.step(p.point(), LMState(lam, None, 0, 0))[0].theta - p.theta
    a = bent.step(p.point(), LMState(lam, None, 0, 0))[0].theta - p.theta - v
    J, h = oracles.jacobian(p.case, p.theta, p.X), EPS ** (1 / 3)
    ahead, behind = (oracles.jacobian(p.case, p.theta + s * v, p.X) @ v for s in (h, -h))
    H = oracles.loss_hessian(loss, oracles.forward(p.case, p.theta, p.X))
    force = np.einsum("i,ikp,ikl,il->p", w, J, H, (ahead - behind) / (2 * h))
    expected = -0.5 * np.linalg.solve(C + lam * M + p.alpha / p.v.sum() * np.diag(oracles.penalised(p.case)), force)
    np.testing.assert_allclose(a, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    assert np.linalg.norm(a) > 1e-3 * np.linalg.norm(v)
    monkeypatch.setattr(path, "BEND", 0.0)
    there, state, _ = bent.step(p.point(), LMState(lam, None, 0, 0))
    np.testing.assert_array_equal(there.theta, p.theta)
    assert state.lam > lam


def test_a_geodesic_step_misses_reachable_targets_by_the_third_order():
    """With more parameters than outputs J v = t R is solved: F(theta + d) = Y + O(t^2), with the term O(t^3)."""
    p = problem(Case((3, 8, 1), ("tanh",), "squared_error"), n=6, alpha=0.0)
    F, R = oracles.forward(p.case, p.theta, p.X), np.random.default_rng(5).normal(size=(6, 1))
    left = {}
    for geodesic in (False, True):
        for t in (0.04, 0.02):
            q = p._replace(Y=F + t * R)
            there = _run(LMNewton("dense", geodesic=geodesic), q, 1, lam=0.0)[0]
            left[geodesic, t] = np.abs(there.tape.F - there.batch.Y).max()
    assert 3 < left[False, 0.04] / left[False, 0.02] < 5
    assert 6 < left[True, 0.04] / left[True, 0.02] < 10
    assert left[True, 0.02] < 0.2 * left[False, 0.02]


def test_a_geodesic_run_needs_no_more_steps_along_a_curved_valley():
    """Noise-free targets of a tanh network: steps until the loss has fallen a thousandfold, over six starts."""
    needed = {}
    for geodesic in (False, True):
        needed[geodesic] = []
        for seed in range(6):
            p = problem(Case((2, 5, 1), ("tanh",), "squared_error"), n=30, alpha=0.0, seed=seed)
            p = p._replace(Y=oracles.forward(p.case, 2 * p.theta[::-1], p.X))
            values = [h.value for h in _run(LMNewton("dense", geodesic=geodesic), p, 60)]
            needed[geodesic].append(sum(v > 1e-3 * p.point().value for v in values))
    assert sum(needed[True]) <= sum(needed[False])


def test_a_geodesic_of_another_matrix_is_a_clear_error():
    for curvature in ("hessian", "fisher", "empirical-fisher"):
        with pytest.raises(ValueError, match=r"geodesic=True .* was given .* Allowed is .* Set geodesic=False"):
            LMNewton(curvature=curvature, geodesic=True).init(problem(TANH).point(), 0)


@pytest.mark.parametrize("structure", ["dense", "gram", "layer"])
def test_parameters_that_change_nothing_are_left_alone_by_diagonal_scaling(structure):
    """A column of zeros without a penalty: its entries of diag C are zero, and its weights stay."""
    p = problem(TANH, n=30, alpha=0.0)
    p = p._replace(X=p.X * np.array([1.0, 0.0, 1.0]))
    points = _run(LMNewton(structure, scaling="diagonal"), p, 5)
    assert points[-1].value < 0.9 * p.point().value
    np.testing.assert_array_equal(points[-1].theta[4:8], p.theta[4:8])
