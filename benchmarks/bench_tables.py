"""kfac as it is against adam with a grid of rates, on tables: test loss, and seconds to adam's best validation loss.

What: ten tables, 256-256 relu units, float32, two threads. Test loss is the log-loss, or half the squared error of
standardised targets. kfac has its default parameters and batches; adam has batches of 256 and the rates 3e-4, 1e-3,
3e-3 and 1e-2, of which the one with the lowest validation loss counts, for the test loss and for the time (the other
three fits cost it nothing).

How: a fixed test part of 20 %; of the rest at most 20,000 rows, drawn once (`--rows`), go to `fit`, which holds out
15 % of them as validation part and returns the best point on it (early_stopping, patience 10 epochs, tol=0, at most 200
epochs). Three seeds of weights, batches and validation part, the same for all fits of a seed. Numbers: median for
missing ones, standardised, smooth-clipped by x / sqrt(1 + (x / 3)^2); strings one-hot; the encoding is learnt from the
rows given to fit. kfac and adam each live in a process of their own and take turns; a fit of few rows before each
compiles and wakes everything up. Seconds are those of `history_`, of fit alone, validation included.

The time of adam is that to its best validation loss; kfac's that to the first epoch that is as good. A fit of kfac that
never gets there has inf seconds; in the geometric mean it counts as a ratio of 10, and the mean over those that get
there is printed beside it.

Targets: kfac has the lower test loss (mean over the seeds) on at least two thirds of the sets; geometric mean of the
time ratios over sets and seeds at most 1.25. A line a fit goes to stderr, and with `--out` a JSON line to a file.
"""

import json
import math
import statistics
import sys
import time
from pathlib import Path

from _common import PAUSE, judged, show, workers
from _tables import TABLES, options, table

RATES = (3e-4, 1e-3, 3e-3, 1e-2)
NEVER = 10.0  # what a fit that never gets there counts in the geometric mean
SHARE, RATIO = 2 / 3, 1.25


def fit(name, seed, solver, parameters, folder, rows, epochs):
    """What one fit did, in JSON's types."""
    import warnings

    import numpy as np
    from sklearn.exceptions import ConvergenceWarning

    from skcurv import CurvatureMLPClassifier, CurvatureMLPRegressor
    from skcurv.solvers import KFAC, Adam

    data = table(folder, name, rows)
    model = {"classification": CurvatureMLPClassifier, "regression": CurvatureMLPRegressor}[data.task](
        (256, 256),
        solver={"kfac": KFAC, "adam": Adam}[solver](**parameters),
        batch_size=256 if solver == "adam" else "auto",
        max_iter=1,
        tol=0,
        early_stopping=True,
        validation_fraction=0.15,
        n_iter_no_change=10,
        scoring="loss",
        random_state=seed,
    )
    few = slice(min(600, len(data.y)))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        model.fit(data.X[few], data.y[few])  # compiled, awake
        model.set_params(max_iter=epochs).fit(data.X, data.y)
    curve = -model.history_["validation_score"]
    if data.task == "classification":
        logs = model.predict_log_proba(data.X_test)
        test = -logs[np.arange(len(logs)), np.searchsorted(model.classes_, data.y_test)].mean(dtype=np.float64)
    else:
        test = 0.5 * ((model.predict(data.X_test) - data.y_test) ** 2).mean(dtype=np.float64)
    return {
        "set": name,
        "seed": seed,
        "solver": solver,
        "parameters": parameters,
        "test": float(test),
        "validation": curve.tolist(),
        "seconds": model.history_["seconds"].tolist(),
    }


def best(run):
    """The lowest validation loss of a run and its seconds."""
    points = zip(run["validation"], run["seconds"], strict=True)
    return min((point for point in points if not math.isnan(point[0])), default=(math.inf, math.inf))


def seconds_to(run, level):
    return next((s for loss, s in zip(run["validation"], run["seconds"], strict=True) if loss <= level), math.inf)


def told(run, out):
    """The run, after a line to stderr and to the file `out`."""
    (loss, seconds), parameters = best(run), run["parameters"]
    print(
        f"{run['set']} {run['seed']} {run['solver']} {parameters or ''}: test {run['test']:.4f}, validation {loss:.4f} "
        f"after {seconds:.1f} s, {len(run['seconds'])} epochs in {run['seconds'][-1]:.1f} s",
        file=sys.stderr,
    )
    if out:
        with out.open("a") as lines:
            print(json.dumps(run), file=lines)
    return run


def compared(adams, kfac):
    """(adam's test loss, kfac's, adam's seconds, kfac's, their ratio) of one set and seed."""
    adam = min(adams, key=best)
    level, slow = best(adam)
    fast = seconds_to(kfac, level)
    return adam["test"], kfac["test"], slow, fast, fast / slow


def summary(results):
    """Print a row a set and the verdicts; results: set -> list of `compared`, one a seed."""
    rows = [[name, *map(statistics.mean, list(zip(*seeds, strict=True))[:4])] for name, seeds in results.items()]
    for row, seeds in zip(rows, results.values(), strict=True):
        row += ["kfac" if row[2] < row[1] else "adam", " ".join(f"{seed[4]:.2f}" for seed in seeds)]
    header = ["set", "adam test", "kfac test", "adam s", "kfac s", "lower", "kfac / adam s, by seed"]
    show("Means over the seeds", header, rows)
    wins = sum(row[5] == "kfac" for row in rows)
    ratios = [seed[4] for seeds in results.values() for seed in seeds]
    there = [ratio for ratio in ratios if math.isfinite(ratio)]
    mean = statistics.geometric_mean(ratio if math.isfinite(ratio) else NEVER for ratio in ratios)
    print(
        f"\nSets with the lower test loss by kfac: {wins} of {len(rows)}: {judged(wins / len(rows), SHARE, least=True)}"
    )
    print(f"Geometric mean of the ratios of seconds, {NEVER:g} for never: {judged(mean, RATIO)}")
    among = f": {statistics.geometric_mean(there):.2f}" if there else ""
    print(f"Among the {len(there)} of {len(ratios)} fits of kfac that get there{among}")


def main():
    chosen = options(
        __doc__,
        "tabular",
        sets={"nargs": "+", "choices": TABLES, "default": list(TABLES), "help": "names; all by default"},
        seeds={"type": int, "help": "how many: 3 by default, 1 with --quick"},
        rows={"type": int, "help": "most rows given to fit: 20000 by default, 3000 with --quick"},
        solver_params={"type": json.loads, "default": {}, "help": "parameters of kfac in JSON, for experiments"},
        out={"type": Path, "help": "file that gets a JSON line a fit"},
    )
    seeds, rows, epochs = (1, 3000, 30) if chosen.quick else (3, 20_000, 200)
    seeds, rows, results = chosen.seeds or seeds, chosen.rows or rows, {}
    plan = [("kfac", chosen.solver_params), *(("adam", {"learning_rate": rate}) for rate in RATES)]
    with workers(("kfac", "adam")) as processes:
        for name, seed in ((name, seed) for name in chosen.sets for seed in range(seeds)):
            runs = []
            for solver, parameters in plan:
                time.sleep(PAUSE)
                run = processes[solver](fit, name, seed, solver, parameters, chosen.data, rows, epochs)
                runs.append(told(run, chosen.out))
            results.setdefault(name, []).append(compared(runs[1:], runs[0]))
    summary(results)


if __name__ == "__main__":
    main()
