"""The compiled passes over large arrays give the numbers of their array definitions, and change nothing else."""

import numpy as np
import pytest

from skcurv.backend import passes, piecewise

from ..cases import NETWORKS, case, problem

LEAKS = (0.0, 0.01, 1.0)
PIECEWISE = [name for name, (_, activations) in NETWORKS.items() if set(activations) & {"relu", "leaky_relu"}]
each = pytest.mark.parametrize("leak", LEAKS)
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def _numbers(dtype):
    Z = np.random.default_rng(0).normal(size=(7, 6)).astype(dtype)
    Z[0] = [0, -0.0, np.nan, np.inf, -np.finfo(dtype).max, np.finfo(dtype).tiny]
    return Z, np.where(np.arange(6) < 3, 0, np.linspace(-1, 1, 6)).astype(dtype)


@each
@dtypes
def test_activate(leak, dtype, both):
    Z, b = _numbers(dtype)
    array, compiled = both(lambda: piecewise.activate(Z.copy(), b, leak))
    assert array.dtype == compiled.dtype == dtype
    np.testing.assert_array_equal(compiled, array)
    z = (Z + b)[1:]
    np.testing.assert_array_equal(array[1:], np.maximum(z, 0) + dtype(leak) * np.minimum(z, 0))
    assert np.isnan(array[0, 2])


@each
@dtypes
def test_gate(leak, dtype, both):
    a, V = _numbers(dtype)[0], np.random.default_rng(1).normal(size=(7, 6)).astype(dtype)
    array, compiled = both(lambda: piecewise.gate(V.copy(), a, leak))
    assert array.dtype == compiled.dtype == dtype
    np.testing.assert_array_equal(compiled, array)
    np.testing.assert_array_equal(array, V * np.where(a > 0, dtype(1), dtype(leak)))


@dtypes
@pytest.mark.parametrize("rows", [4, passes.LARGE // 8 + 1])
def test_only_the_first_array_may_change(dtype, rows):
    b, a = np.full(8, -2, dtype), np.full((rows, 8), -1, dtype)
    np.testing.assert_array_equal(piecewise.activate(np.ones((rows, 8), dtype), b, 0.01), dtype(0.01) * dtype(-1))
    np.testing.assert_array_equal(piecewise.gate(np.ones((rows, 8), dtype), a, 0.0), 0)
    np.testing.assert_array_equal(b, -2)
    np.testing.assert_array_equal(a, -1)


@pytest.mark.parametrize("name", PIECEWISE)
@dtypes
def test_networks_give_the_same_bits_and_keep_their_inputs(name, dtype, both):
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

    array, compiled = both(everything)
    for ours, theirs in zip(array, compiled, strict=True):
        np.testing.assert_array_equal(theirs, ours)
    for now, before in zip((theta, X, V, u), inputs, strict=True):
        np.testing.assert_array_equal(now, before)
