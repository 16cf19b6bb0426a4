"""Activations phi with the two derivatives that products with the Jacobian and the Hessian need.

========== ========================= ===================== ==============================
name       phi(z)                    phi'(z)               phi''(z)
========== ========================= ===================== ==============================
identity   z                         1                     0
logistic   s = 1 / (1 + exp(-z))     s (1 - s)             s (1 - s) (1 - 2 s)
tanh       tanh z                    1 - a^2               -2 a (1 - a^2)
relu       max(z, 0)                 [z > 0]               0
leaky_relu max(z, 0) + c min(z, 0)   [z > 0] + c [z <= 0]  0,  with c = 0.01
softplus   log(1 + exp(z))           s                     s (1 - s)
silu       z s                       s (1 + z (1 - s))     s (1 - s) (2 + z (1 - 2 s))
========== ========================= ===================== ==============================
"""

from collections.abc import Callable
from typing import NamedTuple

from ..backend.namespace import namespace, sigmoid, softplus
from ..backend.piecewise import activate, gate, step


class Activation(NamedTuple):
    """phi, phi' and phi''; both derivatives take the input z and the output a = phi(z).

    `leak` is the slope below zero of a function that is the identity above it, else None. For such a function z and a
    have one sign, and a tape keeps a alone.
    """

    value: Callable
    slope: Callable
    curvature: Callable
    leak: float | None = None

    def layer(self, Z, b):
        """z = Z + b and phi(z), for Z (n, o) that is not needed any more."""
        if self.leak is not None:
            a = activate(Z, b, self.leak)
            return a, a
        Z += b
        return Z, self.value(Z)

    def chain(self, V, z, a):
        """V * phi'(z), for V (n, o) that is not needed any more."""
        return V * self.slope(z, a) if self.leak is None else gate(V, a, self.leak)


def _tanh(z):
    return namespace(z).tanh(z)


def _piecewise_linear(leak):
    def value(z):
        xp = namespace(z)
        return z if leak == 1 else xp.maximum(z, leak * z if leak else xp.zeros_like(z))

    return Activation(value, lambda z, a: step(z, leak), lambda z, a: namespace(z).zeros_like(z), leak)


def _softplus_curvature(z, a):
    s = sigmoid(z)
    return s * (1 - s)


def _silu_slope(z, a):
    s = sigmoid(z)
    return s + a * (1 - s)


def _silu_curvature(z, a):
    s = sigmoid(z)
    return s * (1 - s) * (2 + z * (1 - 2 * s))


ACTIVATIONS = {
    "identity": _piecewise_linear(1.0),
    "logistic": Activation(sigmoid, lambda z, a: a * (1 - a), lambda z, a: a * (1 - a) * (1 - 2 * a)),
    "tanh": Activation(_tanh, lambda z, a: 1 - a * a, lambda z, a: -2 * a * (1 - a * a)),
    "relu": _piecewise_linear(0.0),
    "leaky_relu": _piecewise_linear(0.01),
    "softplus": Activation(softplus, lambda z, a: sigmoid(z), _softplus_curvature),
    "silu": Activation(lambda z: z * sigmoid(z), _silu_slope, _silu_curvature),
}
