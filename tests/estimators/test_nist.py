"""CurvatureRegressor on problems with certified answers, and the coverage of its standard errors."""

import numpy as np
import pytest
from scipy import stats

from skcurv import CurvatureRegressor

from ..problems.nist import PROBLEMS, RAT42

DIGITS = 1e-6  # of parameters and of the residual standard deviation
DIGITS_OF_ERRORS = 1e-4


def _values(by_name):
    return np.array(list(by_name.values()))


@pytest.mark.parametrize("start", [0, 1], ids=["far", "near"])
@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_certified_values_from_both_starts(problem, start):
    """Default settings, no derivative given; the answers have eleven digits."""
    fitted = CurvatureRegressor(problem.model, problem.starts[start]).fit(problem.X, problem.y)
    assert fitted.converged_
    np.testing.assert_allclose(_values(fitted.params_), problem.certified, rtol=DIGITS)
    np.testing.assert_allclose(_values(fitted.stderr_), problem.errors, rtol=DIGITS_OF_ERRORS)
    np.testing.assert_allclose(fitted.dispersion_**0.5, problem.sd, rtol=DIGITS)


def test_confidence_intervals_cover():
    """95 % intervals of Student's t cover 95 % of 500 draws within three standard errors of that share, 1 % each.

    With errors a tenth of Rat42's the model is nearly linear over the intervals, where they are exact.
    """
    truth, sd, n_fits = np.array(RAT42.certified), RAT42.sd / 10, 500
    rng, mean = np.random.default_rng(0), RAT42.model(RAT42.X, *RAT42.certified)
    covered = np.zeros(3)
    for _ in range(n_fits):
        fitted = CurvatureRegressor(RAT42.model, truth).fit(RAT42.X, mean + sd * rng.standard_normal(mean.size))
        half = stats.t.ppf(0.975, fitted.dof_) * _values(fitted.stderr_)
        covered += abs(_values(fitted.params_) - truth) <= half
    np.testing.assert_allclose(covered / n_fits, 0.95, atol=3 * (0.95 * 0.05 / n_fits) ** 0.5, rtol=0)
