"""What is exact: all eigenvalues, and the effective number of parameters, of operators whose form allows it.

* by rows R (m, p):  the eigenvalues of R R', and p - m zeros
* Kronecker:         the products of the factors' eigenvalues
* tr C (C + D)^-1 =  tr L^-1 C L'^-1 with L L' = C + D

An operator of at most SMALL parameters is formed by its products with unit vectors.
"""

from functools import singledispatch

import numpy as np
from scipy.sparse.linalg import LinearOperator

from ..backend.namespace import cholesky, solve_triangular
from ..linalg import EKFAC, BlockDiagonal, Dense, Diagonal, Gram, Kronecker, UnitBlocks

SMALL = 2000


def shifted(op, shift):
    """C + diag(shift) as an operator."""
    shift = np.asarray(shift, dtype=np.float64)
    return LinearOperator(op.shape, matvec=lambda v: op.matvec(v.reshape(-1)) + shift * v.reshape(-1), dtype=np.float64)


def matrix(op):
    """The matrix of a small operator, None for a large one."""
    if op.shape[0] > SMALL:
        return None
    C = op.matmat(np.eye(op.shape[0]))
    check_finite(np.isfinite(C).all())
    return (C + C.T) / 2


def check_finite(finite):
    """Raise ValueError unless products were finite."""
    if not finite:
        raise ValueError(
            "An operator whose products contain NaN or infinity was given. Allowed is one with finite products. Check "
            "the data; a curvature held as how='tridiagonal' has none where a factor is singular."
        )


def exact_eigenvalues(op, shift=0.0):
    """All eigenvalues of C + diag(shift), ascending, or None where they are out of reach."""
    if np.ndim(shift) == 0:
        values = _eigenvalues(getattr(op, "form", None))
        if values is not None:
            return np.sort(values) + shift
    C = matrix(op)
    return None if C is None else np.linalg.eigvalsh(C + np.diag(shift * np.ones(len(C))))


@singledispatch
def _eigenvalues(form):
    return None


@_eigenvalues.register
def _(form: Dense):
    return np.linalg.eigvalsh(form.C)


@_eigenvalues.register
def _(form: Diagonal):
    return form.c


@_eigenvalues.register
def _(form: Gram):
    m, p = form.R.shape
    if m > p:
        return np.linalg.eigvalsh(form.R.T @ form.R)
    return np.concatenate([np.zeros(p - m), np.linalg.eigvalsh(form.R @ form.R.T)])


@_eigenvalues.register
def _(form: BlockDiagonal):
    parts = [_eigenvalues(block) for block in form.blocks]
    return None if any(part is None for part in parts) else np.concatenate(parts)


@_eigenvalues.register
def _(form: UnitBlocks):
    return np.concatenate([np.linalg.eigvalsh(blocks).reshape(-1) for blocks in form.blocks])


@_eigenvalues.register
def _(form: EKFAC):
    return np.concatenate([L.reshape(-1) for L in form.L])


@_eigenvalues.register
def _(form: Kronecker):
    factors = [map(np.linalg.eigvalsh, pair) for pair in zip(form.A, form.G, strict=True)]
    return np.concatenate([np.outer(a, g).reshape(-1) for a, g in factors])


def exact_effective(op, shift):
    """tr C (C + diag(shift))^-1, or None where it is out of reach; NaN where the sum is not positive definite."""
    if not shift.ndim:
        mu = exact_eigenvalues(op)
        return None if mu is None else _by_eigenvalues(mu, shift)
    value = _effective(getattr(op, "form", None), shift)
    if value is None and (C := matrix(op)) is not None:
        value = _effective(Dense(C), shift)
    return value


def share(mu, shift):
    """mu / (mu + shift), eigenvalues clipped at zero."""
    mu = np.maximum(mu, 0.0)
    with np.errstate(invalid="ignore"):
        return mu / (mu + shift)


def _by_eigenvalues(mu, shift):
    return float(np.sum(share(mu, shift)))


@singledispatch
def _effective(form, shift):
    """The exact number for a shift (p,), or None where a form has none."""
    return None


@_effective.register
def _(form: Diagonal, shift):
    return float(np.sum(share(form.c, shift)))


@_effective.register
def _(form: Dense, shift):
    L = cholesky(form.C + np.diag(shift))
    return float("nan") if L is None else float(np.trace(solve_triangular(L, solve_triangular(L, form.C).T)))


@_effective.register
def _(form: Gram, shift):
    if not (shift > 0).all():
        return None
    M = form.R / np.sqrt(shift)
    return _by_eigenvalues(np.linalg.eigvalsh(M @ M.T), 1.0)


@_effective.register
def _(form: BlockDiagonal, shift):
    parts = [_effective(block, shift[s]) for block, s in zip(form.blocks, form.slices, strict=True)]
    return None if any(part is None for part in parts) else sum(parts)
