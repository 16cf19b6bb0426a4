r"""Natural gradient on mini-batches, solved in sample space (Amari 1998; Ren & Goldfarb 2019).

Symbols: R (m, p) the rows sqrt(w_i) S_i' J_i of one batch, so that R'R is its Fisher or Gauss-Newton matrix; D = l2 on
weights, E = lambda I + D, g the gradient, v the last update.

    w_1 = -(R'R + E)^-1 g = -E^-1 (g - R' (I + R E^-1 R')^-1 R E^-1 g)
    w_2 = v
    (alpha, mu) minimise the exact model with damping lambda over d = alpha w_1 + mu w_2
    rho = (f(theta + d) - f(theta)) / m(d) on the batch; lambda follows rho; d is rejected when f rises

Constants of lambda as in Martens & Grosse (2015, section 6.5), bolder on the full set; its floor is the square root of
rounding times the mean curvature, and on mini-batches NOISE times the fall of the dispersion (`damping`). It is what
keeps a step from fitting the noise of its batch, which rho, on the same rows, does not see; the average of the iterates
(`averaging`), which is what counts on mini-batches, takes out the rest.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from sklearn.base import BaseEstimator

from ..backend.namespace import finite, namespace
from ..curvature import ggn, gram, sampled_fisher
from .averaging import with_iterate
from .damping import dispersion, floor, gain_ratio, martens, negligible
from .protocol import POSITIVE, Report, generator
from .quadratic_model import minimise

SAMPLE = 2  # purpose of a draw
OMEGA = 0.95  # change of lambda a step on mini-batches
BOLD = 2 / 3  # change of lambda a step on the full set (Martens 2010, section 4.1)
NOISE = 0.2  # floor of lambda on mini-batches, where the dispersion is that of the start
EXACT = 4096  # rows up to which the full set's matrix is exact
MEMORY_LIMIT = 4 * 2**30  # bytes, for the rows and their kernel


class NaturalGradientState(NamedTuple):
    """Damping, dispersion at the start, last update, rejections in a row, steps, seed, average of the iterates."""

    lam: float
    start: float
    v: Any
    rejections: int
    step: int
    seed: int
    average: Any = None


@dataclass(eq=False, repr=False)
class NaturalGradient(BaseEstimator):
    r"""The natural gradient of a mini-batch by the Woodbury identity; no learning rate.

    With :math:`R` (m, p) the rows of the batch whose squares make the curvature, :math:`D` the penalty's Hessian,
    :math:`g` the gradient, :math:`v` the last update and :math:`G` the exact Gauss-Newton matrix,

    .. math:: p = -(R'R + \lambda I + D)^{-1} g, \qquad
              (\alpha, \mu) = \arg\min\; g'd + \tfrac12 d'(G + \lambda I) d, \quad d = \alpha p + \mu v, \qquad
              \theta \leftarrow \theta + d,

    at the cost of an m x m system. :math:`\lambda` follows the ratio of actual to predicted decrease at every step.
    Batches of at most 256 rows unless ``batch_size`` says otherwise; where they are not the full set, the average of
    the iterates by polynomial decay is validated and returned.

    Parameters
    ----------
    damping : float, default=1.0
        :math:`\lambda` at the start, above 0.
    curvature : {"fisher", "ggn"}, default="fisher"
        Rows of :math:`R`: one a sample, the gradient at a target drawn from the model; or k a sample for k outputs,
        which make the exact Gauss-Newton matrix. A batch that is the full set takes the exact ones as long as they are
        at most 4096.

    References
    ----------
    S. Amari, "Natural gradient works efficiently in learning", Neural Computation 10 (1998); Y. Ren and D. Goldfarb,
    "Efficient subsampled Gauss-Newton and natural gradient methods for training neural networks", arXiv:1906.02353;
    the step length and the momentum: J. Martens and R. Grosse, "Optimizing neural networks with Kronecker-factored
    approximate curvature", ICML 2015, section 7 of arXiv:1503.05671.

    Examples
    --------
    >>> from skcurv.solvers import NaturalGradient
    >>> NaturalGradient(damping=0.1)
    NaturalGradient(damping=0.1)
    """

    damping: float = 1.0
    curvature: str = "fisher"

    name = "natural-gradient"
    domains = {
        "damping": POSITIVE,
        "curvature": (lambda c: c in ("fisher", "ggn"), "one of 'fisher', 'ggn'"),
    }
    remedy = "raise damping tenfold, or scale the inputs"
    double = False
    full_batch = False
    layered = False
    cost = "2 + m x m system"
    memory = "3 m"

    def batch_size(self, n):
        return min(256, n)

    def init(self, here, seed):
        _check_memory(here, self.curvature)
        return NaturalGradientState(self.damping, dispersion(here), None, 0, 0, seed)

    def step(self, here, state):
        here.tape  # noqa: B018 - one forward pass serves value, gradient, rows and model
        state = state._replace(step=state.step + 1)
        if not (math.isfinite(here.value) and finite(namespace(here.theta), here.grad)):
            return _rejected(here, state, state.lam, trouble="the loss or its gradient is not finite")
        average = None if here.whole else with_iterate(state.average, here.theta, state.step)
        state = state._replace(average=average)
        columns, _ = _rows(here, self.curvature)
        C = gram(here, columns(here, generator(state.seed, state.step, SAMPLE)))
        p = -C.solve(here.grad, state.lam + here.objective.shift(here.theta))
        directions = [p] if state.v is None else [p, here.restricted(state.v)]
        c, predicted = minimise(here, directions, state.lam)
        if not math.isfinite(predicted):
            return _rejected(here, state, state.lam, trouble="the quadratic model is not finite")
        d = sum((float(a) * w for a, w in zip(c[1:], directions[1:], strict=True)), float(c[0]) * p)
        there, least = here.moved(d), _floor(here, state, C)
        if negligible(here, there, predicted):
            report = Report(float(c[0]), state.lam, converged=here.whole, average=average)
            return there, state._replace(v=d), report
        rho = gain_ratio(there.value - here.value, predicted)
        if rho < 0:
            return _rejected(here, state, least, gain_ratio=rho)
        lam = max(martens(state.lam, rho, BOLD if here.whole else OMEGA), least)
        return there, state._replace(lam=lam, v=d, rejections=0), Report(float(c[0]), lam, rho, average=average)


def _rows(here, curvature):
    """The columns function and the number m of rows it makes."""
    exact = here.n * here.k
    return (ggn, exact) if curvature == "ggn" or (here.whole and exact <= EXACT) else (sampled_fisher, here.n)


def _floor(here, state, C):
    return floor(here, float(namespace(here.theta).mean(C.diag())), NOISE, state.start)


def _rejected(here, state, least, **report):
    """Stay, without the last update, with more damping: r, r^2, r^4, ... times for rejections in a row."""
    lam = max(state.lam * (1 / BOLD) ** 2 ** min(state.rejections, 5), least)
    state = state._replace(lam=lam, v=None, rejections=state.rejections + 1)
    return here, state, Report(0.0, lam, average=state.average, **report)


def _check_memory(here, curvature):
    p, n, k = here.objective.network.layout.size, here.n, here.k
    _, m = _rows(here, curvature)
    needed = 8 * (3 * m * p + 2 * m * m)  # rows, being joined or scaled; the kernel and its factor
    if needed > MEMORY_LIMIT:
        raise ValueError(
            f"Batches of {n} rows with {k} outputs and {p} parameters were given to solver='natural-gradient', whose "
            f"rows would take {needed / 2**30:.1f} GiB. Allowed are {MEMORY_LIMIT / 2**30:.0f} GiB. Lower batch_size, "
            "pass solver=NaturalGradient(curvature='fisher'), or use solver='kfac'."
        )
