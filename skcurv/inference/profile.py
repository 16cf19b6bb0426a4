r"""Intervals by the profile likelihood (Bates & Watts 1988, section 6.1; Venzon & Moolgavkar 1988).

With f(theta_j = c) the least objective when parameter j is held at c, f* the least of all, W the sum of weights and phi
the dispersion,

    tau(c) = sign(c - theta_j) (2 W (f(theta_j = c) - f*) / phi)^(1/2)

would be linear in c if the objective were quadratic, and normal, or Student's t where phi is estimated. The interval is
where |tau| is at most that quantile: its ends are roots of tau, searched from the standard error outwards, each value a
fit of the other parameters that starts where the last one ended.
"""

import math

import numpy as np
from scipy.optimize import brentq

from ..objective import Objective
from ..solvers.loop import Budget, train

REACH = 40  # steps outwards, each half as long again as the last, after which an end counts as infinite
GROWTH = 1.5
DIGITS = 1e-6  # of an end, relative to its distance from the estimate


class Profile:
    """tau of one parameter.

    Parameters
    ----------
    rebuild : callable (place, value) -> network
        The model with one free parameter held.
    here : Point
        Where the fit ended, on the full set.
    place : int
        Of the parameter in theta.
    solver : Solver
    max_iter : int
    dispersion : float

    Attributes
    ----------
    least : float
        The least objective seen, below that of `here` where the fit had not found the minimum.
    """

    def __init__(self, rebuild, here, place, solver, max_iter, dispersion):
        self.rebuild, self.here, self.place, self.solver, self.max_iter = rebuild, here, place, solver, max_iter
        self.scale = 2 * here.objective.data.total_weight / dispersion
        self.others, self.least = np.delete(here.theta, place), here.value

    def tau(self, value):
        """tau at a value of the parameter; NaN where nothing finite was found."""
        found = self._best(value)
        self.least = min(self.least, found)
        rise = max(found - self.here.value, 0.0) * self.scale
        return math.copysign(math.sqrt(rise), value - self.here.theta[self.place])

    def _best(self, value):
        objective = self.here.objective
        if not len(self.others):
            return objective.value(np.array([value]))
        box = objective.box
        if box is not None:
            box = type(box)(*(np.delete(end, self.place) for end in box))
        alpha = objective.l2 * objective.data.total_weight
        held = Objective(self.rebuild(self.place, value), objective.loss, objective.data, alpha, box)
        budget = Budget(objective.data.n, self.max_iter, 0.0, 10)
        found = train(self.solver, held, self.others, budget, 0, 0.0, warn=lambda message: None)
        if math.isfinite(found.loss):
            self.others = found.theta
        fixed = np.insert(found.theta, self.place, value)
        return found.loss + objective.penalty(fixed) - held.penalty(found.theta)

    def end(self, quantile, step, limit):
        """Where |tau| reaches the quantile, from the estimate in the direction of `step`; the limit if it does not."""
        centre, sign = float(self.here.theta[self.place]), math.copysign(1.0, step)
        self.others, inner, size = np.delete(self.here.theta, self.place), centre, step * quantile
        for _ in range(REACH):
            outer = inner + size
            clipped = min(outer, limit) if sign > 0 else max(outer, limit)
            excess = sign * self.tau(clipped) - quantile
            if excess >= 0 or math.isnan(excess):
                return self._root(inner, clipped, sign, quantile, abs(clipped - centre))
            if clipped == limit:
                return limit
            inner, size = clipped, GROWTH * size
        return sign * math.inf

    def _root(self, inner, outer, sign, quantile, distance):
        def excess(c):
            tau = sign * self.tau(c)
            return quantile if math.isnan(tau) else tau - quantile

        start = -quantile if inner == self.here.theta[self.place] else excess(inner)
        return brentq(lambda c: start if c == inner else excess(c), inner, outer, xtol=DIGITS * distance, rtol=1e-12)
