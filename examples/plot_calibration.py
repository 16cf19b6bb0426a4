"""
Are the error bars right?
=========================

An interval of 90 % should hold 90 % of new targets, and of rows given a probability of 0.9 nine in ten should be of the
class. Both can be counted on rows that were not in the fit: on the left the coverage of a regressor's intervals at all
levels, on the right the reliability of a classifier's probabilities.

Run it as a script, with the path of the picture as an optional argument.
"""

# %%
# A regressor
# -----------
# 120 rows of ten features, five of which do nothing, to learn from, and 2000 to count on. A first guess at the error of
# a prediction is the deviation of the residuals: too small, for the network has bent itself to these rows.
# ``posterior="laplace"`` estimates the noise with the effective parameters taken off the rows, and adds what the
# parameters leave open; its intervals hold a little more than they should. ``from_predictions`` takes quantiles from
# anywhere, ``from_estimator`` asks for them.

import sys
import time

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm
from sklearn.calibration import CalibrationDisplay
from sklearn.datasets import load_diabetes, make_friedman1
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from skcurv import CurvatureMLPClassifier, CurvatureMLPRegressor
from skcurv.display import CoverageDisplay

started = time.perf_counter()
blue, red = "#0072B2", "#D55E00"
settings = {"activation": "tanh", "solver": "lm-newton", "max_iter": 200, "tol": 0, "random_state": 0}
X, y = make_friedman1(2120, noise=1.0, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(X, y, train_size=120, random_state=0)
reg = CurvatureMLPRegressor((10,), alpha=0.3, posterior="laplace", **settings).fit(X_train, y_train)
q = np.concatenate([np.linspace(0.025, 0.475, 19), np.linspace(0.525, 0.975, 19)])
guess = np.std(y_train - reg.predict(X_train))

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained")
naive = CoverageDisplay.from_predictions(
    y_test, norm.ppf(q, reg.predict(X_test)[:, None], guess), q, name="deviation of the residuals", ax=left, color=red
)
posterior = CoverageDisplay.from_estimator(reg, X_test, y_test, name='posterior="laplace"', ax=left, color=blue)
for name, display in (("residuals", naive), ("posterior", posterior)):
    print(f"{name}: {np.interp(0.9, display.levels, display.coverage):.3f} of the targets in intervals of 90 %")

# %%
# A classifier
# ------------
# Whether diabetes goes on faster than in the median patient, from 200 patients, counted on 242 others. One network is
# far too sure, and its log-loss is above log 2 = 0.693, that of calling every case even. Averaging over the posterior
# mends a part of it. A stronger penalty mends more, and leaves less for the average to do.

X, y = load_diabetes(return_X_y=True)
X, labels = X / X.std(axis=0), (y > np.median(y)).astype(int)
X_train, X_test, y_train, y_test = train_test_split(X, labels, train_size=200, random_state=0)
for alpha in (1.0, 3.0):
    for name, posterior, colour in (("one network", None, red), ('posterior="laplace"', "laplace", blue)):
        clf = CurvatureMLPClassifier((10,), alpha=alpha, posterior=posterior, **settings).fit(X_train, y_train)
        print(f"alpha={alpha}, {name}: log-loss {log_loss(y_test, clf.predict_proba(X_test)):.3f}")
        if alpha == 1.0:
            CalibrationDisplay.from_estimator(
                clf, X_test, y_test, n_bins=6, strategy="quantile", name=name, ax=right, color=colour, marker="o"
            )

# %%
# The picture
# -----------
# The band on the left is where 95 % of the counts of a right model lie.

left.set_title("regressor: intervals")
right.set(title="classifier: probabilities", xlabel="Predicted probability", ylabel="Share of the class")
right.set(xlim=(0, 1), ylim=(0, 1))
for panel in (left, right):
    panel.grid(color="#DDDDDD", linewidth=0.6)
    panel.set_axisbelow(True)

path = sys.argv[1] if len(sys.argv) > 1 else "plot_calibration.png"
figure.savefig(path, dpi=150)
print(f"picture saved as {path}, {time.perf_counter() - started:.1f} s in all")
