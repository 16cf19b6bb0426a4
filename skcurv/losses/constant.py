"""The best constant output of a loss that has no formula for it.

    f = argmin sum_i w_i l(f, Y_i) / sum_i w_i,

by BFGS from 0 (Nocedal & Wright 2006, chapter 6), then Newton steps -H^+ g while they shrink the gradient. The
pseudo-inverse leaves out directions along which nothing changes, as that of all logits of a softmax together.
"""

import numpy as np
import scipy.optimize

from ..backend.namespace import namespace, to_numpy

NEWTON = 5  # steps, each of which doubles the digits


def best_constant(loss, Y, w=None):
    """The best constant raw output (r,) for Y (n, k) and weights w (n,), equal by default; 0 where it is not finite."""
    xp, dtype, n = namespace(Y), Y.dtype, Y.shape[0]
    Y = to_numpy(Y).astype(np.float64)
    w = np.full(n, 1 / n) if w is None else to_numpy(w) / to_numpy(w).sum()
    r = loss.raw_outputs(Y.shape[1])

    def rows(f):
        return np.broadcast_to(f, (n, r)).copy()

    def mean(f):
        value, grad = w @ loss.value(rows(f), Y), w @ loss.grad(rows(f), Y)
        return (value, grad) if np.isfinite(value) and np.isfinite(grad).all() else (np.inf, np.zeros(r))

    def hessian(f):
        return np.stack([w @ loss.hessp(rows(f), Y, rows(e)) for e in np.eye(r)], axis=1)

    with np.errstate(all="ignore"):
        f = scipy.optimize.minimize(mean, np.zeros(r), jac=True, method="BFGS").x
        f = _polished(f, lambda f: mean(f)[1], hessian)
    return xp.asarray(f if np.isfinite(f).all() else np.zeros(r), dtype=dtype)


def _polished(f, grad, hessian):
    """f after Newton steps that shrink the gradient."""
    g = grad(f)
    for _ in range(NEWTON):
        H = hessian(f)
        if not np.isfinite(H).all():
            break
        there = f - np.linalg.pinv(H, hermitian=True) @ g
        new = grad(there)
        if not np.abs(new).max() < np.abs(g).max():
            break
        f, g = there, new
    return f
