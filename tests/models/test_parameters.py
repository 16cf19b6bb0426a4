"""Every way to name, start, bound and fix the parameters of a model, and what is refused."""

import re
from functools import partial

import numpy as np
import pytest
from scipy.optimize import Bounds

from skcurv.models import parameters

INF = np.inf


def named(X, a, b, c):
    """Three numbers, or arrays."""


def with_defaults(X, a, b=2.0, kind="plain", c=3):
    """Two numbers have a default, and one option is no number."""


def vector(X, theta):
    """One array."""


def keywords(X, a, *, b):
    """One by keyword alone."""


class Model:
    """A callable object."""

    def __call__(self, X, a, b):
        """Two numbers."""


STYLES = {
    "named": (named, {"c": 3, "a": 1.0, "b": 2}, "named", ("a", "b", "c"), [1, 2, 3]),
    "arrays among named ones": (named, {"b": [[1, 2], [3, 4]], "a": 0, "c": [5]}, "named", None, [0, 1, 2, 3, 4, 5]),
    "in order": (named, [1, 2, 3], "named", ("a", "b", "c"), [1, 2, 3]),
    "in order, as an array": (named, np.array([1.0, 2.0, 3.0]), "named", ("a", "b", "c"), [1, 2, 3]),
    "one number": (vector, 4.0, "named", ("theta",), [4]),
    "vector": (vector, [1, 2], "vector", ("theta",), [1, 2]),
    "matrix": (vector, [[1, 2], [3, 4]], "vector", ("theta",), [1, 2, 3, 4]),
    "vector by its name": (vector, {"theta": [1, 2]}, "named", ("theta",), [1, 2]),
    "dict": (vector, {"a": 1, "b": [2, 3]}, "dict", ("a", "b"), [1, 2, 3]),
    "dict of one array": (vector, {"a": [2, 3]}, "dict", ("a",), [2, 3]),
    "defaults": (with_defaults, {"a": 1}, "named", ("a", "b", "c"), [1, 2, 3]),
    "one number and defaults": (with_defaults, 7, "named", ("a", "b", "c"), [7, 2, 3]),
    "a default overruled": (with_defaults, {"a": 1, "c": 9}, "named", ("a", "b", "c"), [1, 2, 9]),
    "defaults alone": (partial(with_defaults, a=0.5), None, "named", None, [0.5, 2, 3]),
    "keyword": (keywords, {"a": 1, "b": 2}, "named", ("a", "b"), [1, 2]),
    "callable object": (Model(), {"a": 1, "b": 2}, "named", ("a", "b"), [1, 2]),
}


@pytest.mark.parametrize("style", STYLES)
def test_every_style_is_read_and_called_back(style):
    model, start, kind, names, full = STYLES[style]
    found = parameters(model, start, None, None)
    assert found.style == kind
    assert names is None or found.names == names
    np.testing.assert_array_equal(found.full, full)
    assert found.full.dtype == np.float64
    assert found.free.all()
    assert found.box is None
    args, words = found.keywords(found.full)
    if kind == "named":
        assert args == ()
        assert list(words) == list(found.names)
        given = words
    else:
        assert words == {}
        given = args[0] if kind == "dict" else {found.names[0]: args[0]}
    for name, shape in zip(found.names, found.shapes, strict=True):
        assert np.shape(given[name]) == shape
    np.testing.assert_array_equal(np.concatenate([np.ravel(value) for value in given.values()]), full)
    assert len(found.labels) == len(set(found.labels)) == len(full)


def test_labels_have_the_index_of_an_array():
    found = parameters(named, {"a": 1, "b": [1, 2], "c": [[3, 4]]}, None, None)
    assert found.labels == ["a", "b[0]", "b[1]", "c[0, 0]", "c[0, 1]"]
    plain = found.plain(found.full)
    assert type(plain["a"]) is float
    assert plain["c"].shape == (1, 2)


