"""lm-newton against SciPy's least_squares on the problems of Moré, Garbow & Hillstrom (1981).

What: how many of 123 cases end at a published minimum: all 35 problems, some in several sizes (41), from 1, 10 and 100
times the standard start (where that is 0, from all 10 and all 100, as in MINPACK). Residuals and exact Jacobians come
from `tests/problems`, whose tests hold them to the published minima.

How: `skcurv.minimize` with its default solver; `least_squares` with lm, whose default is to scale by the Jacobian, with
lm and x_scale=1, trf and dogbox, with ftol = xtol = gtol = 1e-12, so that none stops short. Each may evaluate the
residuals 2000 times. An end counts when |r|^2 is within 1e-4 of a published minimum (they have six digits), or below
1e-12 where that is 0. "g" is the least published minimum, "l" another one, "." none. A run that raises an error, as
SciPy does where the residuals at the start overflow, ends nowhere. The best of three runs counts, since lm of SciPy
1.17 now and then stops after a few evaluations on a problem that it solves the next time; evaluations and seconds are
of that run, without the imports.

Target: lm-newton ends at a published minimum at least as often as each of SciPy's methods.
"""

import sys
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

from _common import alone, judged, options, show

FACTORS = (1, 10, 100)
BUDGET = 2000  # evaluations of the residuals
TIGHT = 1e-12
ROUNDS = 3


class Run(NamedTuple):
    """Number of the minimum reached or None, evaluations of r and of J, seconds."""

    minimum: int | None
    residuals: int
    jacobians: int
    seconds: float


class Spent(Exception):  # noqa: N818 - no error
    """The budget is used up."""


class Counted:
    """The residuals and the Jacobian of a problem, counted; remembers the lowest |r|^2."""

    def __init__(self, problem):
        self.problem, self.residuals, self.jacobians, self.lowest = problem, 0, 0, float("inf")

    def r(self, x):
        if self.residuals == BUDGET:
            raise Spent
        self.residuals += 1
        r = self.problem.r(x)
        value = float(r @ r)
        self.lowest = min(self.lowest, value if value == value else self.lowest)
        return r

    def J(self, x):
        self.jacobians += 1
        return self.problem.J(x)


def lm_newton(f, x):
    from skcurv import minimize

    return minimize(f.r, x, jac=f.J, max_iter=BUDGET).x


def _scipy(f, x, method, scale):
    from scipy.optimize import least_squares

    tolerances = {"xtol": TIGHT, "ftol": TIGHT, "gtol": TIGHT}
    return least_squares(f.r, x, f.J, method=method, x_scale=scale, max_nfev=BUDGET, **tolerances).x


METHODS = {
    "lm-newton": lm_newton,
    "lm": partial(_scipy, method="lm", scale="jac"),
    "lm, x_scale=1": partial(_scipy, method="lm", scale=1.0),
    "trf": partial(_scipy, method="trf", scale=1.0),
    "dogbox": partial(_scipy, method="dogbox", scale=1.0),
}


def _run(method, problem, factor):
    import numpy as np

    f, x = Counted(problem), problem.start(factor)
    began = time.perf_counter()
    try:
        with np.errstate(all="ignore"):
            value = problem.value(method(f, x))
    except Spent:
        value = f.lowest
    except (ValueError, np.linalg.LinAlgError):
        value = np.inf
    return Run(problem.reached(value), f.residuals, f.jacobians, time.perf_counter() - began)


def _best(method, problem, factor):
    worst = len(problem.minima)
    several = [_run(method, problem, factor) for _ in range(ROUNDS)]
    return min(several, key=lambda run: worst if run.minimum is None else run.minimum)


def runs(name, factors):
    """{problem: (n, m, a Run for each factor)} of a method."""
    import warnings

    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from tests.problems.more_garbow_hillstrom import PROBLEMS

    warnings.simplefilter("ignore")
    method = METHODS[name]
    _run(method, PROBLEMS["Rosenbrock"], 1)  # awake
    found = {}
    for problem in PROBLEMS.values():
        m, n = problem.J(problem.start()).shape
        found[problem.name] = (n, m, [_best(method, problem, factor) for factor in factors])
    return found


def _outcomes(results):
    return " ".join("." if run.minimum is None else "gl"[run.minimum] for run in results)


def _evaluations(results):
    return " ".join(str(run.residuals) for run in results)


def main():
    chosen = options(__doc__)
    factors = FACTORS[:1] if chosen.quick else FACTORS
    found = {name: alone(runs, name, factors) for name in METHODS}
    problems = next(iter(found.values()))
    for title, entry in (("Minimum reached", _outcomes), ("Evaluations of the residuals", _evaluations)):
        rows = [
            [problem, n, m, *(entry(found[name][problem][2]) for name in found)]
            for problem, (n, m, _) in problems.items()
        ]
        show(f"{title}, from {factors} times the start", ["problem", "n", "m", *found], rows)
    rows, counts = [], {}
    for name, table in found.items():
        every = [run for *_, results in table.values() for run in results]
        minima = [run.minimum for run in every if run.minimum is not None]
        counts[name] = len(minima)
        sums = [sum(getattr(run, what) for run in every) for what in ("residuals", "jacobians", "seconds")]
        rows.append([name, len(every), len(minima), minima.count(0), *sums])
    show("In all", ["method", "cases", "at a minimum", "at the least", "r", "J", "seconds"], rows)
    ours = counts.pop("lm-newton")
    for name, theirs in counts.items():
        print(f"lm-newton, cases at a minimum, {name} {theirs}: {judged(ours, theirs, least=True)}")


if __name__ == "__main__":
    main()
