"""Model functions: parameters and inputs to raw outputs, with products with their derivatives."""

from .activations import ACTIVATIONS
from .box import Box
from .initialise import INITIALISERS
from .mlp import MLP
from .parametric import Parametric

__all__ = ["ACTIVATIONS", "INITIALISERS", "MLP", "Box", "Parametric"]
