"""Losses by name: what the estimators' `loss` takes for real targets and for labels."""

from .log_loss import LogLoss
from .squared_error import SquaredError

REGRESSION = {loss.name: loss for loss in (SquaredError, LogLoss)}
CLASSIFICATION = {loss.name: loss for loss in (LogLoss,)}
PARTS = ("value", "grad")  # what an object must have at least


def resolve(loss, known):
    """A loss object for a name or an object, its fields checked by the caller.

    Parameters
    ----------
    loss : str or loss object
    known : dict of name -> class

    Raises
    ------
    ValueError
        For an unknown name.
    TypeError
        For an object that is no loss.
    """
    if isinstance(loss, str):
        if loss not in known:
            names = ", ".join(repr(name) for name in known)
            raise ValueError(f"loss={loss!r} was given. Allowed are {names}. Use one of them or a loss object.")
        return known[loss]()
    if isinstance(loss, type) or not all(hasattr(loss, part) for part in PARTS):
        raise TypeError(
            f"loss={loss!r} of type {type(loss).__name__} was given. Allowed is a name or a loss object with value and "
            "grad. Pass for example 'squared_error' or skcurv.losses.SquaredError()."
        )
    return loss


def concrete(loss, exclusive):
    """The loss that is minimised: a loss of labels takes the form for one distribution, or for one label an output.

    Parameters
    ----------
    loss : loss object
    exclusive : bool
        Whether the outputs form one distribution.
    """
    return loss.for_outputs(exclusive) if hasattr(loss, "for_outputs") else loss


def bind(loss, Y, w):
    """The loss for such targets: one with widths in their units takes them from Y (n, k) with weights w (n,)."""
    return loss.for_targets(Y, w) if hasattr(loss, "for_targets") else loss
