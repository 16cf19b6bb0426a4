"""Symmetric operators on parameter space: known by what they do, and knowing no network."""

from .blocks import BlockDiagonal
from .dense import Dense
from .diagonal import Diagonal
from .gram import Gram
from .kronecker import Kronecker

__all__ = ["BlockDiagonal", "Dense", "Diagonal", "Gram", "Kronecker"]
