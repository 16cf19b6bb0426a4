"""Lanczos with full reorthogonalisation: A symmetric matrix, by its products alone, as a small tridiagonal one.

With v_1 = v / |v| and, for j = 1, 2, ...,

    w = A v_j,   alpha_j = v_j'w,   w <- w - alpha_j v_j - beta_{j-1} v_{j-1},   beta_j = |w|,   v_{j+1} = w / beta_j

(Golub & Van Loan 2013, section 10.1), the rows v_j of V (m, p) are orthonormal and V A V' = T, the tridiagonal matrix
of alpha (m,) and beta (m - 1,). Rounding destroys the orthogonality as eigenvalues converge, so w is made orthogonal
to all rows so far, twice (section 10.3), which takes in the two terms above. Where beta_j is within rounding of zero
the rows span an invariant subspace, the eigenvalues of T are eigenvalues of A, and there is no v_{j+1}.

A Ritz pair (theta, y) = (s'T s, V's), s an eigenvector of T, has an eigenvalue of A within |A y - theta y| of theta
(Parlett 1998, theorem 4.5.1); the largest theta is at most the largest eigenvalue.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from ..backend.namespace import dot, finite, namespace, rounding

ROUNDINGS = 10  # of the matrix's scale, below which beta ends the recursion


class Ritz(NamedTuple):
    """An approximate eigenpair: value, the norm of its residual, and the vector (p,) of norm 1."""

    value: float
    residual: float
    vector: Any


def lanczos(mv, v, steps):
    """The tridiagonal matrix of a symmetric operator in the Krylov space of v.

    Parameters
    ----------
    mv : callable (p,) -> (p,)
    v : (p,)
        The start, of any length.
    steps : int
        The most rows; there are never more than p.

    Returns
    -------
    alpha : ndarray (m,), float64
    beta : ndarray (m - 1,), float64, above 0
    V : (m, p), orthonormal rows
        m < steps where an invariant subspace is found or a product is not finite; 0 when v is 0 or not finite.
    """
    xp = namespace(v)
    alpha, beta, V = [], [], v[None, :][:0, :]
    scale, row = 0.0, _unit(v)
    while row is not None and len(alpha) < steps:
        w = mv(row)
        if not finite(xp, w):
            break
        V = xp.concat([V, row[None, :]], axis=0)
        alpha.append(dot(xp, row, w))
        for _ in range(2):
            w = w - V.T @ (V @ w)
        beta.append(dot(xp, w, w) ** 0.5)
        scale = max(scale, abs(alpha[-1]) + beta[-1])
        row = w / beta[-1] if beta[-1] > ROUNDINGS * rounding(v) * scale else None
    return np.array(alpha), np.array(beta[: max(0, len(alpha) - 1)]), V


def ritz(mv, v, steps):
    """The largest Ritz pair in the Krylov space of v; (0, 0, v) where there is none.

    Parameters
    ----------
    mv : callable (p,) -> (p,)
    v : (p,)
    steps : int

    Returns
    -------
    Ritz
    """
    xp = namespace(v)
    alpha, beta, V = lanczos(mv, v, steps)
    if not len(alpha):
        return Ritz(0.0, 0.0, v)
    _, Q = np.linalg.eigh(np.diag(alpha) + np.diag(beta, -1))
    y = _unit(xp.asarray(Q[:, -1], dtype=v.dtype) @ V)
    Ay = mv(y)
    theta = dot(xp, y, Ay)
    r = Ay - theta * y
    return Ritz(theta, dot(xp, r, r) ** 0.5, y)


def largest_eigenvalue(mv, like, rng, steps):
    """The largest eigenvalue by Lanczos from a random start.

    An eigenvalue lies within `residual` of `value`, and `value` is at most the largest one. From a normal start
    the two agree but for an unlucky draw (Kuczynski & Wozniakowski 1992).

    Parameters
    ----------
    mv : callable (p,) -> (p,)
    like : (p,)
        An array whose shape, dtype and namespace are those of the vectors.
    rng : numpy.random.Generator
    steps : int

    Returns
    -------
    Ritz
    """
    v = namespace(like).asarray(rng.standard_normal(like.shape[0]), dtype=like.dtype)
    return ritz(mv, v, steps)


def _unit(v):
    """v / |v| without overflow, None where v is 0 or not finite."""
    xp = namespace(v)
    top = float(xp.max(xp.abs(v)))
    if not 0 < top < math.inf:
        return None
    v = v / top
    return v / dot(xp, v, v) ** 0.5
