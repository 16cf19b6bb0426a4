"""Line searches along a descent direction d: f(a) = f(theta + a d), f'(a) = g(theta + a d)'d, values on Points.

* armijo:       a = 1, 0.8, 0.64, ... until f(a) <= f(0) + c a f'(0) (Nocedal & Wright 2006, algorithm 3.1)
* strong_wolfe: f(a) <= f(0) + c1 a f'(0) and |f'(a)| <= c2 |f'(0)| (algorithms 3.5 and 3.6 in one loop): `low` is the
  best point so far that decreases enough, and between `low` and `high` there is a step that meets both conditions;
  `high` is infinite until a step has gone too far. Rises within rounding count as none, for the slope is the sharper
  test there (Hager & Zhang 2005, section 2). At a kink no slope is small; the search ends when what the bracket can
  still gain is within rounding.

A value that is not a finite number is one that is too large.
"""

import math
from typing import Any, NamedTuple

from ..backend.namespace import dot, namespace, rounding
from .damping import ROUNDINGS

ARMIJO, SHRINK, ARMIJO_TRIES = 1e-2, 0.8, 60
DECREASE = 1e-4  # c1
WOLFE_TRIES = 30
GROWTH = 4.0  # of a step while no step has gone too far
MARGIN = 0.1  # part of a bracket at each end that interpolation may not enter


class _Trial(NamedTuple):
    """A step length, and value, slope and Point there."""

    a: float
    value: float
    slope: float
    point: Any


def armijo(here, d, there):
    """The first a of 1, 0.8, 0.64, ... that decreases f enough.

    Parameters
    ----------
    here : Point
    d : (p,)
        A descent direction.
    there : Point
        theta + d, with what is known of it.

    Returns
    -------
    a : float
        0 when none of 60 does.
    there : Point
        theta + a d, `here` itself for a = 0.
    """
    a, slope = 1.0, dot(namespace(d), here.grad, d)
    for _ in range(ARMIJO_TRIES):
        if there.value <= here.value + ARMIJO * a * slope:
            return a, there
        a = SHRINK * a
        there = here.moved(a * d)
    return 0.0, here


def strong_wolfe(here, d, a, there, c2):
    """A step that meets the strong Wolfe conditions, or failing that one that decreases f enough.

    Parameters
    ----------
    here : Point
    d : (p,)
        A descent direction.
    a : float
        The first step length to try, above 0.
    there : Point
        theta + a d, with what is known of it.
    c2 : float
        Slope to reach relative to the first one, between 1e-4 and 1.

    Returns
    -------
    a : float
        0 when no step decreases f.
    there : Point
        theta + a d, `here` itself for a = 0.
    """
    low = first = _Trial(0.0, here.value, dot(namespace(d), here.grad, d), here)
    high, slack = _Trial(math.inf, math.inf, math.inf, None), ROUNDINGS * rounding(d) * abs(here.value)
    for _ in range(WOLFE_TRIES):
        trial = _try(d, a, there)
        decreased = trial.value <= first.value + DECREASE * a * first.slope + slack
        if decreased and abs(trial.slope) <= -c2 * first.slope:
            return a, trial.point
        if not decreased or trial.value >= low.value:
            high = trial
        else:
            high = low if trial.slope * (high.a - low.a) >= 0 else high
            low = trial
        a = GROWTH * low.a if math.isinf(high.a) else _between(low, high)
        if a in (low.a, high.a) or abs(low.slope * (high.a - low.a)) <= slack:
            break
        there = here.moved(a * d)
    return low.a, low.point


def _try(d, a, there):
    """The trial at a; infinite where it is no number."""
    grad = there.grad  # first, so that compiled code may give both
    value, slope = there.value, dot(namespace(d), grad, d)
    sound = math.isfinite(value) and math.isfinite(slope)
    return _Trial(a, value, slope, there) if sound else _Trial(a, math.inf, math.inf, there)


def _between(low, high):
    """The minimiser of the cubic through both ends (Nocedal & Wright 2006, eq. 3.59), kept away from them."""
    h = high.a - low.a
    if not math.isfinite(high.value):
        return low.a + MARGIN * h
    t = low.slope + high.slope - 3 * (high.value - low.value) / h
    square = t * t - low.slope * high.slope
    if not 0 <= square < math.inf:
        return low.a + 0.5 * h
    root = math.copysign(math.sqrt(square), h)
    denominator = high.slope - low.slope + 2 * root
    share = 1 - (high.slope + root - t) / denominator if denominator else 0.5
    return low.a + min(max(share, MARGIN), 1 - MARGIN) * h
