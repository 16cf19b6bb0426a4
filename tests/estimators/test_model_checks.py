"""scikit-learn's own battery on the estimators of a model function: nothing expected to fail, nothing skipped."""

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from skcurv import CurvatureClassifier, CurvatureRegressor
from skcurv.solvers import Adam

from .linear_models import columns, logits, zero_logits, zeros

SOLVERS = ("lm-newton", "lbfgs", Adam(0.05))
REGRESSORS = [CurvatureRegressor(columns, zeros, solver=solver, max_iter=100) for solver in SOLVERS]
# a penalty, since logits that separate classes have no minimum
CLASSIFIERS = [CurvatureClassifier(logits, zero_logits, alpha=1.0, solver=solver, max_iter=100) for solver in SOLVERS]


CASES = [case for estimator in REGRESSORS + CLASSIFIERS for case in estimator_checks_generator(estimator)]


def _name(value):
    """The same in every process, where the representation of a model function has its address."""
    return getattr(value, "func", value).__name__ if callable(value) else f"{type(value).__name__}-{value.solver}"


# a budget of 100 epochs may end before the loss settles, and some checks have fewer rows than columns
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:.* were given for .* free parameters:UserWarning")
@pytest.mark.filterwarnings("ignore:The data do not determine:UserWarning")
@pytest.mark.parametrize(("estimator", "check"), CASES, ids=_name)
def test_scikit_learn_checks(estimator, check):
    assert check(estimator) is None
