"""`minimize` against SciPy: values, bounds, losses, counts and messages."""

import warnings
from concurrent.futures import ThreadPoolExecutor

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import Bounds, least_squares
from scipy.optimize import minimize as scipy_minimize

from skcurv import minimize
from skcurv.data import Data
from skcurv.losses import Huber, SquaredError
from skcurv.network import MLP
from skcurv.objective import Objective
from skcurv.solvers import SGD

from .cases import Case, problem
from .functions import Recorder

SCALAR = ("lm-newton", "hessian-free", "lbfgs", "nonlinear-cg")
RESIDUALS = (*SCALAR, "natural-gradient", "diag-fisher", "gradient-descent")
rng = np.random.default_rng(0)
Q, C = rng.normal(size=(60, 50)), rng.normal(size=60)


def rosenbrock(t):
    return np.array([10 * (t[1] - t[0] ** 2), 1 - t[0]])


def beale(t):
    return np.array([y - t[0] * (1 - t[1] ** power) for power, y in ((1, 1.5), (2, 2.25), (3, 2.625))])


def himmelblau(t):
    return np.array([t[0] ** 2 + t[1] - 11, t[0] + t[1] ** 2 - 7])


def powell(t):
    """Singular at its minimum, where the Jacobian has rank 2."""
    return np.array([t[0] + 10 * t[1], 5**0.5 * (t[2] - t[3]), (t[1] - 2 * t[2]) ** 2, 10**0.5 * (t[0] - t[3]) ** 2])


def convex(t):
    """Strictly convex, 50 parameters; 60 residuals, odd and increasing, and 50 of a penalty."""
    z = Q @ t - C
    return np.concatenate([z + 0.1 * z**3, 0.5 * t])


PROBLEMS = {  # residuals, start, minimum, tolerance of theta at a gradient of rounding size, bounds
    "rosenbrock": (rosenbrock, [-1.2, 1.0], [1, 1], 1e-6, ([-2, -1], [0.5, 2])),
    "beale": (beale, [1.0, 0.5], [3, 0.5], 1e-6, ([0.5, 0], [2, 4])),
    "himmelblau": (himmelblau, [1.0, 1.0], [3, 2], 1e-6, ([0, 0], [2.5, 4])),
    "powell": (powell, [3.0, -1, 0, 1], [0, 0, 0, 0], 5e-3, ([1, -2, -1, -3], [4, 4, 4, 4])),
    "convex": (convex, np.zeros(50), None, 1e-6, (np.full(50, -0.05), np.full(50, 0.2))),
}
every_problem = pytest.mark.parametrize("name", PROBLEMS)


def _half_squares(fun):
    return lambda t: 0.5 * np.sum(fun(t) ** 2)


def _slow(name, solver):
    """Where the Jacobian is singular, convergence is linear, or slower, and 200 iterations are enough to see it."""
    return 200 if name == "powell" else 1000


@every_problem
@pytest.mark.parametrize("solver", SCALAR)
def test_a_number_is_minimised_as_scipy_does(name, solver):
    fun, start, best, tolerance, _ = PROBLEMS[name]
    f = _half_squares(fun)
    result = minimize(f, start, solver=solver, max_iter=_slow(name, solver), jac=_gradient(fun))
    assert result.fun == pytest.approx(f(result.x), rel=1e-12, abs=1e-300)
    theirs = scipy_minimize(f, start, jac=_gradient(fun), method="BFGS", options={"gtol": 1e-9})
    assert result.fun <= theirs.fun + 1e-8
    best = theirs.x if best is None else best
    np.testing.assert_allclose(result.x, best, rtol=0, atol=tolerance)


def _gradient(fun):
    def gradient(t):
        return _jacobian(fun)(t).T @ fun(t)

    return gradient


def _jacobian(fun):
    """By complex steps, for polynomials and roots of squares."""

    def jacobian(t):
        return np.stack([fun(t + 1e-40j * e).imag / 1e-40 for e in np.eye(len(t))], axis=1)

    return jacobian


