"""Steps along the curved path of the outputs: their second derivative, and what they refuse."""

import numpy as np
import pytest

from skcurv.data import Data
from skcurv.losses import SquaredError
from skcurv.objective import Objective
from skcurv.solvers import LMNewton
from skcurv.solvers.geodesic import second_derivative
from skcurv.solvers.loop import Budget, train

from .. import oracles
from ..cases import Case, problem
from ..functions import KINDS, Recorder, as_model, network_of

X = np.array([1.0, 2, 3, 5, 7, 10])[:, None]
Y = np.array([109.0, 149, 149, 191, 213, 224])[:, None]
EPS = np.finfo(np.float64).eps
BOX_BOD = 213.80940889, 0.54723748542  # certified values of the problem BoxBOD, NIST Statistical Reference Datasets


def bod(X, a, b):
    """a (1 - exp(-b x)), (n,)."""
    return a * (1 - np.exp(-b * X[:, 0]))


def _objective(model, start, X, Y, bounds=None, jac="3-point"):
    net, found = network_of(model, start, jac, bounds, X=X)
    return Objective(net, SquaredError(), Data(X, Y, np.ones(len(X))), 0.0, found.box), found.theta


def _bod(solver, start=(1.0, 1.0), bounds=None):
    objective, theta = _objective(bod, start, X, Y, bounds)
    return train(solver, objective, theta, Budget(6, 200, 0.0, 200), 0, 0.0, warn=lambda said: None)


def test_a_step_whose_path_bends_too_much_is_rejected():
    """Without it the first step by diag C ends where exp(-b x) = 0 in every row, and b has no derivative any more."""
    solvers = (LMNewton(geodesic=geodesic, scaling="diagonal") for geodesic in (True, False))
    with_geodesic, without = (_bod(solver) for solver in solvers)
    np.testing.assert_allclose(with_geodesic.theta, BOX_BOD, rtol=1e-8)
    assert with_geodesic.converged
    assert without.loss > 1.5 * with_geodesic.loss


def test_auto_is_geodesic_for_smooth_models_with_the_gauss_newton_matrix_alone():
    np.testing.assert_array_equal(_bod(LMNewton()).theta, _bod(LMNewton(geodesic=True)).theta)
    ends = [_bod(LMNewton(curvature="hessian", geodesic=geodesic)).theta for geodesic in ("auto", False)]
    np.testing.assert_array_equal(*ends)
    for activations, smooth in ((("tanh", "identity"), True), (("tanh", "relu"), False)):
        p, ends = problem(Case((3, 3, 3, 2), activations, "squared_error")), []
        for geodesic in ("auto", smooth, not smooth):
            here = p.point()
            solver = LMNewton(geodesic=geodesic)
            ends.append(solver.step(here, solver.init(here, 0))[0].theta)
        np.testing.assert_array_equal(ends[0], ends[1])
        assert not np.array_equal(ends[0], ends[2])


def test_auto_scales_model_functions_alone():
    runs = {
        scaling: _bod(LMNewton(scaling=scaling)).history.column("loss") for scaling in ("auto", "relative", "identity")
    }
    assert runs["auto"] == runs["relative"] != runs["identity"]
    p = problem(Case((3, 3, 2), ("tanh",), "squared_error"))
    here = p.point()
    ends = [LMNewton(scaling=s).step(here, LMNewton().init(here, 0))[0].theta for s in ("auto", "identity", "diagonal")]
    np.testing.assert_array_equal(ends[0], ends[1])
    assert not np.array_equal(ends[0], ends[2])


def test_in_a_box_it_ends_at_the_same_minimum_from_its_borders():
    for start in ((1.0, 1.0), (1.0, 0.0), (500.0, 0.0), (500.0, 5.0)):
        result = _bod(LMNewton(), start, {"a": (1.0, 500.0), "b": (0.0, 5.0)})
        if start[1] < 5.0:  # there b has no derivative
            np.testing.assert_allclose(result.theta, BOX_BOD, rtol=1e-7)
        assert result.loss <= _objective(bod, start, X, Y)[0].value(np.array(start))


@pytest.mark.parametrize("kind", KINDS)
def test_the_second_derivative_of_the_outputs(kind):
    """Against the difference of exact Jacobians, up to rounding, 4 eps |F| / h^2 with h = eps^(1/4) / r for a change
    relative to the parameters of r; on the border of a box one-sided, up to h times the third derivative as well.
    """
    p = problem(Case((3, 3, 2), ("tanh",), "squared_error"), alpha=0.0)
    u = np.random.default_rng(0).normal(size=p.theta.size)
    h = 1e-5
    ends = (oracles.jacobian(p.case, p.theta + side * h * u, p.X[p.v > 0]) @ u for side in (1, -1))
    exact = (next(ends) - next(ends)) / (2 * h)
    border = (np.where(u > 0, p.theta, -np.inf), np.where(u < 0, p.theta, np.inf))
    for bounds in (None, border):
        net = as_model(p.case, p.theta, kind, bounds)
        plain = p.objective()
        here = Objective(net, plain.loss, plain.data, 0.0, net.derivative.box).point(p.theta)
        for scale in (1e-6, 1.0, 1e6) if bounds is None else (1.0,):
            found = second_derivative(here, scale * u) / scale**2
            r = np.linalg.norm(u / net.scale(p.theta))
            error = 4 * np.sqrt(EPS) * r**2 * np.abs(here.tape.F).max() + (0 if bounds is None else 20 * EPS**0.25 / r)
            np.testing.assert_allclose(found, exact, rtol=0, atol=error)


def test_a_short_way_between_bounds_has_a_second_derivative():
    """A box as wide as u: two steps of u / 2, of rounding 16 eps |F| / |u|^2 and the third derivative times |u|."""
    width = np.array([1e-4, 2e-4])
    objective, theta = _objective(
        lambda X, theta: np.exp(theta[0] + 3 * theta[1]) + 0 * X[:, 0], np.ones(2), X, Y, (np.ones(2), 1 + width)
    )
    found = second_derivative(objective.point(theta), width)
    np.testing.assert_allclose(found / 7e-4**2, np.exp(4.0), rtol=16 * EPS / 7e-4**2 + 7e-4)


def test_a_second_derivative_asks_for_no_value_outside():
    rng = np.random.default_rng(0)
    for _ in range(50):
        lower = rng.normal(size=2)
        upper = lower + 10.0 ** rng.uniform(-8, 1, 2)
        theta, end = (lower + rng.choice([0, 0.3, 1, 1e-9], 2) * (upper - lower) for _ in range(2))
        model = Recorder(lambda X, theta: np.sin(theta[0] * X[:, 0]) + theta[1])
        objective, theta = _objective(model, theta, X, Y, (lower, upper))
        assert np.isfinite(second_derivative(objective.point(theta), end - theta)).all()
        model.assert_inside(lower, upper)


def test_it_needs_the_gauss_newton_matrix():
    with pytest.raises(ValueError, match=r"geodesic=True with curvature='hessian' .* Allowed is .* Set geodesic=False"):
        _bod(LMNewton(geodesic=True, curvature="hessian"))
