import array_api_strict
import numpy as np
import pytest
import scipy.sparse

from skcurv.backend.spare import LEAST, MOST, Spare

from ..cases import assert_close

N = 256
RNG = np.random.default_rng(0)


def _pair(dtype=np.float64, rows=N):
    return RNG.normal(size=(rows, 8)).astype(dtype), RNG.normal(size=(8, N)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_are_those_of_numpy_bit_for_bit(dtype):
    spare = Spare()
    for _ in range(3):
        A, B = _pair(dtype)
        product = spare.product(A, B)
        np.testing.assert_array_equal(product, A @ B)
        np.testing.assert_array_equal(spare.product(A.T, product), A.T @ product)
        assert product.dtype == dtype


def test_an_array_is_used_again_only_when_nothing_refers_to_it():
    spare, (A, B) = Spare(), _pair()
    first = spare.product(A, B)
    second = spare.product(2 * A, B)
    assert not np.shares_memory(first, second)
    np.testing.assert_array_equal(second, 2 * A @ B)
    np.testing.assert_array_equal(first, A @ B)
    place = first.ctypes.data
    del first
    third = spare.product(3 * A, B)
    assert third.ctypes.data == place
    np.testing.assert_array_equal(second, 2 * A @ B)


def test_a_view_keeps_its_array():
    spare, (A, B) = Spare(), _pair()
    part = spare.product(A, B)[:3]
    before = part.copy()
    assert not np.shares_memory(spare.product(2 * A, B), part)
    np.testing.assert_array_equal(part, before)


def test_small_products_and_other_arrays_are_plain():
    spare, (A, B) = Spare(), _pair(rows=LEAST // N - 1)
    assert spare.product(A, B).base is None
    A, B = _pair()
    sparse = scipy.sparse.csr_matrix(A)
    np.testing.assert_allclose(spare.product(sparse, B), A @ B, rtol=1e-12, atol=1e-12)
    strict = spare.product(array_api_strict.asarray(A), array_api_strict.asarray(B))
    np.testing.assert_array_equal(np.asarray(strict), A @ B)
    assert spare._arrays == []


def test_it_keeps_a_bounded_number_of_arrays():
    spare, (A, B) = Spare(), _pair()
    held = [spare.product(A, B) for _ in range(MOST + 5)]
    assert len(spare._arrays) == MOST
    assert all(np.array_equal(product, held[0]) for product in held)


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_matrix], ids=["dense", "csr"])
@pytest.mark.parametrize("n", [3, 2 * LEAST // 13])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_are_outer_products_with_a_one_appended(form, n, dtype):
    """(2 + 1) x 3 and (3 + 1) x 1 entries, in the place of the last ones once these are gone."""
    spare, places = Spare(), set()
    for _ in range(3):
        A, G, B, H = (RNG.normal(size=(n, columns)).astype(dtype) for columns in (2, 3, 3, 1))
        R = spare.rows([(form(A), G), (B, H)])
        assert R.dtype == dtype
        ones = np.ones((n, 1), dtype)
        blocks = [np.einsum("na,no->nao", np.hstack(pair), V) for pair, V in (((A, ones), G), ((B, ones), H))]
        np.testing.assert_array_equal(R, np.hstack([block.reshape(n, -1) for block in blocks]))
        places.add(R.ctypes.data)
        del R
    assert len(spare._arrays) == (n > 3)
    assert n == 3 or len(places) == 1


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_matrix], ids=["dense", "csr"])
@pytest.mark.parametrize("i", [2, LEAST // 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_totals_are_products_with_a_one_appended(form, i, dtype):
    """(i + 1) x 3 and (3 + 1) x 1 entries, in the place of the last ones once these are gone."""
    spare, places, n = Spare(), set(), 4
    for _ in range(3):
        A, G, B, H = (RNG.normal(size=(n, columns)).astype(dtype) for columns in (i, 3, 3, 1))
        total = spare.total([(form(A), G), (B, H)])
        assert total.dtype == dtype
        blocks = [np.vstack([U.T @ V, V.sum(axis=0)]) for U, V in ((A, G), (B, H))]
        expected = np.concatenate([block.ravel() for block in blocks])
        assert_close(total, expected, n, dtype, scale=np.abs(A).max() * np.abs(G).max())
        places.add(total.ctypes.data)
        del total
    assert len(spare._arrays) == (i > 2)
    assert i == 2 or len(places) == 1