@every_problem
@pytest.mark.parametrize("solver", RESIDUALS)
def test_residuals_are_minimised_as_scipy_does(name, solver):
    fun, start, _, tolerance, _ = PROBLEMS[name]
    iterations = 60 if solver == "gradient-descent" else 400
    result = minimize(fun, start, solver=solver, max_iter=iterations, jac=_jacobian(fun))
    assert result.fun == pytest.approx(_half_squares(fun)(result.x), rel=1e-12, abs=1e-300)
    assert result.fun < _half_squares(fun)(np.array(start))
    if solver in ("lm-newton", "lbfgs", "hessian-free", "nonlinear-cg"):
        theirs = least_squares(fun, start, jac=_jacobian(fun), xtol=1e-15, ftol=1e-15, gtol=1e-15)
        np.testing.assert_allclose(result.x, theirs.x, rtol=0, atol=10 * tolerance)
        np.testing.assert_allclose(result.jac, _gradient(fun)(result.x), rtol=1e-8, atol=1e-12)


@every_problem
@pytest.mark.parametrize("number", [False, True], ids=["residuals", "number"])
@pytest.mark.parametrize("solver", SCALAR)
def test_bounded_minima_are_scipys(name, number, solver):
    fun, start, _, _, (lower, upper) = PROBLEMS[name]
    f, start = _half_squares(fun), np.clip(start, lower, upper)
    theirs = scipy_minimize(
        f, start, jac=_gradient(fun), bounds=Bounds(lower, upper), method="L-BFGS-B", options={"ftol": 0, "gtol": 1e-10}
    )
    for where in (start, np.array(lower, float)):
        ours = f if number else fun
        derivative = _gradient(fun) if number else _jacobian(fun)
        record = Recorder(lambda _, t, ours=ours: ours(t))
        bounds = (lower, upper) if number else Bounds(lower, upper)
        result = minimize(
            lambda t, record=record: record(None, t), where, bounds=bounds, solver=solver, jac=derivative, max_iter=300
        )
        record.assert_inside(lower, upper)
        left = np.abs(np.clip(result.x - result.jac, lower, upper) - result.x).max()
        assert left <= 1e-6 * max(1.0, np.abs(_gradient(fun)(where)).max())
        if where is start:
            assert result.fun <= theirs.fun * (1 + 1e-9) + 1e-12
        np.testing.assert_allclose(result.jac, _gradient(fun)(result.x), rtol=1e-7, atol=1e-9)  # of held ones too


@pytest.mark.parametrize("jac", ["2-point", "3-point", "cs"])
def test_no_derivative_asks_for_a_value_outside_the_bounds(jac):
    for solver in ("lm-newton", "lbfgs"):
        record = Recorder(lambda _, t: beale(t))
        result = minimize(lambda t, r=record: r(None, t), [1.0, 0.0], bounds=([0.5, 0], [2, 4]), jac=jac, solver=solver)
        record.assert_inside([0.5, 0], [2, 4])
        assert result.success
    calls = []
    with pytest.raises(ValueError, match="outside its bounds"):
        minimize(lambda t: calls.append(t) or beale(t), [1.0, -1.0], bounds=([0.5, 0], [2, 4]))
    assert calls == []


@pytest.mark.parametrize("delta", [0.1, 0.5, 1.35])
@pytest.mark.parametrize("bounded", [False, True])
def test_huber_is_scipys(delta, bounded):
    """Half of SciPy's cost is ours: rho(z) = z within f_scale, 2 sqrt(z) - 1 beyond, of squares over f_scale^2."""
    t = np.linspace(0, 3, 25)
    y = 2 * np.exp(-1.3 * t) + 0.05 * np.cos(9 * t)
    y[[3, 11, 20]] += [4.0, -3.0, 5.0]

    def residuals(p):
        return p[0] * np.exp(-p[1] * t) - y

    bounds = ([0, 0], [1.5, 3]) if bounded else (-np.inf, np.inf)
    theirs = least_squares(
        residuals, [1, 1], loss="huber", f_scale=delta, bounds=bounds, xtol=1e-15, ftol=1e-15, gtol=1e-12, jac="3-point"
    )
    for solver in ("lm-newton", "lbfgs", "hessian-free"):
        ours = minimize(residuals, [1.0, 1.0], loss=Huber(delta), solver=solver, bounds=bounds if bounded else None)
        assert ours.fun <= theirs.cost * (1 + 1e-9)
        np.testing.assert_allclose(ours.x, theirs.x, rtol=0, atol=1e-4)
        np.testing.assert_allclose(ours.fun, theirs.cost, rtol=1e-7)


