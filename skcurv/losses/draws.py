"""Random columns with the second moment of a loss's curvature: E[s s'] = the Fisher matrix, or S S'.

A density gives gradients at targets drawn from the model. A loss that is none and has no `sample` gives S xi with xi
standard normal: E[S xi xi' S'] = S S'.
"""

from ..backend.namespace import namespace
from .offset import Offset


def drawn(loss, F, Y, m, rng):
    """m columns for each row, (n, r, m), by the loss's `sample` if it has one; with offsets, at the shifted outputs."""
    if isinstance(loss, Offset):
        return drawn(loss.loss, loss.shifted(F, Y), loss.targets(Y), m, rng)
    xp = namespace(F)
    if hasattr(loss, "sample"):
        return xp.asarray(loss.sample(F, m, rng), dtype=F.dtype)
    S = loss.factor(F, Y)
    return S @ xp.asarray(rng.standard_normal((F.shape[0], S.shape[2], m)), dtype=F.dtype)
