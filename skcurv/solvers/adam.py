r"""Adam (Kingma & Ba 2015): running means of the gradient and of its square, with the bias of their start removed."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from sklearn.base import BaseEstimator

from ..backend.namespace import namespace
from .protocol import DECAY, POSITIVE, Report
from .sgd import SGD


class AdamState(NamedTuple):
    """Running means m of g and v of g^2, (p,), after `step` steps; the loop owns their memory."""

    m: Any
    v: Any
    step: int


def update(theta, grad, m, v, rate, beta_1, beta_2, epsilon):
    """The update in array code: the definition of `backend.fused.adam`."""
    m = beta_1 * m + (1 - beta_1) * grad
    v = beta_2 * v + (1 - beta_2) * (grad * grad)
    return theta - rate * m / (namespace(v).sqrt(v) + epsilon), m, v


@dataclass(eq=False, repr=False)
class Adam(BaseEstimator):
    r"""Adam, in the form with the bias correction in the rate.

    With :math:`g` the gradient on a mini-batch in step :math:`t`, and all operations by entry,

    .. math:: m \leftarrow \beta_1 m + (1 - \beta_1) g, \quad v \leftarrow \beta_2 v + (1 - \beta_2) g^2, \quad
              \theta \leftarrow \theta - \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t}
              \frac{m}{\sqrt{v} + \varepsilon}.

    Parameters
    ----------
    learning_rate : float, default=0.003
        :math:`\eta`, above 0.
    beta_1 : float, default=0.9
        Decay of the running mean of gradients, in [0, 1).
    beta_2 : float, default=0.999
        Decay of the running mean of squared gradients, in [0, 1).
    epsilon : float, default=1e-8
        :math:`\varepsilon`, above 0.

    References
    ----------
    D. P. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015, end of section 2.

    Examples
    --------
    >>> from skcurv.solvers import Adam
    >>> Adam(learning_rate=0.01)
    Adam(learning_rate=0.01)
    """

    learning_rate: float = 0.003
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    name = "adam"
    domains = {"learning_rate": POSITIVE, "beta_1": DECAY, "beta_2": DECAY, "epsilon": POSITIVE}
    remedy = SGD.remedy
    double = False
    full_batch = False
    layered = False
    cost = "1"
    memory = "2"

    def batch_size(self, n):
        return min(200, n)

    def init(self, here, seed):
        return AdamState(0 * here.theta, 0 * here.theta, 0)

    def step(self, here, state):
        t, eta = state.step + 1, self.learning_rate
        rate = eta * (1 - self.beta_2**t) ** 0.5 / (1 - self.beta_1**t)
        numbers = (rate, self.beta_1, self.beta_2, self.epsilon)
        grad, theta = here.grad, here.theta
        if here.plan:
            here.plan.adam(theta, grad, state.m, state.v, *numbers)
            return here.at(theta), AdamState(state.m, state.v, t), Report(eta)
        theta, m, v = update(theta, grad, state.m, state.v, *numbers)
        return here.at(theta), AdamState(m, v, t), Report(eta)
