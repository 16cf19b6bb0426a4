"""
Quantiles, noise and counts
===========================

A loss says what a network predicts: a mean, a median, a band, a mean together with its noise, a rate. This example
fits a network with several losses to a curve whose noise grows and whose outliers lie on one side, and another one to
counts seen for different lengths of time.

Run it as a script, with the path of the picture as an optional argument.
"""

# %%
# A curve with uneven noise
# -------------------------
# 1500 points of a curve, with noise that grows along it. Every twentieth point of ``spoilt`` is shifted upwards.

import sys

import matplotlib.pyplot as plt
import numpy as np

from skcurv import CurvatureMLPRegressor
from skcurv.losses import Quantile

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(0, 1, 1500))
curve, noise = 3 * np.sin(5 * x), 0.1 + 0.9 * x
y = curve + noise * rng.normal(size=x.size)
spoilt = y + np.where(np.arange(x.size) % 20 == 0, rng.uniform(4, 8, x.size), 0)
X = 2 * x[:, None] - 1

# %%
# Four losses
# -----------
# Everything but the loss stays the same. Several levels of one quantile loss never cross. ``return_std=True`` hands
# back the standard deviation that "gaussian_nll" predicts beside the mean.


def fitted(loss, X, y, **data):
    """A network of 49 parameters or a few more, trained by Newton steps."""
    options = {"solver": "lm-newton", "alpha": 0.3, "max_iter": 100, "tol": 0, "random_state": 0}
    return CurvatureMLPRegressor((16,), "tanh", loss=loss, **options).fit(X, y, **data)


mean, median = fitted("squared_error", X, spoilt).predict(X), fitted("absolute_error", X, spoilt).predict(X)
low, middle, high = fitted(Quantile((0.1, 0.5, 0.9)), X, spoilt).predict(X).T
centre, deviation = fitted("gaussian_nll", X, y).predict(X, return_std=True)

for name, predicted in {"squared_error": mean, "absolute_error": median, "quantile": middle}.items():
    print(f"{name:<15} mean distance from the true curve {np.abs(predicted - curve).mean():.3f}")
print(f"gaussian_nll    mean ratio of predicted and true noise {np.mean(deviation / noise):.3f}")
print(f"points between the levels 0.1 and 0.9: {np.mean((low <= spoilt) & (spoilt <= high)):.3f}")

# %%
# Counts with an exposure
# -----------------------
# Events happen at a rate that depends on x, and each row was watched for a time of its own: the mean is time x rate.
# The logarithm of the time is an offset; what the network learns is the rate.

rate = np.exp(1 + np.sin(8 * x))
time = rng.uniform(0.1, 3, x.size)
counts = rng.poisson(time * rate)
rates = fitted("poisson", X, counts, offset=np.log(time))

# %%
# The picture
# -----------

figure, (bands, gaussian, events) = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
for panel, seen in ((bands, spoilt), (gaussian, y)):
    panel.plot(x, seen, ".", color="#BBBBBB", markersize=2)
    panel.plot(x, curve, color="black", linewidth=1, linestyle=":", label="true curve")
    panel.set(xlabel="x", ylabel="y", ylim=(-6, 9))
bands.fill_between(x, low, high, color="#0072B2", alpha=0.2, label="levels 0.1 to 0.9")
bands.plot(x, median, color="#0072B2", label="absolute_error")
bands.plot(x, mean, color="#D55E00", linestyle="--", label="squared_error")
bands.set_title("quantiles stand outliers")
gaussian.fill_between(
    x, centre - 2 * deviation, centre + 2 * deviation, color="#009E73", alpha=0.2, label="mean ± 2 std"
)
gaussian.plot(x, centre, color="#009E73", label="gaussian_nll")
gaussian.set_title("a mean and its noise")
events.plot(x, counts / time, ".", color="#BBBBBB", markersize=2, label="count / time")
events.plot(x, rate, color="black", linewidth=1, linestyle=":", label="true rate")
events.plot(x, rates.predict(X), color="#CC79A7", label="poisson with an offset")
events.set(xlabel="x", ylabel="events per unit of time", ylim=(0, 20), title="a rate from counts")
for panel in (bands, gaussian, events):
    panel.legend(fontsize=8, loc="upper right")

path = sys.argv[1] if len(sys.argv) > 1 else "plot_losses.png"
figure.savefig(path, dpi=150)
print(f"picture saved as {path}")
