"""Allowed values of the estimators' parameters, and the parameters resolved to what the layers below take."""

from collections.abc import Iterable, Mapping
from numbers import Integral

import numpy as np

from ..network import ACTIVATIONS, INITIALISERS
from ..solvers.protocol import COUNT, check_fields, is_number


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
}
CLASSIFIER = COMMON | {
    "loss": _one_of("log_loss"),
    "class_weight": (
        lambda value: value is None or value == "balanced" or isinstance(value, (Mapping, list)),
        "None, 'balanced', a dict of weights by class, or a list of dicts for multilabel targets",
    ),
}
REGRESSOR = COMMON | {"loss": _one_of("squared_error", "log_loss"), "target_scaling": _one_of("auto", None)}


def check_parameters(estimator, domains):
    """Raise ValueError when a parameter leaves its domain, or when parameters contradict one another."""
    check_fields(estimator, domains)
    widths, activation = hidden_widths(estimator), estimator.activation
    if not isinstance(activation, str) and len(list(activation)) != len(widths):
        raise ValueError(
            f"activation={activation!r} was given for {len(widths)} hidden layers. Allowed is one name, or as many as "
            "there are hidden layers. Change activation or hidden_layer_sizes."
        )


def hidden_widths(estimator):
    """hidden_layer_sizes as a tuple."""
    sizes = estimator.hidden_layer_sizes
    return (int(sizes),) if isinstance(sizes, Integral) else tuple(int(size) for size in sizes)


def hidden_activations(estimator):
    """One activation name per hidden layer."""
    activation = estimator.activation
    return (activation,) * len(hidden_widths(estimator)) if isinstance(activation, str) else tuple(activation)
