"""Shampoo: closed forms of the first step, rotations, the recursion in plain NumPy, and the battery."""

from itertools import pairwise

import array_api_strict as strict
import numpy as np
import pytest
import scipy.linalg

from skcurv.data import Batch
from skcurv.network.layout import Layout
from skcurv.solvers import Adam
from skcurv.solvers.shampoo import RIDGE, Shampoo

from .. import oracles
from ..cases import Case, assert_close, case, problem

EPS = np.finfo(float).eps
SQUARE = Case((2, 3, 4), ("tanh",), "squared_error")  # blocks (3, 3) and (4, 4): gradients of full rank


def walk(solver, p, steps, dtype=np.float64):
    """The points and states of some steps on all rows, the start first."""
    here = p.point(dtype=dtype)
    path = [(here, solver.init(here, 0))]
    for _ in range(steps):
        here, state, report = solver.step(*path[-1])
        assert report.step_length == solver.learning_rate
        path.append((here, state))
    return path


def along(solver, p, thetas, state=None):
    """The step (p,) that the solver takes from each of the given parameters, its state going on."""
    steps = []
    for theta in thetas:
        here = p.objective().point(theta)
        state = solver.init(here, 0) if state is None else state
        there, state, _ = solver.step(here, state)
        steps.append(there.theta - theta)
    return steps


def turned(p, seed=0):
    """A linear network's problem in rotated inputs and outputs, and the map of its parameters and gradients."""
    rng, (d, k) = np.random.default_rng(seed), p.case.sizes
    P, Q = (np.linalg.qr(rng.normal(size=(n, n)))[0] for n in (d, k))
    T = scipy.linalg.block_diag(P.T, 1.0)
    turn = lambda theta: (T @ theta.reshape(d + 1, k) @ Q).reshape(-1)  # noqa: E731
    return p._replace(X=p.X @ P, Y=p.Y @ Q, theta=turn(p.theta)), turn, (T, Q)


def linear(seed=0, sizes=(3, 2)):
    return problem(Case(sizes, (), "squared_error"), n=9, seed=seed)


def still(p):
    """The problem with a gradient of exact zeros."""
    return p._replace(X=0 * p.X, Y=0 * p.Y, theta=0 * p.theta, alpha=0.0)


def dependent(p):
    """The problem with one input constant zero and two that are the same."""
    X = p.X.copy()
    X[:, 0], X[:, 1] = 0, X[:, 2]
    return p._replace(X=X, alpha=0.0)


def strict_point(p):
    X, Y, w, scale, *_ = p.point().batch
    theta, X, Y, w = (strict.asarray(np.array(a)) for a in (p.theta, X, Y, w))
    return p.objective().point(theta, Batch(X, Y, w, scale))


def assert_the_same_on_strict_arrays(solver, p, steps, terms):
    """Array code only: on array-api-strict what it is on NumPy."""
    there = strict_point(p)
    state = solver.init(there, 0)
    for _ in range(steps):
        there, state, _ = solver.step(there, state)
    assert hasattr(there.theta, "__array_namespace__")
    assert_close(np.asarray(there.theta), walk(solver, p, steps)[-1][0].theta, terms)


def assert_it_stays_where_the_gradient_is_zero(solver):
    for p in (still(linear()), still(problem(case("two layers", "squared_error")))):
        for here, _ in walk(solver, p, 3):
            np.testing.assert_array_equal(here.theta, p.theta)


def assert_it_refuses_what_is_not_finite(solver):
    p = linear()
    here, state = walk(solver, p, 2)[-1]
    for scale in (1e200, 1e308, np.nan):
        with np.errstate(all="ignore"):
            bad = here.at(scale * (1 + here.theta))
            there, after, report = solver.step(bad, state)
        assert there is bad
        assert after is state
        assert report.step_length == 0
        assert report.trouble


