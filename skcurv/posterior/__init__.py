"""The Gaussian posterior of a fitted estimator's parameters, and what it predicts."""

from .building import laplace, posterior_at
from .choosing import log_evidence_scorer
from .laplace import Laplace

__all__ = ["Laplace", "laplace", "log_evidence_scorer", "posterior_at"]