def test_absolute_errors_in_any_units():
    """The rounded zone follows the residuals at the start; the median of seven numbers."""
    y = np.array([1.0, 2, 3, 4, 50, 60, 70])
    for unit in (1e-9, 1.0, 1e9):
        found = minimize(lambda t, unit=unit: t[0] - unit * y, [unit], loss="absolute_error").x
        assert found[0] == pytest.approx(4 * unit, rel=1e-3)


@pytest.mark.parametrize("jac", ["2-point", "3-point", "cs", "given"])
@pytest.mark.parametrize("number", [False, True], ids=["residuals", "number"])
@pytest.mark.parametrize("solver", SCALAR)
def test_calls_are_counted(jac, number, solver):
    calls = {"fun": 0, "jac": 0}
    f, derivative = (_half_squares(beale), _gradient(beale)) if number else (beale, _jacobian(beale))
    if jac == "cs" and number:
        f = lambda t: 0.5 * (beale(t) ** 2).sum()  # noqa: E731

    def counted(key, function):
        def call(t):
            calls[key] += 1
            return function(t)

        return call

    result = minimize(
        counted("fun", f), [1.0, 0.5], solver=solver, jac=counted("jac", derivative) if jac == "given" else jac
    )
    assert result.nfev == calls["fun"]
    assert result.njev == (calls["jac"] if jac == "given" else None)
    assert result.success
    if jac == "given":
        assert 0 < calls["jac"] <= calls["fun"] + 2 * result.nit + 2 or solver in ("lm-newton", "hessian-free")


def test_what_jax_calls_is_not_counted():
    result = minimize(lambda t: jnp.stack([10 * (t[1] - t[0] ** 2), 1 - t[0]]), [-1.2, 1.0], jac="jax")
    np.testing.assert_allclose(result.x, [1, 1], atol=1e-8)
    assert result.nfev is result.njev is None
    result = minimize(lambda t: jnp.sum(jnp.cosh(t - 3)), np.zeros(3), jac="jax", solver="lm-newton")
    np.testing.assert_allclose(result.x, 3, atol=1e-7)


def test_arguments_are_passed_on():
    def fun(t, a, b):
        return np.array([a * (t[0] - b), t[1]])

    def jac(t, a, b):
        return np.diag([a, 1.0])

    for derivative in ("3-point", jac):
        result = minimize(fun, [0.0, 1.0], args=(2.0, 3.0), jac=derivative)
        np.testing.assert_allclose(result.x, [3, 0], atol=1e-8)


@pytest.mark.parametrize("shape", [(), (1,), (4,), (2, 2), (2, 1, 3)])
@pytest.mark.parametrize("number", [False, True], ids=["residuals", "number"])
def test_theta_keeps_its_shape(shape, number):
    seen = set()

    def fun(t):
        seen.add(t.shape)
        return np.sum(np.cosh(t - 1)) if number else (t - 1).ravel()

    def jac(t):
        seen.add(t.shape)
        return np.sinh(t - 1) if number else np.eye(t.size).reshape(t.size, *t.shape)

    kept = shape or (1,)
    for derivative, bounds in (("3-point", None), (jac, None), (jac, (np.full(kept, -1.0), np.full(kept, 2.0)))):
        result = minimize(fun, np.zeros(shape), jac=derivative, bounds=bounds)
        assert result.x.shape == result.jac.shape == shape
        np.testing.assert_allclose(result.x, 1, atol=1e-7)
    assert seen == {kept}


