"""What an inverse curvature says of the raw outputs of rows: J_i (C + shift)^-1 J_i' (n, k, k)."""

import numpy as np


def output_covariance(pullback, n, k, C, shift, solve, mask=1.0):
    """J_i (C + shift)^-1 J_i' of each row, J_i (k, p) the Jacobian of its raw outputs.

    Parameters
    ----------
    pullback : callable
        Output cotangents (n, k) -> J'V by layer and row, `Point.pullback`.
    n, k : int
        Rows and raw outputs.
    C : operator
        One that is made of Kronecker products needs no row of length p.
    shift : as C takes it
    solve : callable
        Columns (p, m) -> (C + shift)^-1 times them, `C.solver(shift)`; not called for Kronecker products.
    mask : (p,), default=1.0
        0 at parameters that are taken as known.

    Returns
    -------
    ndarray (n, k, k)
    """
    pulled = [pullback(np.broadcast_to(unit, (n, k))) for unit in np.eye(k)]
    if hasattr(C, "quadratic"):
        return C.quadratic([one.pairs for one in pulled], shift)
    R = np.stack([mask * one.rows() for one in pulled], axis=1)
    Z = solve(R.reshape(n * k, -1).T).T.reshape(R.shape)
    return R @ Z.transpose(0, 2, 1)
