"""What users import."""

from .classifier import CurvatureMLPClassifier
from .model_regressor import CurvatureRegressor
from .regressor import CurvatureMLPRegressor

__all__ = ["CurvatureMLPClassifier", "CurvatureMLPRegressor", "CurvatureRegressor"]
