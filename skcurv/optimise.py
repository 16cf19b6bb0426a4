"""`minimize`: the solvers on anyone's function, without an estimator.

A function of theta (p,) is an Objective of one row: a model F = fun(theta) with the loss l(F) = F, whose Gauss-Newton
matrix is zero and whose Hessian is that of the model. Residuals r (m,) are a model of m rows with targets 0.
"""

import math
import time

import numpy as np
from scipy.optimize import OptimizeResult
from sklearn.utils import check_random_state

from .backend.namespace import namespace, rounding
from .data import Data
from .losses.registry import REGRESSION, bind, resolve
from .models import ModelFunction, network, parameters
from .objective import Objective
from .solvers import HessianFree, LMNewton
from .solvers.loop import Budget, train
from .solvers.protocol import check_fields
from .solvers.registry import resolve as resolve_solver

BY_HESSIAN = {"lm-newton": LMNewton(curvature="hessian"), "hessian-free": HessianFree(curvature="hessian")}
OF_RESIDUALS = {name: REGRESSION[name] for name in ("squared_error", "absolute_error", "huber", "quantile")}
DERIVATIVES = ("3-point", "2-point", "cs", "jax")
NEEDS_ROWS = ("natural-gradient", "diag-fisher", "gradient-descent")
LOOK = 1e-4  # of the largest parameter: how far along the steepest descent an end is tested


class Identity:
    """The loss l(F) = F of a single number F."""

    name, out_activation, location_scale, fused, likelihood = "value", "identity", False, None, "none"

    def raw_outputs(self, k):
        """1."""
        return 1

    def value(self, F, Y):
        """F (n,)."""
        return F[:, 0]

    def grad(self, F, Y):
        """1."""
        return np.ones_like(F)

    def hessp(self, F, Y, V):
        """0."""
        return 0 * V

    ggnp = hessp


class Residuals:
    """theta, rows (n, 1) -> those rows of the residuals, or the one value, as outputs (n, 1).

    Attributes
    ----------
    calls : int
    """

    def __init__(self, fun, args):
        self.fun, self.args, self.calls, self.m = fun, args, 0, None

    def first(self, theta):
        """The first value, in the shape that `fun` gives it."""
        self.calls += 1
        try:
            values = np.asarray(self.fun(theta, *self.args))
        except ArithmeticError:
            values = np.asarray(np.nan)
        self.m = values.size
        return values

    def __call__(self, X, theta):
        self.calls += 1
        values = self.fun(theta, *self.args)
        values = values.reshape(-1) if hasattr(values, "reshape") else np.ravel(values)
        if values.shape[0] != self.m:
            raise ValueError(
                f"fun handed back {values.shape[0]} numbers, and {self.m} at the start. Allowed is the same number "
                "everywhere. Let it not depend on theta."
            )
        return values if X.shape[0] == self.m else values[X[:, 0].astype(int)]


class Derivative:
    """rows (n, 1), theta -> those rows of a user's gradient (p,) or Jacobian (m, p).

    Attributes
    ----------
    calls : int
    """

    def __init__(self, jac, args):
        self.jac, self.args, self.calls = jac, args, 0

    def __call__(self, X, theta):
        self.calls += 1
        J = np.atleast_1d(np.asarray(self.jac(theta, *self.args), dtype=np.float64))
        if J.shape[max(0, J.ndim - theta.ndim) :] == theta.shape:  # not a transposed one
            J = J.reshape(-1, theta.size)
        return J if X.shape[0] == J.shape[0] else J[X[:, 0].astype(int)]


