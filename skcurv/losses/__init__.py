"""Losses on raw outputs: the link lives inside."""

from .absolute_error import AbsoluteError
from .focal import BernoulliFocal, Focal, MultinomialFocal
from .gamma import Gamma
from .gaussian_nll import GaussianNLL
from .huber import Huber
from .log_loss import BernoulliLogLoss, LogLoss, MultinomialLogLoss, SmoothedLogLoss
from .negative_binomial import NegativeBinomial
from .ordinal import Ordinal
from .poisson import Poisson
from .quantile import Quantile
from .squared_error import SquaredError
from .traced import from_jax
from .tweedie import Tweedie

__all__ = [
    "AbsoluteError",
    "BernoulliFocal",
    "BernoulliLogLoss",
    "Focal",
    "Gamma",
    "GaussianNLL",
    "Huber",
    "LogLoss",
    "MultinomialFocal",
    "MultinomialLogLoss",
    "NegativeBinomial",
    "Ordinal",
    "Poisson",
    "Quantile",
    "SmoothedLogLoss",
    "SquaredError",
    "Tweedie",
    "from_jax",
]
