"""
Enzyme kinetics, with errors that the data allow
================================================

The rate of a reaction against the concentration of its substrate, v = vmax S / (K + S) (Michaelis & Menten 1913), from
few noisy measurements, one of them spoilt. Left: the curve with the band of its standard error, by the squared error
and by Huber's loss. Right: how the objective rises when K is held, against what standard errors take for granted. The
profile bends: the data say more about how small K can be than about how large.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy import stats

from skcurv import CurvatureRegressor
from skcurv.losses import Huber


def rate(X, vmax, K):
    return vmax * X[:, 0] / (K + X[:, 0])


rng = np.random.default_rng(3)
S = np.repeat([0.1, 0.2, 0.5, 1.0, 2.0, 4.0], 2)[:, None]
v = rate(S, 1.0, 1.2) + 0.05 * rng.normal(size=12)
spoilt = v.copy()
spoilt[8] -= 0.35
start, bounds = {"vmax": 0.5, "K": 0.5}, {"vmax": (0, None), "K": (0, None)}

clean = CurvatureRegressor(rate, start, bounds=bounds).fit(S, v)
fits = {
    "squared error": CurvatureRegressor(rate, start, bounds=bounds).fit(S, spoilt),
    "Huber's loss": CurvatureRegressor(rate, start, bounds=bounds, loss=Huber(0.08)).fit(S, spoilt),
}
print(clean.summary())

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
grid = np.linspace(0.01, 8, 200)[:, None]
for (name, fit), colour in zip(fits.items(), ("tab:red", "tab:blue"), strict=True):
    mean, error = fit.predict(grid, return_std=True)
    left.plot(grid[:, 0], mean, color=colour, label=name)
    left.fill_between(grid[:, 0], mean - 2 * error, mean + 2 * error, color=colour, alpha=0.15, linewidth=0)
left.plot(grid[:, 0], rate(grid, 1.0, 1.2), "k:", label="truth")
left.plot(S[:, 0], spoilt, "k.", markersize=7)
left.annotate("spoilt", (S[8, 0], spoilt[8]), (2.6, 0.2), arrowprops={"arrowstyle": "->"})
left.set(xlabel="concentration", ylabel="rate", ylim=(0, 1.4), title="band: two standard errors")
left.legend(loc="upper left")

K, error = clean.params_["K"], clean.stderr_["K"]
held = np.linspace(K - 2.5 * error, K + 4 * error, 40)
losses = [CurvatureRegressor(rate, {"vmax": 1.0, "K": c}, fixed=["K"]).fit(S, v).loss_ for c in held]
rise = 2 * 12 * (np.array(losses) - clean.loss_) / clean.dispersion_
right.plot(held, rise, color="tab:blue", label="objective, vmax free")
right.plot(held, ((held - K) / error) ** 2, "k--", label="parabola of the standard error")
right.axhline(stats.t.ppf(0.975, clean.dof_) ** 2, color="grey", linewidth=0.8)
for end in clean.conf_interval("K")["K"]:
    right.axvline(end, color="tab:blue", linewidth=0.8, linestyle=":")
right.set(xlabel="K", ylabel="rise of the objective / noise", ylim=(0, 14), title="95 % intervals end at the grey line")
right.legend(loc="upper center")
figure.savefig("plot_model_function.png", dpi=120)
plt.show()
