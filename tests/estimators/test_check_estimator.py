"""scikit-learn's own battery on both estimators with every solver: nothing expected to fail, nothing skipped."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from skcurv import CurvatureMLPClassifier, CurvatureMLPRegressor
from skcurv.solvers import SOLVERS

CLASSES = (CurvatureMLPClassifier, CurvatureMLPRegressor)
SMALL = [cls(hidden_layer_sizes=(10,), solver=name, max_iter=100) for name in SOLVERS for cls in CLASSES]
DEFAULTS = [cls() for cls in CLASSES]


# a budget of 100 epochs may end before the loss settles
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(SMALL + DEFAULTS)
def test_scikit_learn_checks(estimator, check):
    assert check(estimator) is None
