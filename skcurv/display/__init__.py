"""Pictures in the manner of scikit-learn's displays; matplotlib is loaded when one is drawn."""

from .coverage import CoverageDisplay

__all__ = ["CoverageDisplay"]
