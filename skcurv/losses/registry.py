"""Losses by name: what the estimators' `loss` takes for real targets and for labels."""

from .absolute_error import AbsoluteError
from .custom import adapted, is_loss
from .focal import Focal
from .gamma import Gamma
from .gaussian_nll import GaussianNLL
from .huber import Huber
from .log_loss import LogLoss
from .negative_binomial import NegativeBinomial
from .ordinal import Ordinal
from .poisson import Poisson
from .quantile import Quantile
from .squared_error import SquaredError
from .tweedie import Tweedie

REAL = (SquaredError, AbsoluteError, Huber, Quantile, GaussianNLL)
POSITIVE = (Poisson, NegativeBinomial, Gamma, Tweedie)
REGRESSION = {loss.name: loss for loss in (*REAL, *POSITIVE, LogLoss)}
CLASSIFICATION = {loss.name: loss for loss in (LogLoss, Focal, Ordinal)}


def resolve(loss, known):
    """A loss object for a name, an object or a function, its fields checked by the caller.

    Parameters
    ----------
    loss : str, loss object or callable (F, Y) -> (n,)
        What is not one of the package's losses is wrapped, never changed (`custom.adapted`).
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
    if not is_loss(loss):
        raise TypeError(
            f"loss={loss!r} of type {type(loss).__name__} was given. Allowed is a name, a loss object with value, or a "
            "function of raw outputs and targets. Pass for example 'squared_error' or skcurv.losses.SquaredError()."
        )
    return adapted(loss)


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
    """The loss with what it takes from the training targets Y (n, k) and their weights w (n,), if there is anything."""
    return loss.for_targets(Y, w) if hasattr(loss, "for_targets") else loss
