"""Losses on raw outputs: the link lives inside."""

from .log_loss import BernoulliLogLoss, MultinomialLogLoss
from .squared_error import SquaredError

__all__ = ["BernoulliLogLoss", "MultinomialLogLoss", "SquaredError"]
