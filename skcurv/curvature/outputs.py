"""What an inverse curvature says of the raw outputs of rows: J_i (C + shift)^-1 J_i' (n, k, k)."""

import numpy as np


def output_covariance(pulled, C, shift, solve, mask=1.0):
    """J_i (C + shift)^-1 J_i' of each row, J_i (k, p) the Jacobian of its raw outputs.

    Parameters
    ----------
    pulled : k cotangents of the rows
        Those of each output's unit vector.
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
    if hasattr(C, "quadratic"):
        return C.quadratic([one.pairs for one in pulled], shift)
    R = np.stack([mask * one.rows() for one in pulled], axis=1)
    n, k, p = R.shape
    Z = solve(R.reshape(n * k, p).T).T.reshape(n, k, p)
    return R @ Z.transpose(0, 2, 1)
