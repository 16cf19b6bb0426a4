import math

import numpy as np
import pytest

from skcurv.losses import SquaredError
from skcurv.objective import Objective
from skcurv.solvers.damping import RULES, classical, dispersion, floor, gain_ratio, martens, nielsen

from ..cases import CASES, case, mini_batches, problem


@pytest.mark.parametrize(
    ("rho", "factor"), [(1.0, 1 / 3), (5.0, 1 / 3), (0.5, 1.0), (0.75, 0.875), (0.25, 1.125), (1e-12, 2.0)]
)
def test_nielsen_after_an_acceptance(rho, factor):
    """Madsen, Nielsen & Tingleff 2004, eq. 2.21: 1 - (2 rho - 1)^3, at least 1/3, falling with rho."""
    assert nielsen(3.0, rho, 0) == pytest.approx(3.0 * factor, rel=1e-10)


def test_nielsen_falls_with_the_gain_ratio():
    factors = [nielsen(1.0, rho, 0) for rho in np.linspace(1e-6, 1, 101)]
    assert np.all(np.diff(factors) <= 0)


@pytest.mark.parametrize("rho", [0.0, -0.1, -math.inf])
def test_nielsen_doubles_the_growth_of_repeated_rejections(rho):
    lam, growth = 1.0, []
    for rejections in range(4):
        growth.append(nielsen(lam, rho, rejections) / lam)
        lam *= growth[-1]
    assert growth == [2, 4, 8, 16]


@pytest.mark.parametrize(("rho", "factor"), [(1.0, 0.1), (1e-12, 0.1), (0.0, 10.0), (-0.1, 10.0), (-math.inf, 10.0)])
@pytest.mark.parametrize("rejections", [0, 3])
def test_classical_divides_and_multiplies_by_ten(rho, factor, rejections):
    """Marquardt 1963 with nu = 10: the same after each rejection."""
    assert classical(3.0, rho, rejections) == pytest.approx(3.0 * factor)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_rejections_in_a_row_pass_any_scale_and_acceptances_come_back(rule):
    lam = 1e-8
    for rejections in range(20):
        lam = rule(lam, -1.0, rejections)
    assert lam >= 0.99e12
    for _ in range(200):
        lam = rule(lam, 1.0, 0)
    assert lam < 1e-8


@pytest.mark.parametrize(
    ("rho", "factor"),
    [(0.76, 0.9), (2.0, 0.9), (0.75, 1.0), (0.5, 1.0), (0.25, 1.0), (0.2, 1 / 0.9), (-math.inf, 1 / 0.9)],
)
def test_martens_nudges_at_one_and_three_quarters(rho, factor):
    assert martens(2.0, rho, 0.9) == pytest.approx(2.0 * factor)


@pytest.mark.parametrize(("actual", "predicted", "rho"), [(-2.0, -4.0, 0.5), (1.0, -2.0, -0.5), (0.0, -1.0, 0.0)])
def test_gain_ratio(actual, predicted, rho):
    assert gain_ratio(actual, predicted) == rho


@pytest.mark.parametrize(
    ("actual", "predicted"),
    [(math.nan, -1.0), (math.inf, -1.0), (-1.0, math.nan), (-1.0, 0.0), (-1.0, 1.0), (-1e308, -1e-308)],
)
def test_a_gain_ratio_that_is_no_number_counts_as_the_worst(actual, predicted):
    assert gain_ratio(actual, predicted) == -math.inf


def test_the_dispersion_of_the_squared_error_is_the_mean_squared_residual():
    here = problem(case("tanh", "squared_error"), alpha=0.0).point()
    assert dispersion(here) == pytest.approx(2 * here.value, rel=1e-14)


@pytest.mark.parametrize("c", CASES.values(), ids=CASES)
def test_the_dispersion_is_that_of_the_curvature_along_the_slopes(c):
    here = problem(c).point()
    loss, F, Y, w = here.objective.loss, here.tape.F, here.batch.Y, here.batch.weights
    e, S = loss.grad(F, Y), loss.factor(F, Y)
    squares = w @ (e**2).sum(axis=1)
    bend = sum(v * f @ s @ s.T @ f for v, f, s in zip(w, e, S, strict=True))
    assert dispersion(here) == pytest.approx(squares**2 / bend, rel=1e-12)


def test_the_dispersion_is_inf_without_curvature():
    class StraightError(SquaredError):
        def ggnp(self, F, Y, V):
            return 0 * V

    p = problem(case("tanh", "squared_error"))
    assert dispersion(Objective(p.case.network, StraightError(), p.objective().data, 0.0).point(p.theta)) == np.inf


def test_the_floor_is_that_of_rounding_and_on_mini_batches_follows_the_dispersion():
    objective, batches = mini_batches()
    theta = problem(case("tanh", "squared_error")).theta
    whole, part = objective.point(theta), objective.point(theta, batches[0])
    least = np.sqrt(np.finfo(np.float64).eps) * 3.0
    assert floor(whole, 3.0, 0.1, dispersion(whole)) == pytest.approx(least)
    assert floor(part, 3.0, 0.1, 4 * dispersion(part)) == pytest.approx(0.1 / 4)
    assert floor(part, 3.0, 0.1, dispersion(part) / 4) == pytest.approx(0.1)
    assert floor(part, 3.0, 0.1, 0.0) == pytest.approx(0.1 * min(1.0, dispersion(part)))
    assert floor(part, 3.0, 1e-9, dispersion(part)) == pytest.approx(least)
