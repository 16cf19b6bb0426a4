"""The step of the Fisher solvers and K-FAC: a cheap preconditioner for the direction, the exact model for the rest.

Symbols: P the averaged curvature approximation, g the gradient, v the last update, lambda the damping.

1. statistics: a running mean over batches, from a part of the batch and targets drawn from the model, ever more rarely:
   about step t every t / SETTLING steps, and at most STATISTICS_PERIOD apart; when the batch is the full set, in every
   step from all rows and, for the Fisher, the exact factor of the loss Hessian
2. now and then: P^-1 with damping gamma^2 = r^2 (lambda + l2), as the form damps and inverts itself; where the ratio r
   is searched, the best of {r omega, r, r / omega} by the model
3. w_1 = -P^-1 g,  w_2 = v;  (alpha, mu) minimise the exact model with damping lambda over d = alpha w_1 + mu w_2.
   On mini-batches it is the running mean of such models in directions of length one (`quadratic_model`), |w_1|^2 being
   -g'w_1, and |v| Euclidean; it takes in new ones as the statistics do, at most MODEL_PERIOD apart. Late ones may make
   the step longer in the output layer: d = alpha w_1 + mu w_2 + beta e, e being w_1 there and 0 elsewhere. A model is
   made from so many rows of the batch that it hangs on more than a few of them (`proposal.model_rows`)
   With a fixed rate instead: alpha = rate, cut so that alpha^2 (-g'w_1) keeps the norm constraint, and mu = MOMENTUM
4. every TEST_PERIOD steps, on the batch's last rows (always, and on all rows, on the full set):
   rho = (f(theta + d) - f(theta)) / m(d); lambda follows rho; d is rejected when f rises. The other steps are judged by
   the loss of the next batch, which that step computes anyway: when it is more than FAR spreads above the running mean
   of the losses, and as far above the loss of the last trusted parameters on the same rows, it goes back to those. A
   spread is the running mean of how far losses lie from that mean, so that a constant in the loss changes nothing. A
   model on few rows can miss the curvature of the others

On mini-batches the average of the iterates (`averaging`) is what counts.

The first lambda is found on the first batch: from START, by factors of LEAP, up until rho is above 1/4 and down while
it is above 3/4, never below its floor or the mean curvature, nor above the curvature's trace: there a step is as short
as any curvature asks for, and only noise speaks against it. Constants as in Martens & Grosse (2015, sections 6.4 to 7,
appendix S); the floor of lambda is ours: square root of rounding times the mean curvature, and on mini-batches NOISE
times the fall of the dispersion (`damping`). A constant in the loss changes no step.
"""

import math
from typing import Any, NamedTuple

from ..backend.namespace import finite, namespace
from ..curvature import empirical_fisher, ggn, sampled_fisher
from .averaging import with_iterate
from .damping import dispersion, floor, gain_ratio, martens, negligible
from .proposal import proposed, repeated, rows
from .protocol import NAN, Report, generator
from .quadratic_model import NOTHING

CURVATURES = ("fisher", "ggn", "empirical-fisher")
CURVATURE = (lambda s: isinstance(s, str) and s in CURVATURES, f"one of {', '.join(map(repr, CURVATURES))}")
BATCH, FIRST_BATCH = 512, 128  # rows of a batch, and in the first epoch, from which they double epoch by epoch
WHOLE = 1024  # rows of a set up to which they double until a batch is the full set
SAMPLE = 2  # purpose of a draw
SETTLING = 5  # steps on mini-batches after which there is one more between statistics, and between models
STATISTICS_PERIOD = 8  # the most steps from one update of the statistics to the next
OMEGA = 0.95  # change of lambda a step
MODEL_PERIOD = 10  # the most steps from one model to the next
TEST_PERIOD = 10  # a multiple of it and of SETTLING: a step that is tested has a model of its own
BOLD = 2 / 3  # change of lambda a step where every step is tested (Martens 2010, section 4.1)
NOISE = 2e-2  # floor of lambda on mini-batches, where the dispersion is that of the start
TEST = 1 / 2  # part of a mini-batch, its last rows, for rho
FAR = 4  # spreads of the loss that no step may take the next batch up by
FRESH = 0.1  # weight of a new batch in the running means of the loss and of its spread
MOST_COLUMNS = 64  # up to which full-set statistics are exact
START = 1 / 8  # lambda from which the first one is searched
LEAP = 8.0
LEAPS = 12


