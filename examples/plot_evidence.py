"""
The evidence sets the penalty and chooses the width
===================================================

Sixty rows of a sine with noise of deviation 0.2. On the left two networks of 20 tanh units: one with a weak penalty,
which follows the noise, and one with ``alpha="evidence"``, which finds penalty and noise while it trains. The band is
that of 90 % of new targets.

On the right the evidence of networks by their width, from the same rows: no row is held out. Below three units none can
follow the sine; further ones are switched off by their prior and cost little. The log-likelihood of 2000 new rows that
no fit has seen says the same.

Run it as a script, with the path of the picture as an optional argument.
"""

import sys
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skcurv import CurvatureMLPRegressor

warnings.simplefilter("ignore", ConvergenceWarning)  # a few widths use up their steps


def rows(n, seed):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-3, 3, (n, 1))
    return X, np.sin(2 * X[:, 0]) + 0.2 * rng.normal(size=n)


def fit(width, alpha):
    return CurvatureMLPRegressor(
        (width,), "tanh", solver="lm-newton", alpha=alpha, posterior="laplace", random_state=0
    ).fit(X, y)


X, y = rows(60, 0)
X_new, y_new = rows(2000, 1)
grid = np.linspace(-3.5, 3.5, 200)[:, None]

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
weak, found = fit(20, 1e-6), fit(20, "evidence")
left.plot(grid, weak.predict(grid), "C1", lw=1, label="alpha=1e-6")
mean, std = found.predict(grid, return_std=True)
left.plot(grid, mean, "C0", label='alpha="evidence"')
left.fill_between(grid[:, 0], mean - 1.645 * std, mean + 1.645 * std, color="C0", alpha=0.2)
left.plot(grid, np.sin(2 * grid), "k:", lw=1, label="truth")
left.plot(X, y, "k.", ms=4)
left.set(ylim=(-2, 2), xlabel="x", ylabel="y", title=f"noise found {found.noise_variance_**0.5:.2f}, true 0.20")
left.legend()

widths, evidences, densities = range(1, 9), [], []
for width in widths:
    reg = fit(width, "evidence")
    mean, std = reg.predict(X_new, return_std=True)
    evidences.append(reg.log_evidence_)
    densities.append(np.mean(-0.5 * np.log(2 * np.pi * std**2) - 0.5 * ((y_new - mean) / std) ** 2))
right.plot(widths, evidences, "C0o-")
right.set(xlabel="tanh units", ylabel="log evidence of 60 rows (nats)", title="One fit a width, all rows in it")
right.yaxis.label.set_color("C0")
beside = right.twinx()
beside.plot(widths, densities, "C2s--")
beside.set_ylabel("log-likelihood of a new row", color="C2")
path = sys.argv[1] if len(sys.argv) > 1 else "plot_evidence.png"
figure.savefig(path, dpi=150)
