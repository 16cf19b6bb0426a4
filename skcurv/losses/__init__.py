"""Losses on raw outputs: the link lives inside."""

from .focal import BernoulliFocal, Focal, MultinomialFocal
from .log_loss import BernoulliLogLoss, LogLoss, MultinomialLogLoss, SmoothedLogLoss
from .ordinal import Ordinal
from .squared_error import SquaredError
from .traced import from_jax

__all__ = [
    "BernoulliFocal",
    "BernoulliLogLoss",
    "Focal",
    "LogLoss",
    "MultinomialFocal",
    "MultinomialLogLoss",
    "Ordinal",
    "SmoothedLogLoss",
    "SquaredError",
    "from_jax",
]
