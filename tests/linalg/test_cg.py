"""Conjugate gradients: at most p steps, the least over the Krylov space, and each way to end."""

import array_api_strict
import numpy as np
import pytest

from skcurv.linalg.cg import cg

from ..cases import assert_close

P = 12
EPS = np.finfo(np.float64).eps


def _system(condition=100.0, p=P, seed=0):
    """A positive definite A with a geometric spectrum, b, x and a diagonal M."""
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.normal(size=(p, p)))[0]
    A = Q @ np.diag(np.geomspace(1, condition, p)) @ Q.T
    return (A + A.T) / 2, rng.normal(size=p), rng.normal(size=p), rng.uniform(0.5, 2.0, p)


def _phi(A, b, x):
    return x @ A @ x / 2 - b @ x


def _solve(A, b, x, M, steps, **options):
    return cg(lambda v: A @ v, b, x, lambda r: r / M, steps, **options)


def _krylov(A, b, x, M, steps):
    """A basis (p, steps) of the space that the iterates search, its columns of length 1."""
    r, basis = (b - A @ x) / M, []
    for _ in range(steps):
        basis.append(r / np.linalg.norm(r))
        r = A @ basis[-1] / M
    return np.array(basis).T


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("p", [1, 2, 4, 6])
def test_p_steps_solve_a_system(p, seed):
    """Rounding is amplified by the condition of the Krylov basis, whose triangular factor CG builds."""
    A, b, x, M = _system(10.0, p, seed)
    found, best = _solve(A, b, x, M, p), np.linalg.solve(A, b)
    assert found.iterations <= p
    condition = np.linalg.cond(A) * np.linalg.cond(_krylov(A, b, x, M, p))
    assert_close(found.x, best, p * condition, scale=np.linalg.norm(best) + np.linalg.norm(x))


@pytest.mark.parametrize("distinct", [1, 2, 3, 4])
def test_as_many_steps_as_distinct_eigenvalues_solve_a_system(distinct):
    A, b, x, _ = _system()
    Q = np.linalg.eigh(A)[1]
    A = Q @ np.diag(1.0 + np.arange(P) % distinct) @ Q.T
    found = _solve(A, b, x, np.ones(P), distinct)
    condition = np.linalg.cond(_krylov(A, b, x, np.ones(P), distinct))
    assert_close(found.x, np.linalg.solve(A, b), P * distinct * condition, scale=np.abs(x).sum())


@pytest.mark.parametrize("preconditioned", [False, True])
@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 4, 6])
def test_an_iterate_is_the_least_over_its_krylov_space(steps, started, preconditioned):
    A, b, start, M = _system()
    M = M if preconditioned else np.ones(P)
    found = _solve(A, b, start if started else None, M, steps)
    x = start if started else np.zeros(P)
    basis = _krylov(A, b, x, M, steps)
    K = np.linalg.qr(basis)[0]
    best = x + K @ np.linalg.solve(K.T @ A @ K, K.T @ (b - A @ x))
    assert found.iterations == steps
    assert_close(found.x, best, P * np.linalg.cond(basis) * np.linalg.cond(A), scale=np.linalg.norm(best))


def test_the_matrix_itself_as_preconditioner_takes_one_step():
    A, b, x, _ = _system()
    found = cg(lambda v: A @ v, b, x, lambda r: np.linalg.solve(A, r), 1)
    assert_close(found.x, np.linalg.solve(A, b), 4 * P * np.linalg.cond(A), scale=np.linalg.norm(b))


@pytest.mark.parametrize("steps", [0, 1, 5, P])
def test_phi_is_the_quadratic_and_falls(steps):
    A, b, x, M = _system()
    found = _solve(A, b, x, M, steps)
    assert found.phi == pytest.approx(_phi(A, b, found.x), abs=100 * P * EPS * abs(_phi(A, b, x)))
    if steps:
        assert found.phi < _solve(A, b, x, M, steps - 1).phi


def test_iterates_are_kept_with_growing_spacing():
    A, b, x, M = _system(condition=1e6, p=40)
    found = _solve(A, b, x, M, 33)
    for i, kept in zip((5, 7, 9, 11, 15, 19, 25, 32, 33), found.iterates, strict=True):
        np.testing.assert_array_equal(kept, _solve(A, b, x, M, i).x)
    assert len(_solve(A, b, x, M, 7).iterates) == 2
    assert found.iterates[-1] is found.x


