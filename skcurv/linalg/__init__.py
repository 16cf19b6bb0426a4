"""Symmetric operators on parameter space: known by what they do, and knowing no network."""

from .blocks import BlockDiagonal
from .dense import Dense
from .diagonal import Diagonal
from .ekfac import EKFAC
from .gram import Gram
from .kronecker import Kronecker
from .tridiagonal import KroneckerTridiagonal
from .units import UnitBlocks

__all__ = [
    "EKFAC",
    "BlockDiagonal",
    "Dense",
    "Diagonal",
    "Gram",
    "Kronecker",
    "KroneckerTridiagonal",
    "UnitBlocks",
]
