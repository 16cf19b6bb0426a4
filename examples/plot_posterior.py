"""
Error bars from the training curvature
======================================

One fit, no validation set, no second network: the curvature of the training loss at its minimum says how far the
parameters could be elsewhere, and the linearised network says what that does to predictions. On the left a band that
widens where there are no data; on the right the probabilities of a classifier before and after averaging over its
parameters.

Run it as a script, with the path of the picture as an optional argument.
"""

# %%
# A regression with a gap
# -----------------------
# 60 points in two groups. ``posterior="laplace"`` finds the posterior at the end of the fit. The band widens in the gap
# and outside. Far outside it does not widen enough for the truth: there the units are saturated, and no choice of their
# weights near the fitted ones bends the curve again.

import sys
import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.calibration import CalibrationDisplay
from sklearn.datasets import make_classification
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from skcurv import CurvatureMLPClassifier, CurvatureMLPRegressor

started = time.perf_counter()
rng = np.random.default_rng(0)


def truth(x):
    return np.sin(2 * x) + 0.5 * x


x = np.concatenate([rng.uniform(-2.5, -0.7, 30), rng.uniform(0.9, 2.2, 30)])
y = truth(x) + 0.15 * rng.normal(size=60)
settings = {"activation": "tanh", "solver": "lm-newton", "max_iter": 300, "tol": 0, "random_state": 0}
reg = CurvatureMLPRegressor((20,), alpha=0.005, posterior="laplace", **settings).fit(x[:, None], y)
grid = np.linspace(-3.5, 3.5, 401)
mean, std = reg.predict(grid[:, None], return_std=True)
inner = reg.posterior_.predictive(grid[:, None], noise=False)[1]
print(f"noise: {reg.posterior_.noise_variance**0.5:.3f}, where 0.150 was put in")
print(f"effective parameters: {reg.posterior_.effective_n_parameters:.1f} of {reg.theta_.size}")
for place in (1.5, 0.0, 3.5):
    print(f"standard deviation at {place}: {np.interp(place, grid, std):.2f}")

# %%
# A classifier that is too sure
# -----------------------------
# 20 columns, a fifth of the labels drawn at random, and 300 rows to learn from. The network fits them well, and says so
# of rows that it has not seen. Averaged over the posterior, the same network is no longer too sure; in the middle it
# errs on the careful side.

X, labels = make_classification(3000, 20, n_informative=6, flip_y=0.2, class_sep=1.2, random_state=1)
X_train, X_test, y_train, y_test = train_test_split(X, labels, train_size=300, random_state=0)
found = {}
for name, posterior in (("one network", None), ("averaged over its posterior", "laplace")):
    clf = CurvatureMLPClassifier((10,), alpha=1.0, posterior=posterior, **settings).fit(X_train, y_train)
    found[name] = clf.predict_proba(X_test)[:, 1]
    print(f"{name}: accuracy {clf.score(X_test, y_test):.3f}, log-loss {log_loss(y_test, found[name]):.3f}")

# %%
# Both in one picture
# -------------------
# The inner band is what the parameters leave open, the outer one has the noise of single points as well.

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
left.fill_between(grid, mean - 1.96 * std, mean + 1.96 * std, color="#0072B2", alpha=0.15, lw=0, label="95 % of points")
left.fill_between(
    grid, mean - 1.96 * inner, mean + 1.96 * inner, color="#0072B2", alpha=0.3, lw=0, label="95 % of curves"
)
left.plot(grid, truth(grid), color="#444444", linestyle="--", linewidth=1.2, label="truth")
left.plot(grid, mean, color="#0072B2", linewidth=2, label="prediction")
left.plot(x, y, ".", color="#D55E00", markersize=6, label="data")
left.set(xlabel="x", ylabel="y", ylim=(-3.5, 4.5), xlim=(-3.5, 3.5))
left.legend(loc="upper left", ncols=2, fontsize="small")
for (name, P), colour in zip(found.items(), ("#D55E00", "#0072B2"), strict=True):
    CalibrationDisplay.from_predictions(
        y_test, P, n_bins=10, strategy="quantile", name=name, ax=right, color=colour, marker="o"
    )
right.set(xlabel="predicted probability", ylabel="frequency in the test part")
for panel in (left, right):
    panel.grid(color="#DDDDDD", linewidth=0.6)
    panel.set_axisbelow(True)

path = sys.argv[1] if len(sys.argv) > 1 else "plot_posterior.png"
figure.savefig(path, dpi=150)
print(f"picture saved as {path}, {time.perf_counter() - started:.1f} s in all")
