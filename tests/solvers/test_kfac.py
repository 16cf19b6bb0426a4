"""K-FAC's forms and rules: directions, the searched ratio, the first lambda, a fixed rate, the average."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from skcurv import CurvatureMLPClassifier, curvature
from skcurv.linalg import Kronecker
from skcurv.solvers import KFAC, BlockFisher, DiagFisher, block_fisher

from .. import oracles
from ..cases import CASES, assert_close, case, problem

LAM = 0.7


def first_step(p, solver):
    """The step taken from theta, its report and the state."""
    here = p.point()
    there, state, report = solver.step(here, solver.init(here, 0))
    return there.theta - p.theta, report, state


def assert_along(solver, p, direction):
    """The first step is the direction times the reported length, or none at all."""
    d, report, _ = first_step(p, solver)
    expected = report.step_length * direction if report.step_length else 0 * direction
    assert_close(d, expected, 1e4 * p.theta.size, scale=np.abs(direction).max() + np.abs(p.theta).max())


def blocks_of(p):
    """(slice, A, G, the gradient's block) by layer, by brute force; and lambda + eta."""
    g, rows = oracles.gradient(p), []
    slices, factors = oracles.layer_slices(p.case), oracles.kronecker_factors(p)
    for s, (A, G) in zip(slices, factors, strict=True):
        rows.append((s, A, G, g[s].reshape(len(A), len(G))))
    return rows, LAM + p.alpha / p.v.sum()


@pytest.mark.parametrize("c", CASES.values(), ids=CASES)
def test_exact_damping_adds_lambda_to_the_kronecker_product(c):
    p = problem(c, n=20)
    rows, d = blocks_of(p)
    parts = [np.linalg.solve(np.kron(A, G) + d * np.eye(V.size), V.ravel()) for _, A, G, V in rows]
    assert_along(KFAC(damping=LAM, structure="kron-exact"), p, -np.concatenate(parts))


@pytest.mark.parametrize("c", CASES.values(), ids=CASES)
def test_ekfac_starts_from_the_eigenvalues_of_kfac_and_moves_to_the_true_ones(c):
    p = problem(c, n=20)
    d, _, state = first_step(p, KFAC(damping=LAM, structure="ekfac"))
    exact, _, _ = first_step(p, KFAC(damping=LAM, structure="kron-exact"))
    np.testing.assert_array_equal(d, exact)
    here, truth = p.point(), oracles.blocks_only(c, oracles.ggn(p))
    state = state._replace(step=5)  # no new basis
    _, after, _ = KFAC(damping=LAM, structure="ekfac").step(here, state)
    for s, Q_A, Q_G, old, new in zip(
        oracles.layer_slices(c), *(getattr(after.statistics.basis, name) for name in ("Q_A", "Q_G")),
        state.statistics.basis.L, after.statistics.basis.L, strict=True,
    ):  # fmt: skip
        Q = np.kron(Q_A, Q_G)
        expected = 0.2 * old.ravel() + 0.8 * np.diagonal(Q.T @ truth[s, s] @ Q)
        assert_close(new.ravel(), expected, 1e3 * p.theta.size, scale=np.abs(truth).max())


@pytest.mark.parametrize("network", ["two layers", "deep relu", "tanh"])
def test_the_tridiagonal_step_is_that_of_its_damped_matrix(network):
    p = problem(case(network, "multinomial"), n=40)
    here = p.point()
    F = curvature.tridiagonal(here, curvature.ggn(here, None)).damped(blocks_of(p)[1])
    dense = np.stack([F.mv(e) for e in np.eye(p.theta.size)], axis=1)
    assert_along(KFAC(damping=LAM, structure="tridiagonal"), p, -np.linalg.solve(dense, oracles.gradient(p)))
    block, _, _ = first_step(p, KFAC(damping=LAM))
    assert np.abs(first_step(p, KFAC(damping=LAM, structure="tridiagonal"))[0] - block).max() > 1e-6


def test_the_mean_direction_of_sampled_statistics_is_near_the_exact_one():
    """A mini-batch of all rows but one draws its targets; 400 draws average to the exact factors."""
    p = problem(case("tanh", "multinomial"), n=60)
    objective = p.objective()
    here = objective.point(p.theta, next(objective.data.batches(57, 0, 1)))
    draws = [curvature.kronecker(here, curvature.sampled_fisher(here, np.random.default_rng(i))) for i in range(400)]
    exact = curvature.kronecker(here, curvature.ggn(here, None))
    for layer, G in enumerate(exact.G):
        sampled = np.stack([draw.G[layer] for draw in draws])
        error = np.abs(sampled.mean(axis=0) - G)
        assert np.all(error <= 5 * sampled.std(axis=0) / 20 + 1e-12)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("solver", [KFAC(), DiagFisher(), BlockFisher()], ids=lambda solver: solver.name)
def test_the_first_lambda_follows_the_scale_of_the_loss(solver, scale):
    """Targets and outputs times s make the curvature s^0 in the last layer and s^2 below it: the step stays good."""
    p = problem(case("tanh", "squared_error"), n=60)
    last = oracles.layer_slices(p.case)[-1]
    theta = p.theta.copy()
    theta[last] *= scale
    p = p._replace(theta=theta, Y=scale * p.Y, alpha=0.0)
    here = p.point()
    there, state, report = solver.step(here, solver.init(here, 0))
    assert state.lam > 0
    assert report.gain_ratio > 0.25
    assert there.value < 0.97 * here.value


def test_a_fixed_rate_keeps_the_norm_constraint():
    p = problem(case("tanh", "squared_error"), n=30)
    g = oracles.gradient(p)
    free, report, state = first_step(p, KFAC(damping=LAM, learning_rate=1e-3))
    assert report.step_length == 1e-3
    length = -(free @ g) * 1e-3  # rate^2 g' P^-1 g
    bound, report, _ = first_step(p, KFAC(damping=LAM, learning_rate=1e-3, norm_constraint=length / 4))
    assert report.step_length == pytest.approx(5e-4, rel=1e-12)
    assert_close(bound, free / 2, 100, scale=np.abs(p.theta).max())
    loose, _, _ = first_step(p, KFAC(damping=LAM, learning_rate=1e-3, norm_constraint=4 * length))
    np.testing.assert_array_equal(loose, free)
    here = p.point().at(p.theta + free)
    there, _, _ = KFAC(damping=LAM, learning_rate=1e-3).step(here, state)
    alone, _, _ = KFAC(damping=LAM, learning_rate=1e-3).step(here, state._replace(v=None))
    assert_close(there.theta - alone.theta, 0.9 * free, 1e4, scale=np.abs(p.theta).max())


def test_undamped_kfac_makes_the_same_functions_after_an_affine_change_of_the_inputs():
    """Steps from parameters that are mapped to the same function (Martens & Grosse, theorem 1)."""
    p = problem(case("one output", "squared_error"), n=60, alpha=0.0)._replace(
        v=np.random.default_rng(4).uniform(1, 2, 60)
    )
    p = p._replace(case=p.case._replace(activations=("tanh",)))
    T = np.eye(4)
    T[:, :3] += 0.5 * np.random.default_rng(1).normal(size=(4, 3))
    first = oracles.layer_slices(p.case)[0]
    theta = p.theta.copy()
    theta[first] = np.linalg.solve(T, theta[first].reshape(4, -1)).ravel()
    changed = p._replace(X=(np.hstack([p.X, np.ones((60, 1))]) @ T)[:, :3], theta=theta)
    here, there = p.point(), changed.point()
    for _ in range(5):
        outputs = []
        for point in (here, there):
            P = curvature.kronecker(point, curvature.ggn(point, None))
            outputs.append(point.moved(-0.5 * P.inverse().mv(point.grad)))
        here, there = outputs
        np.testing.assert_allclose(there.tape.F, here.tape.F, rtol=0, atol=1e-6 * np.abs(here.tape.F).max())
    assert here.value < p.point().value


def test_scaled_columns_cost_kfac_at_most_twice_the_iterations():
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    scaled = X * 10 ** np.linspace(-1, 1, X.shape[1])

    def iterations(X):
        clf = CurvatureMLPClassifier((16,), "tanh", alpha=1e-3, batch_size=len(X), max_iter=300, tol=0, random_state=0)
        losses = clf.fit(X, y).loss_curve_
        return next(i for i, loss in enumerate(losses) if loss < 0.02)

    assert iterations(scaled) <= 2 * iterations(X)


@pytest.mark.parametrize("blocks", ["unit", "layer"])
@pytest.mark.parametrize("what", ["fisher", "ggn", "empirical-fisher"])
def test_block_fisher_solves_with_the_blocks_of_the_exact_matrix(blocks, what):
    p = problem(case("two layers", "multinomial"), n=30)
    here, sizes = p.point(), p.case.sizes
    S = (curvature.empirical_fisher if what == "empirical-fisher" else curvature.ggn)(here, None)
    C = curvature.dense(here, S).C
    layer = np.concatenate([np.full((i + 1) * o, 100 * at) for at, (i, o) in enumerate(pairwise(sizes))])
    unit = np.concatenate([np.tile(np.arange(o), i + 1) for i, o in pairwise(sizes)])
    group = layer + (unit if blocks == "unit" else 0)
    C = np.where(group[:, None] == group, C, 0) + (LAM + p.alpha / p.v.sum()) * np.eye(len(C))
    assert_along(BlockFisher(damping=LAM, blocks=blocks, curvature=what), p, -np.linalg.solve(C, oracles.gradient(p)))


@pytest.mark.parametrize("what", ["fisher", "ggn", "empirical-fisher"])
def test_diag_fisher_takes_all_three_curvatures(what):
    p = problem(case("two layers", "multinomial"), n=30)
    here = p.point()
    S = (curvature.empirical_fisher if what == "empirical-fisher" else curvature.ggn)(here, None)
    c = np.diagonal(curvature.dense(here, S).C)
    d = LAM + p.alpha / p.v.sum()
    assert_along(DiagFisher(damping=LAM, curvature=what), p, -oracles.gradient(p) / (c + d))


def test_block_fisher_names_blocks_too_large_for_its_memory(monkeypatch):
    monkeypatch.setattr(block_fisher, "MEMORY_LIMIT", 100)
    with pytest.raises(ValueError, match=r"Layers of \(3, 3, 2\) .* Allowed are .* Use blocks='unit'"):
        first_step(problem(case("tanh", "squared_error")), BlockFisher())


@pytest.mark.parametrize("seed", [0, 2])
def test_kfac_learns_a_rare_class(seed):
    """One row in a hundred: 128 rows may have none of it. Its share alone has a loss of 0.056."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(3000, 8))
    f = np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2]
    model = CurvatureMLPClassifier((40, 30), solver="kfac", max_iter=40, tol=0, random_state=seed)
    assert model.fit(X, f > np.quantile(f, 0.99)).loss_ < 0.006


def test_factored_damping_is_at_least_exact_damping_in_every_form():
    p = problem(case("two layers", "multinomial"), n=30)
    here = p.point()
    kron: Kronecker = curvature.kronecker(here, curvature.ggn(here, None))
    for A, G, B, H in zip(kron.A, kron.G, kron.damped(LAM).A, kron.damped(LAM).G, strict=True):
        excess = np.kron(B, H) - np.kron(A, G) - LAM * np.eye(len(A) * len(G))
        assert np.linalg.eigvalsh(excess).min() >= -1e-12
