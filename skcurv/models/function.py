"""A user's model function as outputs F (n, k) of the free parameters theta (p,), and its derivatives.

The model hands back (n,) or (n, k). Arithmetic that fails in it (a division by zero, an overflow of Python's own
numbers) counts as NaN: the step that led there is rejected.
"""

import numpy as np

from ..network.parametric import Differences, FlatLayout, Given, Parametric, Products
from .traced import TracedFunction, TracedProducts


class ModelFunction:
    """theta (p,), X (n, d) -> F (n, k).

    Parameters
    ----------
    model : callable
    parameters : Parameters
    width : int or None
        k, once it is known; a model that hands back another number of columns is an error.
    flat : bool
        Whether the model hands back (n,).
    """

    def __init__(self, model, parameters, width=None, flat=False):
        self.model, self.parameters, self.width, self.flat = model, parameters, width, flat

    def __call__(self, theta, X):
        F = self.raw(theta, X)
        if F.shape not in ((X.shape[0],), (X.shape[0], self.width)) or (F.ndim == 1 and self.width not in (None, 1)):
            allowed = f"({X.shape[0]},)" + ("" if self.width is None else f" or {(X.shape[0], self.width)}")
            raise ValueError(
                f"The model handed back shape {F.shape} for {X.shape[0]} rows. Allowed is {allowed}, one row of "
                "outputs for each row of X. Let the model depend on X row by row."
            )
        if np.iscomplexobj(F) and not np.iscomplexobj(theta):  # a root of a negative number, say
            F = np.where(F.imag == 0, F.real, np.nan)
        return F.reshape(X.shape[0], -1)

    def raw(self, theta, X):
        """What the model hands back, as an array of numbers."""
        args, keywords = self.parameters.keywords(self.parameters.whole(theta))
        try:
            with np.errstate(all="ignore"):
                F = np.asarray(self.model(X, *args, **keywords))
        except ArithmeticError:
            return np.full((X.shape[0], self.width or 1), np.nan)
        return F if F.dtype == np.complex128 else F.astype(np.float64, copy=False)

    def sized(self, theta, X):
        """The same with its width, from the outputs at theta.

        Raises
        ------
        ValueError
            For outputs of a wrong shape, complex ones, or such as are not finite.
        """
        F = self.raw(theta, X)
        n, values = X.shape[0], self.parameters.plain(self.parameters.whole(theta))
        if F.ndim not in (1, 2) or F.shape[0] != n or not F.size:
            raise ValueError(
                f"The model handed back shape {F.shape} for {n} rows. Allowed is ({n},) or ({n}, outputs), one row of "
                "outputs for each row of X. Let the model depend on X row by row."
            )
        if np.iscomplexobj(F):
            raise ValueError(
                f"The model handed back complex numbers at the start {values}. Allowed are real ones. Take the real "
                "part, or the modulus, in the model."
            )
        bad = np.flatnonzero(~np.isfinite(F.reshape(n, -1)).all(axis=1))
        if len(bad):
            shown = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
            raise ValueError(
                f"The model is not finite at the start {values} in {len(bad)} of {n} rows: {shown}. Allowed is a start "
                "where all rows are finite. Move the start, or drop these rows."
            )
        return ModelFunction(self.model, self.parameters, F.reshape(n, -1).shape[1], F.ndim == 1)


class GivenJacobian:
    """theta, X -> J (n, k, p) from a user's Jacobian function of the model's arguments, (n, P) or (n, k, P)."""

    def __init__(self, function, jacobian):
        self.function, self.jacobian = function, jacobian

    def __call__(self, theta, X):
        parameters, k = self.function.parameters, self.function.width
        args, keywords = parameters.keywords(parameters.whole(theta))
        shape = (X.shape[0], k, parameters.full.shape[0])
        try:
            with np.errstate(all="ignore"):
                J = np.asarray(self.jacobian(X, *args, **keywords), dtype=np.float64)
        except ArithmeticError:
            J = np.full(shape, np.nan)
        if J.shape != shape and not (k == 1 and J.shape == (shape[0], shape[2])):
            raise ValueError(
                f"jac handed back shape {J.shape}. Allowed is {shape}: rows, outputs, parameters"
                + (f"; or {(shape[0], shape[2])}" if k == 1 else "")
                + f", with columns in the order {parameters.labels}. Hand back such an array."
            )
        return J.reshape(shape)[:, :, parameters.free]


class GivenProducts:
    """J u and J'V from a user's functions (X, ..., u) -> (n,) or (n, k) and (X, ..., V) -> (P,)."""

    def __init__(self, function, jvp, vjp):
        self.function, self._jvp, self._vjp = function, jvp, vjp

    def jvp(self, theta, X, u):
        """J u (n, k)."""
        parameters = self.function.parameters
        tangent = np.zeros(parameters.full.shape)
        tangent[parameters.free] = u
        n, k = X.shape[0], self.function.width
        allowed = [(n, k)] if k > 1 else [(n,), (n, 1)]
        return self._product("first", self._jvp, theta, X, tangent, allowed).reshape(n, k)

    def vjp(self, theta, X, V):
        """J'V (p,)."""
        parameters = self.function.parameters
        V = V[:, 0] if self.function.flat else V
        return self._product("second", self._vjp, theta, X, V, [parameters.full.shape])[parameters.free]

    def _product(self, which, call, theta, X, u, allowed):
        """What one of the functions hands back, NaN where arithmetic fails in it."""
        parameters = self.function.parameters
        try:
            with np.errstate(all="ignore"):
                product = np.asarray(call(X, *parameters.positions(parameters.whole(theta)), u), dtype=np.float64)
        except ArithmeticError:
            return np.full(allowed[0], np.nan)
        if product.shape not in allowed:
            raise ValueError(
                f"The {which} function of jac handed back shape {product.shape}. Allowed is "
                f"{' or '.join(map(str, allowed))}. Hand back such an array."
            )
        return product


def network(function, jac, n_features):
    """The model as a network.

    Parameters
    ----------
    function : ModelFunction with its width
    jac : {"2-point", "3-point", "cs", "jax"}, callable, or a pair of callables
    n_features : int

    Returns
    -------
    Parametric
    """
    parameters = function.parameters
    theta, box = parameters.theta, parameters.box
    if isinstance(jac, str) and jac == "jax":
        function = TracedFunction(function)
        derivative = TracedProducts(function, theta, box)
    elif isinstance(jac, str):
        derivative = Differences(jac, theta, box)
    elif callable(jac):
        derivative = Given(GivenJacobian(function, jac), theta, box)
    else:
        derivative = Products(GivenProducts(function, *jac), theta, box)
    return Parametric(function, derivative, FlatLayout(theta.shape[0], (n_features, function.width)))
