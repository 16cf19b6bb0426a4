"""Compiled loops for the hot path of small networks; each names its array definition.

A kernel here is a module-level function, serial, releasing the GIL, cached on disk, with every callee in this file.
It may write into the buffers it is handed; nothing else in the package works in place. Equality with the array
definition is tested (``tests/backend/test_fused.py``) and the gain is measured (``benchmarks/bench_kernels.py``).
numba's ``np.dot`` runs on SciPy's BLAS, array code on NumPy's: a solver uses the one or the other within a step.
"""

import numba
import numpy as np

SQUARED_ERROR, SOFTMAX, LOGISTIC = range(3)


def _kernel(function):
    """Compile on first call; without a writable cache directory, compile anew in each process."""
    options = {"nogil": True, "error_model": "numpy", "fastmath": {"reassoc", "contract"}}
    try:
        return numba.njit(function, cache=True, **options)
    except RuntimeError:  # no cache locator: read-only installation and no writable user directory
        return numba.njit(function, **options)


@_kernel
def _squared_error(F, Y, w, scale):
    value = 0.0
    for r in range(F.shape[0]):
        weight = w[r] * scale
        total = 0.0
        for c in range(F.shape[1]):
            residual = F[r, c] - Y[r, c]
            total += residual * residual
            F[r, c] = weight * residual
        value += 0.5 * weight * total
    return value


@_kernel
def _softmax(F, Y, w, scale):
    value = 0.0
    for r in range(F.shape[0]):
        weight = w[r] * scale
        top = F[r, 0]
        for c in range(1, F.shape[1]):
            top = max(top, F[r, c])
        total, inner = top - top, 0.0
        for c in range(F.shape[1]):
            shifted = F[r, c] - top
            inner += Y[r, c] * shifted
            F[r, c] = np.exp(shifted)
            total += F[r, c]
        value += weight * (np.log(total) - inner)
        for c in range(F.shape[1]):
            F[r, c] = weight * (F[r, c] / total - Y[r, c])
    return value


@_kernel
def _logistic(F, Y, w, scale):
    value = 0.0
    for r in range(F.shape[0]):
        weight = w[r] * scale
        total = 0.0
        for c in range(F.shape[1]):
            f, y = F[r, c], Y[r, c]
            small = np.exp(-abs(f))
            total += max(f, f - f) - f * y + np.log1p(small)
            share = small / (1 + small)
            F[r, c] = weight * ((1 - share if f > 0 else share) - y)
        value += weight * total
    return value


@_kernel
def bias_leak(Z, b, leak):
    """Z <- max(Z + b, 0) + leak min(Z + b, 0) in place. Definition: `backend.piecewise.activate`."""
    for r in range(Z.shape[0]):
        for c in range(Z.shape[1]):
            z = Z[r, c] + b[c]
            Z[r, c] = z if z > 0 else leak * z


@_kernel
def gate_leak(V, A, leak):
    """V <- V where A > 0, else leak V, in place. Definition: `backend.piecewise.gate`."""
    for r in range(V.shape[0]):
        for c in range(V.shape[1]):
            V[r, c] = V[r, c] if A[r, c] > 0 else leak * V[r, c]


@_kernel
def combine(a, x, b, y, out):
    """out <- a x + b y. Definition: `backend.passes.combined`."""
    for j in range(x.shape[0]):
        out[j] = a * x[j] + b * y[j]


@_kernel
def logistic_rows(F, Y, E, L, losses):
    """Row sums and slopes of the log-loss from E = exp(-|F|), which the slopes replace, and L = log(1 + E).

    Definition: `backend.passes.logistic`.
    """
    zero, one = F.dtype.type(0), F.dtype.type(1)
    for r in range(F.shape[0]):
        loss = zero
        for c in range(F.shape[1]):
            f, y, small = F[r, c], Y[r, c], E[r, c]
            loss += max(f, zero) + L[r, c] - y * f
            E[r, c] = (one if f > 0 else small) / (one + small) - y
        losses[r] = loss


