"""The step of diagonal Fisher and K-FAC: a cheap preconditioner for the direction, the exact model for the rest.

Symbols: P the averaged curvature approximation, g the gradient, v the last update, lambda the damping.

1. statistics: S <- eps S + (1 - eps) S_new in update t with eps = min(1 - 1/t, 0.95), from a part of the batch and
   targets drawn from the model, in the first WARM_UP steps and then every STATISTICS_PERIOD; when the batch is the full
   set, in every step from all rows and the exact factor of the loss Hessian
2. now and then: P^-1 = (S + (lambda + l2) I)^-1, as the structure damps and inverts itself
3. w_1 = -P^-1 g,  w_2 = v;  (alpha, mu) minimise the exact model with damping lambda over d = alpha w_1 + mu w_2
4. every TEST_PERIOD steps, on the batch's last rows (always, and on all rows, on the full set):
   rho = (f(theta + d) - f(theta)) / m(d); lambda follows rho; d is rejected when f rises. In between, d is rejected
   when it takes the loss of rows that the model did not see to a multiple of its running mean: a model on few rows
   can miss the curvature of the others

Constants as in Martens & Grosse (2015, sections 6.5 and 7, appendix S); the floor of lambda is ours: square root of
rounding times the mean curvature, and on mini-batches, where rho is noisy, NOISE times the fall of the loss so far.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

from ..backend.namespace import finite, namespace, rounding
from ..curvature import ggn, sampled_fisher
from .damping import gain_ratio, martens, negligible
from .protocol import NAN, Report, generator
from .quadratic_model import minimise

SAMPLE = 2  # purpose of a draw
DECAY = 0.95  # of the statistics
WARM_UP = 20  # steps that all update the statistics
STATISTICS_PERIOD = 4  # steps between updates on mini-batches thereafter
OMEGA = 0.95  # change of lambda a step
TEST_PERIOD = 5
BOLD = 2 / 3  # change of lambda a step where every step is tested (Martens 2010, section 4.1)
NOISE = 1e-2  # floor of lambda on mini-batches, relative to the loss at the start
FEWEST_ROWS = 128  # for statistics, model and guard
TEST = 1 / 2  # part of a mini-batch, its last rows, for rho
GUARD = 1 / 8  # part of a mini-batch, its last rows, that a step in between is tried on
CEILING = 2  # times the running mean of the loss is what no step may reach there
FRESH = 0.1  # weight of a new batch in that mean
MOST_COLUMNS = 64  # up to which full-set statistics are exact


@dataclass(frozen=True)
class State:
    """Progress: damping, statistics, inverse, last update v, running mean of the loss, last tested parameters."""

    seed: int
    lam: float
    start: float
    safe: Any
    step: int = 0
    updates: int = 0
    statistics: Any = None
    inverse: Any = None
    v: Any = None
    level: float = 0.0
    rejections: int = 0


def init(here, seed, damping):
    """The state before the first step."""
    return State(seed, damping, abs(here.value), here.theta, level=abs(here.value))


def rows(here, fraction):
    """How many rows of the batch a part with this fraction has."""
    return here.n if here.whole else min(here.n, max(FEWEST_ROWS, math.ceil(fraction * here.n)))


def averaged(here, state, structure, fraction):
    """The state with statistics from this batch's part blended in, where that is due."""
    if not (here.whole or state.step < WARM_UP or state.step % STATISTICS_PERIOD == 0):
        return state
    part = here.head(rows(here, fraction))
    exact = here.whole and here.batch.Y.shape[1] <= MOST_COLUMNS
    S = (ggn if exact else sampled_fisher)(part, generator(state.seed, state.step, SAMPLE))
    new, updates = structure(part, S), state.updates + 1
    if state.updates:
        new = state.statistics.blend(new, min(1 - 1 / updates, DECAY))
    return replace(state, statistics=new, updates=updates)


def floor(here, state):
    """The least lambda."""
    xp = namespace(here.theta)
    mean = float(xp.mean(state.statistics.diag()))
    least = math.sqrt(rounding(here.theta)) * mean
    return least if here.whole else max(least, NOISE * min(1.0, abs(here.value) / (state.start or 1.0)))


def step(here, state, structure, invert, due, statistics_fraction, model_fraction):
    """One step.

    Parameters
    ----------
    here : Point
    state : State
    structure : callable (Point, S) -> Preconditioner
    invert : callable (Preconditioner, damping, dtype) -> Operator
    due : bool
        Whether the inverse is made anew in this step; it always is after a rejection.
    statistics_fraction, model_fraction : float
        Parts of a mini-batch for the statistics and for the exact model.
    """
    here.tape  # noqa: B018 - one forward pass serves value, gradient, statistics and model
    if not (math.isfinite(here.value) and finite(namespace(here.theta), here.grad)):
        return _retreat(here, state, "the loss or its gradient is not finite")
    state = averaged(here, state, structure, statistics_fraction)
    if due or state.inverse is None:
        damped = state.lam + here.objective.l2
        state = replace(state, inverse=invert(state.statistics, damped, here.theta.dtype))
    directions = [-state.inverse.mv(here.grad)] + ([] if state.v is None else [state.v])
    model = here.head(rows(here, model_fraction))
    c, predicted = minimise(model, directions, state.lam)
    if not math.isfinite(predicted):
        return _retreat(here, state, "the quadratic model is not finite")
    d = sum((float(a) * w for a, w in zip(c[1:], directions[1:], strict=True)), float(c[0]) * directions[0])
    return _judge(here, replace(state, v=d, step=state.step + 1), float(c[0]), predicted)


def _judge(here, state, alpha, predicted):
    """Test the step on rows that the model did not see: move lambda where that is due, accept or reject."""
    there = here.moved(state.v)
    level = (1 - FRESH) * state.level + FRESH * min(here.value, CEILING * state.level)
    state = replace(state, level=level)
    due = here.whole or state.step % TEST_PERIOD == 0
    part = here.tail(rows(here, TEST if due else GUARD))
    tested = there.on(part.batch)
    if not due:
        if not tested.value <= max(CEILING * level, part.value):
            return _rejected(here, state, NAN)
        return there, replace(state, rejections=0), Report(alpha, state.lam)
    if negligible(part, tested, predicted):
        return there, replace(state, safe=there.theta), Report(alpha, state.lam, converged=here.whole)
    rho = gain_ratio(tested.value - part.value, predicted)
    if rho < 0:
        return _rejected(here, state, rho)
    lam = max(martens(state.lam, rho, BOLD if here.whole else OMEGA**TEST_PERIOD), floor(here, state))
    return there, replace(state, lam=lam, safe=there.theta, rejections=0), Report(alpha, lam, rho)


def _rejected(here, state, rho):
    """Stay, without the last update, with more damping: r, r^2, r^4, ... times for rejections in a row."""
    growth = (1 / (BOLD if here.whole else OMEGA**TEST_PERIOD)) ** 2**state.rejections
    lam = max(state.lam * growth, floor(here, state))
    state = replace(state, lam=lam, v=None, inverse=None, rejections=state.rejections + 1)
    return here, state, Report(0.0, lam, rho)


def _retreat(here, state, trouble):
    """Back to the last tested parameters with ten times the damping and no memory."""
    lam = 10 * state.lam
    state = replace(state, lam=lam, v=None, updates=0)
    return here.at(state.safe), state, Report(0.0, lam, trouble=trouble)