@pytest.mark.parametrize(
    ("fixed", "free"),
    [
        (None, [1, 1, 1, 1]),
        ([], [1, 1, 1, 1]),
        ("a", [0, 1, 1, 1]),
        (["b"], [1, 0, 0, 1]),
        (("b[1]", "c"), [1, 1, 0, 0]),
        (["b", "b[0]"], [1, 0, 0, 1]),
    ],
)
def test_fixed_names_and_single_entries_stay_at_their_start(fixed, free):
    found = parameters(named, {"a": 1, "b": [2, 3], "c": 4}, ([0, 0, 0, 0], [9, 9, 9, 9]), fixed)
    free = np.array(free, bool)
    np.testing.assert_array_equal(found.free, free)
    np.testing.assert_array_equal(found.theta, np.arange(1.0, 5.0)[free])
    assert len(found.box.lower) == len(found.box.upper) == free.sum()
    moved = found.whole(found.theta + 0.5)
    np.testing.assert_array_equal(moved, np.arange(1.0, 5.0) + 0.5 * free)
    assert found.whole(found.theta + 1j).dtype == np.complex128  # for complex steps
    again = found.starting_at(found.theta + 0.25)
    np.testing.assert_array_equal(again.theta, found.theta + 0.25)
    np.testing.assert_array_equal(found.full, [1, 2, 3, 4])


def test_holding_takes_an_entry_out():
    found = parameters(named, {"a": 1, "b": [2, 3], "c": 4}, None, "a")
    held = found.holding(1, 7.5)
    np.testing.assert_array_equal(held.full, [1, 2, 7.5, 4])
    np.testing.assert_array_equal(held.free, [False, True, False, True])
    np.testing.assert_array_equal(found.free, [False, True, True, True])


@pytest.mark.parametrize(
    ("bounds", "lower", "upper"),
    [
        (None, [-INF] * 4, [INF] * 4),
        ({}, [-INF] * 4, [INF] * 4),
        ({"a": (0, 2)}, [0, -INF, -INF, -INF], [2, INF, INF, INF]),
        ({"a": (None, 2), "c": (4, None)}, [-INF, -INF, -INF, 4], [2, INF, INF, INF]),
        ({"b": (0, [5, 6])}, [-INF, 0, 0, -INF], [INF, 5, 6, INF]),
        ({"b": ([0, None], [None, 6])}, [-INF, 0, -INF, -INF], [INF, INF, 6, INF]),
        (([0, 1, 2, 3], [2, 3, 4, INF]), [0, 1, 2, 3], [2, 3, 4, INF]),
        ((0, 5), [0] * 4, [5] * 4),
        ((None, 5), [-INF] * 4, [5] * 4),
        (([0, None, None, 3], None), [0, -INF, -INF, 3], [INF] * 4),
        (Bounds([0, 1, 2, 3], 9), [0, 1, 2, 3], [9] * 4),
        (Bounds(lb=0), [0] * 4, [INF] * 4),
    ],
)
def test_bounds_in_every_form(bounds, lower, upper):
    found = parameters(named, {"a": 1, "b": [2, 3], "c": 4}, bounds, None)
    np.testing.assert_array_equal(found.lower, lower)
    np.testing.assert_array_equal(found.upper, upper)
    finite = np.isfinite([lower, upper]).any()
    assert (found.box is not None) == finite
    if finite:
        np.testing.assert_array_equal(found.box.lower, lower)


def test_bounds_of_a_matrix_have_its_shape():
    found = parameters(vector, np.ones((2, 2)), (np.zeros((2, 2)), [[1, 2], [3, 4]]), None)
    np.testing.assert_array_equal(found.upper, [1, 2, 3, 4])
    found = parameters(vector, 4.0, ([0], [5]), None)
    np.testing.assert_array_equal([found.lower, found.upper], [[0], [5]])


def test_what_is_given_is_left_alone():
    start, lower = {"b": np.array([1.0, 2.0]), "a": 0, "c": 1}, np.zeros(4)
    found = parameters(named, start, (lower, np.full(4, 9.0)), "a")
    found.full[:] = 5
    np.testing.assert_array_equal(start["b"], [1, 2])
    assert not np.shares_memory(found.lower, lower)


