"""Solvers in a box: they stay inside, end at bounded minima, and do without bounds what they did before.

Linear models are compared with SciPy's bounded least squares, an active-set method that ends at the exact solution.
"""

from itertools import product

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from skcurv.data import Data
from skcurv.losses import SquaredError
from skcurv.objective import Objective
from skcurv.solvers import SOLVERS, HessianFree, LMNewton, available
from skcurv.solvers.lm_newton import LMState
from skcurv.solvers.loop import Budget, train

from ..functions import Recorder, network_of

APPLICABLE = [row for row in available() if not row.layers]
EXACT = ("lm-newton", "lbfgs", "hessian-free", "natural-gradient", "diag-fisher", "nonlinear-cg")
every_solver = pytest.mark.parametrize("name", [row.name for row in APPLICABLE])
P, N = 5, 12
START = {"middle": 0.0, "lower": -1.0, "upper": 1.0, "corner": np.array([-1.0, 1.0, 1.0, -1.0, 0.0])}


def _solver(name, L):
    """Gradient methods at half of 1 / L, L the largest curvature; adaptive ones at a hundredth."""
    solver = SOLVERS[name]()
    if getattr(solver, "learning_rate", None) is not None:
        solver.set_params(learning_rate=0.5 / L if name in ("sgd", "momentum", "nesterov") else 0.01)
    return solver


def _linear(seed):
    """A (n, p), b (n,) and bounds around 0, of which a least-squares solution passes several."""
    rng = np.random.default_rng(seed)
    A, b = rng.normal(size=(N, P)), 2 * rng.normal(size=N)
    return A, b, -0.5 * rng.random(P), 0.5 * rng.random(P)


def _start(where, lower, upper):
    return np.where(np.sign(START[where]) == 0, 0.0, np.where(np.sign(START[where]) < 0, lower, upper))


def _fit(model, start, X, y, solver, bounds=None, jac="3-point", epochs=3000, fixed=None):
    """A run with every epoch, from start; a solver that finds convergence ends before."""
    net, found = network_of(model, start, jac, bounds, fixed, X)
    objective = Objective(net, SquaredError(), Data(X, y[:, None], np.ones(len(y))), 0.0, found.box)
    return train(solver, objective, found.theta, Budget(len(y), epochs, 0.0, epochs), 0, 0.0, warn=lambda said: None)


def _model(X, theta):
    return X @ theta


def _jac(X, theta):
    return X + 0.0


@every_solver
@pytest.mark.parametrize("seed", range(4))
def test_linear_models_end_at_the_bounded_solution(name, seed):
    """Second-order methods to 1e-8; a stop at a change of ten roundings of f leaves the root of those in theta.

    rmsprop and adam step by their rate whatever the gradient, but along a bound not at all.
    """
    A, b, lower, upper = _linear(seed)
    best = lsq_linear(A, b, (lower, upper), method="bvls", tol=1e-15).x
    assert np.sum((best == lower) | (best == upper)) > 0
    H = A.T @ A / N
    tolerance = 1e-8 if name in EXACT else 0.02 if name in ("adam", "rmsprop") else 1e-6
    for where in START:
        theta = _start(where, lower, upper)
        solver = _solver(name, np.linalg.eigvalsh(H)[-1])
        model = Recorder(_model)
        net, found = network_of(model, theta, _jac, (lower, upper), X=A)
        objective = Objective(net, SquaredError(), Data(A, b[:, None], np.ones(N)), 0.0, found.box)
        result = train(solver, objective, theta, Budget(N, 2000, 0.0, 2000), 0, 0.0)
        model.assert_inside(lower, upper)
        np.testing.assert_allclose(result.theta, best, rtol=0, atol=tolerance)
        held = (best == lower) | (best == upper)
        if name not in ("adam", "rmsprop"):
            np.testing.assert_array_equal(result.theta[held], best[held])


@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("geodesic", [False, True])
@pytest.mark.parametrize("curvature", ["ggn", "hessian"])
def test_levenberg_marquardt_takes_few_steps_wherever_it_starts(seed, geodesic, curvature):
    """A step is the minimiser of the damped model in the box, and geodesics at a bound look ahead: no way is long."""
    A, b, lower, upper = _linear(seed)
    best = lsq_linear(A, b, (lower, upper), method="bvls", tol=1e-15).x
    solver = LMNewton(geodesic=geodesic and curvature == "ggn", curvature=curvature)
    for where in START:
        result = _fit(_model, _start(where, lower, upper), A, b, solver, (lower, upper), _jac, 30)
        np.testing.assert_allclose(result.theta, best, rtol=0, atol=1e-8)
        assert result.converged
        assert len(result.history.rows) <= 12


def _one_step(A, b, lower, upper, theta):
    """After one step of Levenberg-Marquardt with next to no damping."""
    net, found = network_of(_model, theta, _jac, (lower, upper), X=A)
    objective = Objective(net, SquaredError(), Data(A, b[:, None], np.ones(len(b))), 0.0, found.box)
    return LMNewton(geodesic=False, scaling="diagonal").step(objective.point(theta), LMState(0.0, None, 0, 0))[0].theta


