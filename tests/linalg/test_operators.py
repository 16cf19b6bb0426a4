"""Every operator against the dense matrix it stands for."""

import numpy as np
import pytest

from skcurv.linalg import BlockDiagonal, Dense, Diagonal, Gram, Kronecker
from skcurv.network.layout import Layout

from ..cases import assert_close

SIZES = (2, 3, 1)  # layer blocks of 9 and 4 parameters
P = 13


def _spd(rng, n, rank=None):
    R = rng.normal(size=(rank or n, n))
    return R.T @ R / n


def _kron(operator):
    C = np.zeros((P, P))
    for s, A, G in zip(operator.layout.slices, operator.A, operator.G, strict=True):
        C[s, s] = np.kron(A, G)
    return C


def _kronecker(rng):
    pairs = [(_spd(rng, i + 1), _spd(rng, o)) for i, o in ((2, 3), (3, 1))]
    return Kronecker(Layout(SIZES), *(tuple(side) for side in zip(*pairs, strict=True)))


def _operators():
    """name -> (operator, the matrix C)."""
    rng = np.random.default_rng(5)
    C, R, c = _spd(rng, P), rng.normal(size=(4, P)), rng.random(P)
    tall = rng.normal(size=(20, P))
    parts = Dense(C[:5, :5]), Gram(R[:, 5:8]), Diagonal(c[8:])
    blocks = BlockDiagonal((slice(0, 5), slice(5, 8), slice(8, P)), parts)
    B = np.zeros((P, P))
    B[:5, :5], B[5:8, 5:8], B[8:, 8:] = C[:5, :5], R[:, 5:8].T @ R[:, 5:8], np.diag(c[8:])
    kronecker = _kronecker(rng)
    return {
        "dense": (Dense(C), C),
        "singular dense": (Dense(_spd(rng, P, 3)), None),
        "diagonal": (Diagonal(c), np.diag(c)),
        "gram": (Gram(R), R.T @ R),
        "zero gram": (Gram(0 * R), np.zeros((P, P))),
        "tall gram": (Gram(tall), tall.T @ tall),
        "blocks": (blocks, B),
        "kronecker": (kronecker, _kron(kronecker)),
    }


OPERATORS = {name: (op, op.C if C is None else C) for name, (op, C) in _operators().items()}
LAYER_SHIFT = np.array([0.2, 0.7])
SHIFTS = {"scalar": 0.3, "vector": np.linspace(0.1, 2.0, P), "per layer": LAYER_SHIFT}
PAIRS = [(n, s) for n in OPERATORS for s in SHIFTS if s == "scalar" or (s == "per layer") == (n == "kronecker")]
each = pytest.mark.parametrize(("name", "kind"), PAIRS)


def _setting(name, kind):
    operator, C = OPERATORS[name]
    shift = SHIFTS[kind]
    spread = np.repeat(shift, [9, 4]) if kind == "per layer" else shift * np.ones(P)
    shifted = C + np.diag(spread)
    return operator, shift, shifted, 10 * P * np.linalg.cond(shifted)


@pytest.mark.parametrize("name", OPERATORS)
def test_mv_and_diag(name):
    operator, C = OPERATORS[name]
    v = np.random.default_rng(1).normal(size=P)
    assert_close(operator.mv(v), C @ v, 3 * P, scale=np.abs(C).max() * np.abs(v).sum() + 1e-300)
    assert_close(operator.diag(), np.diagonal(C), 3 * P)


@each
def test_solve(name, kind):
    operator, shift, shifted, terms = _setting(name, kind)
    b = np.random.default_rng(2).normal(size=P)
    assert_close(operator.solve(b, shift), np.linalg.solve(shifted, b), terms)


@each
def test_sqrt_solve_is_a_square_root_of_the_inverse(name, kind):
    operator, shift, shifted, terms = _setting(name, kind)
    B = np.stack([operator.sqrt_solve(e, shift) for e in np.eye(P)], axis=1)
    assert_close(B @ B.T, np.linalg.inv(shifted), terms)


@each
def test_logdet(name, kind):
    operator, shift, shifted, terms = _setting(name, kind)
    logdet = operator.logdet(shift)
    assert isinstance(logdet, float)
    assert_close(logdet, np.linalg.slogdet(shifted)[1], terms, scale=P)


@pytest.mark.parametrize(("name", "kind"), [pair for pair in PAIRS if pair[0] != "kronecker"])
def test_inverse_diag_and_solves_of_several_columns(name, kind):
    operator, shift, shifted, terms = _setting(name, kind)
    inverse = np.linalg.inv(shifted)
    assert_close(operator.inverse_diag(shift), np.diagonal(inverse), terms)
    some = np.eye(P)[:, [0, 3, 12]]
    assert_close(operator.solve(some, shift), inverse[:, [0, 3, 12]], terms, scale=np.abs(inverse).max())
    assert_close(operator.solver(shift)(some), inverse[:, [0, 3, 12]], terms, scale=np.abs(inverse).max())
    roots = [operator.sqrt_solve(e, shift) for e in some.T]
    assert_close(operator.sqrt_solve(some, shift), np.stack(roots, axis=1), terms)


