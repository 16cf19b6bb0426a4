"""One step of kfac and of its form "ekfac" against one step of sgd, and where its time goes.

What: milliseconds a step, 20 features, hidden (256, 256, 256), relu, 5 classes, batches of 1024, two threads, float32
and float64, solvers as they are by name.

How: each solver in its own process (sgd's kernel and array code use two BLAS pools), blocks alternate, medians.
A block is two calls of the user's `fit`, of 1 and of 21 epochs of 20 steps; a step is their difference by 400, so that
all periodic work (inverses, tests of the step) is in it at its share, and validation and the first steps are not.

The profile is another fit of the same length in a further process, with timers around the functions of
`skcurv.solvers` that make up a step; work is booked where it is first asked for, a forward pass inside the test of a
step under "test". "rest" is the loop, the objects of a step, the update of the parameters and the tests for finite
numbers; it has the validation of one fit in it too. The evaluations at both ends are left out.

Targets in float32: kfac / sgd at most 1.5 (later 1.25), ekfac / sgd at most 1.8.
"""

import time
from collections import defaultdict
from functools import cache, partial

from _common import alone, alternate, judged, medians, options, show, table, workers

BATCH, STEPS = 1024, 20  # rows of a batch, steps of an epoch
TARGETS = {"float32": (1.5, 1.8), "float64": (None, None)}
SOLVERS = ("sgd", "kfac", "ekfac")
PARTS = ("batch", "gradient", "statistics", "inverses", "preconditioning", "model", "test", "rest")


@cache
def problem(dtype):
    import numpy as np

    return table(BATCH * STEPS, 20, 5, np.dtype(dtype))


def fitted_seconds(solver, dtype, epochs):
    from skcurv import CurvatureMLPClassifier
    from skcurv.solvers import KFAC

    X, y = problem(dtype)
    model = CurvatureMLPClassifier(
        (256, 256, 256),
        solver=KFAC(structure="ekfac") if solver == "ekfac" else solver,
        batch_size=BATCH,
        max_iter=epochs,
        tol=0,
        n_iter_no_change=10**9,
        random_state=0,
    )
    began = time.perf_counter()
    model.fit(X, y)
    return time.perf_counter() - began


def block(solver, dtype, epochs):
    """Milliseconds a step."""
    fitted_seconds(solver, dtype, 1)  # compiled, awake
    short, long = (fitted_seconds(solver, dtype, n) for n in (1, 1 + epochs))
    return 1e3 * (long - short) / (epochs * STEPS)


class Clock:
    """Seconds by part; what runs inside a part belongs to it."""

    def __init__(self):
        self.seconds, self.busy = defaultdict(float), False

    def timed(self, function, part):
        def wrapped(*args):
            if self.busy:
                return function(*args)
            self.busy, began = True, time.perf_counter()
            try:
                return function(*args)
            finally:
                self.busy = False
                self.seconds[part] += time.perf_counter() - began

        return wrapped

    def watch(self, owner, name, part):
        """Replace a function, method or property of a module or class by a timed one."""
        there = getattr(owner, name)
        timed = property(self.timed(there.fget, part)) if isinstance(there, property) else self.timed(there, part)
        setattr(owner, name, timed)


def profile(solver, dtype, epochs):
    """Milliseconds a step by part; the functions stay wrapped: for a process of its own."""
    from skcurv.data import Data
    from skcurv.linalg import EKFAC, Kronecker
    from skcurv.objective import Objective, Point
    from skcurv.solvers import forms, preconditioned, proposal

    fitted_seconds(solver, dtype, 1)
    clock = Clock()
    for owner, name, part in (
        *((Point, name, "gradient") for name in ("tape", "value", "grad")),
        (preconditioned, "averaged", "statistics"),
        *((form, name, "inverses") for form in (forms.Factored, forms.Corrected) for name in ("renew", "invert")),
        (Kronecker, "mv", "preconditioning"),
        (EKFAC, "mv", "preconditioning"),
        (proposal.Images, "__init__", "model"),
        (proposal.Images, "slopes_and_gram", "model"),
        (proposal, "_needed", "model"),
        (preconditioned, "_judge", "test"),
        (Objective, "value", "ends"),
    ):
        clock.watch(owner, name, part)
    batches = Data.batches

    def timed_batches(self, *args):
        following = clock.timed(batches(self, *args).__next__, "batch")
        while True:
            try:
                yield following()
            except StopIteration:
                return

    Data.batches = timed_batches
    total = fitted_seconds(solver, dtype, epochs)
    clock.seconds["rest"] = total - sum(clock.seconds.values())
    return {part: 1e3 * clock.seconds[part] / (epochs * STEPS) for part in PARTS}


def main():
    quick = options(__doc__).quick
    epochs, rounds = (5, 3) if quick else (20, 7)
    rows, profiles = [], []
    with workers(SOLVERS) as processes:
        for dtype, (plain, corrected) in TARGETS.items():
            tasks = {name: partial(run, block, name, dtype, epochs) for name, run in processes.items()}
            ms = medians(alternate(tasks, rounds))
            ratios = (judged(ms[name] / ms["sgd"], target) for name, target in (("kfac", plain), ("ekfac", corrected)))
            rows.append([dtype, *(ms[name] for name in SOLVERS), *ratios])
    show("Milliseconds a step", ["dtype", *SOLVERS, "kfac / sgd", "ekfac / sgd"], rows)
    for dtype in TARGETS:
        for solver in SOLVERS:
            parts = alone(profile, solver, dtype, epochs)
            profiles.append([solver, dtype, *parts.values(), sum(parts.values())])
    show("Milliseconds a step by part", ["solver", "dtype", *PARTS, "sum"], profiles)


if __name__ == "__main__":
    main()
