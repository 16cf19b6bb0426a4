"""Digits of parameters and standard errors on NIST's problems of nonlinear least squares.

What: on 13 problems of the Statistical Reference Datasets, from both starts, the log relative error
-log10(|estimate - certified| / |certified|) of the worst parameter and of the worst standard error, at most 11, the
digits that are certified; 0 where a fit fails. "lost" counts runs with fewer digits than the targets ask for.

How: `CurvatureRegressor` with default settings and differences; `scipy.optimize.curve_fit` with lm and with trf, and
lmfit (left out when it is not installed), with their defaults. Nobody is given a derivative, a bound or a scale. All
fits are made in one process; each time is the least of three.

Targets: on all 26 runs at least 6 digits of every parameter and 4 of every standard error.
"""

import json
import math
import time
from functools import partial, wraps
from importlib.util import find_spec
from typing import NamedTuple

from _common import alone, judged, show
from _tables import options

FOLDER = "nist_strd"
CERTIFIED = 11  # digits
TARGETS = (6, 4)  # digits of parameters, of standard errors
ROUNDS = 3


class Run(NamedTuple):
    """Digits of the worst parameter and of the worst standard error; seconds; evaluations of the model."""

    parameters: float
    errors: float
    seconds: float
    evaluations: int


def skcurv(f, x, y, start):
    from skcurv import CurvatureRegressor

    def model(X, theta):
        return f(*X.T, *theta)

    fitted = CurvatureRegressor(model, list(start.values())).fit(x.T, y)
    return fitted.params_["theta"], fitted.stderr_["theta"]


def curve_fit(f, x, y, start, method):
    import numpy as np
    import scipy.optimize

    found, cov = scipy.optimize.curve_fit(lambda x, *b: f(*x, *b), x, y, list(start.values()), method=method)
    return found, np.sqrt(np.diag(cov))


def lmfit(f, x, y, start):
    from inspect import signature

    from lmfit import Model

    predictors = [name for name in signature(f).parameters if name not in start]
    fit = Model(f, predictors).fit(y, **dict(zip(predictors, x, strict=True)), **start)
    found = [fit.params[name] for name in start]
    return [b.value for b in found], [b.stderr for b in found]


METHODS = {
    "skcurv": skcurv,
    "curve_fit lm": partial(curve_fit, method="lm"),
    "curve_fit trf": partial(curve_fit, method="trf"),
    **({"lmfit": lmfit} if find_spec("lmfit") else {}),
}


def digits(found, certified):
    """The log relative error of the worst number."""
    return min(_digits(a, b) for a, b in zip(found, certified, strict=True))


def _digits(a, b):
    if a is None or not math.isfinite(a):
        return 0.0
    off = abs(a - b) / abs(b)
    return min(CERTIFIED, max(0.0, -math.log10(off))) if off else CERTIFIED


def _run(method, problem, start):
    """A fit, three times."""
    import numpy as np

    start = {f"b{j + 1}": value for j, value in enumerate(problem[start])}
    x = np.atleast_2d(np.transpose(problem["x"]))
    y = eval(problem["response"], {"log": np.log, "y": np.array(problem["y"])})
    formula = eval(f"lambda {', '.join([*problem['predictors'], *start])}: {problem['expr']}", {"np": np})
    calls, seconds = 0, []

    @wraps(formula)  # for its names
    def f(*args, **kwargs):
        nonlocal calls
        calls += 1
        return formula(*args, **kwargs)

    for _ in range(ROUNDS):
        calls, began = 0, time.perf_counter()
        try:
            with np.errstate(all="ignore"):
                found, errors = method(f, x, y, start)
        except (RuntimeError, ValueError):  # curve_fit and lmfit
            found = errors = [math.nan] * len(start)
        seconds.append(time.perf_counter() - began)
    return Run(digits(found, problem["certified"]), digits(errors, problem["std_err"]), min(seconds), calls)


def runs(path):
    """{(problem, start): {method: Run}}, methods in turn."""
    import warnings

    problems = json.loads(path.read_text())
    warnings.simplefilter("ignore")
    return {
        (name, start): {key: _run(method, problem, start) for key, method in METHODS.items()}
        for name, problem in problems.items()
        for start in ("start1", "start2")
    }


def main():
    chosen = options(__doc__, FOLDER)
    found = alone(runs, chosen.data / FOLDER / "nist_strd.json")
    for title, what in (("Digits of the worst parameter", "parameters"), ("... of the worst standard error", "errors")):
        rows = [[*case, *(f"{getattr(run, what):.1f}" for run in by.values())] for case, by in found.items()]
        show(title, ["problem", "start", *METHODS], rows)
    rows = []
    for key in METHODS:
        every = [by[key] for by in found.values()]
        least = [min(run.parameters for run in every), min(run.errors for run in every)]
        lost = sum((run.parameters, run.errors) < TARGETS or run.errors < TARGETS[1] for run in every)
        rows.append([key, *least, lost, sum(run.evaluations for run in every), sum(run.seconds for run in every)])
    show("In all", ["method", "least parameters", "least errors", "lost", "evaluations", "seconds"], rows)
    ours = rows[0]
    for what, figure, target in zip(("parameters", "standard errors"), ours[1:3], TARGETS, strict=True):
        print(f"skcurv, least digits of {what}: {judged(figure, target, least=True)}")


if __name__ == "__main__":
    main()
