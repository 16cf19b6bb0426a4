r"""RMSProp: s <- rho s + (1 - rho) g^2, theta <- theta - eta g / (sqrt s + eps) (Tieleman & Hinton 2012)."""

from dataclasses import dataclass

from sklearn.base import BaseEstimator

from ..backend.namespace import namespace
from .protocol import DECAY, POSITIVE, Report
from .sgd import SGD


@dataclass(eq=False, repr=False)
class RMSProp(BaseEstimator):
    r"""Gradient descent scaled by the root of a running mean of squared gradients.

    With :math:`g` the gradient on a mini-batch, :math:`\eta` the ``learning_rate``, :math:`\rho` the ``decay`` and all
    operations by entry,

    .. math:: s \leftarrow \rho s + (1 - \rho) g^2, \qquad
              \theta \leftarrow \theta - \eta g / (\sqrt{s} + \varepsilon).

    Parameters
    ----------
    learning_rate : float, default=0.003
        :math:`\eta`, above 0.
    decay : float, default=0.9
        :math:`\rho` in [0, 1).
    epsilon : float, default=1e-8
        :math:`\varepsilon`, above 0.

    References
    ----------
    T. Tieleman and G. Hinton, "Lecture 6.5: rmsprop", Neural Networks for Machine Learning, Coursera 2012.

    Examples
    --------
    >>> from skcurv.solvers import RMSProp
    >>> RMSProp(decay=0.99)
    RMSProp(decay=0.99)
    """

    learning_rate: float = 0.003
    decay: float = 0.9
    epsilon: float = 1e-8

    name = "rmsprop"
    domains = {"learning_rate": POSITIVE, "decay": DECAY, "epsilon": POSITIVE}
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
        eta, rho, s, g = self.learning_rate, self.decay, state, here.grad
        s = rho * s + (1 - rho) * (g * g)
        d = -eta * g / (namespace(s).sqrt(s) + self.epsilon)
        return here.at(here.theta + d), s, Report(eta)
