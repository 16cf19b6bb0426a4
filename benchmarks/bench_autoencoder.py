"""The MNIST autoencoder: kfac as it is against first-order solvers with a grid of rates.

What: seconds until the training cross-entropy is 63.4: summed over the 784 outputs, mean over the first 10,000 training
images (pixels / 255), penalty left out. Layers 784-250-100-30-100-250-784, tanh with a linear code, float32, a penalty
of l2 = 1e-5 on the weights, two threads. kfac with its default parameters; adam and nesterov of skcurv and PyTorch's
Adam at the rates 3e-4, 1e-3, 3e-3 and 1e-2, batches of 200.

How: one fit each, in processes of their own, one after the other, from the same weights. The clock starts with `fit`
(for PyTorch, with the making of the model) and covers all it does; an untimed fit of few rows before it compiles and
wakes everything up. Every quarter of a second, and later every 2 % of the time, the cross-entropy over all rows is
evaluated while the clock stands still, in the same way for all: no epoch means, no estimates. The fit ends with the
epoch in which `--limit` seconds have passed. PyTorch runs the plain loop: zero_grad, forward,
binary_cross_entropy_with_logits, backward, torch.optim.Adam with weight_decay = l2 on the weights, which is the same
gradient; rows by index_select of a permutation an epoch. The cross-entropies at the start must agree, or the script
fails. The curves are drawn over the logarithm of the seconds.

Target: kfac in at most half the time of the best of the grid; where none of it gets there, in half the time that all of
it had. PyTorch is left out where it is not installed, and the picture where matplotlib is not.
"""

import importlib.util
import math
import os
import sys
import time
from functools import cache
from pathlib import Path

from _common import PAUSE, alone, judged, show
from _tables import Curve, Watched, options

ROWS, L2, LEVEL = 10_000, 1e-5, 63.4
HIDDEN, ACTIVATIONS = (250, 100, 30, 100, 250), ("tanh", "tanh", "identity", "tanh", "tanh")
RATES = (3e-4, 1e-3, 3e-3, 1e-2)
BATCH = 200
AGREEMENT = 1e-4  # relative difference of the cross-entropies at the start, summed in float32 by PyTorch
TARGET = 0.5


@cache
def problem(folder):
    import numpy as np

    with np.load(folder / "mnist.npz", allow_pickle=False) as arrays:
        return arrays["x_train"][:ROWS].reshape(ROWS, -1).astype(np.float32) / 255


def _fitted(solver, X, epochs=10**6):
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    from skcurv import CurvatureMLPRegressor

    model = CurvatureMLPRegressor(
        HIDDEN,
        ACTIVATIONS,
        solver=solver,
        loss="log_loss",
        target_scaling=None,
        alpha=L2 * len(X),
        max_iter=epochs,
        tol=0,
        n_iter_no_change=10**6,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=ConvergenceWarning)  # a rate too high shows in the table
        return model.fit(X, X)


def start(folder):
    """The weights and biases that all fits start from."""
    from skcurv.solvers import SGD

    model = _fitted(SGD(learning_rate=1e-30), problem(folder), 1)  # a rate below rounding: theta stays the first one
    return model.coefs_, model.intercepts_


def skcurv_curve(name, rate, folder, limit):
    from skcurv.solvers import KFAC, Adam, Nesterov

    X = problem(folder)
    solver = KFAC() if name == "kfac" else {"adam": Adam, "nesterov": Nesterov}[name](learning_rate=rate)
    _fitted(solver, X[: 2 * BATCH], 2)  # compiled, awake
    curve = Curve(limit)
    _fitted(Watched(solver, curve), X)
    return curve


def pytorch_curve(rate, folder, limit, coefs, intercepts):
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    torch.manual_seed(0)
    X = torch.from_numpy(problem(folder))

    def fit(X, curve):
        layers = []
        for W, b, activation in zip(coefs, intercepts, (*ACTIVATIONS, "identity"), strict=True):
            linear = torch.nn.Linear(*W.shape)
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(W.T.copy()))
                linear.bias.copy_(torch.from_numpy(b.copy()))
            layers += [linear, torch.nn.Tanh()] if activation == "tanh" else [linear]
        model = torch.nn.Sequential(*layers)
        weights, biases = ([p for p in model.parameters() if p.ndim == ndim] for ndim in (2, 1))
        optimiser = torch.optim.Adam([{"params": weights, "weight_decay": L2}, {"params": biases}], lr=rate)

        @torch.no_grad()
        def loss():
            parts = (binary_cross_entropy_with_logits(model(x), x, reduction="sum").item() for x in X.split(1000))
            return sum(parts) / len(X)

        over = curve.over(loss)
        while not over:
            for rows in torch.randperm(len(X)).split(BATCH):
                batch = X.index_select(0, rows)
                optimiser.zero_grad()
                (binary_cross_entropy_with_logits(model(batch), batch, reduction="sum") / len(batch)).backward()
                optimiser.step()
                over = curve.over(loss) or over
        return curve

    fit(X[: 2 * BATCH], Curve(0.5))  # awake
    return fit(X, Curve(limit))