def minimize(
    fun,
    theta0,
    *,
    args=(),
    jac="3-point",
    bounds=None,
    loss="squared_error",
    solver=None,
    max_iter=1000,
    tol=0.0,
    random_state=None,
):
    r"""Minimise a function, or a sum of losses of residuals, with any solver that needs no layers.

    Parameters
    ----------
    fun : callable or Objective
        ``fun(theta, *args)`` hands back a number, or residuals (m,), of which the sum of the losses is minimised: half
        the sum of squares by default. An `Objective` is minimised as it is.
    theta0 : array-like
        Where to start, of any shape, which is that of the `theta` that `fun` and `jac` are given; a number becomes
        (1,).
    args : tuple, default=()
        Further arguments of `fun` and `jac`.
    jac : {"3-point", "2-point", "cs", "jax"} or callable, default="3-point"
        Derivatives by differences or JAX, or ``jac(theta, *args)``: the gradient, in the shape of theta, or the
        Jacobian, (m,) and that shape.
    bounds : pair of array-likes or scipy.optimize.Bounds, default=None
        Lower and upper bounds; no value outside them is asked for.
    loss : {"squared_error", "absolute_error", "huber", "quantile"} or loss object, default="squared_error"
        Loss of the residuals, with targets of 0.
    solver : str or solver object, default=None
        A name that `skcurv.solvers.available` lists with ``layers=False``, or an object. None is "lm-newton" for
        residuals and "lbfgs" for a number. For a number, which has no Gauss-Newton matrix, "lm-newton" and
        "hessian-free" use the Hessian, by differences of the gradient.
    max_iter : int, default=1000
        Most iterations.
    tol : float, default=0.0
        What counts as an improvement; solvers of the full set find convergence themselves.
    random_state : int, RandomState instance or None, default=None
        Determines batches and draws.

    Returns
    -------
    result : scipy.optimize.OptimizeResult
        ``x``, in the shape of `theta0`; ``fun``, the sum of the losses or the number; ``jac``, its gradient in the
        shape of ``x``; ``nit``, ``nfev``, ``njev``, None where they are not counted; ``success``, ``status`` (0 for
        convergence, 1 for the budget, 2 for numerical trouble, 3 for an end without progress where the function still
        falls along its gradient, as one without a minimum does) and ``message``; ``history``, by iteration.

    Raises
    ------
    ValueError
        For a `fun` that is no function, a start without numbers, outside the bounds or where `fun` is not finite, and
        for a solver that needs what `fun` has not.

    See Also
    --------
    CurvatureRegressor : The same for models and data, with standard errors.

    Examples
    --------
    >>> import numpy as np
    >>> from skcurv import minimize
    >>> rosenbrock = minimize(lambda t: np.array([10 * (t[1] - t[0] ** 2), 1 - t[0]]), [-1.2, 1.0])
    >>> rosenbrock.x.round(6), rosenbrock.success
    (array([1., 1.]), True)
    >>> minimize(lambda t: np.cosh(t - 3).sum(), np.zeros(2), solver="lm-newton", bounds=([-1, -1], [2, 5])).x.round(6)
    array([2., 3.])
    """
    started, theta0 = time.perf_counter(), np.asarray(theta0, dtype=np.float64)
    counts = _Counts()
    objective = fun if isinstance(fun, Objective) else _objective(fun, theta0, args, jac, bounds, loss, counts)
    scalar = isinstance(objective.loss, Identity)
    solver = _checked_solver(solver, scalar, objective)
    n = objective.data.n
    budget = Budget(min(solver.batch_size(n), n), int(max_iter), tol, 10)
    seed = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
    said = []
    result = train(solver, objective, objective.inside(theta0.ravel()), budget, seed, started, warn=said.append)
    here = objective.point(result.theta)
    status, message = _ending(solver, here, result, max_iter, said)
    return OptimizeResult(
        x=result.theta.reshape(theta0.shape),
        fun=result.loss * objective.data.total_weight,
        jac=(here.full_grad * objective.data.total_weight).reshape(theta0.shape),
        nit=len(result.history.rows),
        nfev=counts.values.calls if counts.values else None,
        njev=counts.derivatives.calls if counts.derivatives else None,
        success=status == 0,
        status=status,
        message=message,
        history=result.history.arrays(),
    )


def _ending(solver, here, result, max_iter, said):
    """Status and message of a run."""
    trouble = [message for message in said if "failed" in message]
    if trouble:
        return 2, trouble[0]
    if not result.converged:
        return 1, f"max_iter={max_iter} was used up"
    if _falls(here, result):
        return 3, (
            f"solver={solver.name!r} makes no more progress at a point where fun still falls along its gradient. It "
            "may have no minimum there. Remedy: scale theta, set bounds, or use another solver."
        )
    return 0, "converged"