def assert_it_copes_with_dependent_inputs(solver, blown=EPS):
    """Weights of the zero input move by no more than `blown` a step."""
    p = dependent(linear(sizes=(4, 2)))
    path = walk(solver, p, 60)
    values = [here.value for here, _ in path]
    assert np.isfinite(values).all()
    assert values[-1] < values[0]
    np.testing.assert_allclose(path[-1][0].theta[:2], p.theta[:2], rtol=0, atol=60 * blown)


def blocks(p, theta):
    return Layout(p.case.sizes).blocks(theta)


def textbook(p, eta, beta_1, beta_2, epsilon, period):
    """Shampoo in float64 with gradients by complex steps; roots by Schur decompositions."""
    theta, m, v, t = p.theta, 0, 0, 0
    factors = [[np.zeros((i + 1, i + 1)), np.zeros((o, o))] for i, o in pairwise(p.case.sizes)]
    roots = None
    while True:
        t, g = t + 1, oracles.gradient(p, theta)
        m, v = beta_1 * m + (1 - beta_1) * g, beta_2 * v + (1 - beta_2) * g**2
        D = eta * m / (1 - beta_1**t) / (np.sqrt(v / (1 - beta_2**t)) + epsilon / np.sqrt(1 - beta_2**t))
        for pair, G in zip(factors, blocks(p, g), strict=True):
            pair[0] = beta_2 * pair[0] + (1 - beta_2) * G @ G.T
            pair[1] = beta_2 * pair[1] + (1 - beta_2) * G.T @ G
        if t % period == 0:
            ridged = [[A + RIDGE * np.linalg.norm(A, 2) * np.eye(len(A)) for A in pair] for pair in factors]
            roots = [[scipy.linalg.sqrtm(scipy.linalg.sqrtm(np.linalg.inv(A))) for A in pair] for pair in ridged]
        if roots:
            S = [P @ M @ R for (P, R), M in zip(roots, blocks(p, m), strict=True)]
            lengths = [np.linalg.norm(B) for B in blocks(p, D)]
            D = np.concatenate([(n / np.linalg.norm(B) * B).ravel() for n, B in zip(lengths, S, strict=True)])
        theta = theta - D
        yield theta


@pytest.mark.parametrize("period", [1, 2])
@pytest.mark.parametrize("network", [SQUARE, case("two layers", "squared_error")], ids=["square", "two layers"])
def test_steps_follow_the_recursion(network, period):
    p = problem(network)
    recursion = textbook(p, 0.05, 0.8, 0.9, 1e-3, period)
    path = walk(Shampoo(0.05, 0.8, 0.9, 1e-3, period), p, 5)
    for (here, _), expected in zip(path[1:], recursion, strict=False):
        assert_close(here.theta, expected, p.theta.size / RIDGE)  # the condition number of a factor


def test_the_first_step_in_closed_form():
    """G = U diag(s) W' goes along U diag(s / sqrt(s^2 + ridge s_1^2)) W', at Adam's length, sqrt(p) eta."""
    p = linear()
    U, s, W = np.linalg.svd(p.point().grad.reshape(4, 2), full_matrices=False)
    S = (U * (s / np.sqrt(s**2 + RIDGE * s[0] ** 2))) @ W
    (d,) = along(Shampoo(0.01, epsilon=1e-30, refresh_period=1), p, [p.theta])
    assert_close(d.reshape(4, 2), -0.01 * np.sqrt(8) * S / np.linalg.norm(S), 8 / RIDGE)


def test_the_first_step_of_one_sample_is_along_the_gradient():
    """With G = a g' of rank one, L^(-1/4) G R^(-1/4) is a multiple of G."""
    p = problem(Case((3, 2), (), "squared_error"), n=1, alpha=0.0)
    assert np.all(p.X != 0)
    G = p.point().grad
    (d,) = along(Shampoo(0.01, epsilon=1e-30, refresh_period=1), p, [p.theta])
    assert_close(d, -0.01 * np.sqrt(8) * G / np.linalg.norm(G), 8 / RIDGE)


