"""Targets as matrices and rows in batches."""

from .batches import Batch, Data, chunks
from .targets import ClassTargets, RealTargets

__all__ = ["Batch", "ClassTargets", "Data", "RealTargets", "chunks"]
