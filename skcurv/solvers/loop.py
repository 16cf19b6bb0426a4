"""The one loop: epochs of batches, stopping, early stopping, the best point, and what happens when a fit fails.

A row's loss is the mean of the epoch's batch objectives, each taken before its step. The full objective is evaluated
at the start and at the end. The end is the last point; with early stopping the best validated one, the start included.
When the run broke down, or ends above its start, the better of the start and of the first parameters of the best epoch
is returned with one warning; a run that goes on is held against the start of the first.
"""

import copy
import math
import time
import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..backend.namespace import finite, namespace, rounding
from .history import History
from .noise import noise_rows
from .protocol import NAN, Report

ROUNDING = 10  # an end above the start by this many roundings is no worse


@dataclass(frozen=True)
class Budget:
    """When to stop.

    Attributes
    ----------
    batch_size : int
        Rows of a batch; those of the first epochs where batches grow to it are `first_batch` times 2, 4, 8, ... Both
        are at least the rows of `noise_rows` at the start then.
    max_iter : int, epochs
    tol : float
    patience : int
        Epochs without an improvement of more than tol, of the loss or of the validation score, that end the run.
    """

    batch_size: int
    max_iter: int
    tol: float
    patience: int
    first_batch: int | None = None

    def rows(self, epoch, least=0):
        """Rows of a batch in an epoch, the first of which is 1; where batches grow, from at least `least` on."""
        if self.first_batch is None:
            return self.batch_size
        first = self.first_batch
        while first < least:
            first = 2 * first
        most = first if least > self.batch_size else self.batch_size
        return min(most, first << min(epoch - 1, 30))


@dataclass(frozen=True)
class Result:
    """Where a run ended.

    Attributes
    ----------
    theta : (p,)
    loss : float, the full objective at theta
    state : the solver's state
    history : History
    last : (p,)
        The iterate to go on from: theta, unless the solver averages its iterates.
    converged : bool
        Whether the loss had settled, rather than the budget been used up or the run broken down.
    """

    theta: Any
    loss: float
    state: Any
    history: History
    last: Any
    converged: bool

    @property
    def resumable(self):
        """What `train` needs to go on."""
        return self.state, self.history, self.last


class _Watch:
    """Keeps the best epoch by loss and the best point by validation score; counts the epochs without improvement."""

    def __init__(self, tol, patience, theta, score):
        self.tol, self.patience = tol, patience
        self.stale, self.least, self.theta = 0, math.inf, theta
        self.top, self.validated = (-math.inf, None) if math.isnan(score) else (score, theta)

    def see(self, first, loss, end, score):
        """Take in an epoch: its first parameters, its loss, where it ended, the score there; True to stop."""
        improved = loss < self.least - self.tol if math.isnan(score) else score > self.top + self.tol
        self.stale = 0 if improved else self.stale + 1
        if loss < self.least:
            self.least, self.theta = loss, first
        if score > self.top:
            self.top, self.validated = score, end + 0
        return self.stale >= self.patience