def test_the_direction_turns_with_inputs_and_outputs():
    p = linear()
    q, turn, _ = turned(p)
    thetas = p.theta + np.random.default_rng(1).normal(size=(5, p.theta.size))
    plain = along(Shampoo(beta_2=0.9, refresh_period=1), p, thetas)
    other = along(Shampoo(beta_2=0.9, refresh_period=1), q, [turn(theta) for theta in thetas])
    for d, e in zip(plain, other, strict=True):
        assert_close(e / np.linalg.norm(e), turn(d) / np.linalg.norm(d), 8 / RIDGE)


def test_each_layer_moves_as_far_as_in_adam():
    p = problem(case("two layers", "multinomial"))
    thetas = p.theta + 0.1 * np.random.default_rng(2).normal(size=(4, p.theta.size))
    with_roots, adam = along(Shampoo(0.1, refresh_period=1), p, thetas), along(Adam(0.1), p, thetas)
    for d, e in zip(with_roots, adam, strict=True):
        assert not np.allclose(d, e)
        lengths = [[np.linalg.norm(B) for B in blocks(p, step)] for step in (d, e)]
        np.testing.assert_allclose(*lengths, rtol=1e-12)


def test_before_its_first_roots_it_is_adam():
    p = problem(case("two layers", "multinomial"))
    thetas = p.theta + 0.1 * np.random.default_rng(3).normal(size=(6, p.theta.size))
    solver, adam = Shampoo(0.1, 0.8, 0.9, 1e-3, refresh_period=6), Adam(0.1, 0.8, 0.9, 1e-3)
    for index, (d, e) in enumerate(zip(along(solver, p, thetas), along(adam, p, thetas), strict=True)):
        assert np.allclose(d, e, rtol=0, atol=1e-14) == (index < 5)


def test_a_wide_side_is_left_alone(monkeypatch):
    monkeypatch.setattr("skcurv.solvers.shampoo.WIDEST", 2)
    p = linear()
    ((L, R),) = walk(Shampoo(refresh_period=1), p, 1)[-1][1].factors
    assert L is None
    assert R.shape == (2, 2)
    G = p.point().grad.reshape(4, 2)
    s, Q = np.linalg.eigh(G.T @ G)
    S = G @ (Q * (s + RIDGE * s[-1]) ** -0.25) @ Q.T
    (d,) = along(Shampoo(0.01, epsilon=1e-30, refresh_period=1), p, [p.theta])
    assert_close(d.reshape(4, 2), -0.01 * np.sqrt(8) * S / np.linalg.norm(S), 8 / RIDGE)


def test_a_zero_gradient_makes_no_step():
    assert_it_stays_where_the_gradient_is_zero(Shampoo(refresh_period=1))


@pytest.mark.parametrize("period", [1, 10])
def test_what_is_not_finite_is_refused(period):
    assert_it_refuses_what_is_not_finite(Shampoo(refresh_period=period))


def test_a_failed_eigendecomposition_is_a_refused_step(monkeypatch):
    here, state = walk(Shampoo(refresh_period=2), linear(), 1)[-1]
    monkeypatch.setattr("skcurv.solvers.shampoo.inverse_root", lambda A, order, ridge: A * np.nan)
    there, after, report = Shampoo(refresh_period=2).step(here, state)
    assert there is here
    assert after is state
    assert report.trouble


def test_dependent_inputs():
    assert_it_copes_with_dependent_inputs(Shampoo(0.03, refresh_period=1))


def test_the_state_is_in_the_parameters_dtype():
    _, state = walk(Shampoo(refresh_period=1), problem(SQUARE), 2, np.float32)[-1]
    held = [state.m, state.v, *(A for pair in (*state.factors, *state.roots) for A in pair)]
    assert {array.dtype for array in held} == {np.dtype(np.float32)}


def test_the_code_is_in_the_standard():
    assert_the_same_on_strict_arrays(Shampoo(refresh_period=2), problem(SQUARE), 3, 1 / RIDGE)
