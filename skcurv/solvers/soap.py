r"""SOAP: Adam in the eigenbasis of Shampoo (Vyas et al. 2025, algorithm 3).

Symbols, for each layer's block (i + 1, o), bias included: G the gradient, t the step, a prime the rotated basis.

    M <- beta_1 M + (1 - beta_1) G                       in the original basis
    G' = Q_L^T G Q_R,   M' = Q_L^T M Q_R
    V <- beta_2 V + (1 - beta_2) G' * G'                 in the rotated basis
    N' = M' / (sqrt(max(V, FLOOR sum V)) + epsilon)      the sum over the block
    block <- block - eta_t Q_L N' Q_R^T,                 eta_t = eta sqrt(1 - beta_2^t) / (1 - beta_1^t)
    L <- beta_2 L + (1 - beta_2) G G^T,   R <- beta_2 R + (1 - beta_2) G^T G
    every T steps:  Q_L <- qr(L Q_L),   Q_R <- qr(R Q_R)

The first bases are the eigenvectors of the first L = G G^T and R = G^T G. The authors' code spends a step on them; here
that step is taken, and is near -eta U W' for G = U diag(s) W'. Before qr the columns are put in the order of their
Rayleigh quotients, and V with them. M needs no rotation at a change of basis and V none for a change of sign. A side
wider than `WIDEST` has no factor: Q = I there.

Two things are ours. V is floored: what should be zero in G' is rounding, about 1e-7 |G|_F in float32, and Adam would
blow it up to a full step; the floor is the same in float64, so that both take the same steps. And null spaces get a
basis that rounding does not choose (`linalg.roots`). Factors, bases and rotations are in float64 whatever the dtype.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from sklearn.base import BaseEstimator

from ..backend.namespace import dot, finite, namespace
from ..linalg.roots import eigenvectors, refreshed
from .protocol import COUNT, DECAY, POSITIVE, Report
from .sgd import SGD
from .shampoo import averaged, sandwich, second_moments

FLOOR = 1e-6  # least mean square of an entry, relative to the block's


class SOAPState(NamedTuple):
    """Means m (p,) and, rotated, v (p,); by layer (L, R) and (Q_L, Q_R), None at wide sides, after `step` steps."""

    m: Any
    v: Any
    factors: tuple
    bases: tuple
    step: int


@dataclass(eq=False, repr=False)
class SOAP(BaseEstimator):
    r"""Adam in the eigenbasis of the gradient's second moments on both sides of each layer.

    For a layer's block with gradient :math:`G` on a mini-batch and orthogonal :math:`Q_L, Q_R`, near the eigenvectors
    of running means of :math:`G G'` and :math:`G' G`, the running mean :math:`M` of :math:`G` and the running mean
    :math:`V` of the squared entries of :math:`Q_L' G Q_R` give

    .. math:: \theta \leftarrow \theta - \eta\, Q_L \frac{Q_L' M Q_R}{\sqrt{V} + \varepsilon} Q_R',

    with Adam's corrections for the start. The step turns with rotations of the layer's inputs and outputs. Sides of
    more than 2048 units are not rotated; where no side is, SOAP is Adam.

    Parameters
    ----------
    learning_rate : float, default=0.01
        :math:`\eta`, above 0.
    beta_1 : float, default=0.95
        Decay of the running mean of gradients, in [0, 1).
    beta_2 : float, default=0.95
        Decay of the running means of squared gradients and of the factors, in [0, 1).
    epsilon : float, default=1e-8
        :math:`\varepsilon`, above 0.
    refresh_period : int, default=10
        Steps between refreshments of the bases, at least 1.

    References
    ----------
    N. Vyas, D. Morwani, R. Zhao, M. Kwun, I. Shapira, D. Brandfonbrener, L. Janson and S. Kakade, "SOAP: improving and
    stabilizing Shampoo using Adam", ICLR 2025, algorithms 3 and 4 of arXiv:2409.11321.

    Examples
    --------
    >>> from skcurv.solvers import SOAP
    >>> SOAP(learning_rate=0.03)
    SOAP(learning_rate=0.03)
    """

    learning_rate: float = 0.01
    beta_1: float = 0.95
    beta_2: float = 0.95
    epsilon: float = 1e-8
    refresh_period: int = 10

    name = "soap"
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
    cost = "3.4"
    memory = "2 + 2 factors"

    def batch_size(self, n):
        return min(200, n)

    def init(self, here, seed):
        return SOAPState(0 * here.theta, 0 * here.theta, (), (), 0)

    def step(self, here, state):
        here.tape  # noqa: B018 - array code throughout: one pool of threads
        g, theta, layout = here.grad, here.theta, here.objective.network.layout
        xp, (beta_1, beta_2), t = namespace(theta), (self.beta_1, self.beta_2), state.step + 1
        if not math.isfinite(dot(xp, g, g)):
            return here, state, Report(0.0, trouble="the gradient or its square is not finite")
        m = beta_1 * state.m + (1 - beta_1) * g
        G, M, V = (layout.blocks(xp.astype(one, xp.float64)) for one in (g, m, state.v))
        factors, bases = _founded(G) if t == 1 else (state.factors, state.bases)
        V = [beta_2 * old + (1 - beta_2) * turned(Q, one) ** 2 for Q, one, old in zip(bases, G, V, strict=True)]
        D = layout.join([_adam_in(Q, one, v, self.epsilon) for Q, one, v in zip(bases, M, V, strict=True)])
        if not finite(xp, D):
            return here, state, Report(0.0, trouble="the step is not finite")
        factors = averaged(factors, G, beta_2)
        if t % self.refresh_period == 0:
            bases, V = zip(*map(_refreshed, factors, bases, V), strict=True)
        eta = self.learning_rate * (1 - beta_2**t) ** 0.5 / (1 - beta_1**t)
        state = SOAPState(m, xp.astype(layout.join(V), theta.dtype), factors, bases, t)
        return here.at(theta - eta * xp.astype(D, theta.dtype)), state, Report(self.learning_rate)


def turned(bases, V):
    """Q_L' V Q_R."""
    Q_L, Q_R = bases
    return sandwich(None if Q_L is None else Q_L.T, V, Q_R)


def _adam_in(bases, M, V, epsilon):
    """Adam's direction in the rotated basis, back in the original one."""
    xp, (Q_L, Q_R) = namespace(M), bases
    root = xp.sqrt(xp.maximum(V, FLOOR * xp.sum(V)))
    return sandwich(Q_L, turned(bases, M) / (root + epsilon), None if Q_R is None else Q_R.T)


def _founded(blocks):
    """The first factors and bases."""
    factors = tuple(map(second_moments, blocks))
    return factors, tuple(tuple(None if A is None else eigenvectors(A) for A in pair) for pair in factors)


def _refreshed(factors, bases, V):
    """A layer's next bases, and V in the order of their columns."""
    sides = []
    for axis, (A, Q) in enumerate(zip(factors, bases, strict=True)):
        if Q is not None:
            Q, order = refreshed(A, Q)
            V = namespace(V).take(V, order, axis=axis)
        sides.append(Q)
    return tuple(sides), V