def measured(folder, limit):
    """(solver, rate) -> Curve."""
    torch = importlib.util.find_spec("torch") is not None
    if not torch:
        print("PyTorch is not installed: left out.")
    first = alone(start, folder)
    curves = {}
    names = ("adam", "nesterov", *(["PyTorch Adam"] if torch else []))
    for name, rate in (("kfac", None), *((name, rate) for rate in RATES for name in names)):
        time.sleep(PAUSE)
        if name == "PyTorch Adam":
            curve = alone(pytorch_curve, rate, folder, limit, *first)
        else:
            curve = alone(skcurv_curve, name, rate, folder, limit)
        curves[name, rate] = curve
        seconds, loss = curve.points[-1]
        print(
            f"{name} {rate or ''}: {curve.seconds_to(LEVEL):.1f} s; {loss:.2f} after {seconds:.0f} s", file=sys.stderr
        )
    starts = [curve.points[0][1] for curve in curves.values()]
    if max(starts) - min(starts) > AGREEMENT * min(starts):
        raise RuntimeError(f"Cross-entropies at the start {starts} differ: these are not the same weights.")
    return curves


def draw(curves, picture):
    """Cross-entropy by seconds, the best rate of each solver in full colour."""
    from matplotlib.figure import Figure

    axes = (figure := Figure(figsize=(8, 5))).subplots()
    solvers = dict.fromkeys(name for name, _ in curves)
    for place, solver in enumerate(solvers):
        runs = {rate: curve.points[1:] for (name, rate), curve in curves.items() if name == solver}
        best = min(runs, key=lambda rate: (curves[solver, rate].seconds_to(LEVEL), curves[solver, rate].least()))
        for rate, points in runs.items():
            label = (solver if rate is None else f"{solver}, rate {rate:g}") if rate == best else None
            axes.plot(*zip(*points, strict=True), color=f"C{place}", alpha=1 if rate == best else 0.25, label=label)
    axes.axhline(LEVEL, color="grey", linewidth=0.8)
    axes.set(xscale="log", ylim=(55, 120), xlabel="seconds", ylabel="training cross-entropy")
    axes.legend()
    figure.savefig(picture, dpi=150)


def main():
    chosen = options(
        __doc__,
        "mnist.npz",
        limit={"type": float, "help": "seconds of a fit, 150 by default, 20 with --quick"},
        picture={"type": Path, "default": Path(__file__).with_name("autoencoder.png"), "help": "file of the curves"},
    )
    curves = measured(chosen.data, chosen.limit or (20.0 if chosen.quick else 150.0))
    seconds = {run: curve.seconds_to(LEVEL) for run, curve in curves.items()}
    rows = [
        [
            name,
            f"{rate:g}" if rate else "-",
            seconds[name, rate],
            curve.least(),
            curve.points[-1][0],
        ]
        for (name, rate), curve in curves.items()
    ]
    show(f"MNIST autoencoder, cross-entropy {LEVEL}", ["solver", "rate", "seconds to it", "least", "seconds"], rows)
    kfac = seconds.pop(("kfac", None))
    best = min(seconds, key=seconds.get)
    there = math.isfinite(seconds[best])
    least = seconds[best] if there else min(curves[run].points[-1][0] for run in seconds)
    ratio = kfac / least if math.isfinite(kfac) else math.inf
    which = f"{best[0]} at {best[1]:g}" if there else f"none got there, which counts as {least:.0f} s"
    print(f"\nkfac / best of the grid ({which}): {judged(ratio, TARGET)}")
    if importlib.util.find_spec("matplotlib") is None:
        print("matplotlib is not installed: no picture.")
    else:
        draw(curves, chosen.picture)


if __name__ == "__main__":
    main()
