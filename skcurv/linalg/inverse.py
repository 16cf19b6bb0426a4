"""The inverse of a symmetric positive definite matrix by halves.

    [A  B]^-1   [A^-1 + T Q'  -T]
    [B' D]    = [-T'           S],    Q = A^-1 B,  S = (D - B'Q)^-1,  T = Q S

Nearly all of it is products of large matrices: a third to a half of the time of an inverse by LU, and with the same
BLAS as everything else. The differences D - B'Q cost it digits, and the error grows like rounding times the squared
condition number. In single precision a residual tells, X M v - v with v = M w near the largest eigenvectors, where it
is largest; if it is above RESIDUAL |v|, all is done again in double precision.
"""

from ..backend.namespace import dot, inverses, namespace, rounding

LEAF = 64  # rows below which LU takes over
SINGLE = 1e-10  # rounding above which the residual is looked at
RESIDUAL = 1e-2


def inverse(M):
    """M^-1 (n, n) in its precision, NaN where a leading block has none."""
    X, xp = _by_halves(M), namespace(M)
    if rounding(M) < SINGLE or _good(xp, M, X):
        return X
    return xp.astype(_by_halves(xp.astype(M, xp.float64)), M.dtype)


def _good(xp, M, X):
    """Whether |X M v - v| <= RESIDUAL |v| for v = M w, w a wave that no eigenvector is likely to be orthogonal to."""
    v = M @ xp.cos(xp.arange(M.shape[0], dtype=M.dtype))
    r = X @ (M @ v) - v
    return dot(xp, r, r) <= RESIDUAL**2 * dot(xp, v, v)


def _by_halves(M):
    xp, h = namespace(M), M.shape[0] // 2
    if h < LEAF // 2:
        leaf = inverses(M)
        return 0.5 * (leaf + leaf.T)
    P, B = _by_halves(M[:h, :h]), M[:h, h:]
    Q = P @ B
    S = _by_halves(M[h:, h:] - B.T @ Q)
    T = Q @ S
    return xp.concat([xp.concat([P + T @ Q.T, -T], axis=1), xp.concat([-T.T, S], axis=1)], axis=0)
