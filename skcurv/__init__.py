"""Curvature for scikit-learn: neural networks trained by second-order methods, without a learning rate."""

from .estimators import CurvatureMLPClassifier, CurvatureMLPRegressor

__version__ = "0.1.0"
__all__ = ["CurvatureMLPClassifier", "CurvatureMLPRegressor", "__version__"]