@pytest.mark.parametrize("name", OPERATORS)
def test_single_precision_is_kept(name):
    operator, _ = OPERATORS[name]
    single = _single(operator)
    v = np.ones(P, np.float32)
    for result in (single.mv(v), single.solve(v, 0.5), single.sqrt_solve(v, 0.5), single.diag()):
        assert result.dtype == np.float32
    assert abs(single.logdet(0.5) - operator.logdet(0.5)) < 10 * P**2 * np.finfo(np.float32).eps


def _single(operator):
    if isinstance(operator, BlockDiagonal):
        return BlockDiagonal(operator.slices, tuple(_single(block) for block in operator.blocks))
    if isinstance(operator, Kronecker):
        return operator.astype(np.float32)
    (field,) = vars(operator)
    return type(operator)(getattr(operator, field).astype(np.float32))


NOT_POSITIVE = {
    "dense": (Dense(np.diag([2.0, -1.0])), 0.5),
    "singular dense": (Dense(np.ones((2, 2))), 0.0),
    "dense with NaN": (Dense(np.full((2, 2), np.nan)), 0.5),
    "diagonal": (Diagonal(np.array([2.0, -1.0])), 0.5),
    "singular diagonal": (Diagonal(np.array([2.0, 0.0])), 0.0),
    "gram": (Gram(np.ones((1, 2))), -0.5),
    "singular gram": (Gram(np.ones((1, 2))), 0.0),
    "gram with NaN": (Gram(np.full((1, 2), np.nan)), 0.5),
    "blocks": (BlockDiagonal((slice(0, 2),), (Dense(np.diag([2.0, -1.0])),)), 0.5),
    "kronecker": (Kronecker(Layout((1, 1)), (np.eye(2),), (np.eye(1),)), -2.0),
    "singular kronecker": (Kronecker(Layout((1, 1)), (np.ones((2, 2)),), (np.eye(1),)), 0.0),
    "kronecker with NaN": (Kronecker(Layout((1, 1)), (np.full((2, 2), np.nan),), (np.eye(1),)), 0.5),
}


@pytest.mark.parametrize("name", NOT_POSITIVE)
def test_nan_is_the_answer_where_the_matrix_is_not_positive_definite(name):
    operator, shift = NOT_POSITIVE[name]
    b = np.ones(2)
    with np.errstate(all="ignore"):  # as in the loop: failure is a value
        solved, root, logdet = operator.solve(b, shift), operator.sqrt_solve(b, shift), operator.logdet(shift)
    assert np.isnan(solved).any()
    assert np.isnan(root).any()
    assert np.isnan(logdet)


@pytest.mark.parametrize("name", [name for name in NOT_POSITIVE if "kronecker" not in name])
def test_inverse_diag_is_nan_where_the_matrix_is_not_positive_definite(name):
    operator, shift = NOT_POSITIVE[name]
    with np.errstate(all="ignore"):
        assert not np.isfinite(operator.inverse_diag(shift)).all()


@pytest.mark.parametrize("make", [lambda x: Dense(np.diag(x)), Diagonal], ids=["dense", "diagonal"])
def test_sum_of_operators(make):
    x, y, v = np.arange(1.0, 4.0), np.array([2.0, 0.5, 1.0]), np.ones(3)
    np.testing.assert_array_equal((make(x) + make(y)).mv(v), x + y)
    blocks = BlockDiagonal((slice(0, 3),), (make(x),)) + BlockDiagonal((slice(0, 3),), (make(y),))
    np.testing.assert_array_equal(blocks.mv(v), x + y)


def test_diagonal_as_preconditioner():
    c = np.array([1.0, 4.0])
    np.testing.assert_array_equal(Diagonal(c).blend(Diagonal(2 * c), 0.75).c, 1.25 * c)
    np.testing.assert_array_equal(Diagonal(c).damped(3.0).inverse().mv(np.ones(2)), [1 / 4, 1 / 7])


@pytest.mark.parametrize("name", ["dense", "gram", "tall gram"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_factors_are_made_beside_the_matrix(name, order):
    """The Cholesky factor overwrites a copy, whatever the matrix's layout in memory."""
    operator, C = OPERATORS[name]
    (field,) = vars(operator)
    held = np.array(getattr(operator, field), order=order)
    before, again = held.copy(), type(operator)(held)
    b, shift = np.ones(P), SHIFTS["vector"]
    d = again.solve(b, shift)
    again.sqrt_solve(b, shift)
    again.logdet(shift)
    np.testing.assert_array_equal(held, before)
    assert_close(d, np.linalg.solve(C + np.diag(shift), b), 10 * P * np.linalg.cond(C + np.diag(shift)))
