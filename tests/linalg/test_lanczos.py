"""Lanczos: exact eigenvalues, orthonormal rows, moments, invariant subspaces, and bounds of Ritz pairs."""

import array_api_strict
import numpy as np
import pytest

from skcurv.linalg.lanczos import lanczos, largest_eigenvalue, ritz

from ..cases import assert_close

P = 10
EPS = np.finfo(np.float64).eps


def _symmetric(seed=0, p=P):
    R = np.random.default_rng(seed).normal(size=(p, p))
    return R + R.T


def _with_spectrum(values):
    Q = np.linalg.qr(np.random.default_rng(0).normal(size=(len(values),) * 2))[0]
    A = Q @ np.diag(values) @ Q.T
    return (A + A.T) / 2


def _tridiagonal(alpha, beta):
    return np.diag(alpha) + np.diag(beta, 1) + np.diag(beta, -1)


def _start(seed=1, p=P):
    return np.random.default_rng(seed).normal(size=p)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("steps", [P, 3 * P])
def test_p_steps_give_every_eigenvalue(seed, steps):
    A = _symmetric(seed)
    alpha, beta, V = lanczos(lambda v: A @ v, _start(), steps)
    assert (alpha.shape, beta.shape, V.shape) == ((P,), (P - 1,), (P, P))
    scale = np.linalg.norm(A, 2)
    assert_close(np.linalg.eigvalsh(_tridiagonal(alpha, beta)), np.linalg.eigvalsh(A), 10 * P, scale=scale)


@pytest.mark.parametrize("m", [1, 2, 5, P])
def test_rows_are_orthonormal_and_make_the_matrix_tridiagonal(m):
    A, v = _symmetric(), _start()
    alpha, beta, V = lanczos(lambda v: A @ v, v, m)
    assert (beta > 0).all()
    assert_close(V @ V.T, np.eye(m), P)
    assert_close(V @ A @ V.T, _tridiagonal(alpha, beta), 10 * P, scale=np.linalg.norm(A, 2))
    assert_close(V[0], v / np.linalg.norm(v), P)


@pytest.mark.parametrize("m", [1, 2, 4])
def test_moments_agree_up_to_degree_2m_minus_1(m):
    """e'T^k e = v'A^k v / v'v: what makes the eigenvalues of T the nodes of a Gauss quadrature."""
    A, v = _symmetric() / 5, _start()
    alpha, beta, _ = lanczos(lambda v: A @ v, v, m)
    T, e, v = _tridiagonal(alpha, beta), np.eye(m)[0], v / np.linalg.norm(v)
    scale = max(1.0, np.linalg.norm(A, 2))
    for k in range(2 * m):
        moment = v @ np.linalg.matrix_power(A, k) @ v
        assert_close(e @ np.linalg.matrix_power(T, k) @ e, moment, 10 * P * (k + 1), scale=scale**k)
    degree = 2 * m
    moment = v @ np.linalg.matrix_power(A, degree) @ v
    assert abs(e @ np.linalg.matrix_power(T, degree) @ e - moment) > 1e-6


def test_rows_stay_orthonormal_when_eigenvalues_converge():
    """The plain recursion loses all orthogonality here."""
    p, m = 120, 60
    A = _with_spectrum(np.r_[np.linspace(0, 1, p - 3), 1e2, 1e4, 1e6])
    alpha, beta, V = lanczos(lambda v: A @ v, _start(p=p), m)
    assert V.shape == (m, p)
    assert_close(V @ V.T, np.eye(m), p)
    assert_close(V @ A @ V.T, _tridiagonal(alpha, beta), p, scale=1e6)


@pytest.mark.parametrize("dimension", [1, 2, 4, 7])
def test_an_invariant_subspace_ends_it_with_fewer_rows(dimension):
    """The first coordinates, which a block-diagonal matrix keeps exactly."""
    A, v = _symmetric(), _start()
    A[:dimension, dimension:] = A[dimension:, :dimension] = v[dimension:] = 0
    alpha, beta, V = lanczos(lambda v: A @ v, v, P)
    assert (alpha.shape, beta.shape, V.shape) == ((dimension,), (dimension - 1,), (dimension, P))
    block = A[:dimension, :dimension]
    values = np.linalg.eigvalsh(_tridiagonal(alpha, beta))
    assert_close(values, np.linalg.eigvalsh(block), 10 * P, scale=np.linalg.norm(block, 2))


