"""Problems 1 to 19 of Moré, Garbow & Hillstrom (1981): two to eleven parameters, sizes fixed.

Residuals r(x) -> (m,) and Jacobians J(x) -> (m, n), in the paper's order and letters; i runs from 1.
"""

import numpy as np

from ._mgh import Problem

INF = np.inf


def _i(m):
    return np.arange(1.0, m + 1)


def _columns(*columns):
    return np.column_stack(np.broadcast_arrays(*columns))


def _rosenbrock():
    def r(x):
        return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])

    def J(x):
        return np.array([[-20 * x[0], 10.0], [-1.0, 0.0]])

    return Problem("Rosenbrock", r, J, (-1.2, 1), (0,))


def _freudenstein_roth():
    def r(x):
        a, b = x
        return np.array([-13 + a + ((5 - b) * b - 2) * b, -29 + a + ((b + 1) * b - 14) * b])

    def J(x):
        b = x[1]
        return np.array([[1.0, (10 - 3 * b) * b - 2], [1.0, (3 * b + 2) * b - 14]])

    return Problem("Freudenstein-Roth", r, J, (0.5, -2), (0, 48.9842))


def _powell_badly_scaled():
    def r(x):
        return np.array([1e4 * x[0] * x[1] - 1, np.exp(-x[0]) + np.exp(-x[1]) - 1.0001])

    def J(x):
        return np.array([[1e4 * x[1], 1e4 * x[0]], [-np.exp(-x[0]), -np.exp(-x[1])]])

    return Problem("Powell badly scaled", r, J, (0, 1), (0,))


def _brown_badly_scaled():
    def r(x):
        return np.array([x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2])

    def J(x):
        return np.array([[1.0, 0.0], [0.0, 1.0], [x[1], x[0]]])

    return Problem("Brown badly scaled", r, J, (1, 1), (0,))


def _beale():
    y, i = np.array([1.5, 2.25, 2.625]), _i(3)

    def r(x):
        return y - x[0] * (1 - x[1] ** i)

    def J(x):
        return _columns(x[1] ** i - 1, x[0] * i * x[1] ** (i - 1))

    return Problem("Beale", r, J, (1, 1), (0,))


def _jennrich_sampson():
    i = _i(10)

    def r(x):
        return 2 + 2 * i - (np.exp(i * x[0]) + np.exp(i * x[1]))

    def J(x):
        return _columns(-i * np.exp(i * x[0]), -i * np.exp(i * x[1]))

    return Problem("Jennrich-Sampson", r, J, (0.3, 0.4), (124.362,))


def _helical_valley():
    def r(x):
        turn = np.arctan2(x[1], x[0]) / (2 * np.pi)
        turn = turn + (turn < -0.25)  # the paper's cut is x1 = 0, x2 < 0
        return np.array([10 * (x[2] - 10 * turn), 10 * (np.hypot(x[0], x[1]) - 1), x[2]])

    def J(x):
        radius = np.hypot(x[0], x[1])
        around = 50 / (np.pi * radius**2)
        return np.array(
            [[x[1] * around, -x[0] * around, 10.0], [10 * x[0] / radius, 10 * x[1] / radius, 0.0], [0.0, 0.0, 1.0]]
        )

    return Problem("Helical valley", r, J, (-1, 0, 0), (0,))


def _bard():
    y = np.array([0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.10, 4.39])
    u = _i(15)
    v = 16 - u
    w = np.minimum(u, v)

    def r(x):
        return y - (x[0] + u / (v * x[1] + w * x[2]))

    def J(x):
        slope = u / (v * x[1] + w * x[2]) ** 2
        return _columns(-1.0, v * slope, w * slope)

    return Problem("Bard", r, J, (1, 1, 1), (8.21487e-3, 17.4286))


