"""Losses on raw outputs: the link lives inside."""

from .log_loss import BernoulliLogLoss, LogLoss, MultinomialLogLoss
from .squared_error import SquaredError

__all__ = ["BernoulliLogLoss", "LogLoss", "MultinomialLogLoss", "SquaredError"]
