"""What the benchmarks of whole fits share: their command line, the data sets and their encoding, a clock on a solver.

The top of this module imports the standard library alone, as in `_common`.
"""

import argparse
import math
import os
import time
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from _common import THREADS

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"  # beside the checkout
SPLIT = 0  # seed of the test part and of the rows kept
TEST = 0.2  # share of the test part
CLIP = 3.0  # standard deviations

TABLES = {  # name: (task, target)
    "adult": ("classification", "income"),
    "german_credit": ("classification", "class"),
    "titanic": ("classification", "Survived"),
    "spambase": ("classification", "y"),
    "satimage": ("classification", "y"),
    "covtype_93k": ("classification", "y"),
    "california": ("regression", "median_house_value"),
    "diamonds": ("regression", "price"),
    "house_16H": ("regression", "y"),
    "cpu_act": ("regression", "y"),
}
LEFT_OUT = {"adult": ["split"], "titanic": ["PassengerId", "Name", "Ticket"]}  # keys and the official split


def options(doc, needs, **more):
    """The command line of `_common.options`, `--data` and more options; ends when the data are not there."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a part of the runs: a try-out, not a measurement")
    parser.add_argument("--threads", type=int, default=2, help="of BLAS and OpenMP; the targets are for 2")
    parser.add_argument("--data", type=Path, default=DATA, help=f"folder of the data sets, by default {DATA}")
    for name, how in more.items():
        parser.add_argument(f"--{name.replace('_', '-')}", **how)
    chosen = parser.parse_args()
    if not (chosen.data / needs).exists():
        raise SystemExit(f"This benchmark needs {needs} in the folder of the data sets, {chosen.data}: pass --data.")
    os.environ.update(dict.fromkeys(THREADS, str(chosen.threads)))
    return chosen


class Curve:
    """Losses by seconds of a run, taken now and then while its clock stands still.

    Parameters
    ----------
    limit : float
        Seconds after which the run is over.
    goal : float
        Loss at which it is over.
    every : float
        Least seconds between two losses; they are also 2 % of the time apart.
    """

    def __init__(self, limit, goal=-math.inf, every=0.25):
        self.limit, self.goal, self.every = limit, goal, every
        self.points, self.due, self.began = [], 0.0, time.perf_counter()

    def over(self, loss):
        """Take in loss() when that is due; whether the run is over."""
        now = time.perf_counter()
        clock = now - self.began
        if clock >= self.due:
            self.points.append((clock, loss()))
            later = max(clock + self.every, 1.02 * clock)
            self.due = min(later, self.limit) if clock < self.limit else math.inf
            self.began += time.perf_counter() - now
        return clock >= self.limit or self.points[-1][1] <= self.goal

    def seconds_to(self, level):
        """Seconds to the first loss at or below a level, inf when there is none."""
        return next((seconds for seconds, loss in self.points if loss <= level), math.inf)

    def least(self):
        """The lowest loss."""
        return min(loss for _, loss in self.points if not math.isnan(loss))


class Watched:
    """A solver for the estimators that keeps a Curve of the loss over all rows, without penalty, and ends its fit.

    The fit ends with the epoch in which the curve is over.
    """

    def __init__(self, solver, curve):
        self.solver, self.curve = solver, curve

    def __getattr__(self, name):
        return getattr(self.solver, name)

    def init(self, here, seed):
        self._over(here)
        return self.solver.init(here, seed)

    def step(self, here, state):
        there, state, report = self.solver.step(here, state)
        return there, state, report._replace(converged=self._over(there) or report.converged)

    def _over(self, here):
        f, theta = here.objective, here.theta
        return self.curve.over(lambda: f.value(theta) - f.penalty(theta))


class Table(NamedTuple):
    """Encoded inputs in float32, and targets: labels, or numbers standardised on the rows given to fit."""

    task: str
    X: Any
    y: Any
    X_test: Any
    y_test: Any


@cache
def table(folder, name, rows, seed=SPLIT):
    """A data set: at most `rows` rows for fit, and a test part that the encoding has not seen."""
    import numpy as np
    from sklearn.model_selection import train_test_split

    task, target = TABLES[name]
    frame = _frame(folder / "tabular", name).drop(columns=LEFT_OUT.get(name, []))
    y = frame.pop(target).to_numpy()
    y = np.unique(y, return_inverse=True)[1] if task == "classification" else y.astype(np.float64)

    def split(X, y, size):
        strata = y if task == "classification" else None
        return train_test_split(X, y, test_size=size, random_state=seed, stratify=strata)

    X, X_test, y, y_test = split(frame, y, TEST)
    if len(y) > rows:
        _, X, _, y = split(X, y, rows)
    if task == "regression":
        mean, deviation = y.mean(), y.std()
        y, y_test = (y - mean) / deviation, (y_test - mean) / deviation
    encode = _encoder(frame).fit(X)
    return Table(task, *(part for pair in ((X, y), (X_test, y_test)) for part in (_float32(encode, pair[0]), pair[1])))


def _float32(encode, X):
    return encode.transform(X).astype("float32")


def _frame(folder, name):
    """A data frame with numbers and strings; missing entries are NaN."""
    import numpy as np
    import pandas as pd

    if (folder / f"{name}.csv.gz").exists():
        frame = pd.read_csv(folder / f"{name}.csv.gz")
        return frame.assign(Cabin=frame["Cabin"].str[:1]) if name == "titanic" else frame  # the deck
    with np.load(folder / f"{name}.npz", allow_pickle=False) as arrays:
        frame = pd.DataFrame(arrays["X"], columns=[f"x{column}" for column in arrays["columns"]])
        codes = {key: arrays[key].astype(str) for key in arrays.files if key not in ("X", "y", "columns")}
        return frame.assign(**codes, y=arrays["y"])


def _encoder(frame):
    """Numbers: median, standard deviation 1, smooth clip; strings: one column a value; missing entries marked."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    numbers = list(frame.select_dtypes("number"))
    strings = [column for column in frame if column not in numbers]
    number = make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True), StandardScaler(), FunctionTransformer(_smooth_clip)
    )
    string = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="missing"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    return ColumnTransformer([("numbers", number, numbers), ("strings", string, strings)])


def _smooth_clip(X):
    """x / sqrt(1 + (x / 3)^2)."""
    return X / (1 + (X / CLIP) ** 2) ** 0.5


def standardised_train_part(folder, name):
    """X, y of the training part of the first split of a set in uci_regression, mean 0 and deviation 1, float64."""
    import numpy as np
    from sklearn.preprocessing import StandardScaler

    with np.load(folder / "uci_regression" / f"{name}.npz", allow_pickle=False) as arrays:
        kept = np.setdiff1d(np.arange(len(arrays["y"])), arrays["test_idx"][0])
        X, y = arrays["X"][kept].astype(np.float64), arrays["y"][kept]
    return StandardScaler().fit_transform(X), (y - y.mean()) / y.std()
