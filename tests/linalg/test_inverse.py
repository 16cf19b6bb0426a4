import array_api_strict
import numpy as np
import pytest

from skcurv.linalg.inverse import LEAF, inverse

from ..cases import assert_close


def _spd(n, seed=0):
    R = np.random.default_rng(seed).normal(size=(2 * n, n)) * np.logspace(0, -2, n)
    return R.T @ R / n + 1e-3 * np.eye(n)


@pytest.mark.parametrize("n", [1, 2, LEAF - 1, LEAF, LEAF + 1, 2 * LEAF + 3, 5 * LEAF])
def test_it_inverts_and_is_symmetric(n):
    M = _spd(n)
    found = inverse(M)
    assert_close(found, np.linalg.inv(M), n * np.linalg.cond(M))
    assert_close(found, found.T, n * np.linalg.cond(M))


@pytest.mark.parametrize("n", [4, 3 * LEAF])
def test_what_has_no_inverse_is_nan(n):
    with np.errstate(invalid="ignore"):
        assert np.isnan(inverse(np.zeros((n, n)))).all()
        assert np.isnan(inverse(np.full((n, n), np.nan))).all()


def test_strict_arrays_and_single_precision():
    M = _spd(2 * LEAF).astype(np.float32)
    strict = inverse(array_api_strict.asarray(M))
    assert inverse(M).dtype == np.float32
    assert_close(np.asarray(strict), inverse(M), LEAF * np.linalg.cond(M), np.float32)
