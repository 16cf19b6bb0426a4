"""The compiled passes over large arrays give the numbers of their array definitions, and change nothing."""

import array_api_strict
import numpy as np
import pytest

from skcurv.backend import passes

from ..cases import assert_close

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@dtypes
@pytest.mark.parametrize("shape", [(7,), (3, 5)])
def test_combined(both, dtype, shape):
    x, y = np.random.default_rng(0).normal(size=(2, *shape)).astype(dtype)
    kept = x.copy(), y.copy()
    array, compiled = both(lambda: passes.combined(0.7, x, -2.5, y))
    assert array.dtype == compiled.dtype == dtype
    assert array.shape == compiled.shape == shape
    truth = 0.7 * x.astype(np.float64) - 2.5 * y.astype(np.float64)
    for found in (array, compiled):
        assert_close(found, truth, 4, dtype, scale=0.7 * np.abs(x).max() + 2.5 * np.abs(y).max())
    np.testing.assert_array_equal((x, y), kept)


@pytest.mark.parametrize("arrange", [np.asfortranarray, lambda x: np.repeat(x, 2, axis=1)[:, ::2], "read-only"])
def test_combined_takes_any_array(both, arrange):
    x, y = np.random.default_rng(0).normal(size=(2, 4, 3))
    if arrange == "read-only":
        y.flags.writeable = False
    else:
        x = arrange(x)
    array, compiled = both(lambda: passes.combined(0.5, x, 2.0, y))
    np.testing.assert_array_equal(array, 0.5 * x + 2.0 * y)  # powers of two: no rounding but that of the sum
    np.testing.assert_array_equal(compiled, array)


@dtypes
def test_logistic(both, dtype):
    """Slopes to the last bit; row sums, whose order differs, to rounding."""
    rng = np.random.default_rng(0)
    F, Y = (30 * rng.normal(size=(6, 5))).astype(dtype), rng.random((6, 5)).astype(dtype)
    F[0] = [0, -0.0, np.nan, np.inf, -np.inf]
    F[1] = [-200, 200, np.finfo(dtype).tiny, -np.finfo(dtype).max, 1]
    kept = F.copy(), Y.copy()
    (sums, slopes), (fast, steep) = both(lambda: passes.logistic(F, Y))
    assert sums.dtype == slopes.dtype == fast.dtype == steep.dtype == dtype
    np.testing.assert_array_equal(steep, slopes)
    assert np.isnan(sums[0])
    assert np.isnan(fast[0])
    size = 1 + np.abs(F[1:]).sum(axis=1)
    assert_close(fast[1:] / size, sums[1:] / size, F.shape[1], dtype, scale=1)
    np.testing.assert_array_equal((F, Y), kept)


def test_strict_arrays_take_the_array_expressions(both):
    F, Y = np.random.default_rng(0).random((2, 4, 3))
    strict = [array_api_strict.asarray(x) for x in (F, Y)]
    for found in both(lambda: passes.combined(0.5, strict[0], 2.0, strict[1])):
        np.testing.assert_array_equal(np.asarray(found), passes.combined(0.5, F, 2.0, Y))
    for found in both(lambda: passes.logistic(*strict)):
        for ours, theirs in zip(found, passes.logistic(F, Y), strict=True):
            assert_close(np.asarray(ours), theirs, 20)
