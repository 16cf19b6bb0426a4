"""Offsets: fixed numbers added to raw outputs, or to targets, of k targets with r raw outputs.

One number a row is for every target; (n, k) has one for each target, added to the first of its raw outputs, which is
its mean's; (n, r) has one for each raw output.
"""

import numpy as np
from sklearn.utils import check_array


def of_targets(offset, n, k):
    """Offsets (n, k) in the units of the targets."""
    return np.broadcast_to(_checked(offset, n, [k]), (n, k))


def of_outputs(offset, n, k, r):
    """Offsets (n, r) of the raw outputs."""
    values = _checked(offset, n, sorted({k, r}) if r % k == 0 else [r])
    if values.shape[1] == r:
        return values
    spread = np.zeros((n, k, r // k))
    spread[:, :, 0] = values
    return spread.reshape(n, r)


def apart(y, offset, loss):
    """Targets, and the offsets (n, r) of raw outputs or None: a loss that follows shifts has them in its targets."""
    if offset is None:
        return y, None
    n, k = len(y), 1 if y.ndim == 1 else y.shape[1]
    of_raw, of_target = of_predictions(offset, loss, n, k, loss.raw_outputs(k))
    return (y, of_raw) if of_target is None else (y - of_target.reshape(y.shape), None)


def of_predictions(offset, loss, n, k, r):
    """Offsets of raw outputs, (n, r) or 0, and of predictions, (n, k) or None, for what `predict` is given."""
    if offset is None:
        return 0.0, None
    if loss.location_scale:
        return 0.0, of_targets(offset, n, k)
    return of_outputs(offset, n, k, r), None


def added(y, offset):
    """Predictions y (n, k m) in any shape plus offsets (n, k) of their targets, None for none."""
    return y if offset is None else (y.reshape(*offset.shape, -1) + offset[:, :, None]).reshape(y.shape).astype(y.dtype)


def _checked(offset, n, widths):
    """Offsets (n, 1) or (n, width) in float64."""
    values = check_array(offset, ensure_2d=False, dtype=np.float64, input_name="offset")
    shapes = [(n,), *((n, width) for width in widths)]
    if values.shape not in shapes:
        known = " and ".join(map(str, shapes))
        raise ValueError(
            f"offset of shape {values.shape} was given for {n} rows. Allowed are shapes {known}. Pass one number for "
            "each row, such as the logarithm of its exposure."
        )
    return values[:, None] if values.ndim == 1 else values
