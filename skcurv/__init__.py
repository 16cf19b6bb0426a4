"""Curvature for scikit-learn: models trained by first- and second-order methods, without a learning rate."""

from .estimators import (
    CurvatureClassifier,
    CurvatureMLPClassifier,
    CurvatureMLPRegressor,
    CurvatureRegressor,
    EvidenceAveragingClassifier,
    EvidenceAveragingRegressor,
)
from .optimise import minimize

__version__ = "0.1.0"
__all__ = [
    "CurvatureClassifier",
    "CurvatureMLPClassifier",
    "CurvatureMLPRegressor",
    "CurvatureRegressor",
    "EvidenceAveragingClassifier",
    "EvidenceAveragingRegressor",
    "__version__",
    "minimize",
]
