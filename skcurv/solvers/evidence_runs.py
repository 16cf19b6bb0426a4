r"""Training by the evidence: a stretch of a solver, then an update of the precisions, and so on.

A stretch is one step of lm-newton on all rows, or `ROUND` epochs of kfac; C is then the curvature of all rows, for kfac
in Kronecker products. After each stretch the precisions follow `evidence.updated`, and the model linearised there says
how well each row is predicted by the others (`leave_one_out`): the score of the stretch. A pass ends at a fixed point,
or when the score has not risen for some stretches; there the stretch of the best score is kept. The evidence itself is
no such guide: early networks, far from any mode, have a higher one than later networks that predict better.

A strong prior can hold a network at zero, or at a straight line, which is a fixed point too. So where a network with
hidden layers ends with less than `FEW` times as many determined parameters as a linear model has, a second pass begins
where the first did with precisions weaker by `RELEASE`, and the one of the higher evidence is kept.
"""

import math
import time
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..backend.namespace import finite, total
from ..curvature.assemble import columns_of, form_of
from ..losses.offset import without_offset
from ..objective import Objective
from .evidence import FACTOR, Prior, Terms, measured, updated
from .history import History
from .leave_one_out import score
from .loop import Result, convergence_warning, train
from .newton_system import chosen, matrix
from .protocol import NAN

SETTLED = 1e-7  # relative change of all precisions, and nats left to the mode, at a fixed point
ROUND = 5  # epochs of kfac between updates
FEW = 2.0  # times the parameters of a linear model: one that has not learnt may be counted more than it has
RELEASE = 100.0  # of the precisions, for the second pass


class Found(NamedTuple):
    """A trained network: its parameters (p,), the objective there, its prior and terms."""

    theta: Any
    loss: float
    prior: Prior
    terms: Terms


def train_by_evidence(solver, objective, theta, prior, budget, seed, started, tell=None):
    """Stretches of a solver, each followed by an update of the precisions.

    Parameters
    ----------
    solver : LMNewton or KFAC
    objective : Objective
        Its own alpha is not used.
    theta : (p,) start
    prior : Prior
    budget : Budget
        max_iter epochs; `patience` stretches without a rise of the score by more than tol end a pass.
    seed, started, tell
        As for `train`.

    Returns
    -------
    result : Result
    found : Found

    Warns
    -----
    ConvergenceWarning
        When the numbers were no longer finite, or `max_iter` was used up with tol above 0.
    """
    stretches = _Steps if solver.double else _Rounds
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        run = _Run(stretches(solver, objective, budget, seed, started, tell), budget, tell)
        ended = run(theta + 0, prior)
    if ended == "budget" and budget.tol > 0:
        convergence_warning(
            f"alpha='evidence' used up max_iter={budget.max_iter} before the score of rows left out settled. Remedy: "
            "raise max_iter, or set tol=0 if this budget is what you want."
        )
    elif ended == "trouble":
        convergence_warning(
            "alpha='evidence' failed: the evidence is no longer finite. The best step is kept. Remedy: scale the "
            "inputs, or raise the start of Evidence(start=...)."
        )
    found = run.best
    return Result(found.theta, found.loss, None, run.history, found.theta, ended in ("fixed", "settled")), found


class _Stretches:
    """What is common to stretches: points under a prior, and rows in float64 to measure on."""

    def __init__(self, solver, objective, budget, seed, started, tell):
        self.solver, self.objective, self.budget, self.seed = solver, objective, budget, seed
        self.started, self.tell, self.done, self.history, self.state = started, tell, 0, None, None
        self.rows = objective.data.in_double()

    def point(self, theta, prior):
        """A Point of all rows in float64."""
        full = self.objective
        return Objective(full.network, full.loss, self.rows, prior.alpha, full.box).point(theta.astype(np.float64))


class _Steps(_Stretches):
    """Stretches of one step of lm-newton."""

    def curvature(self, here):
        structure = chosen(here, self.solver.structure, "ggn", self.solver.memory_limit)
        return matrix(here, structure, "ggn", None)

    def __call__(self, here, prior, C):
        """Where a stretch from a Point ends, and whether it went well."""
        self.state = self.state or self.solver.init(here, self.seed)
        self.history = self.history or History(here.value)
        there, self.state, report = self.solver.step_by(here, self.state, C)
        self.done += 1
        seconds = time.perf_counter() - self.started
        numbers = report.step_length, report.damping, report.gain_ratio
        self.history.add(self.done, self.done, seconds, here.value, NAN, *numbers)
        return there, not report.trouble


