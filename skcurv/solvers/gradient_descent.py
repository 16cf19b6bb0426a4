r"""Gradient descent with the step 1 / L: theta <- theta - g / L, L the largest eigenvalue of the curvature.

Where the gradient has the Lipschitz constant L, such a step lowers f by at least g'g / 2L (Nesterov 2004, eq. 1.2.19).
Here L is the largest eigenvalue of the exact Gauss-Newton matrix with the penalty, which is the Hessian of a network
linear in its parameters. With y the last Ritz vector, oriented along g,

    every refresh_period steps:  L, y <- the largest Ritz pair of a few Lanczos steps from y + g / |g|
    f(theta - g / L) > f(theta):  L <- 2 L, theta stays

Where the curvature vanishes the step has length 1.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from sklearn.base import BaseEstimator

from ..backend.namespace import dot, finite, namespace
from ..curvature import ggn_product
from ..linalg.lanczos import ritz
from .damping import negligible
from .protocol import COUNT, Report


class GradientDescentState(NamedTuple):
    """L, the Ritz vector y (p,), and the number of steps."""

    L: float
    y: Any
    step: int


@dataclass(eq=False, repr=False)
class GradientDescent(BaseEstimator):
    r"""Gradient descent whose step length is found, not given.

    With :math:`g` the gradient of the objective and :math:`L` the largest eigenvalue of its exact Gauss-Newton matrix,

    .. math:: \theta \leftarrow \theta - \frac{1}{L}\, g.

    :math:`L` comes from a few Lanczos steps and is found anew once in a while. A step that raises the objective is
    rejected, and :math:`L` doubled. Full batch.

    Parameters
    ----------
    lanczos_steps : int, default=8
        Products with the curvature for one estimate of :math:`L`, at least 1; one more checks it.
    refresh_period : int, default=10
        Steps between estimates, at least 1.

    References
    ----------
    A. Cauchy, Comptes Rendus de l'Academie des Sciences 25 (1847); Y. Nesterov, "Introductory lectures on convex
    optimization", Kluwer 2004, section 1.2.3.

    Examples
    --------
    >>> from skcurv.solvers import GradientDescent
    >>> GradientDescent(refresh_period=5)
    GradientDescent(refresh_period=5)
    """

    lanczos_steps: int = 8
    refresh_period: int = 10

    name = "gradient-descent"
    domains = {"lanczos_steps": COUNT, "refresh_period": COUNT}
    remedy = "scale the inputs, or raise alpha"
    double = False
    full_batch = True
    layered = False
    cost = "2"
    memory = "1"

    def batch_size(self, n):
        return n

    def init(self, here, seed):
        return None

    def step(self, here, state):
        xp, g = namespace(here.theta), here.grad
        if not (math.isfinite(here.value) and finite(xp, g)):
            return here, state, Report(0.0, trouble="the loss or its gradient is not finite")
        if state is None or state.step % self.refresh_period == 0:
            state = self._refresh(here, state)
        L, y, step = state
        there = here.moved(-1 / L * g)
        there.grad  # noqa: B018 - first, so that compiled code may give value and gradient at once
        if negligible(here, there, -0.5 * dot(xp, g, g) / L):
            return there, GradientDescentState(L, y, step + 1), Report(1 / L, converged=here.whole)
        if there.value <= here.value:
            return there, GradientDescentState(L, y, step + 1), Report(1 / L)
        return here, GradientDescentState(2 * L, y, step + 1), Report(0.0)

    def _refresh(self, here, state):
        """The state with the largest Ritz pair of the curvature here."""
        xp, g = namespace(here.theta), here.grad
        norm = dot(xp, g, g) ** 0.5 or 1.0
        start, step = g / norm, 0
        if state is not None:
            step = state.step
            start = start + (state.y if dot(xp, state.y, g) >= 0 else -state.y)
        L, _, y = ritz(lambda v: ggn_product(here, v), start, int(self.lanczos_steps))
        return GradientDescentState(L if L > 0 else norm, y, step)
