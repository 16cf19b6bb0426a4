"""Inverse roots, eigenvectors by orthogonal iteration, Newton-Schulz: what they solve, in closed form."""

import array_api_strict as strict
import numpy as np
import pytest

from skcurv.linalg.roots import QUINTIC, QUINTIC_STEPS, TIE, eigenvectors, inverse_root, orthogonal, refreshed

from ..cases import assert_close

LEAST, BAND = 0.0015, (0.67, 1.21)  # singular values over |V|_F from LEAST on are taken into BAND
EPS = np.finfo(float).eps


def turn(rng, n):
    """A random orthogonal matrix."""
    return np.linalg.qr(rng.normal(size=(n, n)))[0]


def with_spectrum(rng, s):
    Q = turn(rng, len(s))
    return (Q * s) @ Q.T


def quintic(s):
    """The singular values that Newton-Schulz makes of s, on scalars."""
    a, b, c = QUINTIC
    s = s / np.sqrt(np.sum(s**2))
    for _ in range(QUINTIC_STEPS):
        s = a * s + b * s**3 + c * s**5
    return s


@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize("ridge", [0.0, 1e-2])
def test_the_inverse_root_to_its_order_times_the_matrix_is_the_identity(order, ridge):
    s = np.geomspace(1e-2, 3, 6)
    A = with_spectrum(np.random.default_rng(0), s)
    R = inverse_root(A, order, ridge)
    product = np.linalg.matrix_power(R, order) @ (A + ridge * 3 * np.eye(6))
    assert_close(product, np.eye(6), 6 * order * 300)  # condition number 300
    np.testing.assert_allclose(R, R.T, rtol=0, atol=6 * 4 * EPS * np.abs(R).max())


def test_the_inverse_root_of_a_rank_one_matrix():
    """(u u' + ridge |u|^2 I)^(-1/4) is |u|^(-1/2) times (1 + ridge)^(-1/4) along u and ridge^(-1/4) across."""
    u, ridge = np.random.default_rng(1).normal(size=5), 1e-4
    along = np.outer(u, u) / (u @ u)
    expected = ((1 + ridge) ** -0.25 * along + ridge**-0.25 * (np.eye(5) - along)) / np.sqrt(np.linalg.norm(u))
    assert_close(inverse_root(np.outer(u, u), 4, ridge), expected, 5 / ridge)


def test_the_inverse_root_is_in_float64_and_of_nothing_the_identity():
    A = with_spectrum(np.random.default_rng(2), np.arange(1.0, 5.0)).astype(np.float32)
    assert inverse_root(A, 4, 0.0).dtype == np.float64
    assert_close(inverse_root(A, 4, 0.0), inverse_root(A.astype(float), 4, 0.0), 1)
    np.testing.assert_array_equal(inverse_root(0 * A, 4, 1e-6), np.eye(4))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_has_no_eigenvectors_gives_nan(bad):
    A = np.full((3, 3), bad)
    with np.errstate(invalid="ignore"):
        assert np.isnan(inverse_root(A, 4, 1e-6)).any()
        assert np.isnan(eigenvectors(A)).any()


def test_eigenvectors_fall():
    s = np.array([3.0, 1.0, 4.0, 0.5])
    A = with_spectrum(np.random.default_rng(3), s)
    Q = eigenvectors(A)
    assert_close(Q.T @ Q, np.eye(4), 16)
    np.testing.assert_allclose(Q.T @ A @ Q, np.diag([4.0, 3.0, 1.0, 0.5]), rtol=0, atol=4 * TIE)
    tied = A + TIE * A.diagonal().max() * np.diag(np.arange(4) / 4)
    assert_close(Q.T @ tied @ Q, np.diag(np.linalg.eigvalsh(tied)[::-1]), 16)


def test_equal_problems_get_the_same_basis_of_a_null_space():
    rng = np.random.default_rng(12)
    R = rng.normal(size=(9, 5)) @ np.diag([1.0, 1.0, 0, 0, 0]) @ turn(rng, 5)
    one, other = R.T @ R, sum(np.outer(r, r) for r in R[::-1])
    assert not np.array_equal(one, other)
    assert_close(np.abs(eigenvectors(one).T @ eigenvectors(other)), np.eye(5), 5 * 9 * 5 / TIE)
    Q = turn(rng, 5)
    assert_close(refreshed(one, Q)[0], refreshed(other, Q)[0], 5 * 9 / TIE)


