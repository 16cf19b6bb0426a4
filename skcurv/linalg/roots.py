r"""Functions of one matrix that layered steps are built from: inverse root, eigenvectors, orthogonal factor.

    inverse root   (A + ridge s_1 I)^(-1/r) = Q diag(s + ridge s_1)^(-1/r) Q',   A = Q diag(s) Q' >= 0, s_1 its largest
    eigenvectors   of A + tie s_1 diag(0, 1/n, ..., (n - 1)/n)
    refreshed      Q <- qr((A + tie s_1 I) Q), one step of orthogonal iteration (Golub & Van Loan 2013, section 8.2.4)
    orthogonal     X <- a X + (b X X' + c (X X')^2) X,  X_0 = V / |V|_F:  maps each singular value s to
                   a s + b s^3 + c s^5 and keeps the singular vectors

The coefficients of the last are those of Jordan et al. (2024): steep at 0, where they multiply s by 3.4445, and not
convergent to 1. Five steps take every s_i / |V|_F of at least 0.0015 into [0.67, 1.21].

Without the ties, rounding would choose the basis of a null space, and a step that depends on it would differ between
equal problems. The first makes the choice, the second leaves columns without curvature where they are.
"""

import numpy as np

from ..backend.namespace import dot, namespace

WIDEST = 2048  # a wider side is left alone: eigenvectors take about 1 s there, 64 times as long at four times the width
TIE = 1e-6  # what breaks ties, relative to the largest eigenvalue: far above rounding, far below what matters
QUINTIC = (3.4445, -4.7750, 2.0315)
QUINTIC_STEPS = 5


def inverse_root(A, order, ridge):
    """(A + ridge s_1 I)^(-1/order) of a matrix A >= 0 in float64; I for A = 0, NaN where it cannot be had."""
    xp = namespace(A)
    s, Q = _eigh(A)
    s = xp.maximum(s, xp.zeros_like(s))
    top = float(xp.max(s))
    if top == 0:
        return xp.eye(A.shape[0], dtype=xp.float64)
    return (Q * (s + ridge * top) ** (-1 / order)) @ Q.T


def eigenvectors(A):
    """The eigenvectors of a matrix A >= 0 in float64, eigenvalues falling; NaN where they cannot be had."""
    xp, n = namespace(A), A.shape[0]
    A = xp.astype(A, xp.float64)
    top = xp.max(xp.linalg.diagonal(A))
    ramp = xp.arange(n, dtype=xp.float64) / n
    return xp.flip(_eigh(A + TIE * top * ramp[:, None] * xp.eye(n, dtype=xp.float64))[1], axis=1)


def refreshed(A, Q):
    """Orthonormal columns nearer to A's eigenvectors than Q's, and the columns of Q they come from.

    The columns are first put in the falling order of q'A q, in which the iteration converges.
    """
    xp = namespace(Q)
    AQ = A @ Q
    quotients = xp.sum(Q * AQ, axis=0)
    order = xp.argsort(-quotients, stable=True)
    return xp.linalg.qr(xp.take(AQ + TIE * xp.max(quotients) * Q, order, axis=1))[0], order


def orthogonal(V):
    """U W' for V = U diag(s) W', with the singular values near 1 only; 0 for V = 0."""
    xp = namespace(V)
    top = float(xp.max(xp.abs(V)))
    if not top > 0:
        return V
    X = V / top  # no square overflows
    X = X / dot(xp, X, X) ** 0.5
    tall = X.shape[0] > X.shape[1]
    X = X.T if tall else X
    a, b, c = QUINTIC
    for _ in range(QUINTIC_STEPS):
        B = X @ X.T
        X = a * X + (b * B + c * (B @ B)) @ X
    return X.T if tall else X


def _eigh(A):
    xp = namespace(A)
    A = xp.astype(A, xp.float64)
    try:
        return xp.linalg.eigh(A)
    except np.linalg.LinAlgError:
        return A[0, :] * float("nan"), A * float("nan")
