"""Problems 20 to 35 of Moré, Garbow & Hillstrom (1981): any number of parameters.

Residuals r(x) -> (m,) and Jacobians J(x) -> (m, n), in the paper's order and letters; i and j run from 1.
"""

import numpy as np

from ._mgh import Problem


def _i(m):
    return np.arange(1.0, m + 1)


def _watson(n, minimum):
    t = _i(29)[:, None] / 29
    j = np.arange(n)  # the paper's j - 1
    powers, slopes = t**j, j * t ** np.maximum(j - 1, 0)
    first, second = np.eye(n)[:2]

    def r(x):
        return np.concat([slopes @ x - (powers @ x) ** 2 - 1, [x[0], x[1] - x[0] ** 2 - 1]])

    def J(x):
        return np.vstack([slopes - 2 * (powers @ x)[:, None] * powers, first, second - 2 * x[0] * first])

    return Problem(f"Watson {n}", r, J, np.zeros(n), (minimum,))


def _extended_rosenbrock(n):
    def r(x):
        a, b = x[::2], x[1::2]
        return np.stack([10 * (b - a**2), 1 - a], axis=1).ravel()

    def J(x):
        out, k = np.zeros((n, n)), np.arange(0, n, 2)
        out[k, k], out[k, k + 1], out[k + 1, k] = -20 * x[::2], 10, -1
        return out

    return Problem(f"Extended Rosenbrock {n}", r, J, np.tile([-1.2, 1.0], n // 2), (0,))


def _extended_powell(n):
    def r(x):
        a, b, c, d = x.reshape(-1, 4).T
        return np.stack([a + 10 * b, 5**0.5 * (c - d), (b - 2 * c) ** 2, 10**0.5 * (a - d) ** 2], axis=1).ravel()

    def J(x):
        a, b, c, d = x.reshape(-1, 4).T
        out, k = np.zeros((n, n)), np.arange(0, n, 4)
        u, v = 2 * (b - 2 * c), 2 * 10**0.5 * (a - d)
        out[k, k], out[k, k + 1], out[k + 1, k + 2], out[k + 1, k + 3] = 1, 10, 5**0.5, -(5**0.5)
        out[k + 2, k + 1], out[k + 2, k + 2], out[k + 3, k], out[k + 3, k + 3] = u, -2 * u, v, -v
        return out

    return Problem(f"Extended Powell {n}", r, J, np.tile([3.0, -1, 0, 1], n // 4), (0,))


def _penalty_1(n, minimum):
    a = 1e-5**0.5

    def r(x):
        return np.append(a * (x - 1), x @ x - 0.25)

    def J(x):
        return np.vstack([a * np.eye(n), 2 * x])

    return Problem(f"Penalty I {n}", r, J, _i(n), (minimum,))


def _penalty_2(n, minimum):
    a, i = 1e-5**0.5, _i(n)
    y = np.exp(i[1:] / 10) + np.exp(i[:-1] / 10)
    first, down = np.eye(n)[:1], i[::-1]

    def r(x):
        e = np.exp(x / 10)
        return np.concat([x[:1] - 0.2, a * (e[1:] + e[:-1] - y), a * (e[1:] - np.exp(-0.1)), [down @ x**2 - 1]])

    def J(x):
        e = a * np.diag(np.exp(x / 10) / 10)
        return np.vstack([first, e[1:] + e[:-1], e[1:], 2 * down * x])

    return Problem(f"Penalty II {n}", r, J, np.full(n, 0.5), (minimum,))


def _variably_dimensioned(n):
    j = _i(n)

    def r(x):
        s = j @ (x - 1)
        return np.append(x - 1, [s, s**2])

    def J(x):
        return np.vstack([np.eye(n), j, 2 * (j @ (x - 1)) * j])

    return Problem(f"Variably dimensioned {n}", r, J, 1 - j / n, (0,))


def _trigonometric(n):
    i = _i(n)

    def r(x):
        return n - np.cos(x).sum() + i * (1 - np.cos(x)) - np.sin(x)

    def J(x):
        return np.sin(x) + np.diag(i * np.sin(x) - np.cos(x))

    return Problem(f"Trigonometric {n}", r, J, np.full(n, 1 / n), (0, 2.79506e-5))


def _brown_almost_linear(n):
    def r(x):
        return np.append((x + x.sum() - (n + 1))[:-1], x.prod() - 1)

    def J(x):
        others = np.where(np.eye(n), 1.0, x).prod(axis=1)
        return np.vstack([(np.eye(n) + 1)[:-1], others])

    return Problem(f"Brown almost linear {n}", r, J, np.full(n, 0.5), (0, 1))


def _discrete_boundary_value(n):
    h = 1 / (n + 1)
    t = h * _i(n)
    L = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)

    def r(x):
        return L @ x + h**2 * (x + t + 1) ** 3 / 2

    def J(x):
        return L + np.diag(1.5 * h**2 * (x + t + 1) ** 2)

    return Problem(f"Discrete boundary value {n}", r, J, t * (t - 1), (0,))


def _discrete_integral(n):
    h = 1 / (n + 1)
    t = h * _i(n)
    K = h / 2 * np.minimum.outer(t, t) * (1 - np.maximum.outer(t, t))  # (1 - t_i) t_j for j <= i, t_i (1 - t_j) above

    def r(x):
        return x + K @ (x + t + 1) ** 3

    def J(x):
        return np.eye(n) + 3 * K * (x + t + 1) ** 2

    return Problem(f"Discrete integral {n}", r, J, t * (t - 1), (0,))


def _broyden_tridiagonal(n):
    off = np.eye(n, k=-1) + 2 * np.eye(n, k=1)

    def r(x):
        return (3 - 2 * x) * x - off @ x + 1

    def J(x):
        return np.diag(3 - 4 * x) - off

    return Problem(f"Broyden tridiagonal {n}", r, J, np.full(n, -1.0), (0,))


def _broyden_banded(n):
    band = np.tri(n, n, 1) - np.tri(n, n, -6) - np.eye(n)  # i - 5 <= j <= i + 1, j != i

    def r(x):
        return x * (2 + 5 * x**2) + 1 - band @ (x * (1 + x))

    def J(x):
        return np.diag(2 + 15 * x**2) - band * (1 + 2 * x)

    return Problem(f"Broyden banded {n}", r, J, np.full(n, -1.0), (0,))


def _linear(name, A, minimum):
    """r = A x - 1, from ones."""

    def r(x):
        return A @ x - 1

    def J(x):
        return A.copy()

    return Problem(name, r, J, np.ones(A.shape[1]), (minimum,))


def _linear_full_rank(n, m):
    return _linear(f"Linear full rank {n}", np.eye(m, n) - 2 / m, m - n)


def _linear_rank_1(n, m):
    return _linear(f"Linear rank 1 {n}", np.outer(_i(m), _i(n)), m * (m - 1) / (2 * (2 * m + 1)))


def _linear_rank_1_zeros(n, m):
    i, j = _i(m) - 1, _i(n)
    i[-1] = j[0] = j[-1] = 0
    return _linear(f"Linear rank 1, zeros {n}", np.outer(i, j), (m**2 + 3 * m - 6) / (2 * (2 * m - 3)))


def _chebyquad(n, *minima):
    """Chebyshev polynomials on [0, 1]: T_i = cos(i arccos u) by T_i = 2 u T_{i-1} - T_{i-2}."""
    i = _i(n)
    integrals = np.where(i % 2 == 0, 1 / (1 - np.where(i == 1, 2, i) ** 2), 0)

    def polynomials(x):
        u = 2 * x - 1
        T, D = [np.ones(n), u], [np.zeros(n), np.full(n, 2.0)]
        for _ in range(n - 1):
            T, D = [*T, 2 * u * T[-1] - T[-2]], [*D, 4 * T[-1] + 2 * u * D[-1] - D[-2]]
        return np.array(T[1:]), np.array(D[1:])

    def r(x):
        return polynomials(x)[0].mean(axis=1) - integrals

    def J(x):
        return polynomials(x)[1] / n

    return Problem(f"Chebyquad {n}", r, J, i / (n + 1), minima)


SCALABLE = (
    _watson(6, 2.28767e-3),
    _watson(9, 1.39976e-6),
    _watson(12, 4.72238e-10),
    _extended_rosenbrock(10),
    _extended_powell(12),
    _penalty_1(4, 2.24997e-5),
    _penalty_1(10, 7.08765e-5),
    _penalty_2(4, 9.37629e-6),
    _penalty_2(10, 2.93660e-4),
    _variably_dimensioned(10),
    _trigonometric(10),
    _brown_almost_linear(10),
    _discrete_boundary_value(10),
    _discrete_integral(10),
    _broyden_tridiagonal(10),
    _broyden_banded(10),
    _linear_full_rank(5, 10),
    _linear_rank_1(5, 10),
    _linear_rank_1_zeros(5, 10),
    _chebyquad(7, 0),
    _chebyquad(8, 3.51687e-3),
    _chebyquad(10, 6.50395e-3),
)
