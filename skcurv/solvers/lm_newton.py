r"""Levenberg-Marquardt: (C + lambda M + D) d = -g, lambda by the gain ratio.

Symbols: C a curvature matrix of the mean loss (p, p), M = I, the running maximum of diag C (Marquardt 1963; More
1978), or diag(1 / s^2) with s the sizes of the parameters, so that lambda weighs relative changes, D = l2 on weights
the penalty's Hessian, g the gradient, m(d) = g'd + d'(H + D)d / 2 the undamped model, H the Hessian for C = H and else
the Gauss-Newton matrix.

    repeat:  v = -(C + D + lambda M)^-1 g
             alpha = -g'v / v'(H + D + lambda M)v           (1 where C = H)
             d = alpha v + a
             rho = (f(theta + d) - f(theta)) / m(alpha v)
             lambda <- the rule's
    until rho > 1e-3

a = 0, or the second-order term of a geodesic (`geodesic`); lambda rises where that is too long.

Where C + D + lambda M is not positive definite, v is no number and lambda rises too.

Of the Gauss-Newton matrix and the Hessian of a network "auto" takes now this one, now that one (`turns`).

In a box, v is the minimiser there of the damped model g'v + v'(C + D + lambda M)v / 2, and alpha at most 1.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from sklearn.base import BaseEstimator

from ..backend.namespace import dot, finite, namespace, rounding
from .damping import RULES, gain_ratio, negligible
from .geodesic import acceleration
from .newton_system import CURVATURES, STRUCTURES, by_turns, chosen, matrix, slope_and_bend, with_second_order
from .protocol import POSITIVE, Report, generator
from .turns import Turn

TRIES = 20  # by Nielsen's rule each doubles the factor on lambda: together beyond any scale
START = 1e-3  # lambda at the start, relative to the largest entry of diag C / M (Madsen et al. 2004, eq. 3.14)
ACCEPT = 1e-3  # least rho of a step: less is a leap past the minimum to where the loss happens to be lower
WALL = 1e150  # damping that fixes a parameter
OUTWARDS = 1 + 1e-12  # a way to the border, so that rounding does not end before it
PIVOTS = 10  # of a block of entries without progress, before single ones
SAMPLE = 2  # purpose of a draw
SCALINGS = ("auto", "identity", "diagonal", "relative")


class LMState(NamedTuple):
    """Damping, None before the first step; running maximum of diag C where it scales; steps; seed; whose turn it is."""

    lam: float | None
    top: Any
    step: int
    seed: int
    turn: Turn = Turn()


class Model(NamedTuple):
    """The matrix C and which one it is."""

    curvature: str
    C: Any


@dataclass(eq=False, repr=False)
class LMNewton(BaseEstimator):
    r"""Levenberg-Marquardt with an exact curvature matrix; no learning rate.

    Each step solves

    .. math:: (C + D + \lambda M)\, d = -g, \qquad C = \sum_i w_i J_i' H_i J_i,

    with :math:`J_i` the network's Jacobian at row :math:`i`, :math:`H_i` the loss Hessian in output space, :math:`D`
    the penalty's Hessian and :math:`g` the gradient, and is taken when it lowers the objective. :math:`\lambda` follows
    the gain ratio, and starts at :math:`10^{-3} \max \mathrm{diag}\, C / M`. Full batch unless ``batch_size`` says
    otherwise; parameters are held in float64.

    Parameters
    ----------
    structure : {"auto", "dense", "gram", "layer"}, default="auto"
        How :math:`C` is held. With p parameters, n rows of a batch and k outputs: "dense", p x p; "gram", by its n k
        rows (n for the Fisher matrices), exact as well; "layer", only the diagonal blocks of the layers, an
        approximation whose step is scaled by the exact model. "auto" takes "gram" when 2 n k <= p, else "dense"; what
        would pass `memory_limit` makes way for the other exact form, then for "layer".
    curvature : {"auto", "ggn", "hessian", "fisher", "empirical-fisher"}, default="auto"
        :math:`C`: the generalised Gauss-Newton matrix above; the exact Hessian, dense only, for a network at about
        twice that price and for a model function by p products of about three evaluations each, damped until it is
        positive definite; the Fisher matrix at one draw of targets from the model; the squares of the loss gradients.
        The step of the last two is scaled by the exact model. "auto" takes the first; but for networks with a hidden
        layer and p < 2 n k, on the full set, it takes the Hessian where that foretold the last step better and is
        positive definite with the present damping.
    rule : {"nielsen", "classical"}, default="nielsen"
        How :math:`\lambda` follows the gain ratio: smoothly, or by a factor of 10 down and up.
    scaling : {"auto", "identity", "diagonal", "relative"}, default="auto"
        :math:`M`: the identity; the running maximum of :math:`\mathrm{diag}\, C`; or :math:`1 / s^2` with :math:`s` the
        present sizes of the parameters, at least a hundredth of those at the start. With the latter two and without a
        penalty the steps do not depend on the units of a model function's parameters. "auto" takes "identity" for
        multilayer perceptrons and "relative" for model functions: where the start is far off, the running maximum
        remembers a curvature that is long gone.
    geodesic : {"auto"} or bool, default="auto"
        Whether the step follows the curved path of the outputs to second order, and is rejected where that path bends
        too much, for one more solve a try and the second derivatives along it, of a model function by two more
        evaluations; with the Gauss-Newton matrix only. "auto" does so for model functions and for networks of smooth
        activations.
    memory_limit : float, default=2147483648
        Bytes (2 GiB) that :math:`C` and the work on it may take, above 0.

    References
    ----------
    K. Levenberg, Quarterly of Applied Mathematics 2 (1944); D. W. Marquardt, SIAM Journal 11 (1963); J. J. More, "The
    Levenberg-Marquardt algorithm: implementation and theory", Lecture Notes in Mathematics 630 (1978); K. Madsen, H. B.
    Nielsen and O. Tingleff, "Methods for non-linear least squares problems", 2nd edition, Technical University of
    Denmark 2004, algorithm 3.16; N. N. Schraudolph, "Fast curvature matrix-vector products for second-order gradient
    descent", Neural Computation 14 (2002), for losses other than the squared error; J. E. Dennis, D. M. Gay and R. E.
    Welsch, "An adaptive nonlinear least-squares algorithm", ACM Transactions on Mathematical Software 7 (1981), for the
    choice by the last step, there with an estimate of the Hessian; M. K. Transtrum and J. P. Sethna, "Improvements to
    the Levenberg-Marquardt algorithm for nonlinear least-squares minimization", arXiv:1201.5885.

    Examples
    --------
    >>> from skcurv.solvers import LMNewton
    >>> LMNewton(structure="dense")
    LMNewton(structure='dense')
    """

    structure: str = "auto"
    curvature: str = "auto"
    rule: str = "nielsen"
    scaling: str = "auto"
    geodesic: str | bool = "auto"
    memory_limit: float = 2 * 2**30

    name = "lm-newton"
    domains = {
        "structure": (lambda s: s in ("auto", *STRUCTURES), "one of 'auto', 'dense', 'gram', 'layer'"),
        "curvature": (
            lambda s: s in ("auto", *CURVATURES),
            "one of 'auto', 'ggn', 'hessian', 'fisher', 'empirical-fisher'",
        ),
        "rule": (lambda s: s in RULES, "one of 'nielsen', 'classical'"),
        "scaling": (lambda s: s in SCALINGS, f"one of {', '.join(map(repr, SCALINGS))}"),
        "geodesic": (lambda b: b == "auto" or isinstance(b, bool), "'auto', True or False"),
        "memory_limit": POSITIVE,
    }
    remedy = "scale the inputs, or raise alpha"
    double = True
    full_batch = False
    layered = False
    cost = "1 + p x p system"
    memory = "3 p"

    def batch_size(self, n):
        return n

    def init(self, here, seed):
        if self.geodesic is True and self.curvature not in ("auto", "ggn"):
            raise ValueError(
                f"geodesic=True with curvature={self.curvature!r} was given to solver='lm-newton'. Allowed is "
                "curvature='auto' or 'ggn', whose matrix is the metric of the outputs. Set geodesic=False, or "
                "curvature='ggn'."
            )
        self._first(here)
        return LMState(None, None, 0, seed)

    def _first(self, here):
        """The curvature that every step makes, and its structure."""
        curvature = "ggn" if self.curvature == "auto" else self.curvature
        return curvature, chosen(here, self.structure, curvature, self.memory_limit)

    def step(self, here, state):
        curvature, structure = self._first(here)
        rng = generator(state.seed, state.step + 1, SAMPLE) if curvature == "fisher" else None
        model = Model(curvature, matrix(here, structure, curvature, rng))
        free = self.curvature == "auto" and self.structure in ("auto", "dense") and here.whole
        if not (free and by_turns(here, self.memory_limit)):
            return self._step(here, state, model)[:3]
        hessian = [Model("hessian", with_second_order(here, structure, model.C))] if state.turn.hessian else []
        there, state, report, taken = self._step(here, state, *hessian, model)
        return there, state._replace(turn=state.turn.after(here, there, taken.curvature)), report

    def step_by(self, here, state, C):
        """`step` with the Gauss-Newton matrix C at hand."""
        return self._step(here, state, Model("ggn", C))[:3]

    def _step(self, here, state, model, instead=None):
        """The next Point, state, report and the model that was taken."""
        state = state._replace(step=state.step + 1)
        diagonal = abs(model.C.diag())
        if not (finite(namespace(diagonal), diagonal) and math.isfinite(here.value)):
            return here, state, Report(0.0, trouble="the loss or its curvature is not finite"), model
        M, first, least, top = self._scale(here, diagonal, state.top)
        lam = max(first if state.lam is None else state.lam, least)
        there, lam, report, model = self._search(here, model, instead, M, lam, least)
        return there, state._replace(lam=lam, top=top), report, model

    def _search(self, here, model, instead, M, start, least):
        """Raise lambda until a step descends: the next Point, lambda, the report, the model.

        Where none does, lambda rises once only: the next batch may be better behaved. `instead` is the model to take
        where this one's matrix is not positive definite.
        """
        lam, rule, lowered = start, RULES[self.rule], False
        for rejections in range(TRIES):
            d, alpha, predicted = self._try(here, model, lam, M)
            if instead and not finite(namespace(d), d):
                model, instead = instead, None
                d, alpha, predicted = self._try(here, model, lam, M)
            rho = -math.inf
            if finite(namespace(d), d):
                there = here.moved(d)
                if negligible(here, there, predicted):
                    if lam > least and not lowered:  # damping alone may hide a decrease
                        lam, lowered = least, True
                        continue
                    lam = min(lam, rule(start, -1.0, 0))
                    return there, lam, Report(alpha, lam, converged=here.whole), model
                rho = gain_ratio(there.value - here.value, predicted)
            rho = rho if rho > ACCEPT else min(rho, 0.0)
            lam = max(rule(lam, rho, rejections), least)
            if rho > 0:
                return there, lam, Report(alpha, lam, rho), model
        lam = rule(start, rho, 0)
        return here, lam, Report(0.0, lam, rho, converged=here.whole), model

    def _scale(self, here, diagonal, top):
        """M, the first and the least lambda, and the running maximum of the diagonal."""
        xp, eps, layered = namespace(diagonal), rounding(diagonal), _layered(here)
        scaling, low = self.scaling, eps**0.5 if layered else eps
        if scaling == "auto":
            scaling = "identity" if layered else "relative"
        if scaling == "diagonal":
            top = diagonal if top is None else xp.maximum(top, diagonal)
            M = xp.maximum(top, xp.full_like(top, eps * (float(xp.max(top)) or 1.0)))
            return M, START, low * float(xp.max(diagonal / M)), top
        M = 1.0 if scaling == "identity" else 1 / here.objective.network.scale(here.theta) ** 2
        relative = diagonal / M
        return M, START * float(xp.max(relative)), low * (float(xp.mean(relative)) or 1.0), None

    def _try(self, here, model, lam, M):
        """The step d, alpha, and the undamped model's value at alpha v."""
        (curvature, C), xp = model, namespace(here.theta)
        shift = lam * M + here.objective.shift(here.theta)
        solve = C.solver(shift)
        v = -solve(here.grad)
        v = v if here.objective.box is None else _inside(here, C, shift, v)
        if not finite(xp, v):
            return v, math.nan, math.nan
        slope, bend = slope_and_bend(here, v, C if curvature == "hessian" else None)
        alpha = -slope / ((bend + lam * dot(xp, M * v, v)) or 1.0)
        alpha = alpha if here.objective.box is None else min(alpha, 1.0)
        v = alpha * v
        curved = here.objective.network.smooth if self.geodesic == "auto" else self.geodesic
        d = v + acceleration(here, solve, M, v) if curved and curvature == "ggn" else v
        return d, alpha, alpha * (slope + 0.5 * alpha * bend)