def _gaussian():
    half = np.array([0.0009, 0.0044, 0.0175, 0.0540, 0.1295, 0.2420, 0.3521, 0.3989])
    y, t = np.concat([half, half[-2::-1]]), (8 - _i(15)) / 2

    def r(x):
        return x[0] * np.exp(-x[1] * (t - x[2]) ** 2 / 2) - y

    def J(x):
        e, s = np.exp(-x[1] * (t - x[2]) ** 2 / 2), t - x[2]
        return _columns(e, -x[0] * e * s**2 / 2, x[0] * e * x[1] * s)

    return Problem("Gaussian", r, J, (0.4, 1, 0), (1.12793e-8,))


def _meyer():
    y = [34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744, 8261, 7030, 6005, 5147, 4427, 3820, 3307, 2872]
    y, t = np.array(y, dtype=float), 45 + 5 * _i(16)

    def r(x):
        return x[0] * np.exp(x[1] / (t + x[2])) - y

    def J(x):
        e, s = np.exp(x[1] / (t + x[2])), 1 / (t + x[2])
        return _columns(e, x[0] * e * s, -x[0] * x[1] * e * s**2)

    return Problem("Meyer", r, J, (0.02, 4000, 250), (87.9458,))


def _gulf():
    """With y - x2 where the paper prints a product, as its minimum (50, 25, 1.5) needs."""
    t = _i(99) / 100
    y = 25 + (-50 * np.log(t)) ** (2 / 3)

    def r(x):
        return np.exp(-(np.abs(y - x[1]) ** x[2]) / x[0]) - t

    def J(x):
        s = np.abs(y - x[1])
        power = s ** x[2]
        e = np.exp(-power / x[0])
        return _columns(
            e * power / x[0] ** 2,
            e * x[2] * power / (y - x[1]) / x[0],
            -e * power * np.log(s) / x[0],
        )

    return Problem("Gulf research", r, J, (5, 2.5, 0.15), (0,))


def _box():
    t = _i(10) / 10
    c = np.exp(-t) - np.exp(-10 * t)

    def r(x):
        return np.exp(-t * x[0]) - np.exp(-t * x[1]) - x[2] * c

    def J(x):
        return _columns(-t * np.exp(-t * x[0]), t * np.exp(-t * x[1]), -c)

    return Problem("Box", r, J, (0, 10, 20), (0,))


def _powell_singular():
    def r(x):
        a, b, c, d = x
        return np.array([a + 10 * b, 5**0.5 * (c - d), (b - 2 * c) ** 2, 10**0.5 * (a - d) ** 2])

    def J(x):
        u, v = 2 * (x[1] - 2 * x[2]), 2 * 10**0.5 * (x[0] - x[3])
        return np.array([[1, 10, 0, 0], [0, 0, 5**0.5, -(5**0.5)], [0, u, -2 * u, 0], [v, 0, 0, -v]])

    return Problem("Powell singular", r, J, (3, -1, 0, 1), (0,))


def _wood():
    h, t = 90**0.5, 10**0.5

    def r(x):
        a, b, c, d = x
        return np.array([10 * (b - a * a), 1 - a, h * (d - c * c), 1 - c, t * (b + d - 2), (b - d) / t])

    def J(x):
        a, c = x[0], x[2]
        return np.array(
            [
                [-20 * a, 10, 0, 0],
                [-1, 0, 0, 0],
                [0, 0, -2 * h * c, h],
                [0, 0, -1, 0],
                [0, t, 0, t],
                [0, 1 / t, 0, -1 / t],
            ]
        )

    return Problem("Wood", r, J, (-3, -1, -3, -1), (0,))


def _kowalik_osborne():
    y = np.array([0.1957, 0.1947, 0.1735, 0.1600, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246])
    u = np.array([4.0, 2.0, 1.0, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625])

    def r(x):
        return y - x[0] * (u * u + u * x[1]) / (u * u + u * x[2] + x[3])

    def J(x):
        top, bottom = u * u + u * x[1], u * u + u * x[2] + x[3]
        slope = x[0] * top / bottom**2
        return _columns(-top / bottom, -x[0] * u / bottom, u * slope, slope)

    return Problem("Kowalik-Osborne", r, J, (0.25, 0.39, 0.415, 0.39), (3.07505e-4, 1.02734e-3))