@pytest.mark.parametrize(("A", "value"), [(np.zeros((P, P)), 0.0), (np.eye(P), 1.0)], ids=["zero", "identity"])
def test_one_eigenvalue_gives_one_row(A, value):
    alpha, beta, V = lanczos(lambda v: A @ v, _start(), P)
    assert V.shape == (1, P)
    assert beta.shape == (0,)
    assert_close(alpha, [value], P, scale=1.0)


@pytest.mark.parametrize("v", [np.zeros(P), np.full(P, np.nan), np.full(P, np.inf)], ids=["zero", "nan", "inf"])
def test_no_start_gives_no_rows(v):
    alpha, beta, V = lanczos(lambda v: v, v, P)
    assert (alpha.shape, beta.shape, V.shape) == ((0,), (0,), (0, P))
    assert ritz(lambda v: v, v, P)[:2] == (0.0, 0.0)


def test_products_that_are_not_finite_end_it():
    A, calls = _symmetric(), []

    def mv(v):
        calls.append(v)
        return A @ v * (np.nan if len(calls) > 3 else 1.0)

    alpha, beta, V = lanczos(mv, _start(), P)
    assert V.shape == (3, P)
    for array in (alpha, beta, V):
        assert np.isfinite(array).all()


def test_the_length_of_the_start_does_not_matter():
    A = _symmetric()
    one, other = (lanczos(lambda v: A @ v, scale * np.ones(P), 4)[2] for scale in (1.0, 1e200))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("steps", [1, 2, 4, 7])
def test_an_eigenvalue_lies_within_the_residual_of_a_ritz_value(steps):
    for seed in range(10):
        A = _symmetric(seed)
        values = np.linalg.eigvalsh(A)
        found = largest_eigenvalue(lambda v, A=A: A @ v, np.ones(P), np.random.default_rng(seed), steps)
        rounding = 10 * P * EPS * np.linalg.norm(A, 2)
        assert np.abs(values - found.value).min() <= found.residual + rounding
        assert found.value <= values[-1] + rounding
        assert found.residual == pytest.approx(np.linalg.norm(A @ found.vector - found.value * found.vector), abs=1e-12)
        assert np.linalg.norm(found.vector) == pytest.approx(1.0, abs=P * EPS)


def test_more_steps_give_a_larger_ritz_value_and_p_steps_the_largest_eigenvalue():
    A = _symmetric()
    estimates = [
        largest_eigenvalue(lambda v: A @ v, np.ones(P), np.random.default_rng(0), m).value for m in range(1, P + 1)
    ]
    assert (np.diff(estimates) > -1e-12).all()
    assert estimates[-1] == pytest.approx(np.linalg.eigvalsh(A)[-1], rel=10 * P * EPS)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_strict_arrays_give_the_same(dtype):
    A, v = _symmetric().astype(dtype), _start().astype(dtype)
    xp = array_api_strict
    strict, ours = (lanczos(lambda u, M=M: M @ u, w, 4) for M, w in ((xp.asarray(A), xp.asarray(v)), (A, v)))
    assert ours[2].dtype == dtype
    assert hasattr(strict[2], "__array_namespace__")
    for one, other in zip(strict, ours, strict=True):
        assert_close(np.asarray(one), other, 100 * P, dtype)
    assert ours[0].dtype == ours[1].dtype == np.float64
    one = largest_eigenvalue(lambda u: xp.asarray(A) @ u, xp.asarray(v), np.random.default_rng(0), 4)
    other = largest_eigenvalue(lambda u: A @ u, v, np.random.default_rng(0), 4)
    assert one.value == pytest.approx(other.value, rel=100 * P * float(np.finfo(dtype).eps))
