"""`minimize` on problems of Moré, Garbow and Hillstrom: published minima from near and far starts."""

import numpy as np
import pytest

from skcurv import minimize

from ..problems.more_garbow_hillstrom import PROBLEMS

SINGULAR = ("Powell singular", "Extended Powell 12")  # J loses rank at the minimum: steps halve the error for ever
FAR = (
    "Rosenbrock",
    "Brown badly scaled",
    "Wood",
    "Osborne 1",
    "Watson 9",
    "Brown almost linear 10",
    "Broyden banded 10",
)


@pytest.mark.parametrize("name", PROBLEMS)
def test_published_minima_from_the_standard_start(name):
    problem = PROBLEMS[name]
    found = minimize(problem.r, problem.start(), jac=problem.J)
    assert found.success or name in SINGULAR
    assert problem.reached(2 * found.fun) is not None


@pytest.mark.parametrize("factor", [10, 100])
@pytest.mark.parametrize("name", FAR)
def test_published_minima_from_far_starts(name, factor):
    problem = PROBLEMS[name]
    found = minimize(problem.r, problem.start(factor), jac=problem.J)
    assert problem.reached(problem.value(found.x)) == 0


@pytest.mark.parametrize("jac", ["3-point", "cs"])
@pytest.mark.parametrize("name", ["Freudenstein-Roth", "Bard", "Kowalik-Osborne", "Osborne 2"])
def test_differences_lead_where_derivatives_lead(name, jac):
    """Both ends are stationary: value differences are of the second order in the errors of the Jacobian."""
    problem = PROBLEMS[name]
    exact, by_differences = (minimize(problem.r, problem.start(), jac=how).fun for how in (problem.J, jac))
    np.testing.assert_allclose(by_differences, exact, rtol=1e-10)
