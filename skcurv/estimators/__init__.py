"""What users import."""

from .classifier import CurvatureMLPClassifier
from .regressor import CurvatureMLPRegressor

__all__ = ["CurvatureMLPClassifier", "CurvatureMLPRegressor"]