@pytest.mark.parametrize("solver", SCALAR)
@pytest.mark.parametrize("number", [False, True], ids=["residuals", "number"])
def test_regions_without_values_are_left_again(solver, number):
    """log of a negative number, of NumPy (NaN) and by an error of Python's arithmetic."""

    def fun(t):
        if t[0].real > 100:
            return 1 / 0
        r = np.array([np.log(t[0]) - 1, t[1] ** 3 + t[1] - 2])
        return 0.5 * (r**2).sum() if number else r

    for start in ([30.0, 3.0], [1e-3, 3.0], [99.0, 3.0]):
        result = minimize(fun, start, solver=solver, max_iter=2000)
        np.testing.assert_allclose(result.x, [np.e, 1.0], rtol=1e-5)


def test_the_same_seed_gives_the_same_bits():
    runs = [minimize(convex, np.zeros(50), solver=SGD(0.01), max_iter=5, random_state=seed).x for seed in (3, 3, 4)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert np.array_equal(runs[0], runs[2])  # 110 residuals are one batch


def test_rows_in_mini_batches_are_the_right_ones():
    """300 residuals in batches of 200 at most: a common minimum is found by stochastic gradients."""
    A = np.random.default_rng(1).normal(size=(300, 3))

    def fun(t):
        return A @ (t - np.array([1.0, -2.0, 3.0]))

    for jac in ("3-point", lambda t: A):
        result = minimize(fun, np.zeros(3), solver=SGD(0.1), jac=jac, max_iter=200)
        np.testing.assert_allclose(result.x, [1, -2, 3], atol=1e-6)


def test_an_objective_is_minimised_as_it_is():
    p = problem(Case((3, 2), (), "squared_error"), n=12)
    result = minimize(p.objective(), np.zeros_like(p.theta), solver="kfac", max_iter=200)
    theirs = minimize(p.objective(), np.zeros_like(p.theta))
    assert result.fun == pytest.approx(theirs.fun, rel=1e-9)
    assert theirs.success
    assert theirs.nfev is theirs.njev is None
    objective = p.objective()
    assert theirs.fun == pytest.approx(objective.value(theirs.x) * objective.data.total_weight, rel=1e-12)
    assert np.abs(theirs.jac).max() < 1e-6
    X = np.ones((4, 2))
    mlp = Objective(MLP((2, 3, 1), ("tanh",)), SquaredError(), Data(X, X[:, :1], np.ones(4)), 0.0)
    assert minimize(mlp, 0.1 * np.arange(13.0)).fun < 1e-10


def test_what_is_given_is_left_alone():
    theta0, lower, upper = np.array([1.0, 0.5]), np.zeros(2), np.full(2, 4.0)
    copies = [a.copy() for a in (theta0, lower, upper)]
    for a in (theta0, lower, upper):
        a.setflags(write=False)
    for solver in SCALAR:
        result = minimize(beale, theta0, bounds=(lower, upper), solver=solver)
        result.x[:] = 7
        result.jac[:] = 7
    for now, then in zip((theta0, lower, upper), copies, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("solver", [None, "lbfgs"])
def test_threads_do_not_mix(solver):
    """Forty runs at once, some of which fail: everyone gets its own answer, and the filters of warnings stay."""
    starts = np.random.default_rng(0).uniform(-2, 2, (40, 2))
    filters, shown = list(warnings.filters), warnings.showwarning

    def run(i):
        if i % 4 == 0:
            return minimize(rosenbrock, starts[i], solver=SGD(1e9), max_iter=20)
        return minimize(rosenbrock, starts[i], solver=solver)

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(run, range(40)))
    assert warnings.filters == filters
    assert warnings.showwarning is shown
    for i, result in enumerate(together):
        alone = run(i)
        np.testing.assert_array_equal(result.x, alone.x)
        assert result.message == alone.message
        assert result.nfev == alone.nfev
        assert result.status == (2 if i % 4 == 0 else 0)
