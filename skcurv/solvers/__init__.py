"""Solvers: objects whose few fields are their hyper-parameters, and the loop that runs them."""

from .adam import Adam
from .diag_fisher import DiagFisher
from .kfac import KFAC
from .lbfgs import LBFGS
from .lm_newton import LMNewton
from .momentum import Momentum
from .nesterov import Nesterov
from .registry import SOLVERS, available
from .rmsprop import RMSProp
from .sgd import SGD

__all__ = [
    "KFAC",
    "LBFGS",
    "SGD",
    "SOLVERS",
    "Adam",
    "DiagFisher",
    "LMNewton",
    "Momentum",
    "Nesterov",
    "RMSProp",
    "available",
]
