"""What users import."""

from .averaging_classifier import EvidenceAveragingClassifier
from .averaging_regressor import EvidenceAveragingRegressor
from .classifier import CurvatureMLPClassifier
from .model_classifier import CurvatureClassifier
from .model_regressor import CurvatureRegressor
from .regressor import CurvatureMLPRegressor

__all__ = [
    "CurvatureClassifier",
    "CurvatureMLPClassifier",
    "CurvatureMLPRegressor",
    "CurvatureRegressor",
    "EvidenceAveragingClassifier",
    "EvidenceAveragingRegressor",
]
