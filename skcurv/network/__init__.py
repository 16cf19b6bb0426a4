"""Model functions: parameters and inputs to raw outputs, with products with their derivatives."""

from .activations import ACTIVATIONS
from .initialise import INITIALISERS
from .mlp import MLP

__all__ = ["ACTIVATIONS", "INITIALISERS", "MLP"]
