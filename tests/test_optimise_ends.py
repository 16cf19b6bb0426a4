"""How runs of `minimize` end: success, status and message, also where there is no minimum or the units are odd."""

import warnings

import numpy as np
import pytest

from skcurv import minimize
from skcurv.solvers import SGD

from .test_optimise import SCALAR, _gradient, _half_squares, beale, rosenbrock


def test_the_result_says_how_it_ended():
    result = minimize(rosenbrock, [-1.2, 1.0])
    assert (result.success, result.status, result.message) == (True, 0, "converged")
    assert result.nit == len(result.history["loss"]) == len(result.history["iteration"])
    np.testing.assert_allclose(result.jac, _gradient(rosenbrock)(result.x), atol=1e-9)
    for solver in SCALAR:
        short = minimize(rosenbrock, [-1.2, 1.0], max_iter=2, solver=solver)
        assert (short.success, short.status) == (False, 1)
        assert short.message == "max_iter=2 was used up"
        assert short.nit == 2
        assert short.fun < _half_squares(rosenbrock)(np.array([-1.2, 1.0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        broken = minimize(beale, [1.0, 0.5], solver=SGD(1e9), max_iter=50)
    assert (broken.success, broken.status) == (False, 2)
    assert "solver='sgd' failed" in broken.message
    assert "Remedy" in broken.message
    assert np.isfinite(broken.fun)


@pytest.mark.parametrize("solver", SCALAR)
@pytest.mark.parametrize("fun", [np.sum, lambda t: -(t**2).sum(), lambda t: (t**3).sum(), lambda t: -np.exp(t).sum()])
def test_a_function_without_a_minimum_is_no_success(solver, fun):
    """Where progress ends in rounding, or below all numbers: -exp is -inf from 710 on."""
    result = minimize(fun, [0.3, 1.0], solver=solver)
    assert not result.success
    assert result.status in ((1, 2, 3) if solver == "hessian-free" else (2, 3))
    assert -np.inf < result.fun <= fun(np.array([0.3, 1.0]))
    assert np.isfinite(result.jac).all()


def test_an_end_is_tested_in_units_of_parameters_and_values():
    falling = minimize(np.sum, [0.3, 1.0])
    assert falling.status == 3
    assert "solver='lbfgs'" in falling.message
    assert "Remedy: scale theta, set bounds" in falling.message
    assert minimize(np.sum, [0.3, 1.0], bounds=([-1, -1], [2, 2])).success  # held at the border
    assert minimize(lambda t: (t**2).sum(), np.zeros(2)).success


@pytest.mark.parametrize("solver", ["lm-newton", "hessian-free", "lbfgs"])
@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("scale", [1e-100, 1e-9, 1.0, 1e100])
def test_units_do_not_matter(solver, unit, scale):
    """Of parameters and of values."""
    found = minimize(lambda t: scale * np.cosh(t / unit - 3).sum(), [unit, -unit], solver=solver)
    assert found.success
    np.testing.assert_allclose(found.x / unit, 3, rtol=1e-6)
