"""
A model function with its errors
================================

The rate of an enzyme's reaction rises with the concentration of its substrate and levels off (Michaelis and Menten,
1913). Few measurements that end before it has levelled off leave the two parameters uncertain, in a lopsided way that
standard errors cannot say and profiles can. This example fits the curve, with bounds, by the squared error and by
Huber's loss, draws bands for the mean, and compares the two kinds of intervals.

Run it as a script, with the path of the picture as an optional argument.
"""

# %%
# The model and the data
# ----------------------
# ``vmax`` is the rate at saturation, ``K`` the concentration of half that rate. Eighteen simulated measurements, one of
# which is misread in ``misread``.

import sys

import matplotlib.pyplot as plt
import numpy as np
from scipy import stats

from skcurv import CurvatureRegressor
from skcurv.losses import Huber


def rate(X, vmax, K):
    return vmax * X[:, 0] / (K + X[:, 0])


rng = np.random.default_rng(3)
S = np.repeat([0.1, 0.2, 0.4, 0.8, 1.6, 2.4], 3)[:, None]
v = rate(S, 1.0, 1.2) + 0.06 * rng.normal(size=18)
misread = v.copy()
misread[17] -= 0.4
settings = {"start": {"vmax": 0.5, "K": 0.5}, "bounds": {"vmax": (0, None), "K": (0, None)}}

# %%
# Two losses
# ----------
# Huber's loss grows linearly beyond 0.08, 1.345 standard deviations of the noise, at which it is 95 % as efficient as
# the squared error where there are no outliers. Its standard errors are those of the sandwich, which do not take the
# loss for the noise's distribution.

clean = CurvatureRegressor(rate, **settings).fit(S, v)
print(clean.summary())
fits = {
    "squared error": CurvatureRegressor(rate, **settings).fit(S, misread),
    "Huber's loss": CurvatureRegressor(rate, loss=Huber(0.08), **settings).fit(S, misread),
}
for name, fit in fits.items():
    print(f"{name:<14} vmax {fit.params_['vmax']:.2f} ± {fit.stderr_['vmax']:.2f} where the truth is 1")

# %%
# Two kinds of intervals
# ----------------------
# Standard errors take the objective for a parabola. A profile holds ``K`` at one value after the other, with ``vmax``
# free, and ends where the objective has risen by the quantile of Student's t, squared. Of the same data it says that
# ``K`` may well be twice the estimate, and is not near half of it.

K, error = clean.params_["K"], clean.stderr_["K"]
wald, profile = (clean.conf_interval("K", method=method)["K"] for method in ("stderr", "profile"))
for name, (low, high) in {"standard error": wald, "profile": profile}.items():
    print(f"K = {K:.2f}; 95 % by {name}: {low:.2f} to {high:.2f}")

held = np.geomspace(0.55, 3.5, 60)
losses = [CurvatureRegressor(rate, {"vmax": 1.0, "K": c}, fixed=["K"]).fit(S, v).loss_ for c in held]
rise = 2 * len(v) * (np.array(losses) - clean.loss_) / clean.dispersion_

# %%
# The picture
# -----------

figure, (curves, rises) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
grid = np.linspace(0, 5, 200)[:, None]
for (name, fit), colour in zip(fits.items(), ("#D55E00", "#0072B2"), strict=True):
    mean, deviation = fit.predict(grid, return_std=True)
    curves.fill_between(grid[:, 0], mean - 2 * deviation, mean + 2 * deviation, color=colour, alpha=0.15, linewidth=0)
    curves.plot(grid[:, 0], mean, color=colour, label=f"{name} ± 2 std")
curves.plot(grid[:, 0], rate(grid, 1.0, 1.2), color="black", linewidth=1, linestyle=":", label="true curve")
curves.plot(S[:, 0], misread, ".", color="black", markersize=6)
curves.annotate("misread", (S[17, 0], misread[17]), (3.2, 0.2), arrowprops={"arrowstyle": "->"})
curves.set(xlabel="concentration", ylabel="rate", ylim=(0, 1.3), title="one misread value, two losses")
curves.legend(loc="upper left", fontsize=9)

wide = np.linspace(0.3, 2.75, 100)
rises.plot(held, rise, color="#009E73", label="objective, vmax free")
rises.plot(wide, ((wide - K) / error) ** 2, color="#666666", linestyle="--", label="parabola of the standard error")
level = stats.t.ppf(0.975, clean.dof_) ** 2
rises.axhline(level, color="#BBBBBB", linewidth=0.8, zorder=0)
rises.plot(profile, [level, level], "o", color="#009E73", label="ends of the profile interval")
rises.plot(wald, [level, level], "s", color="#666666", label="ends by the standard error")
rises.set(xlabel="K", ylabel="rise of the objective over the noise", ylim=(0, 14))
rises.set_title("95 % for K, without the misread value")
rises.legend(loc="upper center", fontsize=9)

path = sys.argv[1] if len(sys.argv) > 1 else "plot_model_function.png"
figure.savefig(path, dpi=150)
print(f"picture saved as {path}")
