"""SOAP: Adam without bases, the orthogonal factor as first step, rotations, the recursion, and the battery."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.linalg

from skcurv.linalg.roots import TIE
from skcurv.solvers import Adam
from skcurv.solvers.soap import FLOOR, SOAP, SOAPState

from .. import oracles
from ..cases import assert_close, case, problem
from .test_shampoo import (
    EPS,
    SQUARE,
    along,
    assert_it_copes_with_dependent_inputs,
    assert_it_refuses_what_is_not_finite,
    assert_it_stays_where_the_gradient_is_zero,
    assert_the_same_on_strict_arrays,
    blocks,
    linear,
    turned,
    walk,
)

EPSILON = 1e-3  # rounding over it is what is left of an entry that should be zero


def tied(A):
    return A + TIE * A.diagonal().max() * np.diag(np.arange(len(A)) / len(A))


def textbook(p, eta, beta_1, beta_2, epsilon, period):
    """Algorithm 3 of the paper in float64 with gradients by complex steps, and whether a refreshment sorted columns."""
    theta, t, swapped = p.theta, 0, False
    sides = [[g @ g.T, g.T @ g] for g in blocks(p, oracles.gradient(p, theta))]
    Q = [[np.linalg.svd(tied(A))[0] for A in pair] for pair in sides]
    M, V = [0] * len(Q), [0] * len(Q)
    while True:
        t, G = t + 1, blocks(p, oracles.gradient(p, theta))
        steps = []
        for layer, (g, (Q_L, Q_R)) in enumerate(zip(G, Q, strict=True)):
            M[layer] = beta_1 * M[layer] + (1 - beta_1) * g
            V[layer] = beta_2 * V[layer] + (1 - beta_2) * (Q_L.T @ g @ Q_R) ** 2
            M_hat, V_hat = M[layer] / (1 - beta_1**t), V[layer] / (1 - beta_2**t)
            V_hat = np.maximum(V_hat, FLOOR * V_hat.sum())
            N = (Q_L.T @ M_hat @ Q_R) / (np.sqrt(V_hat) + epsilon / np.sqrt(1 - beta_2**t))
            steps.append(eta * Q_L @ N @ Q_R.T)
            for side, square in enumerate((g @ g.T, g.T @ g)):
                sides[layer][side] = beta_2 * sides[layer][side] + (1 - beta_2) * square
            for side, A in enumerate(sides[layer] if t % period == 0 else ()):
                order = np.argsort(-np.diag(Q[layer][side].T @ A @ Q[layer][side]))
                swapped |= list(order) != sorted(order)
                ridge = TIE * max(np.diag(Q[layer][side].T @ A @ Q[layer][side]))
                Q[layer][side] = scipy.linalg.qr((A + ridge * np.eye(len(A))) @ Q[layer][side][:, order])[0]
                V[layer] = V[layer][:, order] if side else V[layer][order]
        theta = theta - np.concatenate([step.ravel() for step in steps])
        yield theta, swapped


@pytest.mark.parametrize("period", [1, 2])
def test_steps_follow_the_recursion(period):
    p = problem(SQUARE)
    recursion = textbook(p, 0.3, 0.8, 0.7, EPSILON, period)
    for here, _ in walk(SOAP(0.3, 0.8, 0.7, EPSILON, period), p, 12)[1:]:
        expected, swapped = next(recursion)
        assert_close(here.theta, expected, p.theta.size / EPSILON**2)
    assert swapped


def test_without_bases_it_is_adam(monkeypatch):
    monkeypatch.setattr("skcurv.solvers.shampoo.WIDEST", 0)
    p = problem(case("two layers", "multinomial"))
    thetas = p.theta + 0.1 * np.random.default_rng(0).normal(size=(6, p.theta.size))
    numbers = (0.1, 0.8, 0.9, 1e-3)
    for d, e in zip(along(SOAP(*numbers, refresh_period=2), p, thetas), along(Adam(*numbers), p, thetas), strict=True):
        assert_close(d, e, 4, scale=np.abs(thetas).max())


def test_with_identity_bases_it_is_adam():
    p = problem(case("two layers", "multinomial"))
    here = p.point()
    m, v = 0.1 * here.grad, 0.2 * np.abs(here.grad)
    eyes = tuple((np.eye(i + 1), np.eye(o)) for i, o in pairwise(p.case.sizes))
    numbers = (0.1, 0.8, 0.9, 1e-3)
    there, state, _ = SOAP(*numbers).step(here, SOAPState(m, v, eyes, eyes, 5))
    adam = Adam(*numbers)
    expected, after, _ = adam.step(here, adam.init(here, 0)._replace(m=m, v=v, step=5))
    assert_close(there.theta, expected.theta, 4)
    np.testing.assert_array_equal(state.m, after.m)
    np.testing.assert_array_equal(state.v, after.v)


def test_the_first_step_is_along_the_orthogonal_factor():
    """G = U diag(s) W' in its own eigenbasis is diagonal: Adam takes each singular value to 1."""
    p = linear(sizes=(2, 3))
    U, s, W = np.linalg.svd(p.point().grad.reshape(3, 3))
    (d,) = along(SOAP(0.01, epsilon=1e-12), p, [p.theta])
    gap = np.abs(np.diff(s**2)).min() / s[0] ** 2  # the ties turn the bases by TIE / gap, the floor divides that
    assert s[-1] > FLOOR**0.5 * np.linalg.norm(s)
    np.testing.assert_allclose(d.reshape(3, 3), -0.01 * U @ W, rtol=0, atol=0.01 * 9 * TIE / gap / FLOOR**0.5)


