"""
The spectrum of a network's curvature
=====================================

Why is gradient descent slow on some tables? This example looks at the curvature of one network on breast cancer (569
rows, 30 columns of very different size), once on the columns as they are and once on standardised ones: the density of
the eigenvalues of its Gauss-Newton matrix, and what preconditioning by a diagonal or by Kronecker products leaves of
the condition number.

Run it as a script, with the path of the picture as an optional argument.
"""

# %%
# One network, two tables
# -----------------------
# 30 inputs, 8 hidden units, 1 output: 257 parameters. ``tol=0`` makes ten epochs a budget rather than a limit to warn
# about.

import sys
import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from skcurv import CurvatureMLPClassifier
from skcurv.curvature import curvature
from skcurv.diagnostics import diagnose, spectral_density

started = time.perf_counter()
X, y = load_breast_cancer(return_X_y=True)
tables = {"columns as they are": X, "standardised columns": StandardScaler().fit_transform(X)}
network = {"hidden_layer_sizes": (8,), "activation": "tanh", "solver": "adam", "max_iter": 10, "tol": 0}
fits = {name: CurvatureMLPClassifier(**network, random_state=0).fit(rows, y) for name, rows in tables.items()}

# %%
# Is it ill-conditioned?
# ----------------------
# `diagnose` answers in words and numbers.

diagnoses = {name: diagnose(clf, tables[name], y) for name, clf in fits.items()}
for name, diagnosis in diagnoses.items():
    print(f"{name}\n{diagnosis}\n")

# %%
# The density, and the condition numbers
# --------------------------------------
# The quadrature's nodes and weights say more than a smooth curve: eigenvalues spread over many orders of magnitude, so
# the weights are summed in bins of the logarithm, and what lies below 1e-10 is drawn there. Large columns make a few
# directions very stiff and saturate most units, which leaves the others flat. Standardising mends a part of it, a
# preconditioner more: with Kronecker products the tables hardly differ.

colours = dict(zip(fits, ("#D55E00", "#0072B2"), strict=True))
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
edges = np.arange(-10.5, 4.5, 0.5)
for name, clf in fits.items():
    density = spectral_density(curvature(clf, tables[name], y, how="dense"), steps=250, rng=0)
    nodes, weights = np.concatenate(density.nodes), np.concatenate(density.weights) / len(density.nodes)
    mass, _ = np.histogram(np.log10(np.clip(nodes, 1e-10, None)), edges, weights=weights)
    left.stairs(100 * mass, 10.0**edges, color=colours[name], linewidth=2, label=name)
left.set(xscale="log", xlabel="eigenvalue of the Gauss-Newton matrix", ylabel="% of the directions")
left.legend()

names = ("none", "diagonal", "Kronecker")
for place, (name, d) in enumerate(diagnoses.items()):
    heights = (d.condition, d.diagonal_condition, d.kronecker_condition)
    right.bar(np.arange(3) + 0.4 * place - 0.2, heights, 0.38, color=colours[name], label=name)
right.set_xticks(range(3), names)
right.set(yscale="log", ylim=1, xlabel="preconditioner", ylabel="condition number, 90 % of the promised fall")
for panel in (left, right):
    panel.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    panel.set_axisbelow(True)

path = sys.argv[1] if len(sys.argv) > 1 else "plot_spectrum.png"
figure.savefig(path, dpi=150)
print(f"picture saved as {path}, {time.perf_counter() - started:.1f} s in all")
