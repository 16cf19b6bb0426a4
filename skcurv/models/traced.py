"""Derivatives by JAX of a model function that JAX can trace, in float64.

J u and J'V are single passes of forward and reverse mode; J itself is forward mode along every parameter.
"""

import numpy as np

from ..backend.tracing import double
from ..network.parametric import Products


class TracedFunction:
    """theta (p,), X (n, d) -> F (n, k), compiled by JAX.

    Parameters
    ----------
    function : ModelFunction with its width
    """

    def __init__(self, function):
        self.parameters, self.model = function.parameters, function.model
        self.width, self.flat = function.width, function.flat
        self._compiled = {}

    def __call__(self, theta, X):
        return self.run("value", theta, X)

    def outputs(self, theta, X):
        """F (n, k) as an expression of JAX."""
        import jax.numpy as jnp

        full = jnp.asarray(self.parameters.full).at[np.flatnonzero(self.parameters.free)].set(theta)
        args, keywords = self.parameters.keywords(full)
        return jnp.reshape(jnp.asarray(self.model(X, *args, **keywords)), (X.shape[0], self.width))

    def jvp(self, theta, X, u):
        """J u (n, k)."""
        return self.run("jvp", theta, X, u)

    def vjp(self, theta, X, V):
        """J'V (p,)."""
        return self.run("vjp", theta, X, V)

    def run(self, what, *args):
        """An expression of `_expressions`, from and to NumPy arrays."""
        with double():
            import jax

            if what not in self._compiled:
                self._compiled[what] = jax.jit(self._expressions()[what])
            return np.array(self._compiled[what](*args), dtype=np.float64)

    def _expressions(self):
        import jax

        return {
            "value": self.outputs,
            "jvp": lambda theta, X, u: jax.jvp(lambda t: self.outputs(t, X), (theta,), (u,))[1],
            "vjp": lambda theta, X, V: jax.vjp(lambda t: self.outputs(t, X), theta)[1](V)[0],
            "jacobian": lambda theta, X: jax.jacfwd(lambda t: self.outputs(t, X))(theta),
        }

    def __getstate__(self):
        return {**vars(self), "_compiled": {}}  # compiled code is made anew where it is needed


class TracedProducts(Products):
    """J u, J'V and J (n, k, p) by JAX; the products are the function's own."""

    def jacobian(self, function, theta, X, F):
        return self.products.run("jacobian", theta, X)
