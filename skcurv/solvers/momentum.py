r"""Momentum: v <- mu v - eta g, theta <- theta + v (Polyak 1964)."""

from dataclasses import dataclass

from sklearn.base import BaseEstimator

from .protocol import DECAY, POSITIVE, Report
from .sgd import SGD


@dataclass(eq=False, repr=False)
class Momentum(BaseEstimator):
    r"""Gradient descent with heavy-ball momentum.

    With :math:`g` the gradient on a mini-batch, :math:`\eta` the ``learning_rate`` and :math:`\mu` the ``momentum``,

    .. math:: v \leftarrow \mu v - \eta g, \qquad \theta \leftarrow \theta + v.

    Parameters
    ----------
    learning_rate : float, default=0.01
        :math:`\eta`, above 0. A constant gradient moves :math:`\theta` by :math:`\eta / (1 - \mu)` times it.
    momentum : float, default=0.9
        :math:`\mu` in [0, 1).

    References
    ----------
    B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", USSR Computational Mathematics
    and Mathematical Physics 4 (1964), eq. 9.

    Examples
    --------
    >>> from skcurv.solvers import Momentum
    >>> Momentum(momentum=0.95)
    Momentum(momentum=0.95)
    """

    learning_rate: float = 0.01
    momentum: float = 0.9

    name = "momentum"
    domains = {"learning_rate": POSITIVE, "momentum": DECAY}
    remedy = SGD.remedy
    double = False
    full_batch = False
    layered = False
    cost = "1"
    memory = "1"

    def batch_size(self, n):
        return min(200, n)

    def init(self, here, seed):
        return 0 * here.theta

    def step(self, here, state):
        eta, mu, v, g = self.learning_rate, self.momentum, state, here.grad
        v = mu * v - eta * g
        return here.at(here.theta + v), v, Report(eta)
