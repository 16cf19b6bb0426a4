"""Five restarts by the evidence averaged, against one of them, on four standard tables of regression.

What: by table, over its splits, the mean test RMSE and mean log-likelihood of a test row (in the target's units) of a
single restart, and of the average of those near the best evidence; the share of test rows in the average's 90 %
intervals; how many restarts were near.

How: `EvidenceAveragingRegressor` with its default window around the network of `bench_evidence.py`, whose splits these
are. The log-likelihood of the average is that of the mixture of normal distributions.

Targets: an RMSE lower by 5 % and more on three tables; a log-likelihood that is not lower on any.
"""

from typing import NamedTuple

from _common import alone, show
from _tables import options
from bench_evidence import FOLDER, UNITS, split

TABLES = ("yacht", "energy", "concrete", "wine-quality-red")
SPLITS, RESTARTS, LEAST = 3, 5, 0.05


class Run(NamedTuple):
    """What one split gave."""

    single_rmse: float
    rmse: float
    single_density: float
    density: float
    coverage: float
    kept: int


def run(folder, name, number):
    import warnings

    import numpy as np
    from scipy.special import logsumexp

    from skcurv import CurvatureMLPRegressor, EvidenceAveragingRegressor
    from skcurv.posterior import mixture

    warnings.simplefilter("ignore")  # a fit that uses up its steps is judged by what it predicts
    X, y, X_test, y_test = split(folder, name, number)
    one = CurvatureMLPRegressor((UNITS,), "tanh", solver="lm-newton", alpha="evidence", posterior="laplace")
    average = EvidenceAveragingRegressor(one, n_restarts=RESTARTS, random_state=number)
    window = average.window * len(y)
    average.set_params(window=np.inf).fit(X, y)
    means, stds = np.stack([fit.predict(X_test, return_std=True) for fit in average.estimators_], axis=1)
    densities = -0.5 * np.log(2 * np.pi * stds**2) - 0.5 * ((y_test - means) / stds) ** 2
    single = np.sqrt(np.mean((y_test - means) ** 2, axis=1)).mean(), densities.mean()

    near = average.log_evidences_ >= average.log_evidences_.max() - window
    rmse = np.sqrt(np.mean((y_test - means[near].mean(axis=0)) ** 2))
    density = np.mean(logsumexp(densities[near], axis=0) - np.log(near.sum()))
    low, high = mixture.quantiles(means[near], stds[near], np.array([0.05, 0.95])).T
    covered = np.mean((low <= y_test) & (y_test <= high))
    return Run(*map(float, (single[0], rmse, single[1], density, covered)), int(near.sum()))


def main():
    chosen = options(
        __doc__,
        FOLDER,
        tables={"nargs": "*", "default": list(TABLES), "choices": list(TABLES)},
        splits={"type": int, "default": SPLITS, "help": "run the first splits of each table, 3 by default"},
    )
    rows, gains, lower = [], 0, []
    for name in chosen.tables:
        runs = []
        for one in range(1 if chosen.quick else chosen.splits):
            runs.append(alone(run, chosen.data, name, one))
            print(
                f"{name}, split {one}: " + ", ".join(f"{k} {v:.4g}" for k, v in runs[-1]._asdict().items()), flush=True
            )
        means = Run(*(sum(column) / len(runs) for column in zip(*runs, strict=True)))
        ratio = means.rmse / means.single_rmse
        gains += ratio <= 1 - LEAST
        lower += [name] if means.density < means.single_density else []
        rmses = f"{means.single_rmse:.3g}", f"{means.rmse:.3g} ({100 * (ratio - 1):+.1f} %)"
        rest = f"{means.single_density:.3g}", f"{means.density:.3g}", f"{means.coverage:.3f}", f"{means.kept:.1f}"
        rows.append([name, len(runs), *rmses, *rest])
    header = ["table", "splits", "RMSE of one", "of the average", "log-likelihood of one", "of the average"]
    show("Restarts averaged, means over the splits", [*header, "coverage", "restarts near"], rows)
    print(f"tables with an RMSE lower by {100 * LEAST:g} %: {gains} ({'met' if gains >= 3 else 'MISSED'})")
    print(f"tables with a lower log-likelihood: {', '.join(lower) or 'none'} ({'MISSED' if lower else 'met'})")


if __name__ == "__main__":
    main()
