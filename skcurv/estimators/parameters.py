"""Allowed values of the estimators' parameters and weights, resolved to what the layers below take."""

from collections.abc import Iterable, Mapping
from numbers import Integral

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import check_consistent_length

from ..inference import KINDS
from ..losses import registry as losses
from ..network import ACTIVATIONS, INITIALISERS
from ..solvers.evidence import Evidence
from ..solvers.protocol import COUNT, check_fields, is_number
from ..solvers.registry import resolve


def _one_of(*values):
    known = ", ".join(repr(value) for value in values)
    return (lambda value: any(value is v or (isinstance(v, str) and value == v) for v in values), f"one of {known}")


def _is_width(value):
    return isinstance(value, Integral) and not isinstance(value, bool) and value >= 1


def _are_widths(value):
    return _is_width(value) or (_is_sequence(value) and all(_is_width(one) for one in value))


def _is_sequence(value):
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping))


def _are_activations(value):
    names = [value] if isinstance(value, str) else value
    return _is_sequence(names) and all(isinstance(name, str) and name in ACTIVATIONS for name in names)


_FLAG = (lambda value: isinstance(value, (bool, np.bool_)), "True or False")
_NOT_NEGATIVE = (lambda value: is_number(value) and value >= 0, "a finite number of at least 0")

COMMON = {
    "hidden_layer_sizes": (_are_widths, "an integer of at least 1, or a sequence of them (empty for a linear model)"),
    "activation": (_are_activations, f"one of {', '.join(map(repr, ACTIVATIONS))}, or one of them per hidden layer"),
    "alpha": _NOT_NEGATIVE,
    "init": _one_of(*INITIALISERS),
    "batch_size": (
        lambda value: value == "auto" if isinstance(value, str) else COUNT[0](value),
        f"'auto' or {COUNT[1]}",
    ),
    "max_iter": COUNT,
    "tol": _NOT_NEGATIVE,
    "early_stopping": _FLAG,
    "validation_fraction": (lambda value: is_number(value) and 0 < value < 1, "a number between 0 and 1"),
    "n_iter_no_change": COUNT,
    "scoring": (lambda value: isinstance(value, str) or callable(value), "'loss', a scorer's name or a scorer"),
    "warm_start": _FLAG,
    "verbose": _FLAG,
    "posterior": _one_of(None, "laplace"),
}
NETWORK = COMMON | {
    "alpha": (
        lambda value: isinstance(value, Evidence) or value == "evidence" if not is_number(value) else value >= 0,
        "a finite number of at least 0, 'evidence' or an object skcurv.solvers.Evidence",
    ),
}
CLASSIFIER = NETWORK | {
    "class_weight": (
        lambda value: value is None or value == "balanced" or isinstance(value, (Mapping, list)),
        "None, 'balanced', a dict of weights by class, or a list of dicts for multilabel targets",
    ),
}
REGRESSOR = NETWORK | {
    "target_scaling": _one_of("auto", None),
}

JACOBIANS = ("2-point", "3-point", "cs", "jax")
MODEL = {
    "model": (callable, "a function f(X, a, b, ...) or f(X, theta)"),
    "jac": (
        lambda value: value in JACOBIANS if isinstance(value, str) else callable(value) or _is_pair(value),
        f"one of {', '.join(map(repr, JACOBIANS))}, a function, or a pair of functions (jvp, vjp)",
    ),
    "n_starts": COUNT,
    "cov_type": _one_of("auto", *KINDS),
    "check_jac": _FLAG,
    **{name: COMMON[name] for name in ("alpha", "batch_size", "max_iter", "tol", "n_iter_no_change", "verbose")},
}
MODEL_REGRESSOR = MODEL | {"absolute_sigma": _FLAG}


def _is_pair(value):
    return _is_sequence(value) and len(list(value)) == 2 and all(callable(one) for one in value)


def check_parameters(estimator, domains):
    """Raise ValueError when a parameter leaves its domain, or when parameters contradict one another."""
    check_fields(estimator, domains)
    widths, activation = hidden_widths(estimator), estimator.activation
    if not isinstance(activation, str) and len(list(activation)) != len(widths):
        raise ValueError(
            f"activation={activation!r} was given for {len(widths)} hidden layers. Allowed is one name, or as many as "
            "there are hidden layers. Change activation or hidden_layer_sizes."
        )


def checked_loss(loss, known):
    """The loss for a name, an object or a function, its fields checked; `known` are the names."""
    loss = losses.resolve(loss, known)
    check_fields(loss, getattr(loss, "domains", {}), f"loss={loss.name!r}")
    return loss


def rejects_negative(loss, known):
    """Whether a built-in loss refuses negative targets."""
    loss = _built_in(loss, known)
    try:
        loss and loss.check_targets(np.array([[-1.0]]))
    except ValueError:
        return True
    return False


def takes_labels(loss, known):
    """Whether a loss takes several labels a row; one that orders classes does not, and has no output for one column."""
    loss = _built_in(loss, known)
    return loss is None or loss.raw_outputs(1) > 0


def _built_in(loss, known):
    """A built-in loss of independent outputs, or None; `fit` says what is wrong."""
    if not (isinstance(loss, str) or type(loss).__module__.startswith(losses.__package__)):
        return None
    try:
        return losses.concrete(losses.resolve(loss, known), exclusive=False)
    except (TypeError, ValueError):
        return None


def hidden_widths(estimator):
    """hidden_layer_sizes as a tuple."""
    sizes = estimator.hidden_layer_sizes
    return (int(sizes),) if isinstance(sizes, Integral) else tuple(int(size) for size in sizes)


def hidden_activations(estimator):
    """One activation name per hidden layer."""
    activation = estimator.activation
    return (activation,) * len(hidden_widths(estimator)) if isinstance(activation, str) else tuple(activation)


def has_partial_fit(estimator):
    """Whether training can go on from chunk to chunk: not by the evidence, which needs all rows."""
    if isinstance(getattr(estimator, "alpha", None), (str, Evidence)):
        return False
    try:
        return not resolve(estimator.solver).full_batch
    except (TypeError, ValueError):
        return True  # `partial_fit` itself says what is wrong


def checked_weights(sample_weight, n):
    """Weights (n,) in float64, ones by default."""
    if sample_weight is None:
        return np.ones(n)
    w = check_array(sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
    if w.shape != (n,):
        raise ValueError(
            f"sample_weight of shape {w.shape} was given for {n} samples. Allowed is one weight a sample, shape "
            f"({n},). Pass one number for each row of X."
        )
    if w.min() < 0 or not w.any():
        what = "a negative weight" if w.min() < 0 else "all weights zero"
        raise ValueError(
            f"sample_weight with {what} was given. Allowed are weights of at least 0, one of them above 0. Drop the "
            "rows that should not count."
        )
    return w


def checked_numbers(y, n, dtype):
    """Real targets (n,) or (n, k)."""
    y = check_array(y, ensure_2d=False, dtype=dtype, input_name="y")
    if y.ndim > 2:
        raise ValueError(f"y of shape {y.shape} was given. Allowed are (n,) and (n, outputs). Reshape y.")
    check_consistent_length(np.empty(n), y)
    return y


def class_factors(class_weight, y, sample_weight):
    """Factors (n,) on the sample weights by class."""
    factors = compute_sample_weight(class_weight, y)
    if not np.isfinite(factors).all() or factors.min() < 0 or not (factors * sample_weight).any():
        raise ValueError(
            f"class_weight={class_weight!r} was given. Allowed are finite weights of at least 0, above 0 for a class "
            "that y has. Give each class such a weight."
        )
    return factors