def _layered(here):
    return bool(here.objective.network.layout.shapes)


def _inside(here, C, shift, v):
    """The minimiser v of the damped model in the box, from that without it; NaN where none is found.

    By block principal pivoting (Judice & Pires 1994): all entries that leave the box become fixed and all fixed ones
    that the model's slope draws inside become free, but where that brings no fewer of them for a while the last one
    alone.
    """
    xp, box, theta = namespace(v), here.objective.box, here.theta
    nothing, places = xp.zeros_like(v), xp.arange(v.shape[0])
    fixed, least, patience = xp.zeros_like(v, dtype=xp.bool), v.shape[0] + 1, PIVOTS
    for _ in range(PIVOTS * (v.shape[0] + 1)):
        border = xp.where(fixed, OUTWARDS * (box.inside(theta + v) - theta), nothing)
        if bool(xp.any(fixed)):
            rest = xp.where(fixed, border, here.grad + C.mv(border))  # any number will do where it is fixed
            v = xp.where(fixed, border, -C.solve(rest, xp.where(fixed, xp.full_like(v, WALL), shift + nothing)))
        slope = here.grad + C.mv(v) + shift * v
        drawn = fixed & (((theta + v <= box.lower) & (slope < 0)) | ((theta + v >= box.upper) & (slope > 0)))
        wrong = drawn | (((theta + v < box.lower) | (theta + v > box.upper)) & ~fixed)
        count = int(xp.sum(xp.astype(wrong, xp.int64)))
        if not count:
            return v
        least, patience = (count, PIVOTS) if count < least else (least, patience - 1)
        last = places == xp.max(xp.where(wrong, places, -xp.ones_like(places)))
        fixed = fixed ^ (wrong if patience > 0 else last)
    return v * math.nan
