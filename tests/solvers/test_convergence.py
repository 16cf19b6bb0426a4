"""Convergence as the theory says: iterations against the condition number kappa on quadratics with a chosen spectrum.

A linear network with centred inputs, squared error and targets 0 has the Hessian X'X / n beside a 1 for its bias, and
its minimum at 0. The constants are the optimal ones for eigenvalues in [mu, L] (Polyak 1964; Nesterov 2004, section
2.2.1; Nocedal & Wright 2006, theorem 3.3):

    gradient descent   eta = 2 / (L + mu)                              error (kappa - 1) / (kappa + 1) a step
    momentum           eta = 4 / (sqrt L + sqrt mu)^2,  momentum the square of
                       (sqrt kappa - 1) / (sqrt kappa + 1)             error that number a step
    Nesterov           eta = 1 / L,  momentum that number itself       error 1 - 1 / sqrt kappa a step
    Newton             none                                            one step

With momentum the error is that rate to the power t times a polynomial in t.
"""

import itertools
import math

import numpy as np
import pytest

from skcurv.curvature import dense, ggn
from skcurv.data import Data
from skcurv.losses import SquaredError
from skcurv.network import MLP
from skcurv.objective import Objective
from skcurv.solvers import SGD, LMNewton, Momentum, Nesterov

from ..cases import assert_close

INPUTS, ROWS, TARGET = 5, 12, 1e-8
EPS = np.finfo(np.float64).eps


def _quadratic(kappa):
    """A point on the quadratic with eigenvalues from 1 / kappa to 1."""
    rng = np.random.default_rng(0)
    U = np.linalg.qr(np.c_[np.ones(ROWS), rng.normal(size=(ROWS, INPUTS))])[0][:, 1:]
    Q = np.linalg.qr(rng.normal(size=(INPUTS, INPUTS)))[0]
    X = np.sqrt(ROWS) * U @ np.diag(np.sqrt(np.geomspace(1 / kappa, 1, INPUTS))) @ Q.T
    objective = Objective(MLP((INPUTS, 1), ()), SquaredError(), Data(X, np.zeros((ROWS, 1)), np.ones(ROWS)), 0.0)
    return objective.point(np.r_[Q @ np.ones(INPUTS), 1.0])  # the same error along every eigenvector


def _iterations(solver, here, most, wait=1.0):
    """Steps until the distance to the minimum falls below 1e-8 of the first one, and stays there for `wait` times."""
    start, state, last = np.linalg.norm(here.theta), solver.init(here, 0), 0
    for t in range(1, most + 1):
        here, state, _ = solver.step(here, state)
        if math.sqrt(here.theta @ here.theta) > TARGET * start:
            last = t
        elif t >= wait * last:
            return last + 1
    raise AssertionError(f"{solver} needs more than {most} iterations")


def _exponent(kappas, iterations):
    return np.polyfit(np.log(kappas), np.log(iterations), 1)[0]


def _sgd(kappa):
    return SGD(2 / (1 + 1 / kappa))


def _momentum(kappa):
    root = np.sqrt(kappa)
    return Momentum(4 / (1 + 1 / root) ** 2, ((root - 1) / (root + 1)) ** 2)


def _nesterov(kappa):
    root = np.sqrt(kappa)
    return Nesterov(1.0, (root - 1) / (root + 1))


@pytest.mark.parametrize("kappa", [1e2, 1e6])
def test_the_quadratic_has_the_chosen_spectrum(kappa):
    here = _quadratic(kappa)
    values = np.sort(np.r_[np.geomspace(1 / kappa, 1, INPUTS), 1.0])
    assert_close(np.linalg.eigvalsh(dense(here, ggn(here, None)).C), values, 10 * ROWS)
    assert here.at(0 * here.theta).value == 0


def test_gradient_descent_takes_iterations_like_kappa():
    kappas = (1e2, 1e3, 1e4)
    iterations = [_iterations(_sgd(kappa), _quadratic(kappa), int(20 * kappa)) for kappa in kappas]
    assert _exponent(kappas, iterations) == pytest.approx(1.0, abs=0.1)
    theory = [-np.log(1 / TARGET) / np.log((kappa - 1) / (kappa + 1)) for kappa in kappas]
    assert (np.array(iterations) <= np.ceil(theory)).all()


@pytest.mark.parametrize("make", [_momentum, _nesterov])
def test_momentum_takes_iterations_like_the_root_of_kappa(make):
    kappas = (1e2, 1e4, 1e6)
    iterations = [_iterations(make(kappa), _quadratic(kappa), int(60 * np.sqrt(kappa)), wait=1.2) for kappa in kappas]
    assert _exponent(kappas, iterations) == pytest.approx(0.5, abs=0.1)


def test_momentum_needs_its_constants():
    """A hundredth more than the largest stable rate, 2 (1 + mu) / L, and it diverges."""
    here, mu = _quadratic(1e2), 0.5
    for rate, grows in ((1.99 * (1 + mu), False), (2.01 * (1 + mu), True)):
        there, state, solver = here, None, Momentum(rate, mu)
        for t in range(2000):
            there, state, _ = solver.step(there, solver.init(there, 0) if t == 0 else state)
        assert (np.linalg.norm(there.theta) > np.linalg.norm(here.theta)) == grows


@pytest.mark.parametrize("kappa", [1e2, 1e4, 1e6])
def test_newton_takes_one_step(kappa):
    """The error left is rounding times kappa."""
    here = _quadratic(kappa)
    d = -dense(here, ggn(here, None)).solve(here.grad, 0.0)
    left = np.linalg.norm(here.theta + d)
    assert left <= 100 * EPS * kappa * np.linalg.norm(here.theta)
    assert left < TARGET * np.linalg.norm(here.theta)


def test_lm_newton_takes_steps_like_the_logarithm_of_kappa():
    """Lambda starts at 1e-3 of the curvature and falls to a third a step: log_3 kappa steps and a few."""
    counts = []
    for kappa in (1e2, 1e4, 1e6):
        counts.append(_iterations(LMNewton(), _quadratic(kappa), 60))
        assert counts[-1] <= np.log(kappa) / np.log(3) + 8
    assert max(b - a for a, b in itertools.pairwise(counts)) <= np.ceil(np.log(1e2) / np.log(3)) + 1
