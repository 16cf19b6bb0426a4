"""Networks x losses x sizes, float64 problems to evaluate them on, and a comparison with a derived tolerance."""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from skcurv.data import Data
from skcurv.losses import BernoulliLogLoss, MultinomialLogLoss, SquaredError
from skcurv.network import MLP
from skcurv.objective import Objective

SMOOTH = ("identity", "logistic", "tanh", "softplus", "silu")
ACTIVATIONS = (*SMOOTH, "relu", "leaky_relu")
LOSSES = {"squared_error": SquaredError(), "bernoulli": BernoulliLogLoss(), "multinomial": MultinomialLogLoss()}
NETWORKS = {
    "linear": ((3, 2), ()),
    "linear one output": ((4, 1), ()),
    "one unit": ((3, 1, 2), ("tanh",)),
    "one output": ((3, 4, 1), ("silu",)),
    "two layers": ((2, 3, 4, 3), ("softplus", "leaky_relu")),
    "deep linear": ((3, 2, 3, 2), ("identity", "identity")),
    "deep relu": ((3, 4, 3, 2), ("relu", "relu")),
    **{name: ((3, 3, 2), (name,)) for name in ACTIVATIONS},
}


class Case(NamedTuple):
    """A network and the name of a loss."""

    sizes: tuple
    activations: tuple
    loss: str

    @property
    def network(self):
        return MLP(self.sizes, self.activations)


def case(network, loss):
    return Case(*NETWORKS[network], loss)


NAMES = [(net, loss) for net in NETWORKS for loss in LOSSES if loss != "multinomial" or NETWORKS[net][0][-1] > 1]
CASES = {f"{net}, {loss}": case(net, loss) for net, loss in NAMES}


class Problem(NamedTuple):
    """Plain arrays: rows X, targets Y, raw weights v (some zero), parameters theta, penalty alpha."""

    case: Case
    X: Any
    Y: Any
    v: Any
    theta: Any
    alpha: float

    def objective(self, sparse=False, dtype=np.float64):
        X = scipy.sparse.csr_matrix(self.X) if sparse else self.X
        data = Data(X.astype(dtype), self.Y.astype(dtype), self.v.astype(dtype))
        return Objective(self.case.network, LOSSES[self.case.loss], data, self.alpha)

    def point(self, sparse=False, dtype=np.float64):
        return self.objective(sparse, dtype).point(self.theta.astype(dtype))


def targets(loss, rng, n, k):
    """Targets in the loss's domain, hard and soft ones."""
    if loss == "squared_error":
        return rng.normal(size=(n, k))
    if loss == "bernoulli":
        soft = np.arange(n) % 3 == 0
        return np.where(soft[:, None], rng.random((n, k)), rng.integers(0, 2, (n, k)))
    return np.where(np.arange(n)[:, None] % 3 == 0, rng.dirichlet(np.ones(k), n), np.eye(k)[np.arange(n) % k])


def problem(case, n=7, alpha=0.6, seed=0):
    """Random rows and parameters; two rows of n > 2 have weight zero and outlying values."""
    rng = np.random.default_rng((seed, n, *case.sizes))
    X = rng.normal(size=(n, case.sizes[0]))
    X[:, 0] *= rng.random(n) < 0.7  # some exact zeros, for CSR
    Y, v = targets(case.loss, rng, n, case.sizes[-1]), rng.uniform(0.5, 2.0, n)
    if n > 2:
        v[[1, 4 % n]] = 0
        X[[1, 4 % n]] += 5
    theta = 0.8 * rng.normal(size=case.network.layout.size)
    return Problem(case, X, Y, v, theta, alpha)


def assert_close(actual, desired, terms, dtype=np.float64, scale=None):
    """Equal up to the rounding of sums of `terms` products: 4 terms eps relative to the largest magnitude.

    `scale` replaces the magnitude of `desired` where sums cancel or a condition number enters.
    """
    desired = np.asarray(desired)
    magnitude = max(np.abs(desired).max(), np.finfo(dtype).tiny) if scale is None else scale
    np.testing.assert_allclose(actual, desired, rtol=0, atol=4 * terms * np.finfo(dtype).eps * magnitude)


def assert_close_to_difference(actual, desired, scale=1.0):
    """Equal up to the error of a central difference of step eps^(1/3): h^2 |f'''| / 6 + eps |f| / h.

    With values and derivatives of at most 30 `scale` both terms are below 60 eps^(2/3) `scale`.
    """
    np.testing.assert_allclose(actual, desired, rtol=0, atol=60 * np.finfo(np.float64).eps ** (2 / 3) * scale)


STEP = np.finfo(np.float64).eps ** (1 / 3)


def mini_batches(n=400, size=200):
    """The objective of a case and the first batches of an epoch, whose buffers are not used again."""
    objective = problem(case("tanh", "squared_error"), n=n).objective()
    return objective, [next(objective.data.batches(size, 0, epoch)) for epoch in range(1, 5)]


def two_steps(solver):
    """Where they end, the state there, and all batches, of which they were on the first two."""
    objective, batches = mini_batches()
    here = objective.point(problem(case("tanh", "squared_error")).theta, batches[0])
    state = solver.init(here, 0)
    for batch in batches[:2]:
        here, state, _ = solver.step(here.on(batch), state)
    return here, state, batches
