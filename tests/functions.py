"""Model functions to fit: networks in disguise, and a recorder of every value that is asked for."""

import numpy as np

from skcurv.models import ModelFunction, network, parameters
from skcurv.network import MLP

from . import oracles

KINDS = ("2-point", "3-point", "cs", "given", "products", "jax")
ERRORS = {  # of an entry of J, relative, with room for constants; second derivatives lose to the power 2/3
    "2-point": 200 * np.finfo(float).eps ** 0.5,
    "3-point": 200 * np.finfo(float).eps ** (2 / 3),
    **dict.fromkeys(("cs", "given", "products", "jax"), 1e-13),
}


class Recorder:
    """A function of (X, theta) that keeps the real part of every theta."""

    def __init__(self, function):
        self.function, self.seen = function, []

    def __call__(self, X, theta):
        self.seen.append(np.array(theta.real))
        return self.function(X, theta)

    def assert_inside(self, lower, upper):
        """Every call lies in the box, and there was one."""
        seen = np.array(self.seen)
        assert len(seen)
        assert np.all(seen >= lower)
        assert np.all(seen <= upper)


def outputs(case):
    """The outputs of a multilayer perceptron as a model of (X, theta), by the oracle's loops."""

    def model(X, theta):
        return oracles.forward(case, theta, X)

    return model


def traced(case):
    """The same in JAX, for tanh and linear layers."""
    import jax.numpy as jnp

    def model(X, theta):
        A, start = X, 0
        for layer, (i, o) in enumerate(zip(case.sizes[:-1], case.sizes[1:], strict=True)):
            block = jnp.reshape(theta[start : start + (i + 1) * o], (i + 1, o))
            A, start = A @ block[:-1] + block[-1], start + (i + 1) * o
            A = jnp.tanh(A) if layer < len(case.activations) else A
        return A

    return model


def as_model(case, theta, kind, bounds=None, record=None):
    """A multilayer perceptron as a model function with derivatives of a kind, started at theta, as a `Parametric`."""
    mlp, model = MLP(case.sizes, case.activations), traced(case) if kind == "jax" else outputs(case)
    jac = {
        "given": lambda X, t: oracles.jacobian(case, t, X),
        "products": (
            lambda X, t, u: mlp.pushforward(mlp.forward(t, X), u),
            lambda X, t, V: mlp.pullback(mlp.forward(t, X), V).total(),
        ),
    }.get(kind, kind)
    model = model if record is None else record(model)
    found = parameters(lambda X, theta: None, theta, bounds, None)
    return network(ModelFunction(model, found, case.sizes[-1]), jac, case.sizes[0])


def network_of(model, start, jac="3-point", bounds=None, fixed=None, X=None):
    """Any model as a `Parametric`, its width found at the start; and its parameters."""
    found = parameters(model, start, bounds, fixed)
    X = np.zeros((1, 1)) if X is None else X
    return network(ModelFunction(model, found).sized(found.theta, X), jac, X.shape[1]), found
