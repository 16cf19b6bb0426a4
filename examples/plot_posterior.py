"""
Error bars that widen off the data
==================================

A network of 30 tanh units on 80 points with a gap. The penalty and the noise are found while training by the evidence
(from weak precisions, for strong ones hold this network to a straight line); the posterior of the fit then says how far
its mean can be trusted. Inside the data the band is that of the noise; in the gap and beyond the ends the parameters
are free to move, and it widens.
"""

import matplotlib.pyplot as plt
import numpy as np

from skcurv import CurvatureMLPRegressor
from skcurv.posterior import laplace
from skcurv.solvers import Evidence


def truth(x):
    return np.sin(3 * x) * np.exp(-0.2 * x**2)


rng = np.random.default_rng(1)
x = np.concatenate([rng.uniform(-2.2, -0.4, 40), rng.uniform(0.7, 2.2, 40)])
y = truth(x) + 0.08 * rng.normal(size=80)

reg = CurvatureMLPRegressor((30,), "tanh", solver="lm-newton", alpha=Evidence(start=0.001), random_state=0)
reg.fit(x[:, None], y)
posterior = laplace(reg, x[:, None], y)
grid = np.linspace(-3.2, 3.2, 300)
mean, std = posterior.predictive(grid[:, None])
_, of_mean = posterior.predictive(grid[:, None], noise=False)
print(f"noise {reg.noise_variance_**0.5:.3f} (0.08), {reg.effective_n_parameters_:.1f} of {reg.theta_.size} parameters")

figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
axes.fill_between(grid, mean - 2 * std, mean + 2 * std, color="tab:blue", alpha=0.15, linewidth=0, label="targets")
axes.fill_between(
    grid, mean - 2 * of_mean, mean + 2 * of_mean, color="tab:blue", alpha=0.3, linewidth=0, label="their mean"
)
axes.plot(grid, mean, color="tab:blue", label="prediction")
axes.plot(grid, truth(grid), "k:", label="truth")
axes.plot(x, y, "k.", markersize=4)
axes.set(xlabel="x", ylabel="y", ylim=(-3, 3), title="bands of two standard deviations")
axes.legend(loc="upper center", ncols=4)
figure.savefig("plot_posterior.png", dpi=120)
plt.show()
