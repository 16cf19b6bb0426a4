"""Factored damping and averaging of Kronecker products."""

import numpy as np
import pytest

from skcurv.linalg import Kronecker
from skcurv.network.layout import Layout

from ..cases import assert_close


def _factor(rng, n, rank=None):
    R = rng.normal(size=(rank or n, n))
    return R.T @ R / n


def _one_layer(A, G):
    return Kronecker(Layout((len(A) - 1, len(G))), (A,), (G,))


def _matrix(operator):
    return np.kron(operator.A[0], operator.G[0])


@pytest.mark.parametrize("d", [1e-6, 1e-2, 1.0, 100.0])
@pytest.mark.parametrize(("ranks", "scale"), [((4, 3), 1.0), ((1, 1), 1.0), ((2, 3), 1e6)])
def test_factored_damping_exceeds_exact_damping(d, ranks, scale):
    rng = np.random.default_rng(0)
    plain = _one_layer(scale * _factor(rng, 4, ranks[0]), _factor(rng, 3, ranks[1]))
    damped = _matrix(plain.damped(d))
    excess = damped - _matrix(plain) - d * np.eye(12)
    assert np.linalg.eigvalsh(excess).min() >= -50 * np.finfo(float).eps * np.linalg.norm(damped, 2)


def test_factored_damping_balances_the_mean_eigenvalues():
    rng = np.random.default_rng(1)
    A, G = _factor(rng, 4), 7 * _factor(rng, 3)
    damped = _one_layer(A, G).damped(0.09)
    pi = np.sqrt(np.trace(A) / 4 / (np.trace(G) / 3))
    assert_close(damped.A[0], A + pi * 0.3 * np.eye(4), 10)
    assert_close(damped.G[0], G + 0.3 / pi * np.eye(3), 10)


def test_damping_is_exact_with_one_output():
    A, G = _factor(np.random.default_rng(2), 4), np.array([[2.5]])
    assert_close(_matrix(_one_layer(A, G).damped(0.3)), np.kron(A, G) + 0.3 * np.eye(4), 10)


@pytest.mark.parametrize("dead", ["A", "G", "both"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_damping_of_a_dead_layer_is_exact(dead, outputs):
    A, G = _factor(np.random.default_rng(3), 4), _factor(np.random.default_rng(4), outputs)
    A, G = (0 * A if dead != "G" else A), (0 * G if dead != "A" else G)
    damped = _one_layer(A, G).damped(0.3)
    assert_close(_matrix(damped), 0.3 * np.eye(4 * outputs), 4)
    assert_close(_matrix(damped.inverse()), np.eye(4 * outputs) / 0.3, 10)


def test_inverse_of_the_damped():
    rng = np.random.default_rng(5)
    operator = _one_layer(_factor(rng, 4, 2), _factor(rng, 3, 2)).damped(0.1)
    v = rng.normal(size=12)
    terms = 12 * np.linalg.cond(_matrix(operator))
    assert_close(operator.inverse().mv(operator.mv(v)), v, terms)
    for M in (*operator.inverse().A, *operator.inverse().G):
        np.testing.assert_array_equal(M, M.T)


@pytest.mark.parametrize("bad", [np.full((2, 2), np.nan), np.full((2, 2), np.inf), np.zeros((2, 2))])
def test_inverse_of_what_has_none_is_nan(bad):
    inverse = _one_layer(bad, np.eye(2)).inverse()
    assert np.isnan(inverse.mv(np.ones(4))).all()


def test_damping_does_not_hide_nan():
    damped = _one_layer(np.diag([1.0, np.nan]), np.eye(2)).damped(0.1)
    assert np.isnan(damped.inverse().mv(np.ones(4))).any()


def test_blend_averages_the_factors():
    rng = np.random.default_rng(6)
    old, new = (_one_layer(_factor(rng, 4), _factor(rng, 3)) for _ in range(2))
    mixed = old.blend(new, 0.9)
    assert_close(mixed.A[0], 0.9 * old.A[0] + 0.1 * new.A[0], 4)
    assert_close(mixed.G[0], 0.9 * old.G[0] + 0.1 * new.G[0], 4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rank", [1, 20, 300])
def test_the_inverse_of_the_least_damped_is_positive_definite_in_the_factors_precision(dtype, rank):
    """With a solver's least damping, d = sqrt(eps) mean(diag A) mean(diag G): condition up to 1 + n / eps^(1/4)."""
    rng, eps, n = np.random.default_rng(7), np.finfo(dtype).eps, 200
    plain = _one_layer(_factor(rng, n, rank).astype(dtype), _factor(rng, 3, 1).astype(dtype))
    damped = plain.damped(np.sqrt(eps) * plain.diag().mean())
    inverse = damped.inverse()
    for M, P in ((damped.A[0], inverse.A[0]), (damped.G[0], inverse.G[0])):
        assert M.dtype == P.dtype == dtype
        truth = np.linalg.inv(M.astype(np.float64))
        assert np.linalg.norm(P - truth, 2) <= 1e-2 * np.linalg.norm(truth, 2)
        assert np.linalg.eigvalsh(P).min() > 0


def test_one_output_is_damped_and_inverted_in_float64_and_astype_returns():
    single = _one_layer(_factor(np.random.default_rng(7), 4).astype(np.float32), np.array([[2.0]], np.float32))
    inverse = single.damped(1e-3).inverse()
    assert inverse.A[0].dtype == inverse.G[0].dtype == np.float64
    back = inverse.astype(np.float32)
    assert back.A[0].dtype == back.G[0].dtype == np.float32


@pytest.mark.parametrize("outputs", [1, 3])
def test_a_diagonal_factor_by_its_diagonal_is_the_same_operator(outputs):
    rng = np.random.default_rng(8)
    A, g = _factor(rng, 4), rng.uniform(0.5, 2, outputs)
    b, shift = rng.normal(size=4 * outputs), 0.3
    answers = []
    for G in (g, np.diag(g)):
        one = _one_layer(A, G)
        mixed = one.blend(_one_layer(2 * A, 3 * G), 0.9)
        answers.append(
            [
                one.mv(b),
                one.diag(),
                one.solve(b, shift),
                one.sqrt_solve(one.sqrt_solve(b, shift), shift),
                one.logdet(shift),
                one.in_eigenbasis().mv(b),
                one.astype(np.float32).mv(b.astype(np.float32)),
                mixed.mv(b),
                one.damped(shift).mv(b),
                one.damped(shift).inverse().mv(b),
                _one_layer(A, 0 * G).damped(shift).inverse().mv(b),
                _one_layer(A, 0 * G).inverse().mv(b),
            ]
        )
    for by_vector, by_matrix in zip(*answers, strict=True):
        by_vector, by_matrix = np.asarray(by_vector), np.asarray(by_matrix)
        assert_close(by_vector, by_matrix, 4 * 12 * np.linalg.cond(A), by_vector.dtype)
    assert np.isnan(answers[0][-1]).all()
