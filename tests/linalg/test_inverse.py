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


@pytest.mark.parametrize("n", [2 * LEAF, 8 * LEAF])
@pytest.mark.parametrize("least", [1e-1, 1e-2, 1e-3, 1e-4])
def test_single_precision_gives_way_where_its_digits_do_not_suffice(n, least):
    """A spike of size n beside `least`: by halves alone the error is rounding (n / least)^2, up to 1e6."""
    M = (np.ones((n, n)) + least * np.eye(n)).astype(np.float32)
    found = inverse(M)
    truth = np.linalg.inv(M.astype(np.float64))
    assert found.dtype == np.float32
    assert np.linalg.norm(found - truth, 2) <= 1e-2 * np.linalg.norm(truth, 2)
    assert np.linalg.eigvalsh(found.astype(np.float64) + found.T)[0] > -1e-6 / least


def test_strict_arrays_and_single_precision():
    M = _spd(2 * LEAF).astype(np.float32)
    strict = inverse(array_api_strict.asarray(M))
    assert inverse(M).dtype == np.float32
    assert_close(np.asarray(strict), inverse(M), LEAF * np.linalg.cond(M), np.float32)
