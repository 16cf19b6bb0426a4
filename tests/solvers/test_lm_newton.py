"""Levenberg-Marquardt: what it solves in one step, its limits and symmetries, its rejections, its optima."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from skcurv import CurvatureMLPClassifier, CurvatureMLPRegressor
from skcurv.losses import SquaredError
from skcurv.objective import Objective
from skcurv.solvers import LMNewton
from skcurv.solvers.lm_newton import LMState
from skcurv.solvers.newton_system import CURVATURES

from .. import oracles
from ..cases import CASES, Case, case, problem

EPS = np.finfo(np.float64).eps
every_case = pytest.mark.parametrize("c", CASES.values(), ids=CASES)


def _state(lam, top=None):
    return LMState(lam, top, 0, 0)


def _penalty(p):
    return p.alpha / p.v.sum() * np.diag(oracles.penalised(p.case))


def _run(solver, here, steps, lam=None):
    """The Points of a run, the first included."""
    state, points = solver.init(here, 0)._replace(lam=lam), [here]
    for _ in range(steps):
        here, state, report = solver.step(here, state)
        points.append(here)
        if report.converged:
            break
    return points


@pytest.mark.parametrize("curvature", ["ggn", "hessian"])
@pytest.mark.parametrize("structure", ["dense", "gram", "layer"])
@pytest.mark.parametrize("network", ["linear", "linear one output"])
def test_one_step_solves_least_squares(network, structure, curvature):
    """With damping lambda the error left is lambda (H + lambda I)^-1 times the first; lambda is at its floor."""
    structure = "dense" if curvature == "hessian" else structure
    p = problem(case(network, "squared_error"), n=12)
    H = oracles.ggn(p) + _penalty(p)
    best = p.theta - np.linalg.solve(H, oracles.gradient(p))
    there, _, report = LMNewton(structure, curvature).step(p.point(), _state(0.0))
    left = np.sqrt(EPS) * np.diagonal(H).mean() / np.linalg.eigvalsh(H)[0]
    assert np.linalg.norm(there.theta - best) <= 1.01 * left * np.linalg.norm(p.theta - best)
    assert report.gain_ratio == pytest.approx(1.0, abs=1e-6)


def test_the_exact_hessian_converges_quadratically():
    """|e'| <= L |e|^2 / (2 mu) with mu the least eigenvalue of H along the step and L = max |l'''| mean |x|^3.

    For the logistic loss |l'''| <= 1 / (6 sqrt 3); near the optimum mu is at least half of what it is there.
    """
    p = problem(case("linear one output", "bernoulli"), n=40)
    best = _run(LMNewton(curvature="hessian"), p.point(), 50)[-1].theta
    at_best = p._replace(theta=best)
    mu = np.linalg.eigvalsh(oracles.ggn(at_best) + _penalty(p))[0] / 2
    bars = np.linalg.norm(np.column_stack([p.X, np.ones(len(p.X))]), axis=1)
    L = (p.v @ bars**3) / p.v.sum() / (6 * np.sqrt(3))
    start = best + 0.3 * mu / L * np.sign(p.theta)
    errors = [
        np.linalg.norm(h.theta - best) for h in _run(LMNewton(curvature="hessian"), p.objective().point(start), 3, 0.0)
    ]
    damped = np.sqrt(EPS) * np.diagonal(oracles.ggn(at_best)).mean() / mu
    for before, after in pairwise(errors):
        assert after <= L / (2 * mu) * before**2 + 2 * damped * before + 1e-12
    assert errors[2] < 1e-3 * errors[1] < 1e-4 * errors[0]


def test_negative_curvature_is_left_downhill():
    """With all weights zero and the best constant output the gradient vanishes, and the Hessian is indefinite."""
    p = problem(Case((3, 4, 1), ("tanh",), "squared_error"), n=20, alpha=0.0)
    saddle = np.zeros_like(p.theta)
    saddle[-1] = p.v @ p.Y[:, 0] / p.v.sum()
    rng = np.random.default_rng(0)
    near = p._replace(theta=saddle + 1e-4 * rng.normal(size=saddle.size))
    assert np.linalg.eigvalsh(oracles.hessian(near))[0] < -0.01
    for scaling in ("identity", "diagonal"):
        points = _run(LMNewton(curvature="hessian", scaling=scaling), near.point(), 30)
        assert np.all(np.diff([h.value for h in points]) <= 0)
        assert points[0].grad @ (points[1].theta - points[0].theta) < 0
        assert points[-1].value < 0.9 * oracles.value(p, saddle)


@pytest.mark.parametrize("curvature", ["ggn", "hessian"])
@every_case
def test_the_gain_ratio_tends_to_one_as_steps_shrink(c, curvature):
    """f(theta + d) - f(theta) = m(d) + O(|d|^2), for the Hessian O(|d|^3), and |d| falls as 1 / lambda."""
    p = problem(c)
    unit = np.diagonal(oracles.ggn(p)).max()
    off = [
        abs(1 - LMNewton(curvature=curvature).step(p.point(), _state(lam * unit))[2].gain_ratio) for lam in (1e2, 1e4)
    ]
    assert off[1] <= (0.02 if curvature == "ggn" else 1e-3) * off[0] + 1e-7
    assert off[1] < 1e-3


@every_case
def test_gram_takes_the_dense_step(c):
    p, lam = problem(c), 0.1
    for scaling in ("identity", "diagonal"):
        solvers = [LMNewton(structure, scaling=scaling, geodesic=False) for structure in ("dense", "gram")]
        steps = [solver.step(p.point(), _state(lam)) for solver in solvers]
        (dense, damped, _), (gram, other, _) = steps
        reach = np.linalg.norm(dense.theta - p.theta)
        C = oracles.ggn(p)
        least = lam if scaling == "identity" else lam * max(np.diagonal(C).min(), EPS * np.diagonal(C).max())
        condition = 1 + (np.linalg.norm(C, 2) + p.alpha / p.v.sum()) / least
        np.testing.assert_allclose(gram.theta, dense.theta, rtol=0, atol=200 * EPS * condition * reach)
        assert other.lam == pytest.approx(damped.lam, rel=1e-6)


@every_case
@pytest.mark.parametrize("structure", ["dense", "gram", "layer"])
def test_every_step_descends_towards_a_stationary_point(c, structure):
    """By layers the steps are shorter, for their coupling is missing; at a kink of relu no gradient vanishes."""
    points = _run(LMNewton(structure), problem(c).point(), 60)
    for here, there in pairwise(points):
        assert there.value <= here.value + 10 * EPS * abs(here.value)
    if not {"relu", "leaky_relu"} & set(c.activations):
        slopes = [np.linalg.norm(h.grad) for h in (points[0], points[-2])]
        assert slopes[1] < (0.2 if structure == "layer" else 0.02) * slopes[0]


@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.parametrize("rule", ["nielsen", "classical"])
@pytest.mark.parametrize("scaling", ["identity", "diagonal", "relative"])
def test_every_variant_lowers_the_objective(curvature, rule, scaling):
    p = problem(case("two layers", "multinomial"), n=30)
    values = [h.value for h in _run(LMNewton("auto", curvature, rule, scaling), p.point(), 10)]
    assert np.all(np.diff(values) <= 10 * EPS * values[0])
    assert values[-1] < 0.9 * values[0]


@pytest.mark.parametrize("scaling", ["identity", "diagonal"])
@pytest.mark.parametrize("curvature", CURVATURES)
def test_a_large_lambda_gives_the_scaled_gradient(curvature, scaling):
    """lambda M d = -g up to C d, of at most p / lambda where M = diag C; without a penalty."""
    p, lam = problem(case("two layers", "multinomial"), alpha=0.0), 1e8
    C = oracles.hessian(p) if curvature == "hessian" else oracles.ggn(p)
    solver, here = LMNewton("dense", curvature, scaling=scaling), p.point()
    if scaling == "diagonal" and "fisher" in curvature:
        top = np.linspace(1, 2, p.theta.size) * 10  # above any entry of the Fisher matrix's diagonal
    else:
        top = np.abs(np.diagonal(C))
    there, state, _ = solver.step(here, _state(lam, top if scaling == "diagonal" else None))
    d, g = there.theta - p.theta, oracles.gradient(p)
    M = top if scaling == "diagonal" else 1.0
    alpha = 1.0 if curvature in ("ggn", "hessian") else (g @ d) / (g @ (-g / (lam * M)))
    np.testing.assert_allclose(M * d * lam, -alpha * g, rtol=0, atol=1e-5 * np.abs(g).max())
    assert alpha == pytest.approx(1.0, rel=1e-5)
    assert state.lam < lam


class _CliffSquaredError(SquaredError):
    """Higher, or not a number, beyond a small distance from the first outputs."""

    def __init__(self, F, reach, rise=np.nan):
        self.F, self.reach, self.rise = F, reach, rise

    def value(self, F, Y):
        return super().value(F, Y) + np.where(np.abs(F - self.F).max() > self.reach, self.rise, 0.0)


def _with_loss(p, loss):
    return Objective(p.case.network, loss, p.objective().data, p.alpha).point(p.theta)


@pytest.mark.parametrize("rule", ["nielsen", "classical"])
@pytest.mark.parametrize("rise", [np.nan, np.inf, 10.0])
def test_a_step_that_cannot_descend_leaves_theta_and_raises_lambda(rule, rise):
    """All is higher but for steps so short that no output changes; a new batch starts from one notch more."""
    p = problem(case("two layers", "squared_error"))
    here = _with_loss(p, _CliffSquaredError(p.point().tape.F, 0.0, rise))
    there, state, report = LMNewton(rule=rule).step(here, _state(0.5))
    assert there.value == here.value
    np.testing.assert_allclose(there.theta, p.theta, rtol=0, atol=1e-15)
    assert state.lam == report.damping == (1.0 if rule == "nielsen" else 5.0)
    assert report.converged


def test_a_loss_that_rises_everywhere_rejects_every_try():
    """Even the step that changes nothing: theta is the same object, and the next step tries again."""

    class RisingSquaredError(SquaredError):
        calls = 0

        def value(self, F, Y):
            self.calls += 1
            return super().value(F, Y) + 100 * self.calls

    p = problem(case("two layers", "squared_error"))
    here = _with_loss(p, RisingSquaredError())
    there, state, report = LMNewton().step(here, _state(0.5))
    assert there is here
    assert report.step_length == 0
    assert report.gain_ratio < 0
    assert state.lam == 1.0


@pytest.mark.parametrize("scaling", ["identity", "diagonal"])
@pytest.mark.parametrize("reach", [1e-1, 1e-3])
def test_a_rejected_try_raises_lambda_until_a_shorter_one_descends(reach, scaling):
    p, solver = problem(case("two layers", "squared_error")), LMNewton(scaling=scaling)
    free, first, _ = solver.step(p.point(), _state(1e-3))
    loss = _CliffSquaredError(p.point().tape.F, reach)
    here = _with_loss(p, loss)
    there, state, report = solver.step(here, _state(1e-3))
    assert there.value < here.value
    assert report.gain_ratio > 0
    assert state.lam > first.lam
    assert state.lam > 1e-3
    assert np.linalg.norm(there.theta - p.theta) < np.linalg.norm(free.theta - p.theta)


OPTIONS = [{}, {"geodesic": True}, *({"curvature": c, "scaling": "diagonal"} for c in CURVATURES if c != "fisher")]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_weights_count_as_repetition(options):
    """But for the sampled Fisher matrix, whose rows are drawn."""
    p = problem(case("two layers", "multinomial"), n=12)
    v = np.arange(12) % 4
    counted = p._replace(X=p.X.repeat(v, 0), Y=p.Y.repeat(v, 0), v=np.ones(v.sum()))
    solver = LMNewton("dense", **options)
    one, two = (solver.step(q.point(), _state(0.1))[0].theta for q in (p._replace(v=v.astype(float)), counted))
    np.testing.assert_allclose(one, two, rtol=0, atol=1e-7)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("alpha", [0.1, 3.0])
def test_no_hidden_layer_reaches_the_optimum_of_logistic_regression(alpha, classes, weighted):
    """C sum_i w_i l_i + |W|^2 / 2 is ours times the total weight over alpha: C = 1 / alpha."""
    X, y = load_iris(return_X_y=True)
    X, y = StandardScaler().fit_transform(X[y < classes]), y[y < classes]
    w = np.random.default_rng(0).uniform(0, 3, len(y)) if weighted else None
    ours = CurvatureMLPClassifier((), solver="lm-newton", alpha=alpha, tol=0, max_iter=100).fit(X, y, w)
    theirs = LogisticRegression(C=1 / alpha, solver="newton-cholesky", tol=1e-12, max_iter=1000).fit(X, y, w)
    np.testing.assert_allclose(ours.coefs_[0].T, theirs.coef_, rtol=0, atol=1e-6)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=0, atol=1e-6)


@pytest.mark.parametrize("scaling", ["auto", None])
@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("alpha", [0.0, 5.0])
def test_no_hidden_layer_reaches_the_optimum_of_linear_and_ridge_regression(alpha, outputs, scaling):
    """Standardising the targets scales the loss and the penalty alike."""
    X, y = load_diabetes(return_X_y=True)
    X, y = StandardScaler().fit_transform(X), (y - 100) / 50
    y = y if outputs == 1 else np.stack([y, y**2 + X[:, 0]], axis=1)
    ours = CurvatureMLPRegressor((), solver="lm-newton", alpha=alpha, target_scaling=scaling, tol=0, max_iter=100)
    theirs = Ridge(alpha, solver="cholesky") if alpha else LinearRegression()
    coefs, scale = theirs.fit(X, y).coef_, y.std(axis=0) if scaling else 1.0
    ours.fit(X, y)
    np.testing.assert_allclose(np.squeeze(ours.coefs_[0] * scale).T, coefs, rtol=0, atol=1e-6)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=0, atol=1e-6)
