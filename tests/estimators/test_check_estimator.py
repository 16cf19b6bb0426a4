"""scikit-learn's own battery on both estimators with every solver and loss: nothing expected to fail, or skipped."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from skcurv import CurvatureMLPClassifier, CurvatureMLPRegressor
from skcurv.losses.registry import CLASSIFICATION
from skcurv.solvers import SOLVERS

CLASSES = (CurvatureMLPClassifier, CurvatureMLPRegressor)
SMALL = [cls(hidden_layer_sizes=(10,), solver=name, max_iter=100) for name in SOLVERS for cls in CLASSES]
DEFAULTS = [cls() for cls in CLASSES]
LABELS = [CurvatureMLPClassifier((10,), loss=loss, max_iter=100) for loss in CLASSIFICATION if loss != "log_loss"]
# As the predicted variances of rows without noise fall, rounding grows: weights and repetition predict within 4e-15 of
# one another after 20 epochs, 4e-13 after 30, 9e-11 after 60, 3e-6 after 100.
NUMBERS = [
    CurvatureMLPRegressor((10,), loss="huber", max_iter=100),
    CurvatureMLPRegressor((10,), loss="gaussian_nll", max_iter=20),
]
# A softmax leaves a constant on all outputs undetermined, of variance 2e13 here. Beside it the variances of differences
# have few digits: with alpha=0.1 and less 3e-7 of a prediction, and more, is rounding.
POSTERIORS = [cls((10,), alpha=1.0, max_iter=100, posterior="laplace") for cls in CLASSES]
# At a kink the rounding of a second-order step grows from step to step, and weights equal repetition but for rounding.
KINKED = [
    CurvatureMLPRegressor((10,), loss=loss, solver="adam", max_iter=100) for loss in ("absolute_error", "quantile")
]

# The same holds where 15 rows set the precisions of 25 parameters: after 20 steps 1e-7 of a prediction is rounding.
EVIDENCE = [
    cls((4,), "tanh", solver=solver, alpha="evidence", max_iter=8, tol=0)
    for cls in CLASSES
    for solver in ("lm-newton", "kfac")
]


# a budget of 100 epochs may end before the loss settles
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(SMALL + DEFAULTS + LABELS + NUMBERS + POSTERIORS + KINKED + EVIDENCE)
def test_scikit_learn_checks(estimator, check):
    assert check(estimator) is None
