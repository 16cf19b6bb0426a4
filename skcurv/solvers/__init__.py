"""Solvers: objects whose few fields are their hyper-parameters, and the loop that runs them."""

from .adam import Adam
from .block_fisher import BlockFisher
from .diag_fisher import DiagFisher
from .evidence import Evidence
from .gradient_descent import GradientDescent
from .hessian_free import HessianFree
from .kfac import KFAC
from .lbfgs import LBFGS
from .lm_newton import LMNewton
from .momentum import Momentum
from .muon import Muon
from .natural_gradient import NaturalGradient
from .nesterov import Nesterov
from .nonlinear_cg import NonlinearCG
from .registry import SOLVERS, available
from .rmsprop import RMSProp
from .sgd import SGD
from .shampoo import Shampoo
from .soap import SOAP

__all__ = [
    "KFAC",
    "LBFGS",
    "SGD",
    "SOAP",
    "SOLVERS",
    "Adam",
    "BlockFisher",
    "DiagFisher",
    "Evidence",
    "GradientDescent",
    "HessianFree",
    "LMNewton",
    "Momentum",
    "Muon",
    "NaturalGradient",
    "Nesterov",
    "NonlinearCG",
    "RMSProp",
    "Shampoo",
    "available",
]
