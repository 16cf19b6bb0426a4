"""A check of derivatives passes right ones, and catches and names wrong ones."""

import re

import numpy as np
import pytest

from skcurv.diagnostics import check_network, gradcheck
from skcurv.network import MLP

from ..cases import ACTIVATIONS, NETWORKS, case, problem

A = np.diag([1.0, 2.0, 3.0]) + 0.5
THETA = np.array([0.3, -2.0, 40.0])


def _value(t):
    return 0.5 * t @ A @ t + np.sum(np.sin(t))


def _grad(t):
    return A @ t + np.cos(t)


def _hessp(t, u):
    return A @ u - np.sin(t) * u


def test_right_derivatives_pass():
    check = gradcheck(_value, _grad, THETA, _hessp)
    assert check.ok
    assert check.error <= check.tolerance
    assert "All entries are right" in str(check)


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("size", [1e-4, 1.0, np.nan, np.inf])
def test_a_wrong_entry_of_the_gradient_is_named(place, size):
    check = gradcheck(_value, lambda t: _grad(t) + np.where(np.arange(3) == place, size, 0.0), THETA)
    assert not check.ok
    assert check.clear
    assert (check.what, check.where) == ("gradient", (place,))
    assert check.error > check.tolerance
    assert re.search(rf"Wrong is the gradient at index {place}:", check.verdict)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_wrong_row_of_the_hessian_is_named(place):
    check = gradcheck(_value, _grad, THETA, lambda t, u: _hessp(t, u) * (1 + 1e-3 * np.eye(3)[place]))
    assert not check.ok
    assert (check.what, check.where) == ("Hessian product", (place,))


def test_the_tolerance_is_that_of_the_differences_not_a_guess():
    """A steep third derivative widens it; the error of a right gradient stays below."""
    for k in (1.0, 30.0, 300.0):
        check = gradcheck(lambda t, k=k: np.sum(np.sin(k * t)), lambda t, k=k: k * np.cos(k * t), [0.2, 0.7])
        assert check.ok
        h = np.finfo(float).eps ** (1 / 3)
        assert check.tolerance < h**2 * k**3 + 100 * h**2 * k


def test_a_kink_is_not_called_an_error():
    check = gradcheck(lambda t: np.sum(np.abs(t)), np.sign, [1.0, 2e-6])
    assert not check.ok
    assert not check.clear
    assert check.where == (1,)
    assert "Cannot tell" in check.verdict


def test_a_shape_that_is_not_the_parameters_is_told_in_three_parts():
    with pytest.raises(ValueError, match="Allowed") as caught:
        gradcheck(_value, lambda t: _grad(t)[:2], THETA)
    assert len(re.split(r"\.\s+", str(caught.value))) == 3


@pytest.mark.parametrize("name", ["two layers", "deep relu", *ACTIVATIONS])
def test_networks_pass(name):
    p = problem(case(name, "squared_error"), n=4)
    assert check_network(MLP(*NETWORKS[name]), p.theta, p.X[:3]).ok


@pytest.mark.parametrize(("method", "what"), [("pushforward", "pushforward"), ("second_order", "Hessian product")])
def test_a_wrong_network_is_caught(method, what):
    class Wrong(MLP):
        pass

    setattr(Wrong, method, lambda self, *args: 1.001 * getattr(MLP, method)(self, *args))
    p = problem(case("tanh", "squared_error"), n=4)
    check = check_network(Wrong(*NETWORKS["tanh"]), p.theta, p.X[:3])
    assert not check.ok
    assert check.what == what
