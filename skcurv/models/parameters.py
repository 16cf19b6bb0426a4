"""The parameters of a model function: names, shapes, start values and bounds, and the flat vector of the free ones.

A model is called in one of three ways, told apart by its signature and by what `start` is:

* named    f(X, a, b, ...)   start a dict of numbers or arrays by name, or one number for each name in order
* vector   f(X, theta)       start an array
* dict     f(X, p)           start a dict of numbers or arrays by name, which p is then too

`full` is every parameter in one vector (P,), theta (p,) the free ones of it in order.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from numbers import Number
from typing import Any

import numpy as np

from ..network import Box


@dataclass(frozen=True)
class Parameters:
    """Names and shapes, and where a fit starts.

    Attributes
    ----------
    style : {"named", "vector", "dict"}
    names : tuple of str
    shapes : tuple of tuple of int
        () for numbers.
    full : (P,) start values
    free : (P,) bool
    lower, upper : (P,) bounds
    """

    style: str
    names: tuple
    shapes: tuple
    full: Any
    free: Any
    lower: Any
    upper: Any

    @cached_property
    def slices(self):
        """The place of each name in `full`."""
        starts = np.cumsum([0, *(int(np.prod(shape)) for shape in self.shapes)])
        return [slice(int(a), int(b)) for a, b in pairwise(starts)]

    @cached_property
    def labels(self):
        """A word for each entry of `full`: a name, with an index for arrays."""
        labels = []
        for name, shape in zip(self.names, self.shapes, strict=True):
            places = np.ndindex(shape) if shape else [()]
            labels += [f"{name}[{', '.join(map(str, place))}]" if place else name for place in places]
        return labels

    @cached_property
    def all_free(self):
        """Whether nothing is fixed."""
        return bool(self.free.all())

    @property
    def theta(self):
        """The free start values (p,)."""
        return self.full[self.free]

    @property
    def box(self):
        """The free parameters' bounds, None where there are none."""
        lower, upper = self.lower[self.free], self.upper[self.free]
        return Box(lower, upper) if np.isfinite(lower).any() or np.isfinite(upper).any() else None

    def whole(self, theta):
        """Every parameter (P,) for the free ones theta (p,)."""
        if self.all_free:
            return theta
        full = self.full.astype(theta.dtype)
        full[self.free] = theta
        return full

    def by_name(self, full):
        """A dict of numbers and arrays for a vector (P,)."""
        parts = zip(self.names, self.shapes, self.slices, strict=True)
        return {name: full[s].reshape(shape) if shape else full[s.start] for name, shape, s in parts}

    def plain(self, full):
        """`by_name` with numbers of Python."""
        return {name: value if np.ndim(value) else float(value) for name, value in self.by_name(full).items()}

    def keywords(self, full):
        """What follows X when the model is called: positional and keyword arguments."""
        values = self.by_name(full)
        if self.style == "named":
            return (), values
        return (values if self.style == "dict" else values[self.names[0]],), {}

    def positions(self, full):
        """The same as positional arguments alone."""
        args, keywords = self.keywords(full)
        return (*args, *keywords.values())

    def starting_at(self, theta):
        """The same with other free start values."""
        return replace(self, full=self.whole(np.asarray(theta, dtype=np.float64)))

    def holding(self, place, value):
        """The same with the free entry `place` of theta fixed at a value."""
        entry = np.flatnonzero(self.free)[place]
        full, free = self.full.copy(), self.free.copy()
        full[entry], free[entry] = value, False
        return replace(self, full=full, free=free)


def parameters(model, start, bounds, fixed):
    """Read a model's signature, `start`, `bounds` and `fixed`.

    Parameters
    ----------
    model : callable
    start : dict, array-like, number or None
    bounds : dict, pair of array-likes, scipy.optimize.Bounds or None
    fixed : sequence of str or None

    Returns
    -------
    found : Parameters

    Raises
    ------
    ValueError
        Where they do not match.
    """
    style, values = _values(_rest(model), start)
    names, arrays = tuple(values), [np.asarray(value) for value in values.values()]
    for name, array in zip(names, arrays, strict=True):
        if not np.issubdtype(array.dtype, np.number) or np.iscomplexobj(array) or not np.isfinite(array).all():
            raise ValueError(
                f"start[{name!r}]={values[name]!r} was given. Allowed are finite real numbers, one or an array. Pass a "
                "first guess for it."
            )
    shapes, full = (
        tuple(array.shape for array in arrays),
        np.concatenate([a.ravel() for a in arrays]).astype(np.float64),
    )
    if not full.size:
        raise ValueError(
            f"start[{names[0]!r}]={values[names[0]]!r} was given, and no number beside it. Allowed is one free number "
            "or more. Pass a first guess for each parameter."
        )
    whole = np.ones(full.shape, dtype=bool)
    unbounded = Parameters(style, names, shapes, full, whole, np.full(full.shape, -np.inf), np.full(full.shape, np.inf))
    free = _free(unbounded, fixed)
    lower, upper = _bounds(unbounded, bounds)
    found = replace(unbounded, free=free, lower=lower, upper=upper)
    _check_bounds(found)
    return found


