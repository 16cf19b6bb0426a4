r"""Hessian-free optimisation (Martens 2010): damped Newton steps by conjugate gradients.

Symbols: B the exact Gauss-Newton matrix, or the Hessian, with the penalty; g the gradient; q(d) = g'd + d'B d / 2 the
undamped model; M = diag(mean of squared gradients of rows + lambda + l2)^0.75.

1. (B + lambda I) d = -g by conjugate gradients preconditioned by M, from 0.95 times their last result, until an
   iteration lowers the damped model by less than 5e-4 of it, or p'(B + lambda I) p <= 0
2. walk back over the kept iterates while f(theta + d) falls
3. rho = (f(theta + d) - f(theta)) / q(d);  lambda <- 2/3 lambda when rho > 3/4, 3/2 lambda when rho < 1/4
4. theta <- theta + a d, a the first of 1, 0.8, 0.64, ... with f(theta + a d) <= f(theta) + 0.01 a g'd; else reject

Sections 4.1, 4.4 to 4.7 of Martens (2010), with the constants of Martens & Sutskever (2012). Where conjugate gradients
make no iteration, or d is no descent direction, d is the minimiser of the damped model along -g. Ours are the start of
lambda, START g'B g / g'g, which has the scale of the curvature whatever that of the targets; its floor; and its growth
for rejections in a row, (3/2)^(1, 2, 4, ...).
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from sklearn.base import BaseEstimator

from ..backend.namespace import dot, finite, namespace, rounding
from ..curvature import diagonal, empirical_fisher, ggn_product, hessian_product
from ..linalg.cg import cg
from .damping import gain_ratio, martens, negligible
from .linesearch import armijo
from .protocol import COUNT, NAN, Report
from .quadratic_model import minimise

PRODUCTS = {"ggn": ggn_product, "hessian": hessian_product}
START = 1.0  # lambda at the start, relative to the curvature along the gradient; gives rho of about 0.75 to 0.95
OMEGA = 2 / 3  # change of lambda a step
MOST_DOUBLINGS = 8  # of the exponent of that change for rejections in a row
POWER = 0.75  # of the preconditioner
WARM = 0.95  # part of the last result from which the next one starts
PROGRESS = 5e-4  # relative decrease of the model an iteration


class HessianFreeState(NamedTuple):
    """lambda, its least value, the last result of conjugate gradients (p,) or None, and the rejections in a row."""

    lam: float
    least: float
    x: Any = None
    rejections: int = 0


@dataclass(eq=False, repr=False)
class HessianFree(BaseEstimator):
    r"""Newton's method by conjugate gradients, without a matrix and without a learning rate.

    Each step solves

    .. math:: (B + \lambda I)\, d = -g

    inexactly, with :math:`B` the exact Gauss-Newton matrix or the Hessian and :math:`g` the gradient of the objective,
    by preconditioned conjugate gradients, and is taken after a line search. :math:`\lambda` follows the gain ratio.
    Every iteration takes one product with :math:`B`, at the cost of about one gradient; a step keeps up to 16 iterates.
    Full batch.

    Parameters
    ----------
    curvature : {"ggn", "hessian"}, default="ggn"
        :math:`B`. With "hessian", conjugate gradients end where they meet negative curvature.
    cg_iterations : int, default=250
        The most iterations of a step, at least 1.

    References
    ----------
    J. Martens, "Deep learning via Hessian-free optimization", ICML 2010; J. Martens and I. Sutskever, "Training deep
    and recurrent networks with Hessian-free optimization", in Neural Networks: Tricks of the Trade, 2nd edition,
    Springer 2012.

    Examples
    --------
    >>> from skcurv.solvers import HessianFree
    >>> HessianFree(cg_iterations=50)
    HessianFree(cg_iterations=50)
    """

    curvature: str = "ggn"
    cg_iterations: int = 250

    name = "hessian-free"
    domains = {"curvature": (lambda c: c in tuple(PRODUCTS), "one of 'ggn', 'hessian'"), "cg_iterations": COUNT}
    remedy = "scale the inputs, or raise alpha"
    double = False
    full_batch = True
    layered = False
    cost = "3 + CG iterations"
    memory = "1"

    def batch_size(self, n):
        return n

    def init(self, here, seed):
        return None

    def step(self, here, state):
        here.tape  # noqa: B018 - one forward pass serves value, gradient and products
        g, xp = here.grad, namespace(here.theta)
        if not (math.isfinite(here.value) and finite(xp, g)):
            return here, state, Report(0.0, trouble="the loss or its gradient is not finite")
        state = _start(here, PRODUCTS[self.curvature]) if state is None else state
        lam = state.lam
        d, x, there = self._direction(here, lam, state.x)
        predicted = dot(xp, g, d) + 0.5 * dot(xp, d, PRODUCTS[self.curvature](here, d))
        if not (math.isfinite(predicted) and finite(xp, d)):
            return here, _raised(state), Report(0.0, lam, trouble="the step is not finite")
        if negligible(here, there, predicted):
            return there, state._replace(x=x, rejections=0), Report(1.0, lam, converged=here.whole)
        rho = gain_ratio(there.value - here.value, predicted)
        a, there = armijo(here, d, there)
        lam = max(martens(lam, rho, OMEGA), state.least)
        state = state._replace(lam=lam, x=x, rejections=0) if a else _raised(state)
        return there, state, Report(a, state.lam, rho if math.isfinite(rho) else NAN)

    def _direction(self, here, lam, x):
        """The step d, the last iterate of conjugate gradients, and theta + d."""
        g, xp, product = here.grad, namespace(here.theta), PRODUCTS[self.curvature]
        squares = diagonal(here, empirical_fisher(here, None)).diag()
        M = (squares + (lam + here.objective.shift(here.theta))) ** POWER
        found = cg(
            mv=lambda v: product(here, v) + lam * v,
            b=-g,
            x=None if x is None else here.restricted(WARM * x),
            precondition=lambda r: r / M,
            steps=int(self.cg_iterations),
            progress=PROGRESS,
        )
        d, there = _walk_back(here, found.iterates)
        if found.iterations and dot(xp, g, d) < 0:
            return d, found.x, there
        (alpha,), _ = minimise(here, [-g], lam)
        d = -float(alpha) * g
        return d, None, here.moved(d)


def _start(here, product):
    """The first state: lambda relative to the curvature g'B g / g'g along the gradient."""
    xp, g = namespace(here.theta), here.grad
    u = g / (float(xp.max(xp.abs(g))) or 1.0)  # whose square is a number
    curvature = abs(dot(xp, u, product(here, u))) / (dot(xp, u, u) or 1.0)
    curvature = curvature if 0 < curvature < math.inf else 1.0
    return HessianFreeState(START * curvature, rounding(here.theta) * curvature)


def _raised(state):
    """The state after a rejection: nothing to start from, and lambda 3/2, (3/2)^2, (3/2)^4, ... times as large."""
    growth = (1 / OMEGA) ** 2 ** min(state.rejections, MOST_DOUBLINGS)
    return state._replace(lam=growth * state.lam, x=None, rejections=state.rejections + 1)


def _walk_back(here, iterates):
    """The last of the kept iterates before which f does not fall any more, and theta moved by it."""
    d, there = iterates[-1], here.moved(iterates[-1])
    for x in iterates[-2::-1]:
        other = here.moved(x)
        if math.isfinite(there.value) and not other.value < there.value:
            break
        d, there = x, other
    return d, there
