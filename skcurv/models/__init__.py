"""A user's model function: its parameters, its outputs and their derivatives."""

from .function import ModelFunction, network
from .parameters import Parameters, parameters

__all__ = ["ModelFunction", "Parameters", "network", "parameters"]