def _brown_dennis():
    t = _i(20) / 5
    e, s, c = np.exp(t), np.sin(t), np.cos(t)

    def r(x):
        return (x[0] + t * x[1] - e) ** 2 + (x[2] + x[3] * s - c) ** 2

    def J(x):
        a, b = 2 * (x[0] + t * x[1] - e), 2 * (x[2] + x[3] * s - c)
        return _columns(a, t * a, b, s * b)

    return Problem("Brown-Dennis", r, J, (25, 5, -5, -1), (85822.2,))


OSBORNE_1 = """
    0.844 0.908 0.932 0.936 0.925 0.908 0.881 0.850 0.818 0.784 0.751 0.718 0.685 0.658 0.628 0.603 0.580 0.558 0.538
    0.522 0.506 0.490 0.478 0.467 0.457 0.448 0.438 0.431 0.424 0.420 0.414 0.411 0.406"""


def _osborne_1():
    y, t = np.array(OSBORNE_1.split(), dtype=float), 10 * (_i(33) - 1)

    def r(x):
        return y - (x[0] + x[1] * np.exp(-t * x[3]) + x[2] * np.exp(-t * x[4]))

    def J(x):
        a, b = np.exp(-t * x[3]), np.exp(-t * x[4])
        return _columns(-1.0, -a, -b, x[1] * t * a, x[2] * t * b)

    return Problem("Osborne 1", r, J, (0.5, 1.5, -1, 0.01, 0.02), (5.46489e-5,))


def _biggs():
    t = _i(13) / 10
    y = np.exp(-t) - 5 * np.exp(-10 * t) + 3 * np.exp(-4 * t)

    def r(x):
        return x[2] * np.exp(-t * x[0]) - x[3] * np.exp(-t * x[1]) + x[5] * np.exp(-t * x[4]) - y

    def J(x):
        a, b, c = (np.exp(-t * x[k]) for k in (0, 1, 4))
        return _columns(-t * x[2] * a, t * x[3] * b, a, -b, -t * x[5] * c, c)

    return Problem("Biggs EXP6", r, J, (1, 2, 1, 1, 1, 1), (0, 5.65565e-3))


OSBORNE_2 = """
    1.366 1.191 1.112 1.013 0.991 0.885 0.831 0.847 0.786 0.725 0.746 0.679 0.608 0.655 0.616 0.606 0.602 0.626 0.651
    0.724 0.649 0.649 0.694 0.644 0.624 0.661 0.612 0.558 0.533 0.495 0.500 0.423 0.395 0.375 0.372 0.391 0.396 0.405
    0.428 0.429 0.523 0.562 0.607 0.653 0.672 0.708 0.633 0.668 0.645 0.632 0.591 0.559 0.597 0.625 0.739 0.710 0.729
    0.720 0.636 0.581 0.428 0.292 0.162 0.098 0.054"""


def _osborne_2():
    y, t = np.array(OSBORNE_2.split(), dtype=float)[:, None], ((_i(65) - 1) / 10)[:, None]
    start = (1.3, 0.65, 0.65, 0.7, 0.6, 3, 5, 7, 2, 4.5, 5.5)

    def parts(x):
        s = t - np.append(0.0, x[8:])
        return s, np.exp(-np.append(t, s[:, 1:] ** 2, axis=1) * x[4:8])

    def r(x):
        return y[:, 0] - parts(x)[1] @ x[:4]

    def J(x):
        s, e = parts(x)
        power = np.append(t, s[:, 1:] ** 2, axis=1)
        return np.concat([-e, x[:4] * power * e, (-2 * x[:4] * x[4:8] * s * e)[:, 1:]], axis=1)

    return Problem("Osborne 2", r, J, start, (4.01377e-2,))


FIXED = (
    _rosenbrock(),
    _freudenstein_roth(),
    _powell_badly_scaled(),
    _brown_badly_scaled(),
    _beale(),
    _jennrich_sampson(),
    _helical_valley(),
    _bard(),
    _gaussian(),
    _meyer(),
    _gulf(),
    _box(),
    _powell_singular(),
    _wood(),
    _kowalik_osborne(),
    _brown_dennis(),
    _osborne_1(),
    _biggs(),
    _osborne_2(),
)
