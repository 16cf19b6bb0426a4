r"""Focal loss (Lin and others 2017, eq. 4): log-loss with less weight on what is classified well.

For one label t with probability p_t and u = log p_t,

    l = h(u),   h(u) = -(1 - e^u)^gamma u,

and for targets Y that are distributions l = sum_c Y_c h(u_c): linear in Y. gamma = 0 is log-loss. With q = 1 - p,
r = u / (e^u - 1) >= 0 (1 at u = 0), both without cancellation:

    -h'(u)  = q^gamma (1 + gamma p r)                                >= 0,
     h''(u) = gamma q^(gamma - 1) p (2 + u + (gamma - 1) p r).

Multinomial, p = softmax(F): du_c/dF = e_c - p and d2u_c/dF2 = -(diag p - p p'), so with A = -sum_c Y_c h'(u_c)

    gradient  sum_c Y_c h'(u_c) (e_c - p),
    Hessian   sum_c Y_c h''(u_c) (e_c - p)(e_c - p)' + A (diag p - p p'),
    S S'      A (diag p - p p').

The first term of the Hessian is negative where h'' is, which is where u < -2 or so: a badly misclassified row. S S'
leaves it out and keeps the curvature of the log-loss -u at the slope of h; that is the Hessian where h'' = 0.
Bernoulli: the two outcomes of each output, u = log s and log(1 - s), in the same way.
"""

import math
from dataclasses import dataclass
from numbers import Real

from sklearn.base import BaseEstimator

from ..backend.namespace import namespace, sigmoid, softplus
from .constant import best_constant
from .log_loss import BernoulliLogLoss, LogLoss, MultinomialLogLoss
from .probabilities import check_simplex, check_unit, frequencies, log_softmax

PARTS = BernoulliLogLoss(), MultinomialLogLoss()


def _terms(u, gamma):
    """h(u), h'(u) and h''(u)."""
    xp, tiny = namespace(u), float(namespace(u).finfo(u.dtype).smallest_normal)
    p, q = xp.exp(u), xp.maximum(-xp.expm1(u), xp.full_like(u, tiny))
    pr = xp.where(u < 0, -p * u / q, p)
    power = q**gamma
    bend = gamma * q ** (gamma - 1) * p * (2 + u + (gamma - 1) * pr)
    return -power * u, -power * (1 + gamma * pr), bend


@dataclass(eq=False, repr=False)
class Focal(BaseEstimator):
    r"""Focal loss of labels: the log-loss of each row times :math:`(1 - p_t)^\gamma`.

    :math:`p_t` is the predicted probability of the row's label. Rows that are classified well count less, so that
    a rare class is not drowned. The probabilities that minimise it are not the classes' own; with
    :math:`\gamma = 0` it is the log-loss.

    Parameters
    ----------
    gamma : float, default=2.0
        :math:`\gamma`, at least 0.

    References
    ----------
    T.-Y. Lin, P. Goyal, R. Girshick, K. He and P. Dollar, "Focal loss for dense object detection", ICCV 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from skcurv.losses import Focal
    >>> loss = Focal(gamma=1.0).for_outputs(exclusive=True)
    >>> loss.value(np.zeros((1, 2)), np.array([[1.0, 0.0]])) / np.log(2)
    array([0.5])
    """

    gamma: float = 2.0

    name = "focal"
    domains = {
        "gamma": (
            lambda g: isinstance(g, Real) and not isinstance(g, bool) and 0 <= g < math.inf,
            "a finite number of at least 0",
        )
    }

    def for_outputs(self, exclusive):
        """One distribution over the outputs, or one label an output; the log-loss itself where gamma = 0."""
        if not self.gamma:
            return LogLoss().for_outputs(exclusive)
        return MultinomialFocal(self.gamma) if exclusive else BernoulliFocal(self.gamma)


