"""Brute force in float64 that shares no code with the package: loops over samples, layers, inputs and outputs.

theta may carry leading axes (..., p): the loops then evaluate many parameter vectors at once. Derivatives are complex
steps (error of rounding only); piecewise functions branch on the real part, which is exact away from their kinks.
"""

import itertools

import numpy as np
import scipy.special

TINY = 1e-40


def _logistic(z):
    return 1 / (1 + np.exp(-z))


PHI = {
    "identity": lambda z: z,
    "logistic": _logistic,
    "tanh": np.tanh,
    "relu": lambda z: np.where(z.real > 0, z, 0),
    "leaky_relu": lambda z: np.where(z.real > 0, z, 0.01 * z),
    "softplus": lambda z: np.log(1 + np.exp(z)),
    "silu": lambda z: z * _logistic(z),
}


def parameter(sizes, layer, i, o):
    """The index in theta of a weight, or of a bias where i is the number of inputs."""
    start = sum((a + 1) * b for a, b in itertools.pairwise(sizes[: layer + 1]))
    return start + i * sizes[layer + 1] + o


def layers(sizes, activations, theta, x):
    """Inputs of every layer for one sample, then the raw output: a list of lists of arrays (...)."""
    theta = np.asarray(theta)
    values = [[np.full(theta.shape[:-1], one, theta.dtype) for one in x]]
    for layer in range(len(sizes) - 1):
        outputs = []
        for o in range(sizes[layer + 1]):
            z = theta[..., parameter(sizes, layer, sizes[layer], o)]
            for i in range(sizes[layer]):
                z = z + values[-1][i] * theta[..., parameter(sizes, layer, i, o)]
            outputs.append(PHI[activations[layer]](z) if layer < len(activations) else z)
        values.append(outputs)
    return values


def forward(case, theta, X):
    """Raw outputs (..., n, k)."""
    rows = [np.stack(layers(case.sizes, case.activations, theta, x)[-1], axis=-1) for x in X]
    return np.stack(rows, axis=-2)


def derivative(function, theta):
    """d function / d theta_j, the new axis first; function takes theta (..., p) to arrays (..., *)."""
    return function(theta + 1j * TINY * np.eye(theta.shape[-1])).imag / TINY


def jacobian(case, theta, X):
    """dF_i / d theta, (n, k, p)."""
    return np.moveaxis(derivative(lambda t: forward(case, t, X), theta), 0, -1)


def loss_value(loss, F, Y):
    """The loss of each sample (..., n), for moderate and possibly complex F."""
    if loss == "squared_error":
        return sum((F[..., c] - Y[:, c]) ** 2 for c in range(Y.shape[1])) / 2
    if loss == "bernoulli":
        return sum(
            -Y[:, c] * np.log(_logistic(F[..., c])) - (1 - Y[:, c]) * np.log(_logistic(-F[..., c]))
            for c in range(Y.shape[1])
        )
    partition = sum(np.exp(F[..., c]) for c in range(Y.shape[1]))
    return -sum(Y[:, c] * np.log(np.exp(F[..., c]) / partition) for c in range(Y.shape[1]))


def loss_hessian(loss, F):
    """The Hessian in output space of each sample, (n, k, k)."""
    n, k = F.shape
    H = np.zeros((n, k, k))
    for i in range(n):
        p = scipy.special.softmax(F[i])
        for a in range(k):
            for b in range(k):
                if loss == "squared_error":
                    H[i, a, b] = a == b
                elif loss == "bernoulli":
                    H[i, a, b] = (a == b) * scipy.special.expit(F[i, a]) * scipy.special.expit(-F[i, a])
                else:
                    H[i, a, b] = (a == b) * p[a] - p[a] * p[b]
    return H


def value(problem, theta=None):
    """sum_i v_i l_i / sum v + alpha / (2 sum v) |weights|^2 from raw weights, (...)."""
    case, theta = problem.case, problem.theta if theta is None else theta
    F = forward(case, theta, problem.X)
    losses = loss_value(case.loss, F, problem.Y)
    weighted = sum(problem.v[i] * losses[..., i] for i in range(len(problem.v)))
    squares = sum(theta[..., j] ** 2 for j in np.flatnonzero(penalised(case)))
    return (weighted + problem.alpha / 2 * squares) / sum(problem.v)


def penalised(case):
    """1 at weights and 0 at biases, (p,)."""
    mask = []
    for i, o in itertools.pairwise(case.sizes):
        mask += [1.0] * (i * o) + [0.0] * o
    return np.array(mask)


def gradient(problem, theta=None):
    """(..., p) by complex steps."""
    theta = problem.theta if theta is None else theta
    stacked = (
        derivative(lambda t: value(problem, t), theta[..., None, :])
        if theta.ndim == 1
        else np.stack([gradient(problem, one) for one in theta])
    )
    return stacked.reshape(theta.shape)


def hessian(problem):
    """(p, p) by central differences of complex-step gradients."""
    h, p = np.finfo(float).eps ** (1 / 3), problem.theta.size
    steps = h * np.eye(p)
    H = (gradient(problem, problem.theta + steps) - gradient(problem, problem.theta - steps)) / (2 * h)
    return (H + H.T) / 2


def curvature(problem, H):
    """sum_i v_i J_i' H_i J_i / sum v for output-space matrices H (n, k, k): no penalty, (p, p)."""
    J = jacobian(problem.case, problem.theta, problem.X)
    total = np.zeros((problem.theta.size,) * 2)
    for i in range(len(J)):
        total += problem.v[i] * J[i].T @ H[i] @ J[i]
    return total / problem.v.sum()


def ggn(problem):
    """The exact generalised Gauss-Newton matrix without penalty, (p, p)."""
    F = forward(problem.case, problem.theta, problem.X)
    return curvature(problem, loss_hessian(problem.case.loss, F))


def layer_slices(case):
    """The consecutive slice of theta of each layer."""
    starts = [parameter(case.sizes, layer, 0, 0) for layer in range(len(case.sizes) - 1)]
    ends = [*starts[1:], penalised(case).size]
    return [slice(a, b) for a, b in zip(starts, ends, strict=True)]


def blocks_only(case, C):
    """C with everything outside the layer blocks set to zero."""
    kept = np.zeros_like(C)
    for s in layer_slices(case):
        kept[s, s] = C[s, s]
    return kept


def kronecker_factors(problem):
    """[(A_l, G_l)] with A = sum v a a' / sum v and G = sum v g H g' / sum v, where g = dF / d bias."""
    case, v = problem.case, problem.v / problem.v.sum()
    J = jacobian(case, problem.theta, problem.X)
    H = loss_hessian(case.loss, forward(case, problem.theta, problem.X))
    factors = []
    for layer in range(len(case.sizes) - 1):
        i, o = case.sizes[layer], case.sizes[layer + 1]
        A, G = np.zeros((i + 1, i + 1)), np.zeros((o, o))
        biases = [parameter(case.sizes, layer, i, c) for c in range(o)]
        for row in range(len(v)):
            a = np.array([*layers(case.sizes, case.activations, problem.theta, problem.X[row])[layer], 1.0])
            A += v[row] * np.outer(a, a)
            G += v[row] * J[row][:, biases].T @ H[row] @ J[row][:, biases]
        factors.append((A, G))
    return factors
