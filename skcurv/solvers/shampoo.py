r"""Shampoo with exponential averages, grafted to Adam (Gupta, Koren & Singer 2018; Anil et al. 2020; Shi et al. 2023).

Symbols, for each layer's block (i + 1, o), bias included: G the gradient, t the step, P_L and P_R the roots.

    m <- beta_1 m + (1 - beta_1) G,   v <- beta_2 v + (1 - beta_2) G^2        Adam's means; D = -Adam's step
    L <- beta_2 L + (1 - beta_2) G G',  R <- beta_2 R + (1 - beta_2) G'G
    every T steps:  P_L = (L + ridge s_1(L) I)^(-1/4),  P_R = (R + ridge s_1(R) I)^(-1/4)
    S = P_L m P_R,   block <- block - |D|_F / |S|_F S

Averages instead of sums and the first mean between the roots: Shi et al. A ridge relative to the
largest eigenvalue s_1: Anil et al. The factors need no correction for the bias of their start, for grafting takes out
their scale. Until the first roots, T - 1 steps, the step is Adam's (Shi et al. again). The roots are made in
float64 by eigendecomposition; a side wider than `WIDEST` has none: P = I there.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from sklearn.base import BaseEstimator

from ..backend.namespace import dot, finite, namespace
from ..linalg.roots import WIDEST, inverse_root
from .protocol import COUNT, DECAY, POSITIVE, Report
from .sgd import SGD

RIDGE = 1e-6  # relative to the largest eigenvalue


class ShampooState(NamedTuple):
    """Adam's means (p,), by layer the factors (L, R) and roots (P_L, P_R), None at wide sides, after `step` steps."""

    m: Any
    v: Any
    factors: tuple
    roots: tuple
    step: int


@dataclass(eq=False, repr=False)
class Shampoo(BaseEstimator):
    r"""Shampoo: inverse fourth roots of the gradient's second moments on both sides of each layer, at Adam's length.

    For a layer's block with gradient :math:`G` on a mini-batch, running means :math:`M` of :math:`G`, :math:`L` of
    :math:`G G'` and :math:`R` of :math:`G' G`, and :math:`D` the step of Adam,

    .. math:: S = L^{-1/4} M R^{-1/4}, \qquad \theta \leftarrow \theta - \frac{|D|_F}{|S|_F} S.

    The direction turns with rotations of the layer's inputs and outputs; the length is Adam's. Sides of more than 2048
    units are not preconditioned.

    Parameters
    ----------
    learning_rate : float, default=0.003
        Adam's :math:`\eta`, above 0.
    beta_1 : float, default=0.9
        Decay of the running mean of gradients, in [0, 1).
    beta_2 : float, default=0.999
        Decay of the running means of :math:`L`, :math:`R` and the squared gradients, in [0, 1).
    epsilon : float, default=1e-8
        Adam's :math:`\varepsilon`, above 0.
    refresh_period : int, default=10
        Steps between computations of the roots, at least 1; before the first the step is Adam's.

    References
    ----------
    V. Gupta, T. Koren and Y. Singer, "Shampoo: preconditioned stochastic tensor optimization", ICML 2018, algorithm 1.
    R. Anil, V. Gupta, T. Koren, K. Regan and Y. Singer, "Scalable second order optimization for deep learning",
    arXiv:2002.09018 (2020). H.-J. M. Shi et al., "A distributed data-parallel PyTorch implementation of the distributed
    Shampoo optimizer for training neural networks at-scale", arXiv:2309.06497 (2023).

    Examples
    --------
    >>> from skcurv.solvers import Shampoo
    >>> Shampoo(refresh_period=20)
    Shampoo(refresh_period=20)
    """

    learning_rate: float = 0.003
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    refresh_period: int = 10

    name = "shampoo"
    domains = {
        "learning_rate": POSITIVE,
        "beta_1": DECAY,
        "beta_2": DECAY,
        "epsilon": POSITIVE,
        "refresh_period": COUNT,
    }
    remedy = SGD.remedy
    double = False
    full_batch = False
    layered = True
    cost = "2.8"
    memory = "2 + 2 factors"

    def batch_size(self, n):
        return min(200, n)

    def init(self, here, seed):
        factors = tuple(second_moments(0 * G) for G in here.objective.network.layout.blocks(here.theta))
        return ShampooState(0 * here.theta, 0 * here.theta, factors, (), 0)

    def step(self, here, state):
        here.tape  # noqa: B018 - array code throughout: one pool of threads
        g, theta, layout = here.grad, here.theta, here.objective.network.layout
        xp, (beta_1, beta_2), t = namespace(theta), (self.beta_1, self.beta_2), state.step + 1
        if not math.isfinite(dot(xp, g, g)):
            return here, state, Report(0.0, trouble="the gradient or its square is not finite")
        m = beta_1 * state.m + (1 - beta_1) * g
        v = beta_2 * state.v + (1 - beta_2) * (g * g)
        eta = self.learning_rate * (1 - beta_2**t) ** 0.5 / (1 - beta_1**t)
        d = eta * m / (xp.sqrt(v) + self.epsilon)
        factors, roots = averaged(state.factors, layout.blocks(g), beta_2), state.roots
        if t % self.refresh_period == 0:
            roots = tuple((_root(L, theta.dtype), _root(R, theta.dtype)) for L, R in factors)
        if roots:
            blocks = zip(roots, layout.blocks(m), layout.blocks(d), strict=True)
            d = layout.join([grafted(sandwich(P_L, M, P_R), D) for (P_L, P_R), M, D in blocks])
        if not finite(xp, d):
            return here, state, Report(0.0, trouble="the step is not finite")
        return here.at(theta - d), ShampooState(m, v, factors, roots, t), Report(self.learning_rate)


def second_moments(G):
    """(G G', G'G), None for a side that is too wide."""
    rows, columns = G.shape
    return (G @ G.T if rows <= WIDEST else None, G.T @ G if columns <= WIDEST else None)


def averaged(factors, blocks, decay):
    """The running means of the second moments with those of new gradients blended in."""

    def blend(old, new):
        return None if old is None else decay * old + (1 - decay) * new

    pairs = zip(factors, map(second_moments, blocks), strict=True)
    return tuple(tuple(map(blend, old, new)) for old, new in pairs)


def sandwich(P, V, Q):
    """P V Q, where None is the identity."""
    V = V if P is None else P @ V
    return V if Q is None else V @ Q


def grafted(S, D):
    """S at the length of D."""
    xp = namespace(S)
    return (dot(xp, D, D) / (dot(xp, S, S) or 1.0)) ** 0.5 * S


def _root(A, dtype):
    return None if A is None else namespace(A).astype(inverse_root(A, 4, RIDGE), dtype)
