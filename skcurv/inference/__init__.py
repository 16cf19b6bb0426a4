"""What data say of estimated parameters: covariance, profile likelihood, a report."""

from .covariance import KINDS, Covariance, covariance, log_likelihood
from .profile import Profile
from .report import report

__all__ = ["KINDS", "Covariance", "Profile", "covariance", "log_likelihood", "report"]
