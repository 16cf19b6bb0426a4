r"""Nesterov's accelerated gradient: v <- mu v - eta g, theta <- theta + mu v - eta g."""

from dataclasses import dataclass

from sklearn.base import BaseEstimator

from .protocol import DECAY, POSITIVE, Report
from .sgd import SGD


@dataclass(eq=False, repr=False)
class Nesterov(BaseEstimator):
    r"""Gradient descent with Nesterov's momentum.

    In the look-ahead point :math:`\theta` of Sutskever et al., with :math:`g` the gradient there on a mini-batch,
    :math:`\eta` the ``learning_rate`` and :math:`\mu` the ``momentum``,

    .. math:: v \leftarrow \mu v - \eta g, \qquad \theta \leftarrow \theta + \mu v - \eta g.

    With :math:`\mu = 0` it is gradient descent.

    Parameters
    ----------
    learning_rate : float, default=0.01
        :math:`\eta`, above 0.
    momentum : float, default=0.9
        :math:`\mu` in [0, 1).

    References
    ----------
    Y. Nesterov, "A method of solving a convex programming problem with convergence rate O(1/k^2)", Soviet Mathematics
    Doklady 27 (1983); I. Sutskever, J. Martens, G. Dahl and G. Hinton, "On the importance of initialization and
    momentum in deep learning", ICML 2013, eqs. 3-4.

    Examples
    --------
    >>> from skcurv.solvers import Nesterov
    >>> Nesterov(learning_rate=0.1)
    Nesterov(learning_rate=0.1)
    """

    learning_rate: float = 0.01
    momentum: float = 0.9

    name = "nesterov"
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
        return here.at(here.theta + mu * v - eta * g), v, Report(eta)
