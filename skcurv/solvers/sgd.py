r"""Stochastic gradient descent: theta <- theta - eta g (Robbins & Monro 1951)."""

from dataclasses import dataclass

from sklearn.base import BaseEstimator

from .protocol import POSITIVE, Report


@dataclass(eq=False, repr=False)
class SGD(BaseEstimator):
    r"""Stochastic gradient descent.

    With :math:`g` the gradient on a mini-batch and :math:`\eta` the ``learning_rate``,

    .. math:: \theta \leftarrow \theta - \eta g.

    On a quadratic of condition number :math:`\kappa` the error falls by the factor
    :math:`(\kappa - 1) / (\kappa + 1)` a step at best (Nocedal & Wright 2006, theorem 3.3).

    Parameters
    ----------
    learning_rate : float, default=0.1
        :math:`\eta`, above 0.

    References
    ----------
    H. Robbins and S. Monro, "A stochastic approximation method", Annals of Mathematical Statistics 22 (1951).

    Examples
    --------
    >>> from skcurv.solvers import SGD
    >>> SGD(learning_rate=0.05)
    SGD(learning_rate=0.05)
    """

    learning_rate: float = 0.1

    name = "sgd"
    domains = {"learning_rate": POSITIVE}
    remedy = "lower learning_rate tenfold, scale the inputs, or use solver='kfac', which needs no learning rate"
    double = False
    full_batch = False
    layered = False
    cost = "1"
    memory = "0"

    def batch_size(self, n):
        return min(200, n)

    def init(self, here, seed):
        return None

    def step(self, here, state):
        eta, g = self.learning_rate, here.grad
        return here.at(here.theta - eta * g), state, Report(eta)
