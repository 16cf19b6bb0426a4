r"""L-BFGS: quasi-Newton steps from the last few changes of parameters and gradient (Liu & Nocedal 1989).

The iterations are SciPy's. Where the objective is not finite, at theta_1 + s say, it is shown as rising as much as it
should have fallen, to f_1 + |g_1's|: the line search then comes back by a factor of about ten. A value far above every
other would send it back to where no decrease is seen any more.

SciPy's first step is at most 1e10 |g| long, and its own test for convergence takes a value below 1 for 1. So it is
shown the objective times a power of two that takes the largest entry of the first gradient to between 1/2 and 1, which
changes no digit, and the test is made here.
"""

import math
from dataclasses import dataclass

from scipy.optimize import Bounds, minimize
from sklearn.base import BaseEstimator

from ..backend.namespace import dot, finite, namespace, rounding, to_numpy
from .damping import ROUNDINGS
from .protocol import COUNT, Report

WALL = 1e150  # the most that is shown where there is no value


@dataclass(eq=False, repr=False)
class LBFGS(BaseEstimator):
    r"""Limited-memory BFGS on the full set, by SciPy; no learning rate.

    With :math:`s_i = \theta_{i+1} - \theta_i` and :math:`y_i = g_{i+1} - g_i` of the last ``n_corrections`` iterations,

    .. math:: \theta \leftarrow \theta - \alpha H g, \qquad H^{-1} s_i = y_i,

    with :math:`\alpha` from a line search by Moré and Thuente. It converges when a step changes the objective by less
    than ten roundings; parameters are held in float64.

    Parameters
    ----------
    n_corrections : int, default=20
        Pairs :math:`(s_i, y_i)` that are kept, at least 1.

    References
    ----------
    D. C. Liu and J. Nocedal, "On the limited memory BFGS method for large scale optimization", Mathematical
    Programming 45 (1989), algorithm 2.1; the code: R. H. Byrd, P. Lu, J. Nocedal and C. Zhu, "A limited memory
    algorithm for bound constrained optimization", SIAM Journal on Scientific Computing 16 (1995).

    Examples
    --------
    >>> from skcurv.solvers import LBFGS
    >>> LBFGS(n_corrections=30)
    LBFGS(n_corrections=30)
    """

    n_corrections: int = 20

    name = "lbfgs"
    domains = {"n_corrections": COUNT}
    remedy = "scale the inputs, or raise alpha"
    double = True
    full_batch = True
    layered = False
    cost = "1.1"
    memory = "2 n_corrections"

    def batch_size(self, n):
        return n

    def minimise(self, objective, theta, max_iter, see):
        xp, seen, slope, box = namespace(theta), [theta, objective.value(theta)], [theta, theta], objective.box
        first = objective.point(theta).grad
        unit, least = _power_of_two(float(xp.max(xp.abs(first)))), ROUNDINGS * rounding(theta)

        def value_and_grad(x):
            there = xp.asarray(x, dtype=theta.dtype)
            here = objective.point(there)
            grad, value = here.grad if box is None else here.full_grad, here.value
            slope[1] = grad
            if math.isfinite(value) and finite(xp, grad):
                return value / unit, to_numpy(grad) / unit
            shown = (seen[1] + abs(dot(xp, slope[0], there - seen[0]))) / unit
            return (min(shown, WALL) if math.isfinite(shown) else WALL), 0 * x

        def callback(intermediate_result):
            (before, value), g = seen, slope[0]
            seen[:] = xp.asarray(intermediate_result.x + 0, dtype=theta.dtype), unit * float(intermediate_result.fun)
            slope[0], s = slope[1], seen[0] - before
            settled = value - seen[1] <= least * max(abs(value), abs(seen[1]))
            if see(before, value, seen[0], Report(_rate(xp, s, g), converged=settled)):
                raise StopIteration

        options = {
            "maxiter": max_iter,
            "maxcor": int(self.n_corrections),
            "ftol": 0.0,
            "gtol": 0.0,
            "maxfun": 20 * max_iter + 20,
        }
        slope[0], start = first, to_numpy(theta)
        bounds = None if box is None else Bounds(box.lower, box.upper)
        result = minimize(
            value_and_grad, start, jac=True, method="L-BFGS-B", bounds=bounds, callback=callback, options=options
        )
        return result.status != 1  # iterations or evaluations used up


def _power_of_two(x):
    """The least power of two above x, from 2^-500 to 2^1000; 1 for 0 and for what is no number."""
    return 2.0 ** min(max(math.frexp(x)[1], -500), 1000) if 0 < x < math.inf else 1.0


def _rate(xp, s, g):
    """The step length s's / -s'g, which is eta for s = -eta g."""
    along = -dot(xp, s, g)
    return dot(xp, s, s) / along if along > 0 else 0.0
