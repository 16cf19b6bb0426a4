"""The compiled passes over large arrays give the bits of their array definitions, and change nothing else."""

import numpy as np
import pytest

from skcurv.backend import piecewise

from ..cases import NETWORKS, case, problem

LEAKS = (0.0, 0.01, 1.0)
PIECEWISE = [name for name, (_, activations) in NETWORKS.items() if set(activations) & {"relu", "leaky_relu"}]
each = pytest.mark.parametrize("leak", LEAKS)
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def _numbers(dtype):
    Z = np.random.default_rng(0).normal(size=(7, 6)).astype(dtype)
    Z[0] = [0, -0.0, np.nan, np.inf, -np.inf, np.finfo(dtype).tiny]
    return Z, np.where(np.arange(6) < 3, 0, np.linspace(-1, 1, 6)).astype(dtype)


def _both(function, monkeypatch):
    """What the array expression and what the compiled pass give."""
    results = []
    for large in (2**62, 1):
        monkeypatch.setattr(piecewise, "LARGE", large)
        with np.errstate(invalid="ignore"):  # 0 times infinity
            results.append(function())
    return results


@each
@dtypes
def test_activate(leak, dtype, monkeypatch):
    Z, b = _numbers(dtype)
    array, compiled = _both(lambda: piecewise.activate(Z.copy(), b, leak), monkeypatch)
    assert array.dtype == compiled.dtype == dtype
    np.testing.assert_array_equal(compiled, array)
    z = (Z + b)[1:]
    np.testing.assert_array_equal(array[1:], np.maximum(z, 0) + dtype(leak) * np.minimum(z, 0))
    assert np.isnan(array[0, 2])


@each
@dtypes
def test_gate(leak, dtype, monkeypatch):
    a, V = _numbers(dtype)[0], np.random.default_rng(1).normal(size=(7, 6)).astype(dtype)
    array, compiled = _both(lambda: piecewise.gate(V.copy(), a, leak), monkeypatch)
    assert array.dtype == compiled.dtype == dtype
    np.testing.assert_array_equal(compiled, array)
    np.testing.assert_array_equal(array, V * np.where(a > 0, dtype(1), dtype(leak)))


@dtypes
def test_only_large_contiguous_arrays_are_changed_in_place(dtype):
    rows = piecewise.LARGE // 8
    for Z, in_place in (
        (np.ones((rows, 8), dtype), True),
        (np.ones((rows - 1, 8), dtype), False),
        (np.ones((8, rows), dtype).T, False),
    ):
        b = np.full(8, -2, dtype)
        out = piecewise.activate(Z, b, 0.01)
        assert (out is Z) == in_place
        np.testing.assert_array_equal(out, dtype(0.01) * dtype(-1))
        assert np.all(b == -2)
        out = piecewise.gate(out, Z - 2, 0.0)
        np.testing.assert_array_equal(out, 0)
        np.testing.assert_array_equal(Z, 0 if in_place else 1)


@pytest.mark.parametrize("name", PIECEWISE)
@dtypes
def test_networks_give_the_same_bits_and_keep_their_inputs(name, dtype, monkeypatch):
    p = problem(case(name, "squared_error"))
    network, rng = p.case.network, np.random.default_rng(1)
    theta, X = p.theta.astype(dtype), p.X.astype(dtype)
    V, u = rng.normal(size=p.Y.shape).astype(dtype), rng.normal(size=theta.size).astype(dtype)
    inputs = [array.copy() for array in (theta, X, V, u)]

    def everything():
        tape = network.forward(theta, X)
        before = [array.copy() for array in (*tape.A, *tape.Z)]
        pairs = network.pullback(tape, V)
        results = [pairs.rows(), network.pushforward(tape, u), network.second_order(tape, V, u), tape.F]
        for array, copy in zip((*tape.A, *tape.Z), before, strict=True):
            np.testing.assert_array_equal(array, copy)
        return [*results, network.output(theta, X)]

    array, compiled = _both(everything, monkeypatch)
    for ours, theirs in zip(array, compiled, strict=True):
        np.testing.assert_array_equal(theirs, ours)
    for now, before in zip((theta, X, V, u), inputs, strict=True):
        np.testing.assert_array_equal(now, before)