@_kernel
def _layer_gradient(A, D, W, l2, gW, gb):
    np.dot(A.T, D, gW)
    penalty = 0.0
    for r in range(W.shape[0]):
        row = l2 - l2
        for c in range(W.shape[1]):
            gW[r, c] += l2 * W[r, c]
            row += W[r, c] * W[r, c]
        penalty += row
    gb[:] = 0
    for r in range(D.shape[0]):
        for c in range(D.shape[1]):
            gb[c] += D[r, c]
    return 0.5 * l2 * penalty


@_kernel
def value_and_grad(theta, X, Y, w, scale, l2, sizes, leaks, head, work, grad):
    """Value and gradient of one mini-batch of a piecewise-linear network, in one pass.

    Definition: ``Point.value`` and ``Point.grad`` through ``MLP.forward`` and ``MLP.pullback``.

    Parameters
    ----------
    theta, grad : (p,) parameters; the gradient is written into `grad`
    X, Y, w : (n, d), (n, k), (n,) C-contiguous, writable buffers of theta's dtype
    scale, l2 : scalars of theta's dtype; the value is ``scale * sum_i w_i l_i + l2 / 2 |weights|^2``
    sizes : (L + 1,) widths, input to output
    leaks : (L,) slope of each layer's activation below zero, of theta's dtype; 1 is the identity
    head : SQUARED_ERROR, SOFTMAX or LOGISTIC
    work : at least ``n * (sum(sizes[1:]) + 2 * max(sizes[1:]))`` entries
    """
    n, layers = X.shape[0], sizes.shape[0] - 1
    A, offset, used, widest = X, 0, 0, 0
    for layer in range(layers):
        i, o = sizes[layer], sizes[layer + 1]
        W, b = theta[offset : offset + i * o].reshape(i, o), theta[offset + i * o : offset + (i + 1) * o]
        Z = work[used : used + n * o].reshape(n, o)
        np.dot(A, W, Z)
        bias_leak(Z, b, leaks[layer])
        A, offset, used, widest = Z, offset + (i + 1) * o, used + n * o, max(widest, o)
    if head == SQUARED_ERROR:
        value = _squared_error(A, Y, w, scale)
    elif head == SOFTMAX:
        value = _softmax(A, Y, w, scale)
    else:
        value = _logistic(A, Y, w, scale)
    D, spare, other = A, used, used + n * widest
    used -= n * sizes[layers]
    for layer in range(layers - 1, -1, -1):
        i, o = sizes[layer], sizes[layer + 1]
        offset -= (i + 1) * o
        W = theta[offset : offset + i * o].reshape(i, o)
        gW, gb = grad[offset : offset + i * o].reshape(i, o), grad[offset + i * o : offset + (i + 1) * o]
        if layer == 0:
            value += _layer_gradient(X, D, W, l2, gW, gb)
            break
        used -= n * i
        A = work[used : used + n * i].reshape(n, i)
        value += _layer_gradient(A, D, W, l2, gW, gb)
        below = work[spare : spare + n * i].reshape(n, i)
        np.dot(D, W.T, below)
        gate_leak(below, A, leaks[layer - 1])
        D, spare, other = below, other, spare
    return value


@_kernel
def adam(theta, grad, m, v, rate, beta_1, beta_2, epsilon):
    """One Adam update in place. Definition: ``skcurv.solvers.adam.update``; scalars of theta's dtype."""
    one = theta.dtype.type(1)  # a bare 1 would take a float32 loop to float64
    fresh_1, fresh_2 = one - beta_1, one - beta_2
    for j in range(theta.shape[0]):
        g = grad[j]
        m[j] = beta_1 * m[j] + fresh_1 * g
        v[j] = beta_2 * v[j] + fresh_2 * (g * g)
        theta[j] -= rate * m[j] / (np.sqrt(v[j]) + epsilon)
