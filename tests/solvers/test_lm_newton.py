"""Levenberg-Marquardt: one step on least squares, its three structures, its memory, its rejections, its optima."""

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from skcurv import CurvatureMLPClassifier, CurvatureMLPRegressor
from skcurv.losses import SquaredError
from skcurv.objective import Objective
from skcurv.solvers import LMNewton, lm_newton

from .. import oracles
from ..cases import CASES, case, problem

EPS = np.finfo(np.float64).eps
every_case = pytest.mark.parametrize("c", CASES.values(), ids=CASES)


@pytest.mark.parametrize("structure", ["dense", "gram", "layer"])
@pytest.mark.parametrize("network", ["linear", "linear one output"])
def test_one_step_solves_least_squares(network, structure):
    """With damping lambda the error left is lambda (H + lambda I)^-1 times the first; lambda is at its floor."""
    p = problem(case(network, "squared_error"), n=12)
    H = oracles.ggn(p) + p.alpha / p.v.sum() * np.diag(oracles.penalised(p.case))
    best = p.theta - np.linalg.solve(H, oracles.gradient(p))
    there, _, report = LMNewton(structure).step(p.point(), 0.0)
    left = np.sqrt(EPS) * np.diagonal(H).mean() / np.linalg.eigvalsh(H)[0]
    assert np.linalg.norm(there.theta - best) <= 1.01 * left * np.linalg.norm(p.theta - best)
    assert report.gain_ratio == pytest.approx(1.0, abs=1e-6)


@every_case
def test_gram_takes_the_dense_step(c):
    p, lam = problem(c), 0.1
    dense, gram = (LMNewton(structure).step(p.point(), lam) for structure in ("dense", "gram"))
    reach = np.linalg.norm(dense[0].theta - p.theta)
    condition = (lam + np.linalg.norm(oracles.ggn(p), 2) + p.alpha / p.v.sum()) / lam
    np.testing.assert_allclose(gram[0].theta, dense[0].theta, rtol=0, atol=200 * EPS * condition * reach)
    assert gram[1] == pytest.approx(dense[1], rel=1e-6)


@every_case
@pytest.mark.parametrize("structure", ["dense", "gram", "layer"])
def test_every_step_descends_towards_a_stationary_point(c, structure):
    """By layers the steps are shorter, for their coupling is missing; at a kink of relu no gradient vanishes."""
    p = problem(c)
    here, state, solver = p.point(), None, LMNewton(structure)
    slope = np.linalg.norm(here.grad)
    for _ in range(60):
        there, state, report = solver.step(here, state)
        assert there.value <= here.value + 10 * EPS * abs(here.value)
        here = there
        if report.converged:
            break
    if not {"relu", "leaky_relu"} & set(c.activations):
        assert np.linalg.norm(here.grad) < (0.2 if structure == "layer" else 0.02) * slope


def test_a_large_lambda_gives_the_gradient_direction():
    p = problem(case("two layers", "multinomial"))
    there, _, _ = LMNewton("dense").step(p.point(), 1e8)
    d, g = there.theta - p.theta, oracles.gradient(p)
    np.testing.assert_allclose(d * 1e8, -g, rtol=0, atol=1e-6 * np.abs(g).max())


@pytest.mark.parametrize(
    ("n", "limit", "structure"),
    [(7, 2**31, "gram"), (7, 15_000, "layer"), (10, 2**31, "dense"), (10, 40_000, "gram"), (60, 20_000, "layer")],
)
def test_what_would_pass_the_memory_limit_makes_way(monkeypatch, n, limit, structure):
    """40 parameters, n - 2 rows of 3 outputs: 51,200 bytes dense, 18,000 or 32,256 Gram, 13,088 by layer."""
    used = []
    for name, form in lm_newton.STRUCTURES.items():
        monkeypatch.setitem(
            lm_newton.STRUCTURES, name, lambda here, S, name=name, form=form: used.append(name) or form(here, S)
        )
    here = problem(case("two layers", "multinomial"), n=n).point()
    assert LMNewton(memory_limit=limit).step(here, None)[0].value < here.value
    assert set(used) == {structure}


@pytest.mark.parametrize("structure", ["auto", "dense", "gram", "layer"])
def test_too_little_memory_is_a_clear_error_at_the_start(structure):
    here = problem(case("two layers", "multinomial"), n=60).point()
    with pytest.raises(ValueError, match=r"40 parameters .* Allowed are .* Use fewer units"):
        LMNewton(structure, memory_limit=1000).init(here, 0)


class _CliffSquaredError(SquaredError):
    """Higher, or not a number, beyond a small distance from the first outputs."""

    def __init__(self, F, reach, rise=np.nan):
        self.F, self.reach, self.rise = F, reach, rise

    def value(self, F, Y):
        return super().value(F, Y) + np.where(np.abs(F - self.F).max() > self.reach, self.rise, 0.0)


def _with_loss(p, loss):
    return Objective(p.case.network, loss, p.objective().data, p.alpha).point(p.theta)


@pytest.mark.parametrize("rise", [np.nan, np.inf, 10.0])
def test_a_step_that_cannot_descend_leaves_theta_and_raises_lambda(rise):
    """All is higher but for steps so short that no output changes."""
    p = problem(case("two layers", "squared_error"))
    here = _with_loss(p, _CliffSquaredError(p.point().tape.F, 0.0, rise))
    there, lam, report = LMNewton().step(here, 0.5)
    assert there.value == here.value
    np.testing.assert_allclose(there.theta, p.theta, rtol=0, atol=1e-15)
    assert lam > 1e6
    assert report.converged


@pytest.mark.parametrize("reach", [1e-1, 1e-3])
def test_a_rejected_try_raises_lambda_until_a_shorter_one_descends(reach):
    p = problem(case("two layers", "squared_error"))
    free, first, _ = LMNewton().step(p.point(), 1e-3)
    loss = _CliffSquaredError(p.point().tape.F, reach)
    here = _with_loss(p, loss)
    there, lam, report = LMNewton().step(here, 1e-3)
    assert there.value < here.value
    assert report.gain_ratio > 0
    assert lam > 1e-3 > first
    assert np.linalg.norm(there.theta - p.theta) < np.linalg.norm(free.theta - p.theta)


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