def _rest(model):
    """The model's parameters after X."""
    try:
        words = list(inspect.signature(model).parameters.values())
    except (TypeError, ValueError):
        words = []
    kinds = {word.kind for word in words}
    if len(words) < 2 or kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.POSITIONAL_ONLY}:
        raise ValueError(
            f"model={model!r} was given, whose arguments are {[str(word) for word in words]}. Allowed is a function "
            "f(X, a, b, ...) of named parameters, or f(X, theta) of one array or dict. Write the model so."
        )
    return [word for word in words[1:] if word.kind != inspect.Parameter.VAR_KEYWORD]


def _values(rest, start):
    """The style, and a dict of start values in the model's order."""
    words = [word.name for word in rest]
    defaults = {word.name: word.default for word in rest if isinstance(word.default, Number)}
    needed = [word.name for word in rest if word.default is inspect.Parameter.empty]
    if isinstance(start, Mapping):
        if len(words) == 1 and words[0] not in start and (len(start) > 1 or any(map(np.ndim, start.values()))):
            return "dict", dict(start)
        given = dict(start)
    elif start is None:
        given = {}
    elif np.ndim(start) and len(needed) == 1 and len(words) == 1:
        return "vector", {words[0]: start}
    else:
        given = dict(zip(needed, np.ravel(start), strict=False))
        given = given if np.size(start) == len(needed) else {f"[{i}]": v for i, v in enumerate(np.ravel(start))}
    unknown, missing = [n for n in given if n not in words], [n for n in needed if n not in given]
    if unknown or missing or not (given or defaults):
        raise ValueError(
            f"start has {list(given)}, where the model's parameters are {words}"
            + (f"; unknown to it are {unknown}" if unknown else "")
            + (f"; without a start value are {missing}" if missing else "")
            + ". Allowed is one start value for each parameter, by its name. Pass start as a dict with these names."
        )
    values = {**defaults, **given}
    return "named", {name: values[name] for name in words if name in values}


def _free(all_of_them, fixed):
    """The mask (P,) of what is not fixed."""
    if isinstance(fixed, Mapping):
        raise ValueError(
            f"fixed={fixed!r} was given. Allowed are names, whose parameters keep their start values. Put the values "
            f"into start, and pass fixed={list(fixed)!r}."
        )
    names = [] if fixed is None else [fixed] if isinstance(fixed, str) else list(fixed)
    unknown = [name for name in names if name not in (*all_of_them.names, *all_of_them.labels)]
    if unknown:
        raise ValueError(
            f"fixed={fixed!r} was given, where the model's parameters are {list(all_of_them.names)}. Allowed are these "
            f"names, and {all_of_them.labels} for single entries. Leave {unknown} out."
        )
    free = np.array([label not in names for label in all_of_them.labels])
    for name, place in zip(all_of_them.names, all_of_them.slices, strict=True):
        free[place] &= name not in names
    if not free.any():
        raise ValueError(
            f"fixed={fixed!r} was given, which are all parameters. Allowed is to leave one free. Leave one out of it."
        )
    return free


def _bounds(all_of_them, bounds):
    """Lower and upper bounds (P,)."""
    lower, upper = all_of_them.lower.copy(), all_of_them.upper.copy()
    if bounds is None:
        return lower, upper
    if not isinstance(bounds, Mapping):
        alone = len(all_of_them.shapes) == 1 and all_of_them.shapes[0]  # one array: bounds in its shape
        ends = (bounds.lb, bounds.ub) if hasattr(bounds, "lb") else bounds
        return tuple(end.ravel() for end in _ends(ends, alone or lower.shape, "all parameters"))
    parts = dict(zip(all_of_them.names, zip(all_of_them.shapes, all_of_them.slices, strict=True), strict=True))
    unknown = [name for name in bounds if name not in parts]
    if unknown:
        raise ValueError(
            f"bounds names {unknown}, where the model's parameters are {list(parts)}. Allowed are these names. Correct "
            "or leave out the others."
        )
    for name, ends in bounds.items():
        shape, place = parts[name]
        low, high = _ends(ends, shape, repr(name))
        lower[place], upper[place] = low.ravel(), high.ravel()
    return lower, upper


def _ends(ends, shape, whose):
    """Lower and upper bounds of a shape, None for none."""
    try:
        low, high = ends
        return _end(low, -np.inf, shape), _end(high, np.inf, shape)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"bounds of {whose} are {ends!r}. Allowed is a pair (lower, upper) of numbers or arrays of shape {shape}, "
            "None for no bound. Pass such a pair for all parameters, or a dict with one for each name."
        ) from error


def _end(end, open_end, shape):
    """One end of bounds in a shape, with its None filled in."""
    entries = np.asarray(end, dtype=object)
    filled = [open_end if entry is None else entry for entry in entries.ravel()]
    return np.broadcast_to(np.array(filled, dtype=np.float64).reshape(entries.shape), shape).copy()


def _check_bounds(found):
    """Raise where no room is left between bounds, or a start value lies outside."""
    for label, start, low, high in zip(found.labels, found.full, found.lower, found.upper, strict=True):
        if not low < high:
            raise ValueError(
                f"bounds of {label} are ({low}, {high}). Allowed is lower < upper. Name it in fixed to keep it at its "
                "start value."
            )
        if not low <= start <= high:
            raise ValueError(
                f"start of {label} is {start}, outside its bounds ({low}, {high}). Allowed is a start value between "
                "them. Move the start or the bounds."
            )