def test_eigenvectors_are_a_fixed_point_in_any_order():
    A = with_spectrum(np.random.default_rng(4), np.array([4.0, 3.0, 1.0, 0.5]))
    Q = eigenvectors(A)
    mixed = [2, 0, 3, 1]
    new, order = refreshed(A, Q[:, mixed])
    np.testing.assert_array_equal(np.array(mixed)[order], np.arange(4))
    np.testing.assert_allclose(np.abs(new.T @ Q), np.eye(4), rtol=0, atol=4 * 4 * TIE / 0.5)  # least gap 0.5


def test_a_refreshment_shrinks_the_error_by_the_ratio_of_eigenvalues():
    s = np.array([1.0, 0.1, 0.01])
    Q = turn(np.random.default_rng(5), 3)
    A = (Q * s) @ Q.T
    skew = 1e-4 * np.array([[0, 1, 1], [-1, 0, 1], [-1, -1, 0]])
    near = np.linalg.qr(Q @ (np.eye(3) + skew))[0]
    before, after = (np.abs(Q.T @ basis - np.diag(np.diag(Q.T @ basis))) for basis in (near, refreshed(A, near)[0]))
    assert np.all(after <= 0.1 * before * (1 + 1e-3) + 1e-7)


def test_a_refreshed_basis_is_orthonormal_where_the_matrix_is_singular():
    rng = np.random.default_rng(6)
    for A in (np.zeros((5, 5)), with_spectrum(rng, np.array([2.0, 1.0, 0, 0, 0]))):
        Q = turn(rng, 5)
        for _ in range(3):
            Q, _ = refreshed(A, Q)
            assert_close(Q.T @ Q, np.eye(5), 25)


@pytest.mark.parametrize("shape", [(6, 6), (9, 6), (6, 9), (6, 1), (1, 6), (1, 1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_newton_schulz_keeps_singular_vectors_and_maps_singular_values(shape, dtype):
    rng = np.random.default_rng(7)
    U, s, W = np.linalg.svd(rng.normal(size=shape), full_matrices=False)
    s = np.geomspace(1.0, 0.01, len(s))
    out = orthogonal(((U * s) @ W).astype(dtype))
    assert out.dtype == dtype
    growth = QUINTIC[0] ** QUINTIC_STEPS  # of an error in a small singular value
    assert_close(out, (U * quintic(s)) @ W, max(shape) * growth, dtype)


def test_newton_schulz_takes_singular_values_into_the_band():
    least = np.geomspace(LEAST, 1, 4001)  # one small singular value beside a large one, and many equal ones
    for s in (np.stack([least, np.sqrt(1 - least**2)]), *(np.ones((n, 1)) for n in (1, 2, 10, 100, 1000))):
        out = np.array([quintic(column) for column in s.T])
        assert BAND[0] <= out[:, 0].min() <= out[:, 0].max() <= BAND[1]
    assert quintic(np.array([LEAST / 2, 1.0]))[0] < BAND[0]


def test_newton_schulz_knows_no_scale():
    V = np.random.default_rng(8).normal(size=(4, 3))
    plain = orthogonal(V)
    for exponent in (-1000, -7, 9, 1000):
        np.testing.assert_array_equal(orthogonal(2.0**exponent * V), plain)


def test_newton_schulz_turns_with_its_matrix():
    rng = np.random.default_rng(9)
    V, P, Q = rng.normal(size=(5, 3)), turn(rng, 5), turn(rng, 3)
    growth = QUINTIC[0] ** QUINTIC_STEPS
    assert_close(orthogonal(P @ V @ Q), P @ orthogonal(V) @ Q, 25 * growth, scale=1.0)


def test_newton_schulz_of_nothing_is_nothing_and_of_nan_nan():
    np.testing.assert_array_equal(orthogonal(np.zeros((3, 2))), np.zeros((3, 2)))
    assert np.isnan(orthogonal(np.array([[np.nan, 1.0]]))).any()


def test_the_code_is_in_the_standard():
    A = with_spectrum(np.random.default_rng(10), np.array([3.0, 2.0, 1.0]))
    Q = turn(np.random.default_rng(11), 3)
    S, T = strict.asarray(A.copy()), strict.asarray(Q.copy())
    pairs = [
        (inverse_root(S, 4, 1e-6), inverse_root(A, 4, 1e-6)),
        (eigenvectors(S), eigenvectors(A)),
        (orthogonal(T[:, :2]), orthogonal(Q[:, :2])),
        *zip(refreshed(S, T), refreshed(A, Q), strict=True),
    ]
    for theirs, ours in pairs:
        assert hasattr(theirs, "__array_namespace__")
        assert_close(np.asarray(theirs), ours, 9)