def train(solver, objective, theta, budget, seed, started, resumed=None, validate=None, tell=None, warn=None):
    """Run a solver.

    Parameters
    ----------
    solver : Solver
    objective : Objective
    theta : (p,)
        The start; it is not changed.
    budget : Budget
    seed : int
        Key of every draw.
    started : float
        `time.perf_counter()` at the start of the fit.
    resumed : (state, History, (p,)), default=None
        A run to go on with: what its Result calls `resumable`; it is not changed.
    validate : callable theta -> score, higher is better, default=None
    tell : callable str -> None, default=None
        Called with one line an epoch.
    warn : callable str -> None, default=None
        Called in place of the warning.

    Returns
    -------
    Result

    Warns
    -----
    ConvergenceWarning
        Once: when the run broke down, ended above its start, or used up `max_iter` with `tol` above 0.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        value = objective.value(theta)
        state, history, first = copy.deepcopy(resumed) if resumed else (None, History(value), theta + 0)
        watch = _Watch(budget.tol, budget.patience, theta + 0, validate(theta) if validate else NAN)
        follow = _Follower(history, watch, started, validate, tell)
        if hasattr(solver, "minimise"):
            ended, *end = _run_whole(solver, objective, first, budget, follow)
        else:
            epochs = _epochs(solver, objective, first, budget, seed, state, history)
            ended, *end = _run(epochs, follow)
        return _finish(
            solver, objective, budget, (theta + 0, value), end, history, watch, ended, warn or convergence_warning
        )


class _Epoch(NamedTuple):
    """One epoch: its number and steps, its first parameters and mean loss, where it ended, the last report.

    `end` is what would be returned, the average or the last iterate, `last` always the iterate.
    """

    number: int
    steps: int
    first: Any
    loss: float
    end: Any
    last: Any
    state: Any
    report: Any


def _epochs(solver, objective, theta, budget, seed, state, history):
    """Take the steps of one epoch after the other; rho is the last that was tested in an epoch."""
    here, done = None, history.last("epoch")
    if budget.first_batch is not None and not done and budget.first_batch < objective.data.n:
        history.noise = noise_rows(objective, theta, seed)
    for epoch in range(done + 1, done + budget.max_iter + 1):
        losses, rows, steps, rho, first = 0.0, 0, 0, NAN, (theta if here is None else here.theta) + 0
        for batch in objective.data.batches(budget.rows(epoch, history.noise), seed, epoch):
            before = objective.point(theta, batch) if here is None else here.on(batch)
            state = solver.init(before, seed) if state is None and epoch == done + 1 and steps == 0 else state
            here, state, report = solver.step(before, state)
            steps += 1
            rho = report.gain_ratio if math.isfinite(report.gain_ratio) else rho
            if not report.trouble:
                losses, rows = losses + before.value * before.n, rows + before.n
        loss = losses / rows if rows else NAN
        end = here.theta if report.average is None else report.average
        yield _Epoch(epoch, steps, first, loss, end, here.theta, state, report._replace(gain_ratio=rho))


class _Follower:
    """Takes in one epoch after the other and says why the run ends, if it does."""

    def __init__(self, history, watch, started, validate, tell):
        self.history, self.watch, self.started, self.validate, self.tell = history, watch, started, validate, tell
        self.iteration = history.last("iteration")

    def __call__(self, epoch):
        number, steps, first, loss, end, _, _, report = epoch
        self.iteration += steps
        sound = math.isfinite(loss) and finite(namespace(end), end)
        score = self.validate(end) if self.validate and sound else NAN
        seconds = time.perf_counter() - self.started
        numbers = report.step_length, report.damping, report.gain_ratio
        self.history.add(self.iteration, number, seconds, loss, score, *numbers)
        if self.tell:
            shown = "" if math.isnan(score) else f", validation score {score:.6g}"
            self.tell(f"epoch {number}, loss {loss:.8g}{shown}")
        if not sound:
            return f"the loss is no longer finite in iteration {self.iteration}"
        return "converged" if self.watch.see(first, loss, end, score) or report.converged else ""


def _run(epochs, follow):
    """Follow the epochs until one of them ends the run: why it ended, where, the last iterate, the state."""
    for epoch in epochs:
        ended = follow(epoch)
        if ended:
            break
    return ended or "budget", epoch.end, epoch.last, epoch.state


def _run_whole(solver, objective, theta, budget, follow):
    """Let a solver that runs itself report its iterations: why it ended, the last parameters twice, no state."""
    end = [theta, "", 0]

    def see(first, value, last, report):
        end[2] += 1
        end[:2] = last, follow(_Epoch(end[2], 1, first, value, last, last, None, report))
        return end[1] != ""

    converged = solver.minimise(objective, theta, budget.max_iter, see)
    if not end[2]:  # not even one iteration: the start is as good as it gets
        see(theta, objective.value(theta), theta, Report(0.0))
    return end[1] or ("converged" if converged else "budget"), end[0], end[0], None


def _finish(solver, objective, budget, start, end, history, watch, ended, warn):
    """Choose the point to return, and warn once if this is not the plain end of a run."""
    (theta, last, state), iteration = end, history.last("iteration")
    loss, limit = objective.value(theta), max(start[1], history.start)
    failure = "" if ended in ("converged", "budget") else ended
    if not loss <= limit + ROUNDING * rounding(theta) * abs(limit):  # NaN is worse
        failure = failure or f"the objective rose from {limit:.6g} to {loss:.6g} by iteration {iteration}"
        theta, loss = _better(objective, start, watch.theta)
        last = theta
    if watch.validated is not None:
        theta, loss = watch.validated, objective.value(watch.validated)
    if failure:
        warn(f"solver={solver.name!r} failed: {failure}. The best point seen is kept. Remedy: {solver.remedy}.")
    elif ended == "budget" and budget.tol > 0:
        warn(
            f"solver={solver.name!r} used up max_iter={budget.max_iter} after {iteration} iterations before the loss "
            "settled. Remedy: raise max_iter, or set tol=0 if this budget is what you want."
        )
    return Result(theta, loss, state, history, last, ended == "converged" and not failure)


def _better(objective, start, best):
    """The better of the start (theta, value) and the best epoch."""
    value = objective.value(best)
    return (best, value) if value < start[1] or math.isnan(start[1]) else start


def convergence_warning(message):
    """A ConvergenceWarning that points at the line where an estimator's method was called."""
    warnings.warn(message, ConvergenceWarning, stacklevel=6)
