import array_api_strict
import numpy as np
import pytest
import scipy.sparse
import scipy.special

from skcurv.backend import namespace as ns

from ..cases import assert_close

RNG = np.random.default_rng(0)
A, G = RNG.normal(size=(9, 4)) * (RNG.random((9, 4)) < 0.5), RNG.normal(size=(9, 3))
SPD = np.cov(RNG.normal(size=(4, 30))) + np.eye(4)
both = pytest.mark.parametrize("xp", [np, array_api_strict], ids=["numpy", "strict"])


@both
def test_namespace_is_that_of_the_array(xp):
    x = xp.asarray([1.0])
    assert ns.namespace(x).__name__.split(".")[-1] == xp.__name__


def test_namespace_of_a_numpy_subclass():
    assert float(ns.namespace(np.ones(3).view(np.memmap)).sum(np.ones(3))) == 3


@both
def test_sums_are_float64_numbers(xp):
    x = xp.asarray([2.0**24, 1.0, 1.0], dtype=xp.float32)  # float32 sums to 2^24
    ones = xp.ones(3, dtype=xp.float32)
    for result in (ns.total(xp, x), ns.dot(xp, x, ones)):
        assert isinstance(result, float)
        assert result == 2**24 + 2


@both
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sigmoid_and_softplus(xp, dtype):
    z = np.concatenate([np.linspace(-30, 30, 101), [-1e4, 1e4]]).astype(dtype)
    for function, exact in ((ns.sigmoid, scipy.special.expit), (ns.softplus, lambda z: np.logaddexp(0, z))):
        result = ns.to_numpy(function(xp.asarray(z)))
        assert result.dtype == dtype
        np.testing.assert_allclose(result, exact(z.astype(float)), rtol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_matrix, scipy.sparse.csr_array])
def test_operations_of_a_design_matrix(form):
    X = form(A)
    assert ns.issparse(X) == (form is not np.asarray)
    for result, exact in (
        (ns.inner(X, G), A.T @ G),
        (ns.dense(X), A),
        (ns.dense(ns.squared(X)), A**2),
    ):
        assert type(result) is np.ndarray
        assert_close(result, exact, 20)


@both
def test_cholesky_and_triangular_solves(xp):
    C, b = xp.asarray(SPD), xp.asarray(G[:4])
    L = ns.cholesky(C)
    terms = 10 * np.linalg.cond(SPD)
    assert_close(ns.to_numpy(L), np.linalg.cholesky(SPD), terms)
    assert_close(ns.to_numpy(ns.cholesky_solve(L, b)), np.linalg.solve(SPD, G[:4]), terms)
    assert_close(ns.to_numpy(ns.solve_triangular(L, b)), np.linalg.solve(np.linalg.cholesky(SPD), G[:4]), terms)
    upper = np.linalg.cholesky(SPD).T
    assert_close(ns.to_numpy(ns.solve_triangular(L, b, transposed=True)), np.linalg.solve(upper, G[:4]), terms)


@both
@pytest.mark.parametrize("bad", [np.diag([1.0, -1.0]), np.ones((2, 2)), np.full((2, 2), np.nan), np.diag([1, np.inf])])
def test_cholesky_of_what_has_none(xp, bad):
    assert ns.cholesky(xp.asarray(bad)) is None


@both
def test_rounding_is_that_of_the_dtype(xp):
    for dtype in ("float32", "float64"):
        assert ns.rounding(xp.ones(2, dtype=getattr(xp, dtype))) == np.finfo(dtype).eps


@both
def test_finite_and_to_numpy(xp):
    assert ns.finite(xp, xp.asarray([1.0, 2.0])) is True
    for bad in (np.nan, np.inf, -np.inf):
        assert ns.finite(xp, xp.asarray([1.0, bad])) is False
    host = ns.to_numpy(xp.asarray([1.0, 2.0]))
    assert type(host) is np.ndarray
    np.testing.assert_array_equal(host, [1.0, 2.0])


def test_to_numpy_takes_device_arrays_through_get():
    class Device:
        def get(self):
            return np.arange(3)

    np.testing.assert_array_equal(ns.to_numpy(Device()), np.arange(3))


@pytest.mark.parametrize("shift", [0.3, np.linspace(0.1, 2.0, 6)], ids=["scalar", "vector"])
def test_the_factor_made_in_place_is_the_other_one(monkeypatch, shift):
    R = np.random.default_rng(0).normal(size=(9, 6))
    C = R.T @ R
    before, plain = C.copy(), np.tril(ns.shifted_cholesky(C, shift))
    monkeypatch.setattr(ns, "IN_PLACE", 0)
    in_place = np.tril(ns.shifted_cholesky(C, shift))
    np.testing.assert_array_equal(C, before)
    np.testing.assert_allclose(in_place, plain, rtol=0, atol=20 * np.finfo(float).eps * np.abs(plain).max())
    np.testing.assert_allclose(plain @ plain.T, C + np.diag(shift * np.ones(6)), rtol=0, atol=1e-13)
    assert ns.shifted_cholesky(-C, 0.0) is None


@both
@pytest.mark.parametrize("columns", [1, 2, ns.FEW, ns.FEW + 1])
def test_the_same_numbers_by_columns(xp, columns):
    F = np.random.default_rng(0).normal(size=(4, columns))
    held = ns.by_columns(xp.asarray(F))
    np.testing.assert_array_equal(ns.to_numpy(held), F)
    if xp is np:
        assert held.flags.f_contiguous == (columns <= ns.FEW)


@both
def test_positive_numbers_stay_and_others_become_nan(xp):
    x = np.array([2.0, 1e-300, 0.0, -1.0])
    np.testing.assert_array_equal(ns.to_numpy(ns.positive(xp.asarray(x[:2]))), x[:2])
    np.testing.assert_array_equal(ns.to_numpy(ns.positive(xp.asarray(x))), [2.0, 1e-300, np.nan, np.nan])