class BernoulliFocal:
    """Focal loss of independent outputs in [0, 1], summed over outputs.

    Parameters
    ----------
    gamma : float
    """

    name = "focal"
    out_activation = "logistic"
    location_scale = False
    fused = None
    likelihood = "none"

    def __init__(self, gamma=2.0):
        self.gamma = gamma

    def _sides(self, F):
        """h, h' and h'' for the outcomes 1 and 0, and s."""
        return _terms(-softplus(-F), self.gamma), _terms(-softplus(F), self.gamma), sigmoid(F)

    def raw_outputs(self, k):
        """k."""
        return k

    def value(self, F, Y):
        """sum_c Y_c h(log s_c) + (1 - Y_c) h(log(1 - s_c)), (n,)."""
        (one, *_), (zero, *_), _ = self._sides(F)
        return namespace(F).sum(Y * one + (1 - Y) * zero, axis=1)

    def grad(self, F, Y):
        """Y h'(log s) (1 - s) - (1 - Y) h'(log(1 - s)) s, (n, k)."""
        (_, one, _), (_, zero, _), s = self._sides(F)
        return Y * one * sigmoid(-F) - (1 - Y) * zero * s

    def hessp(self, F, Y, V):
        """The Hessian, which is diagonal, times V, (n, k)."""
        (_, _, one), (_, _, zero), s = self._sides(F)
        t = sigmoid(-F)
        return (Y * one * t * t + (1 - Y) * zero * s * s + self._surrogate(F, Y)) * V

    def ggnp(self, F, Y, V):
        """A s (1 - s) V, (n, k)."""
        return self._surrogate(F, Y) * V

    def _surrogate(self, F, Y):
        """A s (1 - s), (n, k)."""
        (_, one, _), (_, zero, _), s = self._sides(F)
        return -(Y * one + (1 - Y) * zero) * s * sigmoid(-F)

    def factor(self, F, Y):
        """diag(sqrt(A s (1 - s))), (n, k, k)."""
        xp = namespace(F)
        return xp.sqrt(self._surrogate(F, Y))[:, :, None] * xp.eye(F.shape[1], dtype=F.dtype)[None, :, :]

    def predict(self, F):
        """s, (n, k)."""
        return sigmoid(F)

    def log_predict(self, F):
        """log s, (n, k)."""
        return -softplus(-F)

    def start(self, Y, w):
        """The best constant output, found numerically, (k,)."""
        return best_constant(self, frequencies(Y, w)[None, :])

    def check_targets(self, Y):
        """Any number in [0, 1] is allowed."""
        check_unit(Y, self.name)


class MultinomialFocal:
    """Focal loss of one distribution over the outputs.

    Parameters
    ----------
    gamma : float
    """

    name = "focal"
    out_activation = "softmax"
    location_scale = False
    fused = None
    likelihood = "none"

    def __init__(self, gamma=2.0):
        self.gamma = gamma

    def raw_outputs(self, k):
        """k."""
        return k

    def value(self, F, Y):
        """sum_c Y_c h(log p_c), (n,)."""
        h, _, _ = _terms(log_softmax(F), self.gamma)
        return namespace(F).sum(Y * h, axis=1)

    def grad(self, F, Y):
        """a - p sum_c a_c with a = Y h'(log p), (n, k)."""
        _, slope, _ = _terms(log_softmax(F), self.gamma)
        return _centred(Y * slope, self.predict(F))

    def hessp(self, F, Y, V):
        """The Hessian times V, (n, k)."""
        xp, u = namespace(F), log_softmax(F)
        p, (_, _, bend) = xp.exp(u), _terms(u, self.gamma)
        along = V - xp.sum(p * V, axis=1, keepdims=True)  # (e_c - p)'V for each c
        return _centred(Y * bend * along, p) + self.ggnp(F, Y, V)

    def ggnp(self, F, Y, V):
        """A (p V - p (p . V)), (n, k)."""
        return self._share(F, Y)[:, None] * PARTS[1].ggnp(F, Y, V)

    def _share(self, F, Y):
        """A, (n,)."""
        _, slope, _ = _terms(log_softmax(F), self.gamma)
        return -namespace(F).sum(Y * slope, axis=1)

    def factor(self, F, Y):
        """sqrt(A) (diag(sqrt p) - p sqrt(p)'), (n, k, k)."""
        return namespace(F).sqrt(self._share(F, Y))[:, None, None] * PARTS[1].factor(F, Y)

    def predict(self, F):
        """p, (n, k)."""
        return PARTS[1].predict(F)

    def log_predict(self, F):
        """log p, (n, k)."""
        return log_softmax(F)

    def start(self, Y, w):
        """The best constant output, found numerically, (k,)."""
        f = frequencies(Y, w)
        return best_constant(self, (f / namespace(Y).sum(f))[None, :])

    def check_targets(self, Y):
        """Rows must be distributions: non-negative, summing to one."""
        check_simplex(Y, self.name)


def _centred(a, p):
    """sum_c a_c (e_c - p), (n, k)."""
    return a - p * namespace(a).sum(a, axis=1, keepdims=True)