class _Rounds(_Stretches):
    """Stretches of some epochs of kfac."""

    def curvature(self, here):
        return form_of("kron", here, lambda: columns_of("ggn", 0, 0), here.k).in_eigenbasis()

    def __call__(self, here, prior, C):
        """Where a stretch from a Point ends, and whether it went well."""
        full, failures = self.objective, []
        dtype = full.data.X.dtype
        theta, alpha = here.theta.astype(dtype), prior.alpha.astype(dtype)
        epochs = min(ROUND, self.budget.max_iter - self.done)
        state, last = self.state or (None, theta)
        result = train(
            self.solver,
            Objective(full.network, full.loss, full.data, alpha, full.box),
            theta,
            replace(self.budget, max_iter=epochs, tol=0.0, patience=epochs + 1),
            self.seed,
            self.started,
            resumed=self.history and (state, self.history, last),
            tell=self.tell,
            warn=failures.append,
        )
        self.state, self.history = (result.state, result.last), result.history
        self.done += epochs
        return self.point(result.theta, prior), not failures


class _Run:
    """The alternation, its history, and its best stretch."""

    def __init__(self, stretch, budget, tell):
        self.stretch, self.budget, self.tell, self.best = stretch, budget, tell, None

    @property
    def history(self):
        return self.stretch.history

    def __call__(self, theta, prior):
        """One pass or two: why the one that is kept ended, "fixed", "settled", "trouble" or "budget"."""
        ended = self._pass(theta, prior)
        d, *hidden, k = self.stretch.objective.network.layout.sizes
        first = self.best
        if hidden and ended in ("fixed", "settled") and np.sum(first.terms.gamma) < FEW * (d + 1) * k:
            second = self._pass(theta, prior.released(RELEASE))
            if self.best.terms.log_evidence > first.terms.log_evidence:
                return second
            self.best = first
        return ended

    def _pass(self, theta, prior):
        """Stretches until one of them ends the pass."""
        here, self.stretch.state = self.stretch.point(theta, prior), None
        C, top, reference, stale = self.stretch.curvature(here), -math.inf, -math.inf, 0
        self.best = Found(here.theta, here.value, prior, self._terms(here, C, prior))
        while self.stretch.done < self.budget.max_iter:
            here, sound = self.stretch(here, prior, C)
            C = self.stretch.curvature(here)  # of the loss alone: the next step's too, whatever the precisions
            terms = self._terms(here, C, prior)
            self.history.evidence(terms.log_evidence, terms.score)
            if self.tell:
                done = self.stretch.done
                self.tell(f"epoch {done}, log evidence {terms.log_evidence:.8g}, score {terms.score:.6g}")
            if not (sound and math.isfinite(terms.log_evidence) and finite(np, here.theta)):
                return "trouble"
            new, change = updated(prior, terms)
            fixed = change <= SETTLED and terms.decrement <= SETTLED
            if terms.score > top or fixed:
                top, self.best = terms.score, Found(here.theta, here.value, prior, terms)
            risen = terms.score > reference + self.budget.tol
            released = change < math.log(FACTOR)
            reference, stale = (terms.score, 0) if risen else (reference, stale + released)
            if fixed or stale >= self.budget.patience:
                return "fixed" if fixed else "settled"
            prior, here = new, self.stretch.point(here.theta, new)
        return "budget"

    def _terms(self, here, C, prior):
        """All terms at a Point of the full set."""
        loss, _, Y = without_offset(here.objective.loss, here.tape.F, here.batch.Y)
        losses, weight, numbers = here.value - here.objective.penalty(here.theta), self.stretch.rows.total_weight, 0.0
        if loss.likelihood == "exact":
            losses += total(np, here.batch.weights * loss.log_normaliser(Y))
        else:
            numbers = weight * here.k
        terms = measured(C, here.theta, here.grad, weight * losses, weight, numbers, prior)
        return terms._replace(score=score(here, C, prior))