def test_the_step_turns_with_inputs_and_outputs():
    p = linear()
    q, turn, (T, Q) = turned(p)
    rng = np.random.default_rng(1)
    thetas = p.theta + rng.normal(size=(6, p.theta.size))
    L, R = (B @ B.T for B in (rng.normal(size=(4, 4)), rng.normal(size=(2, 2))))
    zeros = 0 * p.theta

    def start(L, R):
        return SOAPState(zeros, zeros, ((L, R),), ((np.linalg.eigh(L)[1], np.linalg.eigh(R)[1]),), 1)

    solver = SOAP(0.1, epsilon=EPSILON, refresh_period=2)
    plain = along(solver, p, thetas, start(L, R))
    other = along(solver, q, [turn(theta) for theta in thetas], start(T @ L @ T.T, Q.T @ R @ Q))
    worst = max(np.linalg.cond(L), np.linalg.cond(R))
    for d, e in zip(plain, other, strict=True):
        assert not np.allclose(d, e)
        assert_close(e, turn(d), 8 * worst / EPSILON)


def test_the_order_and_the_signs_of_the_bases_do_not_matter():
    p = problem(SQUARE)
    _, state = walk(SOAP(0.1, epsilon=EPSILON, refresh_period=1), p, 3)[-1]
    order, signs, V = [2, 0, 1], np.array([1.0, -1.0, -1.0]), state.v.copy()
    (Q_L, Q_R), *rest = state.bases
    V[:9] = V[:9].reshape(3, 3)[order].ravel()
    mixed = state._replace(v=V, bases=((signs * Q_L[:, order], Q_R), *rest))
    thetas = p.theta + 0.1 * np.random.default_rng(2).normal(size=(4, p.theta.size))
    steps = [along(SOAP(0.1, epsilon=EPSILON, refresh_period=1), p, thetas, start) for start in (state, mixed)]
    for d, e in zip(*steps, strict=True):
        assert_close(e, d, p.theta.size / EPSILON)


def test_bases_reach_the_eigenvectors_of_an_unchanging_gradient():
    p = linear(sizes=(2, 3))
    solver = SOAP(beta_2=0.5, refresh_period=1)
    state = solver.init(p.point(), 0)
    _, state, _ = solver.step(p.point().at(p.theta + 1), state)
    for _ in range(120):  # its ratio of eigenvalues is below 0.7
        _, state, _ = solver.step(p.point(), state)
    for A, Q in zip(state.factors[0], state.bases[0], strict=True):
        assert_close(Q.T @ A @ Q, np.diag(np.sort(np.linalg.eigvalsh(A))[::-1]), 30)


def test_a_wide_side_is_left_alone(monkeypatch):
    monkeypatch.setattr("skcurv.solvers.shampoo.WIDEST", 3)
    state = walk(SOAP(refresh_period=1), problem(SQUARE), 2)[-1][1]
    assert [[A is None for A in pair] for pair in state.factors] == [[False, False], [True, True]]
    assert [[Q is None for Q in pair] for pair in state.bases] == [[False, False], [True, True]]


def test_a_zero_gradient_makes_no_step():
    assert_it_stays_where_the_gradient_is_zero(SOAP(refresh_period=1))


def test_what_is_not_finite_is_refused():
    assert_it_refuses_what_is_not_finite(SOAP(refresh_period=1))


def test_a_failed_eigendecomposition_is_a_refused_step(monkeypatch):
    monkeypatch.setattr("skcurv.solvers.soap.eigenvectors", lambda A: A * np.nan)
    here = linear().point()
    state = SOAP().init(here, 0)
    there, after, report = SOAP().step(here, state)
    assert there is here
    assert after is state
    assert report.trouble


def test_dependent_inputs():
    assert_it_copes_with_dependent_inputs(SOAP(0.03, refresh_period=1), blown=0.03 * EPS**0.5)


def test_means_are_in_the_parameters_dtype_and_matrices_in_float64():
    here, state = walk(SOAP(refresh_period=1), problem(SQUARE), 2, np.float32)[-1]
    assert {here.theta.dtype, state.m.dtype, state.v.dtype} == {np.dtype(np.float32)}
    held = [A for pair in (*state.factors, *state.bases) for A in pair]
    assert {A.dtype for A in held} == {np.dtype(np.float64)}


def test_the_code_is_in_the_standard():
    solver = SOAP(epsilon=EPSILON, refresh_period=2)
    assert_the_same_on_strict_arrays(solver, problem(SQUARE), 3, 20 / EPSILON)
