"""Blocks by unit and eigenvalue-corrected Kronecker blocks against the dense matrices they stand for."""

import numpy as np
import pytest

from skcurv.linalg import EKFAC, Kronecker, UnitBlocks
from skcurv.network.layout import Layout

from ..cases import assert_close

LAYOUT = Layout((2, 3, 2))  # layer blocks (3, 3) and (4, 2)
P = LAYOUT.size


def _spd(rng, *shape):
    R = rng.normal(size=(*shape, shape[-1]))
    return R @ np.swapaxes(R, -1, -2) / shape[-1]


def _units(seed=0):
    rng = np.random.default_rng(seed)
    blocks = (_spd(rng, 3, 3), _spd(rng, 2, 4))
    C = np.zeros((P, P))
    for s, (rows, columns), block in zip(LAYOUT.slices, LAYOUT.shapes, blocks, strict=True):
        for unit in range(columns):
            places = s.start + unit + columns * np.arange(rows)
            C[np.ix_(places, places)] = block[unit]
    return UnitBlocks(LAYOUT, blocks), C


def _ekfac(seed=0):
    rng = np.random.default_rng(seed)
    Q_A, Q_G = (tuple(np.linalg.qr(rng.normal(size=(n, n)))[0] for n in sizes) for sizes in ((3, 4), (3, 2)))
    L = tuple(rng.random(shape) for shape in LAYOUT.shapes)
    C = np.zeros((P, P))
    for s, A, G, values in zip(LAYOUT.slices, Q_A, Q_G, L, strict=True):
        Q = np.kron(A, G)
        C[s, s] = Q @ np.diag(values.ravel()) @ Q.T
    return EKFAC(LAYOUT, Q_A, Q_G, L), C


MAKE = {"units": _units, "ekfac": _ekfac}
every_kind = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)


def _dense(product):
    return np.stack([product(e) for e in np.eye(P)], axis=1)


@every_kind
def test_products_and_diagonal(make):
    operator, C = make()
    assert_close(_dense(operator.mv), C, 10 * P)
    assert_close(operator.diag(), np.diagonal(C), 10 * P)
    assert_close(_dense((operator + operator).mv), 2 * C, 10 * P)


@every_kind
def test_solve_root_and_logdet(make):
    operator, C = make()
    shifted = C + 0.2 * np.eye(P)
    terms = 10 * P * np.linalg.cond(shifted)
    assert_close(_dense(lambda e: operator.solve(e, 0.2)), np.linalg.inv(shifted), terms)
    B = _dense(lambda e: operator.sqrt_solve(e, 0.2))
    assert_close(B @ B.T, np.linalg.inv(shifted), terms)
    assert_close(operator.logdet(0.2), np.linalg.slogdet(shifted)[1], terms, scale=P)
    assert_close(_dense(operator.damped(0.2).inverse().mv), np.linalg.inv(shifted), terms)


def test_units_take_a_vector_of_shifts():
    (operator, C), shift = _units(), np.linspace(0.1, 2.0, P)
    shifted = C + np.diag(shift)
    terms = 10 * P * np.linalg.cond(shifted)
    assert_close(_dense(lambda e: operator.solve(e, shift)), np.linalg.inv(shifted), terms)
    assert_close(operator.logdet(shift), np.linalg.slogdet(shifted)[1], terms, scale=P)


@pytest.mark.parametrize("shift", [0.2, np.array([0.2, 0.7])], ids=["scalar", "per layer"])
def test_ekfac_has_the_diagonal_and_quadratic_forms_of_its_inverse(shift):
    (operator, C), rng = _ekfac(), np.random.default_rng(4)
    shifted = C + np.diag(np.repeat(shift * np.ones(2), [9, 8]))
    inverse, terms = np.linalg.inv(shifted), 10 * P * np.linalg.cond(shifted)
    assert_close(_dense(lambda e: operator.solve(e, shift)), inverse, terms)
    assert_close(operator.logdet(shift), np.linalg.slogdet(shifted)[1], terms, scale=P)
    assert_close(operator.inverse_diag(shift), np.diagonal(inverse), terms)
    A = [rng.normal(size=(5, i - 1)) for i, _ in LAYOUT.shapes]
    columns = [[(a, rng.normal(size=(5, o))) for a, (_, o) in zip(A, LAYOUT.shapes, strict=True)] for _ in range(2)]
    barred = [np.hstack([a, np.ones((5, 1))]) for a in A]
    J = np.stack(
        [
            np.hstack([np.einsum("na,no->nao", a, g).reshape(5, -1) for a, (_, g) in zip(barred, one, strict=True)])
            for one in columns
        ],
        axis=1,
    )
    exact = J @ inverse @ np.swapaxes(J, 1, 2)
    assert_close(
        operator.quadratic(columns, shift), exact, terms, scale=np.abs(J).max() ** 2 * np.abs(inverse).max() * P
    )


@every_kind
def test_nan_is_the_answer_where_the_matrix_is_not_positive_definite(make):
    operator, C = make()
    shift = -np.linalg.eigvalsh(C).max()
    with np.errstate(invalid="ignore"):
        results = operator.solve(np.ones(P), shift), operator.sqrt_solve(np.ones(P), shift), operator.logdet(shift)
    assert all(np.isnan(np.max(result)) for result in results)


def test_singular_blocks_have_no_inverse():
    operator = UnitBlocks(LAYOUT, tuple(np.zeros_like(C) for C in _units()[0].blocks))
    assert np.isnan(operator.inverse().mv(np.ones(P))).all()


@every_kind
def test_blend_is_the_average(make):
    (one, C), (two, D) = make(), make(1)
    if make is _ekfac:  # the eigenvectors stay
        two = EKFAC(LAYOUT, one.Q_A, one.Q_G, two.L)
        D = _dense(two.mv)
    assert_close(_dense(one.blend(two, 0.75).mv), 0.75 * C + 0.25 * D, 20 * P)


def test_a_kronecker_product_in_its_eigenbasis_is_the_same_operator():
    rng = np.random.default_rng(3)
    kronecker = Kronecker(LAYOUT, (_spd(rng, 3), _spd(rng, 4)), (_spd(rng, 3), _spd(rng, 2)))
    assert_close(_dense(kronecker.in_eigenbasis().mv), _dense(kronecker.mv), 20 * P)


def test_ekfac_in_single_precision():
    operator, v = _ekfac()[0].astype(np.float32), np.ones(P, np.float32)
    for result in (operator.mv(v), operator.solve(v, 0.1), operator.inverse().mv(v), operator.diag()):
        assert result.dtype == np.float32
