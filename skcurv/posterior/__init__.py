"""The Gaussian posterior of a fitted estimator's parameters, and what it predicts."""

from .building import laplace, posterior_at
from .laplace import Laplace

__all__ = ["Laplace", "laplace", "posterior_at"]