def _falls(here, result):
    """Whether f falls by more than half of its digits along -g, no parameter moving by more than LOOK of the largest.

    All lengths are largest entries, whose squares need not be numbers.
    """
    xp, g = namespace(here.theta), here.restricted(here.full_grad)  # which the result has too
    steepest, length = (float(xp.max(xp.abs(v))) for v in (g, here.theta))
    if not 0 < steepest < math.inf:
        return False
    with np.errstate(all="ignore"):
        there = here.moved(-LOOK * (length or 1.0) * (g / steepest)).value
    scale = max(abs(result.loss), abs(result.history.start))
    return result.loss - there > rounding(here.theta) ** 0.5 * scale


class _Counts:
    """The functions that count their calls, where there are any."""

    values = derivatives = None


def _objective(fun, theta0, args, jac, bounds, loss, counts):
    """The objective of a user's function."""
    if not callable(jac) and not (isinstance(jac, str) and jac in DERIVATIVES):
        raise ValueError(
            f"jac={jac!r} was given. Allowed are {', '.join(map(repr, DERIVATIVES))}, or a function. Pass '3-point' "
            "where no derivatives are known."
        )
    if not callable(fun):
        raise ValueError(
            f"fun={fun!r} was given. Allowed is a function of theta, or an Objective. Pass a function that hands back "
            "a number, or residuals (m,)."
        )
    found = parameters(_shaped, np.atleast_1d(theta0), bounds, None)
    values = Residuals(fun, args)
    first = values.first(np.atleast_1d(theta0))
    if first.ndim > 1 or not first.size:
        raise ValueError(
            f"fun handed back shape {first.shape}. Allowed is a number, or residuals (m,). Flatten them in fun."
        )
    m = first.size
    if jac != "jax":  # which calls it once
        counts.values = values
    if callable(jac):
        jac = counts.derivatives = Derivative(jac, args)
    function = ModelFunction(values, found)
    rows = np.arange(m, dtype=np.float64)[:, None]
    net = network(function.sized(found.theta, rows), jac, 1)
    chosen = Identity() if first.ndim == 0 else _residual_loss(loss, first)
    return Objective(net, chosen, Data(rows, np.zeros((m, 1)), np.ones(m)), 0.0, found.box)


def _residual_loss(loss, residuals):
    """A loss of one residual a row, with widths that fit the residuals (m,) at the start."""
    loss = resolve(loss, OF_RESIDUALS)
    check_fields(loss, getattr(loss, "domains", {}), f"loss={loss.name!r}")
    if loss.raw_outputs(1) != 1:
        raise ValueError(
            f"loss={loss!r} was given, which needs {loss.raw_outputs(1)} outputs a row. Allowed are losses of one "
            "number. Use CurvatureRegressor for it."
        )
    return bind(loss, residuals[:, None], np.ones(residuals.shape))


def _shaped(X, theta):
    """The signature of a function of one vector."""


def _checked_solver(solver, scalar, objective):
    """The solver object for a name, an object or None."""
    if solver is None:
        solver = "lbfgs" if scalar else "lm-newton"
    if scalar and isinstance(solver, str):
        solver = BY_HESSIAN.get(solver, solver)
    solver = resolve_solver(solver)
    check_fields(solver, solver.domains, f"solver={solver.name!r}")
    if solver.layered and not objective.network.layout.shapes:
        raise ValueError(
            f"solver={solver.name!r} was given to minimize. It needs a model made of layers, which a function is not. "
            "Use 'lm-newton', 'hessian-free' or 'lbfgs'."
        )
    if scalar and (solver.name in NEEDS_ROWS or getattr(solver, "curvature", "hessian") != "hessian"):
        raise ValueError(
            f"solver={solver!r} was given where fun hands back a number. It needs residuals, whose products make the "
            "Gauss-Newton matrix; allowed are 'lbfgs', 'nonlinear-cg', first-order solvers, and 'lm-newton' and "
            "'hessian-free' with curvature='hessian'. Use one of these, or let fun hand back residuals."
        )
    return solver
