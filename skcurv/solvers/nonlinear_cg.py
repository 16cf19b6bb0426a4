r"""Nonlinear conjugate gradients (Polak & Ribiere 1969): d <- -g + beta d, theta <- theta + a d.

With g and g_1 the gradients here and one step before, d_1 the direction of that step,

    beta = max(0, g'(g - g_1) / g_1'g_1)                            (PR+, Nocedal & Wright 2006, eq. 5.45)
    d = -g + beta d_1;  d = -g when |g'g_1| >= 0.1 g'g (eq. 5.52) or d does not descend
    a_0 = -g'd / d'C d,  C the exact Gauss-Newton matrix with the penalty;  a_0 = 1 / |d| when d'C d = 0
    a from the strong Wolfe conditions, starting at a_0, with c2 = 0.1

On a quadratic a_0 is the exact minimiser along d, meets the conditions, and the method is linear conjugate gradients.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from sklearn.base import BaseEstimator

from ..backend.namespace import dot, finite, namespace
from .damping import negligible
from .linesearch import DECREASE, strong_wolfe
from .protocol import Report, is_number
from .quadratic_model import minimise

OVERLAP = 0.1  # of two gradients, above which conjugacy is lost


class NonlinearCGState(NamedTuple):
    """Gradient and direction of the last step, (p,)."""

    g: Any
    d: Any


@dataclass(eq=False, repr=False)
class NonlinearCG(BaseEstimator):
    r"""Polak-Ribiere conjugate gradients with restarts and a strong Wolfe line search; no learning rate.

    With :math:`g` the gradient and :math:`g_1, d_1` those of the last step,

    .. math:: d = -g + \max\left(0, \frac{g'(g - g_1)}{g_1'g_1}\right) d_1, \qquad \theta \leftarrow \theta + a\, d.

    The step length :math:`a` starts from the minimiser of the Gauss-Newton model along :math:`d`, and takes a gradient
    for each further length that is tried: one or two in all, mostly. Full batch.

    Parameters
    ----------
    slope : float, default=0.1
        A step must bring the slope along :math:`d` to this part of what it was; between 1e-4 and 1/2. Smaller means a
        more exact line search.

    References
    ----------
    E. Polak and G. Ribiere, Revue Francaise d'Informatique et de Recherche Operationnelle 16 (1969); J. Nocedal and S.
    J. Wright, "Numerical Optimization", 2nd edition, Springer 2006, section 5.2; M. J. D. Powell, "Restart procedures
    for the conjugate gradient method", Mathematical Programming 12 (1977).

    Examples
    --------
    >>> from skcurv.solvers import NonlinearCG
    >>> NonlinearCG(slope=0.01)
    NonlinearCG(slope=0.01)
    """

    slope: float = 0.1

    name = "nonlinear-cg"
    domains = {"slope": (lambda c: is_number(c) and DECREASE < c < 0.5, "a number between 1e-4 and 0.5")}
    remedy = "scale the inputs, or raise alpha"
    double = False
    full_batch = True
    layered = False
    cost = "3"
    memory = "2"

    def batch_size(self, n):
        return n

    def init(self, here, seed):
        return None

    def step(self, here, state):
        here.tape  # noqa: B018 - one forward pass serves value, gradient and model
        g = here.grad
        if not (math.isfinite(here.value) and finite(namespace(g), g)):
            return here, None, Report(0.0, trouble="the loss or its gradient is not finite")
        d = here.restricted(_direction(g, state))
        a, predicted = _model(here, d)
        if not math.isfinite(predicted):
            return here, None, Report(0.0, trouble="the curvature along the direction is not finite")
        there = here.moved(a * d)
        if negligible(here, there, predicted):
            return there, NonlinearCGState(g, d), Report(a, converged=here.whole)
        a, there = strong_wolfe(here, d, a, there, self.slope)
        return there, NonlinearCGState(g, d) if a else None, Report(a)


def _direction(g, state):
    """-g + beta d_1, or -g."""
    if state is None:
        return -g
    xp, (g_1, d_1) = namespace(g), state
    gg, overlap, before = dot(xp, g, g), dot(xp, g, g_1), dot(xp, g_1, g_1)
    if not (before > 0 and abs(overlap) < OVERLAP * gg):
        return -g
    d = -g + max(0.0, (gg - overlap) / before) * d_1
    return d if dot(xp, g, d) < 0 else -g


def _model(here, d):
    """The model's step length along d and its decrease; a step of length 1 where there is no curvature."""
    (a,), predicted = minimise(here, [d], 0.0)
    length, slope = dot(namespace(d), d, d) ** 0.5, dot(namespace(d), here.grad, d)
    return (1 / length, slope / length) if a == 0 and slope < 0 else (float(a), predicted)
