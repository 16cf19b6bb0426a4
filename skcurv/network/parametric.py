"""A model function F = f(theta, X) (n, k) of one flat vector theta (p,), without layers.

Each row of F depends on its own row of X alone. J (n, k, p) is the Jacobian; for cotangents V (n, k) the rows of J'V
are sum_c V[i, c] J[i, c, :]. Derivatives come from a Jacobian, or from products alone; second derivatives along u are a
difference of J'V (Nocedal & Wright 2006, section 8.2):

    (sum_i V_i . d2 F_i) u  ~  (J(theta + a u)'V - J(theta - b u)'V) / (a + b).
"""

from typing import Any, NamedTuple

import numpy as np

from . import differences


class FlatLayout(NamedTuple):
    """A vector theta (p,) that is no layers, all of it penalised; `sizes` are the widths of X and F."""

    size: int
    sizes: tuple
    shapes: tuple = ()
    slices: tuple = ()
    output: Any = None

    def penalised(self, theta):
        """Ones (p,)."""
        return np.ones_like(theta)


class DenseRows(NamedTuple):
    """J'V by row, from J (n, k, p) and V (n, k)."""

    J: Any
    V: Any

    def total(self):
        """The sum over rows (p,)."""
        return self.V.reshape(-1) @ self.J.reshape(-1, self.J.shape[2])

    def rows(self):
        """Every row (n, p)."""
        return np.einsum("nk,nkp->np", self.V, self.J)

    def squares(self):
        """The sum over rows of squared entries (p,)."""
        return np.sum(self.rows() ** 2, axis=0)

    def squared_norms(self):
        """The squared norm of every row (n,)."""
        return np.sum(self.rows() ** 2, axis=1)

    def restricted(self, free):
        """The same with the columns of J times `free` (p,)."""
        return DenseRows(self.J * free, self.V)


class ProductRows(NamedTuple):
    """J'V by row, from products: total by J'V, rows by one J u for each parameter."""

    tape: Any
    V: Any
    free: Any = 1.0

    def total(self):
        """The sum over rows (p,)."""
        return self.free * self.tape.derivative.products.vjp(self.tape.theta, self.tape.X, self.V)

    def rows(self):
        """Every row (n, p)."""
        return self.free * DenseRows(self.tape.J, self.V).rows()

    def squares(self):
        """The sum over rows of squared entries (p,)."""
        return np.sum(self.rows() ** 2, axis=0)

    def squared_norms(self):
        """The squared norm of every row (n,)."""
        return np.sum(self.rows() ** 2, axis=1)

    def restricted(self, free):
        """The same with the columns of J times `free` (p,)."""
        return ProductRows(self.tape, self.V, self.free * free)


class Differences:
    """J by differences.

    Parameters
    ----------
    method : {"2-point", "3-point", "cs"}
    start : (p,)
        The parameters at the start, whose sizes set the steps; 0 counts as 1.
    box : Box or None
    """

    def __init__(self, method, start, box):
        self.method, self.box = method, box
        self.size = np.where(start == 0, 1.0, np.abs(start))
        self.error = differences.ERRORS[method]

    def jacobian(self, function, theta, X, F):
        """J (n, k, p)."""
        return differences.jacobian(self.method, function, theta, X, F, self.size, self.box)

    def pullback(self, tape, V):
        """J'V."""
        return DenseRows(tape.J, V)

    def pushforward(self, tape, u):
        """J u (n, k)."""
        return tape.J @ u


class Given(Differences):
    """J by a function (theta, X) -> (n, k, p)."""

    def __init__(self, call, start, box):
        super().__init__("cs", start, box)
        self.call = call

    def jacobian(self, function, theta, X, F):
        return self.call(theta, X)


class Products(Differences):
    """J u and J'V by functions; J itself, where rows are needed, by one J u for each parameter.

    Parameters
    ----------
    products : object
        ``jvp(theta, X, u)`` (n, k), ``vjp(theta, X, V)`` (p,).
    start, box : as for Differences
    """

    def __init__(self, products, start, box):
        super().__init__("cs", start, box)
        self.products = products

    def jacobian(self, function, theta, X, F):
        return np.stack([self.products.jvp(theta, X, e) for e in np.eye(theta.shape[0])], axis=2)

    def pullback(self, tape, V):
        return ProductRows(tape, V)

    def pushforward(self, tape, u):
        return self.products.jvp(tape.theta, tape.X, u)


class ModelTape:
    """What an evaluation leaves behind: parameters, inputs, outputs F (n, k), and J (n, k, p) once it is asked for."""

    __slots__ = ("F", "X", "_J", "derivative", "function", "theta")

    def __init__(self, function, derivative, theta, X, F, J=None):
        self.function, self.derivative, self.theta, self.X, self.F, self._J = function, derivative, theta, X, F, J

    @property
    def J(self):
        """The Jacobian (n, k, p)."""
        if self._J is None:
            self._J = self.derivative.jacobian(self.function, self.theta, self.X, self.F)
        return self._J

    def part(self, rows):
        """The tape of a slice of rows, as views."""
        J = None if self._J is None else self._J[rows]
        return ModelTape(self.function, self.derivative, self.theta, self.X[rows], self.F[rows], J)


class Parametric:
    """A model function as a network without layers.

    Parameters
    ----------
    function : callable (theta, X) -> F (n, k)
    derivative : Differences, Given or Products
    layout : FlatLayout
    """

    leaks = None
    smooth = True

    def __init__(self, function, derivative, layout):
        self.function, self.derivative, self.layout = function, derivative, layout

    def forward(self, theta, X, spare=None):
        """The tape at theta (p,) for X (n, d)."""
        return ModelTape(self.function, self.derivative, theta, X, self.function(theta, X))

    def output(self, theta, X):
        """F (n, k) alone."""
        return self.function(theta, X)

    def pullback(self, tape, V):
        """J'V by row."""
        return self.derivative.pullback(tape, V)

    def pushforward(self, tape, u):
        """J u (n, k)."""
        return self.derivative.pushforward(tape, u)

    def scale(self, theta):
        """The sizes of the parameters (p,)."""
        return differences.scale(theta, self.derivative.size)

    def second_order(self, tape, V, u):
        """(sum_i V_i . d2 F_i / d theta^2) u (p,)."""
        if not u.any():
            return 0 * u
        derivative = self.derivative
        lines = differences.along(tape.theta, u, derivative.size, derivative.error, derivative.box)
        return sum(
            (self._transposed(tape, end, V) - self._transposed(tape, start, V)) / distance
            for end, start, distance in lines
        )

    def _transposed(self, tape, theta, V):
        """J(theta)'V (p,) on the rows of a tape."""
        there = tape if theta is tape.theta else self.forward(theta, tape.X)
        return self.pullback(there, V).total()
