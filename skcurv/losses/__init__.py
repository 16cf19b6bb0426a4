"""Losses on raw outputs: the link lives inside."""

from .gamma import Gamma
from .gaussian_nll import GaussianNLL
from .huber import Huber
from .log_loss import BernoulliLogLoss, LogLoss, MultinomialLogLoss
from .negative_binomial import NegativeBinomial
from .poisson import Poisson
from .quantile import AbsoluteError, Quantile
from .squared_error import SquaredError
from .tweedie import Tweedie

__all__ = [
    "AbsoluteError",
    "BernoulliLogLoss",
    "Gamma",
    "GaussianNLL",
    "Huber",
    "LogLoss",
    "MultinomialLogLoss",
    "NegativeBinomial",
    "Poisson",
    "Quantile",
    "SquaredError",
    "Tweedie",
]
