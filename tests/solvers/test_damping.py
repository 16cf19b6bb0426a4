import math

import numpy as np
import pytest

from skcurv.solvers.damping import RULES, classical, gain_ratio, martens, nielsen


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