class State(NamedTuple):
    """Progress: damping, statistics, inverse, mean of the models, last update v, last trusted parameters.

    `start` is the dispersion at the start; the ratio r was searched in step `sought`; `level` and `spread` are running
    means of the loss and of how far from that losses lie, `needed` of how many rows models need.
    """

    seed: int
    lam: float | None
    start: float
    safe: Any
    needed: float
    step: int = 0
    updates: int = 0
    statistics: Any = None
    mean_curvature: float = 0.0
    inverse: Any = None
    ratio: float = 1.0
    sought: int | None = None
    models: Any = NOTHING
    v: Any = None
    level: float = 0.0
    spread: float = math.inf
    rejections: int = 0
    average: Any = None


def init(here, seed, damping):
    """The state before the first step; a damping of None is found on the first batch."""
    return State(seed, damping, dispersion(here), here.theta, here.n, level=here.value)


def batch_size(n):
    """Rows of a batch in the end."""
    return n if n <= WHOLE else BATCH


def first_batch(n):
    """Rows of a batch in the first epoch."""
    return n if n <= BATCH else FIRST_BATCH


def columns(here, state, curvature):
    """What the statistics are made from: the Fisher is exact where the batch is the full set."""
    if curvature == "empirical-fisher":
        return empirical_fisher(here, None)
    exact = curvature == "ggn" or (here.whole and here.k <= MOST_COLUMNS)
    return (ggn if exact else sampled_fisher)(here, generator(state.seed, state.step, SAMPLE))


