"""The block-tridiagonal inverse against dense matrices."""

import numpy as np
import pytest

from skcurv.linalg import Kronecker, KroneckerTridiagonal
from skcurv.network.layout import Layout

from ..cases import assert_close

LAYOUT = Layout((2, 3, 2, 2))
SIDES = [(3, 4, 3), (3, 2, 2)]  # bordered inputs, outputs of each layer


def _moments(rng, sizes):
    """Own and neighbours' blocks of a joint moment matrix."""
    R = rng.normal(size=(30, sum(sizes)))
    M, edges = R.T @ R / 30, np.cumsum([0, *sizes])
    block = [[M[edges[a] : edges[a + 1], edges[b] : edges[b + 1]] for b in range(3)] for a in range(3)]
    return tuple(block[a][a] for a in range(3)), tuple(block[a][a + 1] for a in range(2))


def _operator(seed=0):
    rng = np.random.default_rng(seed)
    (A, A_next), (G, G_next) = (_moments(rng, sizes) for sizes in SIDES)
    return KroneckerTridiagonal(Kronecker(LAYOUT, A, G), A_next, G_next)


def _dense(product):
    return np.stack([product(e) for e in np.eye(LAYOUT.size)], axis=1)


def _blocks(M, a, b):
    return M[LAYOUT.slices[a], LAYOUT.slices[b]]


def _terms(F):
    return 20 * len(F) * np.linalg.cond(F)


def test_it_has_the_tridiagonal_blocks_of_the_kronecker_moments():
    operator = _operator()
    F = _dense(operator.mv)
    for layer in range(3):
        own = np.kron(operator.own.A[layer], operator.own.G[layer])
        assert_close(_blocks(F, layer, layer), own, _terms(F))
    for layer in range(2):
        cross = np.kron(operator.A_next[layer], operator.G_next[layer])
        assert_close(_blocks(F, layer, layer + 1), cross, _terms(F))
        assert_close(_blocks(F, layer + 1, layer), cross.T, _terms(F))


def test_its_inverse_has_no_blocks_between_layers_that_are_no_neighbours():
    operator = _operator(1)
    inverse = _dense(operator.inverse().mv)
    assert_close(_blocks(inverse, 0, 2), 0.0, _terms(_dense(operator.mv)), scale=np.abs(inverse).max())
    assert np.abs(_blocks(inverse, 0, 1)).max() > 1e-3 * np.abs(inverse).max()
    assert_close(inverse, inverse.T, _terms(_dense(operator.mv)))


def test_the_inverse_inverts():
    operator = _operator(2)
    F = _dense(operator.mv)
    assert_close(_dense(operator.inverse().mv), np.linalg.inv(F), _terms(F))
    assert np.linalg.eigvalsh(F).min() > 0


@pytest.mark.parametrize("shift", [1e-3, 0.5])
def test_solve_root_and_logdet_are_of_the_damped_matrix(shift):
    operator = _operator(3)
    F = _dense(operator.damped(shift).mv)
    terms = _terms(F)
    assert_close(_dense(lambda e: operator.solve(e, shift)), np.linalg.inv(F), terms)
    B = _dense(lambda e: operator.sqrt_solve(e, shift))
    assert_close(B @ B.T, np.linalg.inv(F), terms)
    assert_close(operator.logdet(shift), np.linalg.slogdet(F)[1], terms, scale=len(F))
    assert_close(operator.diag(), np.diagonal(_dense(operator.mv)), _terms(_dense(operator.mv)))


def test_without_neighbours_it_is_block_diagonal():
    operator = _operator(4)
    none = KroneckerTridiagonal(operator.own, *(tuple(0 * M for M in s) for s in (operator.A_next, operator.G_next)))
    v = np.random.default_rng(0).normal(size=LAYOUT.size)
    terms = _terms(_dense(none.mv))
    assert_close(none.mv(v), operator.own.mv(v), terms)
    assert_close(none.inverse().mv(v), operator.own.inverse().mv(v), terms)


def test_a_singular_factor_gives_nan_and_damping_mends_it():
    own = Kronecker(LAYOUT, *(tuple(np.ones_like(M) for M in side) for side in (_operator().own.A, _operator().own.G)))
    crosses = (tuple(np.ones_like(M) for M in side) for side in (_operator().A_next, _operator().G_next))
    operator, v = KroneckerTridiagonal(own, *crosses), np.ones(LAYOUT.size)
    for result in (operator.inverse().mv(v), operator.mv(v), operator.solve(v, 0.0), operator.sqrt_solve(v, 0.0)):
        assert np.isnan(result).all()
    assert np.isnan(operator.logdet(0.0))
    assert np.isfinite(operator.solve(v, 1e-6)).all()


def test_blend_and_single_precision():
    one, two = _operator(5), _operator(6)
    mixed = one.blend(two, 0.75)
    assert_close(mixed.A_next[0], 0.75 * one.A_next[0] + 0.25 * two.A_next[0], 4)
    assert_close(mixed.own.G[1], 0.75 * one.own.G[1] + 0.25 * two.own.G[1], 4)
    v = np.ones(LAYOUT.size, np.float32)
    assert one.solve(v, 0.1).dtype == one.inverse().astype(np.float32).mv(v).dtype == np.float32
