"""What users import."""

from .classifier import CurvatureMLPClassifier
from .model_classifier import CurvatureClassifier
from .model_regressor import CurvatureRegressor
from .regressor import CurvatureMLPRegressor

__all__ = ["CurvatureClassifier", "CurvatureMLPClassifier", "CurvatureMLPRegressor", "CurvatureRegressor"]