def _in_turn(here, state, most):
    """Whether this step is one of those that are done in full, which lie at most so many steps apart."""
    return here.whole or state.step % min(max(state.step // SETTLING, 1), most) == 0


def averaged(here, state, recipe):
    """The state with statistics from this batch's part blended in, where that is due or there are none."""
    if state.updates and not _in_turn(here, state, STATISTICS_PERIOD):
        return state
    part, updates = here.head(rows(here, recipe.statistics_fraction)), state.updates + 1
    S = columns(part, state, recipe.curvature)
    return state._replace(statistics=recipe.form.collect(state.statistics, updates, part, S), updates=updates)


def _renewed(here, state, recipe):
    """The state with statistics made ready for inversion, and the mean of their diagonal."""
    statistics = recipe.form.renew(state.statistics, here.theta.dtype)
    mean = float(namespace(here.theta).mean(statistics.diag()))
    return state._replace(statistics=statistics, mean_curvature=mean)


def _floor(here, state):
    return floor(here, state.mean_curvature, NOISE, state.start)


def step(here, state, recipe):
    """One step.

    Parameters
    ----------
    here : Point
    state : State
    recipe : Recipe
    """
    here.tape  # noqa: B018 - one forward pass serves value, gradient, statistics and model
    if not (finite(namespace(here.theta), here.grad) and math.isfinite(here.value)):  # the gradient can give both
        return _retreat(here, state, "the loss or its gradient is not finite")
    if here.whole:
        state = state._replace(average=None)
    else:
        if _exploded(here, state):
            return _rejected(here.at(state.safe), state, NAN, "the last step took the loss far up")
        state = _trusted(here, state)
    lost = recipe.form.lazy and state.inverse is None  # by a rejection
    due = state.step < 3 or state.step % recipe.period == 0 or not state.updates or lost
    state = averaged(here, state, recipe)
    if due:
        state = _renewed(here, state, recipe)
    if state.lam is None:
        state, due = _calibrated(here, state, recipe), False
    if due or recipe.rate is not None or not state.models.seen or _in_turn(here, state, MODEL_PERIOD):
        state, alpha, d, predicted = proposed(here, state, recipe, due)
    else:
        state, alpha, d, predicted = repeated(here, state, recipe)
    if not math.isfinite(predicted):
        return _retreat(here, state, "the quadratic model is not finite")
    there, state, report = _judge(here, state._replace(v=d, step=state.step + 1), alpha, predicted)
    return there, state, report._replace(average=state.average)


def _exploded(here, state):
    """Whether the last step took the loss of this batch up by far, to where losses usually are not."""
    far = FAR * state.spread
    high = here.value > state.level + far and here.theta is not state.safe
    return high and here.value > here.at(state.safe).value + far


def _trusted(here, state):
    """The state that trusts these parameters, and has them in the running means of the loss and in the average."""
    average = with_iterate(state.average, here.theta, state.step + 1)
    rejections = state.rejections if here.theta is state.safe else 0
    state = state._replace(safe=here.theta, average=average, rejections=rejections)
    if not state.step:
        return state
    off = min(here.value - state.level, FAR * state.spread)  # a hard batch counts no more than what would be far
    fresh = max(FRESH, 1 / state.step)
    spread = abs(off) if state.step == 1 else (1 - fresh) * state.spread + fresh * abs(off)
    return state._replace(level=state.level + fresh * off, spread=spread)


def _calibrated(here, state, recipe):
    """The state with the first lambda, and the inverse for it where one was made."""
    least, trace = max(_floor(here, state), state.mean_curvature), state.mean_curvature * len(here.theta)
    lam, fallen, risen = max(START, least), False, False
    most = max(lam, trace)
    for _ in range(LEAPS):
        trial, _, d, predicted = proposed(here, state._replace(lam=lam), recipe, True)
        part = here.tail(rows(here, TEST))
        rho = gain_ratio(here.moved(d).on(part.batch).value - part.value, predicted)
        if rho > 0.75 and not risen and lam > least:
            lam, fallen = max(lam / LEAP, least), True
        elif rho < 0.25 and lam < most:
            lam, risen = min(lam * LEAP, most), True
            if fallen:
                break
        else:
            break
    return trial if trial.lam == lam else state._replace(lam=lam)


def _judge(here, state, alpha, predicted):
    """Where it is due, test the step on the last rows, the last that a model takes: move lambda, accept or reject."""
    there = here.moved(state.v)
    if not (here.whole or (state.step - 1) % TEST_PERIOD == 0):
        return there, state, Report(alpha, state.lam)
    part = here.tail(rows(here, TEST))
    tested = there.on(part.batch)
    if negligible(part, tested, predicted):
        return there, state._replace(safe=there.theta), Report(alpha, state.lam, converged=here.whole)
    rho = gain_ratio(tested.value - part.value, predicted)
    if not tested.value <= part.value:
        return _rejected(here, state, rho)
    lam = max(martens(state.lam, rho, BOLD if here.whole else OMEGA**TEST_PERIOD), _floor(here, state))
    return there, state._replace(lam=lam, safe=there.theta, rejections=0), Report(alpha, lam, rho)


def _rejected(here, state, rho, trouble=""):
    """Stay, without the last update, with more damping: r, r^2, r^4, ... times for rejections in a row."""
    growth = (1 / (BOLD if here.whole else OMEGA**TEST_PERIOD)) ** 2**state.rejections
    lam = max(state.lam * growth, _floor(here, state))
    state = state._replace(lam=lam, v=None, models=NOTHING, inverse=None, rejections=state.rejections + 1)
    return here, state, Report(0.0, lam, rho, trouble=trouble, average=state.average)


def _retreat(here, state, trouble):
    """Back to the last tested parameters with ten times the damping and no memory."""
    lam = 10 * (START if state.lam is None else state.lam)
    state = state._replace(lam=lam, v=None, models=NOTHING, updates=0)
    return here.at(state.safe), state, Report(0.0, lam, trouble=trouble, average=state.average)
