"""The definitions of the problems: Jacobians against differences, values against published minima by SciPy."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from .more_garbow_hillstrom import PROBLEMS

EPS = np.finfo(np.float64).eps
every_problem = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)

ELSEWHERE = {  # near the minima that the standard start does not lead to; two of them are at infinity
    ("Freudenstein-Roth", 0): (6, 5),
    ("Bard", 1): (0.84, -1e6, -1e6),
    ("Kowalik-Osborne", 1): (1.434e8, -14.1, -6.490e9, -4.049e9),
    ("Trigonometric 10", 0): (0.05,) * 8 + (0.2, 0.2),
    ("Brown almost linear 10", 1): (0,) * 9 + (11,),
}
KNOWN = {  # minimisers given in closed form
    "Rosenbrock": (1, 1),
    "Freudenstein-Roth": (5, 4),
    "Brown badly scaled": (1e6, 2e-6),
    "Beale": (3, 0.5),
    "Helical valley": (1, 0, 0),
    "Gulf research": (50, 25, 1.5),
    "Box": (1, 10, 1),
    "Powell singular": (0, 0, 0, 0),
    "Wood": (1, 1, 1, 1),
    "Biggs EXP6": (1, 10, 1, 5, 4, 3),
    "Variably dimensioned 10": (1,) * 10,
    "Brown almost linear 10": (1,) * 10,
}


def _descended(problem, x):
    with np.errstate(over="ignore"):
        return problem.value(least_squares(problem.r, x, problem.J, method="trf", ftol=1e-12, xtol=1e-12, gtol=1e-12).x)


def test_all_thirty_five_are_there():
    assert len(PROBLEMS) == 41
    assert len({name.rstrip(" 0123456789") for name in PROBLEMS}) == 34  # the two of Osborne differ by their number


@every_problem
def test_jacobians_are_derivatives(problem):
    """Differences of step h x, h = eps^1/3: h^2 times a third derivative, and eps r / h, both eps^2/3 times a scale."""
    rng, h = np.random.default_rng(0), EPS ** (1 / 3)
    x = problem.start() + 0.1 * (1 + abs(problem.start())) * rng.standard_normal(problem.start().size)
    columns = [(problem.r(x + h * e) - problem.r(x - h * e)) / (2 * h) for e in np.diag(x)]
    J, r = problem.J(x), problem.r(x)
    scale = abs(J * x).max() + abs(r).max()
    assert J.shape == (r.size, x.size)
    np.testing.assert_allclose(J * x, np.transpose(columns), rtol=0, atol=300 * EPS ** (2 / 3) * scale)


@every_problem
def test_the_standard_start_leads_to_a_published_minimum(problem):
    assert problem.reached(_descended(problem, problem.start())) is not None


@pytest.mark.parametrize(("name", "number"), ELSEWHERE)
def test_other_starts_lead_to_the_other_minima(name, number):
    x = np.array(ELSEWHERE[name, number], dtype=float)
    assert PROBLEMS[name].reached(_descended(PROBLEMS[name], x)) == number


def test_the_second_minimum_of_biggs_is_stationary():
    """Two of its exponentials are one: rounding leads a solver away from it."""
    problem, x = PROBLEMS["Biggs EXP6"], np.array([1.711416, 17.6831975, 1.16314365, 5.18656, 1.711416, 1.16314365])
    assert problem.reached(problem.value(x)) == 1
    assert abs(problem.J(x).T @ problem.r(x)).max() <= 1e-6


@pytest.mark.parametrize("name", KNOWN)
def test_known_minimisers_have_no_residuals(name):
    assert PROBLEMS[name].value(np.array(KNOWN[name], dtype=float)) <= 1e-24


def test_scaled_starts():
    assert PROBLEMS["Rosenbrock"].start(10).tolist() == [-12, 10]
    assert PROBLEMS["Watson 6"].start().tolist() == [0] * 6
    assert PROBLEMS["Watson 6"].start(10).tolist() == [10] * 6


def test_what_counts_as_a_minimum():
    reached = PROBLEMS["Bard"].reached
    assert [reached(f) for f in (8.2149e-3, 8.3e-3, 17.4, 17.4286, np.inf)] == [0, None, None, 1, None]
    assert [PROBLEMS["Beale"].reached(f) for f in (0.0, 1e-12, 1e-11)] == [0, 0, None]
