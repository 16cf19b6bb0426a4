"""
Condition number
================

How many iterations does a quadratic take? The answer depends on its condition number kappa, the largest eigenvalue of
its Hessian over the smallest one: gradient descent needs a multiple of kappa, momentum and Nesterov's method a multiple
of its root, and Newton's method one iteration whatever it is.

Run it as a script, with the path of the picture as an optional argument.
"""

# %%
# A quadratic with a chosen spectrum
# ----------------------------------
# A linear network with squared error and targets 0. Its Hessian is X'X / n beside a 1 for the bias, so the singular
# values of centred inputs choose the eigenvalues; the minimum is at 0.

import sys
import time

import matplotlib.pyplot as plt
import numpy as np

from skcurv.curvature import dense, ggn
from skcurv.data import Data
from skcurv.losses import SquaredError
from skcurv.network import MLP
from skcurv.objective import Objective
from skcurv.solvers import SGD, Momentum, Nesterov

started = time.perf_counter()
INPUTS, ROWS = 5, 12


def quadratic(kappa):
    rng = np.random.default_rng(0)
    U = np.linalg.qr(np.c_[np.ones(ROWS), rng.normal(size=(ROWS, INPUTS))])[0][:, 1:]
    Q = np.linalg.qr(rng.normal(size=(INPUTS, INPUTS)))[0]
    X = np.sqrt(ROWS) * U @ np.diag(np.geomspace(1 / kappa, 1, INPUTS) ** 0.5) @ Q.T
    objective = Objective(MLP((INPUTS, 1), ()), SquaredError(), Data(X, np.zeros((ROWS, 1)), np.ones(ROWS)), 0.0)
    return objective.point(np.r_[Q @ np.ones(INPUTS), 1.0])


# %%
# Solvers with the constants of theory
# ------------------------------------
# For eigenvalues between 1 / kappa and 1. Newton's step solves with the Gauss-Newton matrix, which is the Hessian here.


class Newton:
    """theta - C^-1 g."""

    def init(self, here, seed):
        return None

    def step(self, here, state):
        return here.moved(-dense(here, ggn(here, None)).solve(here.grad, 0.0)), state, None


def solvers(kappa):
    root = np.sqrt(kappa)
    rate = (root - 1) / (root + 1)
    return {
        "gradient descent": SGD(2 / (1 + 1 / kappa)),
        "momentum": Momentum(4 / (1 + 1 / root) ** 2, rate**2),
        "Nesterov": Nesterov(1.0, rate),
        "Newton": Newton(),
    }


# %%
# Iterations until the error is 1e-8 of the first one
# ---------------------------------------------------
# With momentum the error may rise again, so an end counts when it lasts.


def iterations(solver, here):
    start, state, last, t = np.linalg.norm(here.theta), solver.init(here, 0), 0, 0
    while t <= 1.2 * last:
        t += 1
        here, state, _ = solver.step(here, state)
        if np.linalg.norm(here.theta) > 1e-8 * start:
            last = t
    return last + 1


kappas = {
    "gradient descent": np.geomspace(1e1, 1e4, 7),
    "momentum": np.geomspace(1e1, 1e6, 11),
    "Nesterov": np.geomspace(1e1, 1e6, 11),
    "Newton": np.geomspace(1e1, 1e6, 11),
}
counts = {name: [iterations(solvers(kappa)[name], quadratic(kappa)) for kappa in kappas[name]] for name in kappas}
for name, found in counts.items():
    upper = kappas[name] >= 1e2
    exponent = np.polyfit(np.log(kappas[name][upper]), np.log(np.array(found)[upper]), 1)[0]
    print(f"{name:<17} {found[0]:>6} to {found[-1]:>6} iterations, like kappa to the power {exponent:.2f}")

# %%
# The picture
# -----------

styles = {
    "gradient descent": ("#7F7F7F", "v"),
    "momentum": ("#E69F00", "s"),
    "Nesterov": ("#0072B2", "o"),
    "Newton": ("#000000", "*"),
}
figure, axes = plt.subplots(figsize=(6, 4.5), layout="constrained")
for name, (colour, marker) in styles.items():
    axes.loglog(kappas[name], counts[name], color=colour, marker=marker, label=name)
axes.set(xlabel="condition number", ylabel="iterations to 1e-8")
axes.grid(color="#DDDDDD", linewidth=0.6)
axes.legend()

path = sys.argv[1] if len(sys.argv) > 1 else "plot_condition_number.png"
figure.savefig(path, dpi=150)
print(f"picture saved as {path}, {time.perf_counter() - started:.1f} s in all")
