"""Random columns with the second moment of a loss's curvature: E[s s'] = the Fisher matrix, or S S'.

A density gives gradients at targets drawn from the model. A loss that is none and has no `sample` gives S xi with xi
standard normal: E[S xi xi' S'] = S S'.
"""

from ..backend.namespace import namespace
from .common import surrogate_draws
from .offset import without_offset


def drawn(loss, F, Y, m, rng):
    """m columns for each row, (n, r, m), by the loss's `sample` if it has one; with its offsets added, if any."""
    loss, F, Y = without_offset(loss, F, Y)
    if hasattr(loss, "sample"):
        return namespace(F).asarray(loss.sample(F, m, rng), dtype=F.dtype)
    return surrogate_draws(loss.factor(F, Y), m, rng)