@pytest.mark.parametrize("progress", [5e-4, 5e-3])
def test_progress_ends_where_the_definition_says(progress):
    """The path without a stop, and the first i > k at which the last k iterations gained less than k progress."""
    A, b, x, M = _system(condition=1e3, p=150)
    phi = [_solve(A, b, x, M, i).phi for i in range(150)]

    def stalled(i):
        k = max(10, int(np.ceil(0.1 * i)))
        return i > k and phi[i] < 0 and (phi[i] - phi[i - k]) / phi[i] < k * progress

    first = next(i for i in range(150) if stalled(i))
    found = _solve(A, b, x, M, 150, progress=progress)
    assert (found.iterations, found.ended) == (first, "progress")
    assert 11 <= first < 150


@pytest.mark.parametrize("residual", [1e-1, 1e-4, 1e-8])
def test_residual_ends_at_the_first_small_one(residual):
    A, b, x, M = _system()
    found = _solve(A, b, x, M, 100, residual=residual)
    before = _solve(A, b, x, M, found.iterations - 1)
    limit = residual * np.linalg.norm(b)
    assert found.ended == "residual"
    assert np.linalg.norm(b - A @ found.x) <= limit * (1 + 1e-6) < np.linalg.norm(b - A @ before.x)


def test_a_start_that_solves_the_system_is_kept():
    _, b, x, M = _system()
    for start, right in ((np.zeros(P), 0 * b), (None, 0 * b), (np.round(x), np.round(x))):
        found = cg(lambda v: v, right, start, lambda r: r / M, 10)
        np.testing.assert_array_equal(found.x, right)
        assert (found.iterations, found.ended) == (0, "residual")


def test_negative_curvature_ends_at_the_iterate_before():
    """A falls along the first direction, or only along a later one."""
    found = cg(lambda v: -v, np.ones(P), None, lambda r: r, 10)
    np.testing.assert_array_equal(found.x, np.zeros(P))
    assert (found.iterations, found.ended, len(found.iterates)) == (0, "curvature", 1)
    A = np.diag(np.r_[np.arange(1.0, P), -0.1])
    found = _solve(A, np.ones(P), None, np.ones(P), 100)
    assert found.ended == "curvature"
    assert 1 <= found.iterations < P
    assert found.phi == pytest.approx(_phi(A, np.ones(P), found.x), rel=1e-12)
    np.testing.assert_array_equal(found.x, _solve(A, np.ones(P), None, np.ones(P), found.iterations).x)


@pytest.mark.parametrize("trouble", [np.nan, np.inf, 0.0])
def test_a_product_that_is_not_finite_or_zero_ends_it(trouble):
    found = cg(lambda v: np.full(P, trouble), np.ones(P), None, lambda r: r, 10)
    assert found.ended == "curvature"
    np.testing.assert_array_equal(found.x, np.zeros(P))


@pytest.mark.parametrize("y", [0.0, -1.0, np.nan, np.inf])
def test_a_preconditioner_that_fails_ends_it(y):
    found = cg(lambda v: v, np.ones(P), None, lambda r: np.full(P, y), 10)
    assert (found.iterations, found.ended) == (0, "curvature")
    np.testing.assert_array_equal(found.x, np.zeros(P))


def test_a_path_that_is_at_its_end_stalls_as_soon_as_can_be():
    """With one eigenvalue, but for rounding, the end is at i = 1; k is 10, and i must exceed it."""
    A, b, x, _ = _system()
    Q = np.linalg.eigh(A)[1]
    for start in (None, x):
        found = _solve(3 * Q @ Q.T, b, start, np.ones(P), 100, progress=5e-4)
        assert (found.iterations, found.ended) == (11, "progress")


def test_long_after_the_end_nothing_is_lost():
    A, b, x, M = _system()
    found = _solve(A, b, x, M, 2000)
    assert_close(found.x, np.linalg.solve(A, b), 20 * P * np.linalg.cond(A))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_strict_arrays_give_the_same(dtype):
    A, b, x, M = (a.astype(dtype) for a in _system())
    strict = _solve(*(array_api_strict.asarray(a) for a in (A, b, x, M)), 4, progress=1e-3, residual=1e-3)
    ours = _solve(A, b, x, M, 4, progress=1e-3, residual=1e-3)
    assert ours.x.dtype == dtype
    assert hasattr(strict.x, "__array_namespace__")
    assert_close(np.asarray(strict.x), ours.x, 100 * P, dtype)
    assert isinstance(strict.phi, float)