def positional_only(X, a, /):
    """Not by name."""


def variable(X, *theta):
    """Any number."""


START = {"a": 1, "b": [2, 3], "c": 4}
BAD = {  # model, start, bounds, fixed, words of the message
    "no parameters": (lambda X: X, {"a": 1}, None, None, ["model=", "X"]),
    "variable": (variable, [1.0], None, None, ["*theta"]),
    "positional only": (positional_only, {"a": 1}, None, None, ["model="]),
    "no signature": (max, {"a": 1}, None, None, ["max", "[]"]),
    "unknown name": (named, {**START, "d": 5}, None, None, ["'d'", "'a', 'b', 'c'"]),
    "missing name": (named, {"a": 1, "b": 2}, None, None, ["'c'", "'a', 'b', 'c'"]),
    "too few": (named, [1, 2], None, None, ["[0]", "[1]", "'a', 'b', 'c'"]),
    "too many": (named, [1, 2, 3, 4], None, None, ["[3]", "'a', 'b', 'c'"]),
    "none": (named, None, None, None, ["'a', 'b', 'c'"]),
    "nan": (named, {**START, "b": [2, np.nan]}, None, None, ["start['b']"]),
    "infinite": (named, {**START, "a": INF}, None, None, ["start['a']=inf"]),
    "complex": (named, {**START, "a": 1j}, None, None, ["start['a']=1j"]),
    "words": (named, {**START, "a": "one"}, None, None, ["start['a']='one'"]),
    "unknown fixed": (named, START, None, ["b[2]"], ["b[2]", "'b[0]', 'b[1]'"]),
    "all fixed": (named, START, None, ["a", "b", "c"], ["'a', 'b', 'c'"]),
    "unknown bounds": (named, START, {"d": (0, 1)}, None, ["'d'", "'a', 'b', 'c'"]),
    "no pair": (named, START, ([0] * 4, [9] * 4, [9] * 4), None, ["bounds of all parameters are ([0, 0, 0, 0], [9,"]),
    "a number": (named, START, 5, None, ["bounds of all parameters are 5"]),
    "no pair by name": (named, START, {"a": 5}, None, ["bounds of 'a' are 5"]),
    "three ends": (named, START, {"a": (0, 1, 2)}, None, ["bounds of 'a' are (0, 1, 2)"]),
    "wrong size": (named, START, ([0] * 3, [9] * 4), None, ["([0, 0, 0], [9, 9, 9, 9])", "shape (4,)"]),
    "wrong size by name": (named, START, {"b": ([0, 0, 0], 9)}, None, ["bounds of 'b'", "shape (2,)"]),
    "empty": (named, START, {"a": (2, 1)}, None, ["bounds of a are (2.0, 1.0)"]),
    "one point": (named, START, {"b": (2, [5, 2])}, None, ["bounds of b[1] are (2.0, 2.0)"]),
    "nan bound": (named, START, {"a": (np.nan, 2)}, None, ["bounds of a are (nan, 2.0)"]),
    "start below": (named, START, {"c": (5, 9)}, None, ["start of c is 4.0", "(5.0, 9.0)"]),
    "start above": (named, START, {"b": (0, [9, 2.5])}, None, ["start of b[1] is 3.0"]),
}


@pytest.mark.parametrize("bad", BAD)
def test_misuse_is_told_in_three_parts_that_name_both_sides(bad):
    model, start, bounds, fixed, words = BAD[bad]
    with pytest.raises(ValueError, match=r"Allowed") as caught:
        parameters(model, start, bounds, fixed)
    message = str(caught.value)
    given, allowed, remedy = re.split(r"\.\s+(?=[A-Z])", message)
    assert allowed.startswith("Allowed")
    assert given
    assert remedy.endswith(".")
    for word in words:
        assert word in message