@pytest.mark.parametrize("seed", range(30))
def test_one_step_solves_bounded_least_squares(seed):
    """From inside, where nothing is held; and what ends on a bound ends exactly there."""
    A, b, lower, upper = _linear(seed)
    best = lsq_linear(A, b, (lower, upper), method="bvls", tol=1e-15).x
    for share in np.random.default_rng(seed).uniform(0.01, 0.99, (4, P)):
        there = _one_step(A, b, lower, upper, lower + share * (upper - lower))
        np.testing.assert_allclose(there, best, rtol=0, atol=1e-12)
        for bound in (lower, upper):
            np.testing.assert_array_equal(there == bound, np.abs(best - bound) < 1e-12)


@pytest.mark.parametrize("seed", [369, 1151, 1516, 2256])
def test_blocks_that_go_round_in_circles_are_left_one_by_one(seed):
    """Pivots of whole blocks alone do not end for these, of which there is one in a thousand."""
    rng = np.random.default_rng(seed)
    A, b = rng.normal(size=(5, 5)), 3 * rng.normal(size=5)
    lower, upper = -(rng.random(5) ** 2), rng.random(5) ** 2
    best = lsq_linear(A, b, (lower, upper), method="bvls", tol=1e-15).x
    np.testing.assert_allclose(_one_step(A, b, lower, upper, np.zeros(5)), best, rtol=0, atol=1e-9)


def test_many_bounds_are_pivoted():
    """Ill-conditioned, thirty parameters, most of them on a bound."""
    rng = np.random.default_rng(0)
    U = np.linalg.qr(rng.normal(size=(40, 30)))[0]
    for seed in range(10):
        rng = np.random.default_rng(seed)
        A = U * 10 ** rng.uniform(-2, 1, 30) @ np.linalg.qr(rng.normal(size=(30, 30)))[0]
        b, upper = rng.normal(size=40), rng.uniform(0.01, 0.3, 30)
        best = lsq_linear(A, b, (-upper, upper), method="bvls", tol=1e-15).x
        result = _fit(_model, np.zeros(30), A, b, LMNewton(), (-upper, upper), _jac, 60)
        value = np.sum((A @ best - b) ** 2) / 80
        assert result.loss <= value * (1 + 1e-12)


def _decay(X, a, b, c):
    return a * np.exp(-b * X[:, 0]) + c


T = np.linspace(0, 3, 15)[:, None]
TRUE = {"a": 2.0, "b": 1.3, "c": 0.5}
Y = _decay(T, **TRUE) + 0.05 * np.cos(7 * T[:, 0])
BOXES = {
    "one active": {"a": (0, 5), "b": (0, 1.0), "c": (-1, 1)},
    "two active": {"a": (2.5, 5), "b": (None, 1.0), "c": (-1, None)},
    "all active": {"a": (2.5, 5), "b": (0.1, 0.9), "c": (0.6, 1)},
    "narrow": {"b": (1.0, 1.0 + 1e-9), "c": (0.6, 0.6 + 1e-7)},
}
STARTS = {"inside": 0.4, "lower": 0.0, "upper": 1.0, "beside": 1e-9}


def _inside(bounds, share):
    """Start values at this share of the way between bounds, 2 wide where there is none."""
    starts = {}
    for name in TRUE:
        low, high = bounds.get(name, (None, None))
        low = (high - 2 if high is not None else 0.5) if low is None else low
        starts[name] = low + share * ((low + 2 if high is None else high) - low)
    return starts


def _projected_gradient(objective, theta, box):
    """Of which a bounded minimum has none."""
    return box.inside(theta - objective.point(theta).full_grad) - theta


@every_solver
@pytest.mark.parametrize("bounds", BOXES)
def test_nonlinear_fits_stay_inside_and_end_where_the_projected_gradient_is_zero(name, bounds):
    """Every derivative, start and solver; second-order ones to 1e-6 of the first gradient."""
    for jac, where in (("3-point", "inside"), ("2-point", "lower"), ("cs", "upper"), ("3-point", "beside")):
        model = Recorder(lambda X, theta: _decay(X, *theta))
        start = np.array(list(_inside(BOXES[bounds], STARTS[where]).values()))
        ends = [BOXES[bounds].get(word, (None, None)) for word in TRUE]
        pair = tuple([one[side] for one in ends] for side in (0, 1))
        net, found = network_of(model, start, jac, pair, X=T)
        objective = Objective(net, SquaredError(), Data(T, Y[:, None], np.ones(15)), 0.0, found.box)
        epochs = 300 if name in EXACT else 20
        result = train(_solver(name, 3.0), objective, start, Budget(15, epochs, 0.0, epochs), 0, 0.0)
        model.assert_inside(found.lower, found.upper)
        assert result.loss <= objective.value(start)
        if name in EXACT and jac != "2-point":
            left = np.abs(_projected_gradient(objective, result.theta, found.box)).max()
            assert left <= 1e-6 * max(1.0, np.abs(objective.point(start).full_grad).max())


