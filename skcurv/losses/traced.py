"""Derivatives of a loss by JAX: exact to rounding, from its value alone.

With L(F) = sum_i l(F_i, Y_i), whose rows do not touch one another,

    gradient  dL/dF,      Hessian V  the derivative of dL/dF along V (forward over reverse, Pearlmutter 1994).

JAX computes in float32 unless it is told otherwise; here it is, within each call, and the rest of the program is left
as it was. float32 raw outputs stay float32.
"""

from functools import cached_property

import numpy as np

from ..backend.namespace import to_numpy
from .custom import UserLoss


def from_jax(value):
    """A loss whose derivatives JAX finds.

    Parameters
    ----------
    value : callable (F, Y) -> (n,), or object with such a ``value``
        Written in ``jax.numpy``: the loss of each row for raw outputs F (n, r) and targets Y (n, k), both always
        matrices. Other parts of a loss that the object has (``name``, ``predict``, ``check_targets``, ``factor``, ...)
        are used as they are.

    Returns
    -------
    UserLoss
        To be passed as ``loss``. It can be pickled if `value` can.

    Raises
    ------
    ImportError
        Where JAX is not installed.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> import numpy as np
    >>> from skcurv.losses import from_jax
    >>> def log_cosh(F, Y):
    ...     return jnp.sum(jnp.log(jnp.cosh(F - Y)), axis=1)
    >>> from_jax(log_cosh).grad(np.array([[1.0]]), np.array([[0.0]])).round(6)  # tanh(1)
    array([[0.761594]])
    """
    _jax()
    return UserLoss(value, Traced(value.value if hasattr(value, "value") else value))


def _jax():
    try:
        import jax
    except ImportError as error:
        raise ImportError(
            "from_jax was called, but JAX cannot be imported. It needs jax 0.4.30 or newer. Install it, or hand over "
            "value and grad in NumPy."
        ) from error
    return jax


class Traced:
    """value, grad and hessp of a traceable function, compiled at first use for each shape.

    Parameters
    ----------
    function : callable (F, Y) -> (n,)
    """

    adapted = staticmethod(from_jax)

    def __init__(self, function):
        self.function = function

    @cached_property
    def _compiled(self):
        jax = _jax()

        def grad(F, Y):
            return jax.grad(lambda F: jax.numpy.sum(self.function(F, Y)))(F)

        def hessp(F, Y, V):
            return jax.jvp(lambda F: grad(F, Y), (F,), (V,))[1]

        return {"value": jax.jit(self.function), "grad": jax.jit(grad), "hessp": jax.jit(hessp)}

    def __getstate__(self):
        return {"function": self.function}  # compiled code cannot be pickled

    def _call(self, name, *arrays):
        jax = _jax()
        double = jax.enable_x64(True) if hasattr(jax, "enable_x64") else _older()
        with double:
            return np.array(self._compiled[name](*(jax.numpy.asarray(to_numpy(array)) for array in arrays)))

    def value(self, F, Y):
        """l, (n,)."""
        return self._call("value", F, Y)

    def grad(self, F, Y):
        """dL/dF, (n, r)."""
        return self._call("grad", F, Y)

    def hessp(self, F, Y, V):
        """The derivative of the gradient along V, (n, r)."""
        return self._call("hessp", F, Y, V)


def _older():
    """The switch to float64 where JAX has it under its older name."""
    from jax.experimental import enable_x64

    return enable_x64()
