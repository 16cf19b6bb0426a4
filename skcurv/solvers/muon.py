r"""Muon: momentum, orthogonalised by Newton-Schulz (Jordan et al. 2024; Liu et al. 2025).

Symbols, for each layer: W its weights (i, o), b its bias, G the gradient in W, NS five quintic Newton-Schulz steps
(`linalg.roots.orthogonal`).

    M <- mu M + G
    W <- W - eta 0.2 sqrt(max(i, o)) NS(G + mu M)        Nesterov's form
    b by Adam with rate eta

Every weight matrix takes this step, the first and the last layer's too; only biases are Adam's. A matrix of full rank
with unit singular values has entries of root mean square 1 / sqrt(max(i, o)), so that 0.2 sqrt(max(i, o)) gives each
weight steps of 0.2 eta, about Adam's (Liu et al., section 2.2): one learning rate serves weights and biases, means what
Adam's does, and carries over from width to width. The penalty is in the gradient, as for every solver, not decoupled.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from sklearn.base import BaseEstimator

from ..backend.namespace import dot, namespace
from ..linalg.roots import orthogonal
from .adam import Adam, update
from .protocol import DECAY, POSITIVE, Report
from .sgd import SGD

SCALE = 0.2  # root mean square of a step of Adam over its rate


class MuonState(NamedTuple):
    """Momenta M (i, o) of the weights by layer, Adam's means m and v of all biases, after `step` steps."""

    M: tuple
    m: Any
    v: Any
    step: int


@dataclass(eq=False, repr=False)
class Muon(BaseEstimator):
    r"""Steps along the orthogonal factor of the momentum of each weight matrix.

    For weights :math:`W` of :math:`i` inputs and :math:`o` outputs with gradient :math:`G` on a mini-batch,

    .. math:: M \leftarrow \mu M + G, \quad G + \mu M = U \Sigma V', \quad
              W \leftarrow W - 0.2 \sqrt{\max(i, o)}\, \eta\, U V',

    where :math:`U V'` is had from five Newton-Schulz steps, up to singular values between 0.67 and 1.21. Biases take
    Adam's step with the same :math:`\eta` and its usual decays. The step of the weights does not change with the scale
    of the gradient, and turns with rotations of a layer's inputs and outputs.

    Parameters
    ----------
    learning_rate : float, default=0.01
        :math:`\eta`, above 0.
    momentum : float, default=0.95
        :math:`\mu` in [0, 1).

    References
    ----------
    K. Jordan, Y. Jin, V. Boza, J. You, F. Cesista, L. Newhouse and J. Bernstein, "Muon: an optimizer for hidden layers
    in neural networks", 2024, https://kellerjordan.github.io/posts/muon/. J. Liu et al., "Muon is scalable for LLM
    training", arXiv:2502.16982 (2025), section 2.2.

    Examples
    --------
    >>> from skcurv.solvers import Muon
    >>> Muon(momentum=0.9)
    Muon(momentum=0.9)
    """

    learning_rate: float = 0.01
    momentum: float = 0.95

    name = "muon"
    domains = {"learning_rate": POSITIVE, "momentum": DECAY}
    remedy = SGD.remedy
    double = False
    full_batch = False
    layered = True
    cost = "3"
    memory = "1"

    def batch_size(self, n):
        return min(200, n)

    def init(self, here, seed):
        weights, b = _parts(here.objective.network.layout, here.theta)
        return MuonState(tuple(0 * W for W in weights), 0 * b, 0 * b, 0)

    def step(self, here, state):
        here.tape  # noqa: B018 - array code throughout: one pool of threads
        theta, layout, g = here.theta, here.objective.network.layout, here.grad
        mu, eta, t = self.momentum, self.learning_rate, state.step + 1
        if not math.isfinite(dot(namespace(g), g, g)):
            return here, state, Report(0.0, trouble="the gradient or its square is not finite")
        (weights, b), (gradients, g_b) = _parts(layout, theta), _parts(layout, g)
        M = tuple(mu * old + G for old, G in zip(state.M, gradients, strict=True))
        weights = [
            W - eta * SCALE * max(W.shape) ** 0.5 * orthogonal(G + mu * V)
            for W, G, V in zip(weights, gradients, M, strict=True)
        ]
        rate = eta * (1 - Adam.beta_2**t) ** 0.5 / (1 - Adam.beta_1**t)
        b, m, v = update(b, g_b, state.m, state.v, rate, Adam.beta_1, Adam.beta_2, Adam.epsilon)
        return here.at(_whole(layout, weights, b)), MuonState(M, m, v, t), Report(eta)


def _parts(layout, theta):
    """The weights (i, o) of each layer, and all biases in one vector."""
    blocks = layout.blocks(theta)
    return [B[:-1, :] for B in blocks], namespace(theta).concat([B[-1, :] for B in blocks])


def _whole(layout, weights, b):
    """The inverse of `_parts`."""
    xp, blocks, start = namespace(b), [], 0
    for W, (_, o) in zip(weights, pairwise(layout.sizes), strict=True):
        blocks.append(xp.concat([W, b[None, start : start + o]], axis=0))
        start += o
    return layout.join(blocks)
