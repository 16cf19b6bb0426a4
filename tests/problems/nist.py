"""Six small problems of NIST's Statistical Reference Datasets, nonlinear regression: public domain.

References
----------
National Institute of Standards and Technology, "Statistical Reference Datasets: Nonlinear Regression" (1998). Certified
to eleven digits, computed with 500 bits. Starts are far from and near the values. MGH17 is problem 17 of Moré, Garbow
and Hillstrom (1981).
"""

from typing import Any, NamedTuple

import numpy as np

from ._mgh_fixed import OSBORNE_1


class Problem(NamedTuple):
    """A model f(X, b1, b2, ...), X (n, 1), y (n,), two starts, certified parameters, standard errors, residual sd."""

    model: Any
    X: Any
    y: Any
    starts: tuple
    certified: tuple
    errors: tuple
    sd: float


def _saturation(X, b1, b2):
    return b1 * (1 - np.exp(-b2 * X[:, 0]))


def _power(X, b1, b2):
    return b1 * X[:, 0] ** b2


def _two_decays(X, b1, b2, b3, b4, b5):
    return b1 + b2 * np.exp(-X[:, 0] * b4) + b3 * np.exp(-X[:, 0] * b5)


def _logistic(X, b1, b2, b3):
    return b1 / (1 + np.exp(b2 - b3 * X[:, 0]))


def _peak(X, b1, b2, b3):
    return b1 / b2 * np.exp(-0.5 * ((X[:, 0] - b3) / b2) ** 2)


def _problem(model, x, y, *rest):
    x, y = (np.array(numbers.split(), dtype=float) for numbers in (x, y))
    return Problem(model, x[:, None], y, *rest)


MISRA1A = _problem(
    _saturation,
    "77.6 114.9 141.1 190.8 239.9 289 332.8 378.4 434.8 477.3 536.8 593.1 689.1 760",
    "10.07 14.73 17.94 23.93 29.61 35.18 40.02 44.82 50.76 55.05 61.01 66.4 75.47 81.78",
    ((500, 1e-4), (250, 5e-4)),
    (238.94212918, 0.00055015643181),
    (2.7070075241, 7.2668688436e-06),
    0.1018787633,
)
DANWOOD = _problem(
    _power,
    "1.309 1.471 1.49 1.565 1.611 1.68",
    "2.138 3.421 3.597 4.34 4.882 5.66",
    ((1, 5), (0.7, 4)),
    (0.76886226176, 3.8604055871),
    (0.01828197386, 0.051726610913),
    0.032853114039,
)
MGH17 = _problem(
    _two_decays,
    " ".join(map(str, range(0, 330, 10))),
    OSBORNE_1,
    ((50, 150, -100, 1, 2), (0.5, 1.5, -1, 0.01, 0.02)),
    (0.37541005211, 1.9358469127, -1.4646871366, 0.01286753464, 0.022122699662),
    (0.0020723153551, 0.22031669222, 0.22175707739, 0.00044861358114, 0.00089471996575),
    0.0013970497866,
)
RAT42 = _problem(
    _logistic,
    "9 14 21 28 42 57 63 70 79",
    "8.93 10.8 18.59 22.33 39.35 56.11 61.73 64.62 67.08",
    ((100, 1, 0.1), (75, 2.5, 0.07)),
    (72.462237576, 2.6180768402, 0.067359200066),
    (1.7340283401, 0.088295217536, 0.0034465663377),
    1.1587725499,
)
ECKERLE4 = _problem(
    _peak,
    """400 405 410 415 420 425 430 435 436.5 438 439.5 441 442.5 444 445.5 447 448.5 450 451.5 453 454.5 456 457.5 459
    460.5 462 463.5 465 470 475 480 485 490 495 500""",
    """0.0001575 0.0001699 0.000235 0.0003102 0.0004917 0.000871 0.0017418 0.00464 0.0065895 0.0097302 0.0149002
    0.023731 0.0401683 0.0712559 0.1264458 0.2073413 0.2902366 0.3445623 0.3698049 0.3668534 0.3106727 0.2078154
    0.1164354 0.0616764 0.03372 0.0194023 0.0117831 0.0074357 0.0022732 0.00088 0.0004579 0.0002345 0.0001586
    0.0001143 7.1e-05""",
    ((1, 10, 500), (1.5, 5, 450)),
    (1.5543827178, 4.0888321754, 451.54121844),
    (0.015408051163, 0.046803020753, 0.046800518816),
    0.0067629245447,
)
BOXBOD = _problem(
    _saturation,
    "1 2 3 5 7 10",
    "109 149 149 191 213 224",
    ((1, 1), (100, 0.75)),
    (213.80940889, 0.54723748542),
    (12.354515176, 0.10455993237),
    17.088072423,
)

PROBLEMS = {
    "Misra1a": MISRA1A,
    "DanWood": DANWOOD,
    "MGH17": MGH17,
    "Rat42": RAT42,
    "Eckerle4": ECKERLE4,
    "BoxBOD": BOXBOD,
}
