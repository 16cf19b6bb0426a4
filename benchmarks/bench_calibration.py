"""Probabilities averaged over the posterior against those of the same network alone, on four tables.

What: by table and network, means over the seeds of the log-loss of test rows and of the expected calibration error
(ECE): rows in 15 bins of equal width by the probability of the most probable class, and the mean over rows of the
distance between a bin's mean probability and its share of right labels (Guo, Pleiss, Sun and Weinberger 2017). Also for
how many seeds the averaged log-loss is no higher, the temperature, and the seconds of the fit without and with the
posterior.

How: `CurvatureMLPClassifier` with and without `posterior="laplace"`, the same network, float64. Networks: the default
(kfac, 100 relu units, alpha=1e-4), kfac with 50 tanh units and alpha 1e-4 and 1, and lm-newton with 10 tanh units.
Three seeds of split, weights and batches; 20 % of the rows are the test part, all others go to fit, of adult 5000. The
encoding is that of bench_tables.

Targets, for each network: the averaged log-loss at most the plain one on every table, in the mean over the seeds; the
ECE in the mean over tables at least 30 % lower.
"""

import math
import time
from typing import NamedTuple

from _common import alone, show
from _tables import options, table

ROWS = {"german_credit": math.inf, "satimage": math.inf, "spambase": math.inf, "adult": 5000}
NETWORKS = {
    "default": {},
    "tanh": {"hidden_layer_sizes": (50,), "activation": "tanh"},
    "tanh, alpha 1": {"hidden_layer_sizes": (50,), "activation": "tanh", "alpha": 1.0},
    "lm-newton": {"hidden_layer_sizes": (10,), "activation": "tanh", "solver": "lm-newton"},
}
SEEDS, BINS, LOWER = 3, 15, 0.7


class Run(NamedTuple):
    """What one fit gave."""

    plain: float
    averaged: float
    ece_plain: float
    ece_averaged: float
    temperature: float
    seconds: float
    with_posterior: float


def log_loss(P, y):
    import numpy as np

    return float(-np.mean(np.log(np.maximum(P[np.arange(len(y)), y], np.finfo(float).tiny))))


def calibration_error(P, y):
    """The expected calibration error of the most probable class."""
    import numpy as np

    confidence, right = P.max(axis=1), P.argmax(axis=1) == y
    bins = np.minimum((BINS * confidence).astype(int), BINS - 1)
    return float(np.abs(np.bincount(bins, right - confidence, BINS)).sum() / len(y))


def run(folder, name, network, seed):
    import warnings

    from skcurv import CurvatureMLPClassifier

    warnings.simplefilter("ignore")  # a fit that uses up its epochs is judged by what it predicts
    data = table(folder, name, ROWS[name], seed)
    X, X_test = data.X.astype(float), data.X_test.astype(float)
    found, seconds = [], []
    for posterior in (None, "laplace"):
        began = time.perf_counter()
        fit = CurvatureMLPClassifier(**NETWORKS[network], posterior=posterior, random_state=seed).fit(X, data.y)
        seconds.append(time.perf_counter() - began)
        found.append(fit.predict_proba(X_test))
    losses, errors = ([measure(P, data.y_test) for P in found] for measure in (log_loss, calibration_error))
    return Run(*losses, *errors, fit.posterior_.temperature, *seconds)


def means(runs):
    return Run(*(sum(column) / len(runs) for column in zip(*runs, strict=True)))


def main():
    chosen = options(
        __doc__,
        "tabular",
        tables={"nargs": "*", "default": list(ROWS), "choices": list(ROWS)},
        networks={"nargs": "*", "default": list(NETWORKS), "choices": list(NETWORKS)},
    )
    seeds, rows, verdicts = 1 if chosen.quick else SEEDS, [], []
    for network in chosen.networks:
        tables = []
        for name in chosen.tables:
            runs = [alone(run, chosen.data, name, network, seed) for seed in range(seeds)]
            mean, held = means(runs), sum(one.averaged <= one.plain for one in runs)
            tables.append(mean)
            rows.append(
                [network, name, *mean, f"{held} of {seeds}", "met" if mean.averaged <= mean.plain else "MISSED"]
            )
            print(", ".join(f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in rows[-1]), flush=True)
        mean = means(tables)
        ratio = mean.ece_averaged / mean.ece_plain
        verdicts.append(f"{network}: {100 * (1 - ratio):.0f} % lower ({'met' if ratio <= LOWER else 'MISSED'})")
    header = ["network", "table", *(field.replace("_", " ") for field in Run._fields), "no higher", "log-loss"]
    show("Averaged and plain probabilities, means over the seeds", header, rows)
    print("ECE in the mean over the tables:", "; ".join(verdicts))


if __name__ == "__main__":
    main()
