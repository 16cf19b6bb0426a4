"""Slopes of a loss's inverse link, for the delta method: Var M(F) = G Var(F) G', G = dM / dF."""

import numpy as np

from ..network.differences import STEPS


def slopes(loss, F):
    """G (n, k, r) at raw outputs F (n, r), by central differences."""
    columns = []
    for c in range(F.shape[1]):
        h = STEPS["3-point"] * np.maximum(np.abs(F[:, c]), 1.0)[:, None] * np.eye(F.shape[1])[c]
        columns.append((loss.predict(F + h) - loss.predict(F - h)) / (2 * h[:, c])[:, None])
    return np.stack(columns, axis=2)