@pytest.mark.parametrize("solver", [LMNewton(curvature="hessian"), HessianFree(curvature="hessian")], ids=["lm", "hf"])
def test_the_hessian_from_every_corner(solver):
    """Its products look along lines that leave the box on both sides there."""
    bounds = {"a": (0.5, 5), "b": (0.2, 1.0), "c": (-1, 0.55)}
    ends = []
    for corner in product((0, 1), repeat=3):
        start = {name: bounds[name][side] for name, side in zip(TRUE, corner, strict=True)}
        result = _fit(_decay, start, T, Y, solver, bounds, epochs=300)
        assert result.converged
        ends.append(result.theta)
    np.testing.assert_allclose(ends, np.broadcast_to(ends[0], (8, 3)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", EXACT)
def test_a_solution_in_the_interior_is_the_unbounded_one(name):
    free = _fit(_decay, [1.0, 1.0, 0.0], T, Y, _solver(name, 3.0), epochs=500).theta
    wide = {"a": (0, 10), "b": (0, 10), "c": (-5, 5)}
    for start in ([1.0, 1.0, 0.0], [0.0, 1.0, -5.0], [10.0, 1.0, 5.0]):
        boxed = _fit(_decay, start, T, Y, _solver(name, 3.0), wide, epochs=2000).theta
        np.testing.assert_allclose(boxed, free, rtol=0, atol=2e-6)


@every_solver
@pytest.mark.parametrize("bounds", [None, {}, (-np.inf, np.inf), {"a": (None, None)}, {"b": (-np.inf, None)}])
def test_an_infinite_box_changes_nothing(name, bounds):
    free, boxed = (
        _fit(_decay, [1.0, 1.0, 0.0], T, Y, _solver(name, 3.0), ends, epochs=10).theta for ends in (None, bounds)
    )
    np.testing.assert_array_equal(boxed, free)


def test_held_parameters_leave_when_the_gradient_turns():
    """A valley that bends: the way to the minimum runs along b = 0 first, and leaves it."""

    def rosenbrock(X, a, b):
        return np.where(X[:, 0] == 0, 10 * (b - a**2), 1 - a)

    X, y, seen = np.array([[0.0], [1.0]]), np.zeros(2), []
    for name in ("lm-newton", "lbfgs", "hessian-free", "nonlinear-cg"):
        result = _fit(rosenbrock, [-0.5, 0.0], X, y, _solver(name, 1.0), {"b": (0.0, 3.0)}, epochs=500)
        seen.append(result.theta)
    np.testing.assert_allclose(seen, np.ones((4, 2)), rtol=0, atol=1e-5)


def _renamed(units, order):
    """`_decay` of one vector, in other units and another order."""

    def model(X, theta):
        values = dict(zip(order, theta, strict=True))
        return _decay(X, *(values[name] / unit for name, unit in zip("abc", units, strict=True)))

    return model


def test_units_and_order_of_parameters_do_not_change_levenberg_marquardt():
    """With scaling by the diagonal: units that are powers of two give the same numbers, whatever the rounding."""
    bounds = {"a": (0, 5), "b": (0, 1.0), "c": (-1, 1)}
    runs = {}
    for units in ((1, 1, 1), (2.0**10, 2.0**-10, 2.0**5)):
        for order in ("abc", "cab"):
            unit = np.array([units["abc".index(name)] for name in order])
            start = unit * [{"a": 1.0, "b": 0.5, "c": 0.125}[name] for name in order]
            pair = tuple(unit * [bounds[name][side] for name in order] for side in (0, 1))
            result = _fit(_renamed(units, order), start, T, Y, LMNewton(scaling="diagonal"), pair)
            found = dict(zip(order, result.theta / unit, strict=True))
            runs[units, order] = [found[name] for name in "abc"], result.history.column("loss")
    (first, losses), *others = runs.values()
    for theta, history in others:
        np.testing.assert_allclose(theta, first, rtol=0, atol=1e-9)
        assert len(history) == len(losses)
        np.testing.assert_allclose(history, losses, rtol=1e-6)


def test_fixed_is_a_smaller_model():
    held = _fit(_decay, {"a": 1.0, "b": 1.0, "c": 0.3}, T, Y, LMNewton(), {"a": (0, 9)}, fixed="c").theta
    smaller = _fit(lambda X, a, b: _decay(X, a, b, 0.3), [1.0, 1.0], T, Y, LMNewton(), {"a": (0, 9)}).theta
    np.testing.assert_array_equal(held, smaller)


@pytest.mark.parametrize("structure", ["dense", "gram"])
def test_structures_agree_in_a_box(structure):
    one, two = (
        _fit(_decay, [1.0, 0.5, 0.0], T, Y, LMNewton(structure=s), {"b": (0, 1.0)}).theta for s in ("auto", structure)
    )
    np.testing.assert_allclose(two, one, rtol=0, atol=1e-8)


def test_layers_are_refused_where_there_are_none():
    with pytest.raises(ValueError, match=r"structure='layer' .* without layers\. Allowed are .* Set structure='auto'"):
        _fit(_decay, [1.0, 0.5, 0.0], T, Y, LMNewton(structure="layer"))
