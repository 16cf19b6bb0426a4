"""Muon: scale, rotations, length of its steps, the recursion by singular values, and the battery."""

import numpy as np
import pytest

from skcurv.linalg.roots import QUINTIC, QUINTIC_STEPS
from skcurv.solvers import Adam
from skcurv.solvers.muon import Muon

from .. import oracles
from ..cases import assert_close, case, problem
from ..linalg.test_roots import BAND, LEAST, quintic
from .test_shampoo import (
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

GROWTH = QUINTIC[0] ** QUINTIC_STEPS  # of an error in a small singular value
NETWORKS = ("two layers", "one output", "linear", "one unit")


def textbook(p, eta, mu):
    """Newton-Schulz through singular values, gradients by complex steps, biases by Adam's algorithm 1."""
    theta, t = p.theta, 0
    M = m = v = 0 * theta
    while True:
        t, g = t + 1, oracles.gradient(p, theta)
        M = mu * M + g
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        m_hat, v_hat = m / (1 - 0.9**t), v / (1 - 0.999**t)
        adam = eta * m_hat / (np.sqrt(v_hat) + 1e-8 / np.sqrt(1 - 0.999**t))
        steps = []
        for V, B in zip(blocks(p, g + mu * M), blocks(p, adam), strict=True):
            U, s, W = np.linalg.svd(V[:-1], full_matrices=False)
            i, o = V[:-1].shape
            steps += [(0.2 * eta * np.sqrt(max(i, o)) * (U * quintic(s)) @ W).ravel(), B[-1]]
        theta = theta - np.concatenate(steps)
        yield theta


@pytest.mark.parametrize("network", NETWORKS)
def test_steps_follow_the_recursion(network):
    p = problem(case(network, "squared_error"))
    recursion = textbook(p, 0.1, 0.8)
    for t, (here, _) in enumerate(walk(Muon(0.1, 0.8), p, 6)[1:], start=1):
        assert_close(here.theta, next(recursion), t * p.theta.size * GROWTH)


def test_the_singular_values_of_a_step_are_in_the_band():
    for network in NETWORKS:
        p = problem(case(network, "squared_error"))
        here = p.point()
        there, _, _ = Muon(0.1).step(here, Muon(0.1).init(here, 0))
        for D, G in zip(blocks(p, there.theta - here.theta), blocks(p, here.grad), strict=True):
            i, o = D[:-1].shape
            s = np.linalg.svd(G[:-1], compute_uv=False)
            assert s[-1] > LEAST * np.linalg.norm(s)
            values = np.linalg.svd(D[:-1], compute_uv=False) / (0.2 * 0.1 * np.sqrt(max(i, o)))
            assert BAND[0] <= values.min() <= values.max() <= BAND[1]


def test_the_step_of_the_weights_knows_no_scale_of_the_gradient():
    """Parameters and targets of a linear network times 2^k: so is the gradient, and the step stays."""
    p = linear()
    thetas = p.theta + np.random.default_rng(0).normal(size=(5, p.theta.size))
    plain = along(Muon(), p, thetas)
    for k in (-10, 10):
        other = along(Muon(), p._replace(Y=2.0**k * p.Y), 2.0**k * thetas)
        for d, e in zip(plain, other, strict=True):
            assert_close(e[:-2], d[:-2], 4, scale=max(1, 2.0**k) * np.abs(thetas).max())


def test_the_step_of_the_weights_turns_with_inputs_and_outputs():
    p = linear()
    q, turn, _ = turned(p)
    thetas = p.theta + np.random.default_rng(1).normal(size=(5, p.theta.size))
    plain, other = along(Muon(0.1), p, thetas), along(Muon(0.1), q, [turn(theta) for theta in thetas])
    for d, e in zip(plain, other, strict=True):
        assert_close(e[:-2], turn(d)[:-2], 16 * GROWTH)


def test_without_momentum_each_step_forgets_the_ones_before():
    p = problem(case("two layers", "multinomial"))
    thetas = p.theta + np.random.default_rng(2).normal(size=(3, p.theta.size))
    weights = oracles.penalised(p.case) == 1
    last, alone = along(Muon(0.1, 0.0), p, thetas)[-1], along(Muon(0.1, 0.0), p, thetas[-1:])[-1]
    np.testing.assert_array_equal(last[weights], alone[weights])
    assert not np.allclose(along(Muon(0.1, 0.5), p, thetas)[-1][weights], alone[weights])


def test_biases_are_adams():
    p = problem(case("two layers", "multinomial"))
    thetas = p.theta + 0.1 * np.random.default_rng(3).normal(size=(5, p.theta.size))
    biases = oracles.penalised(p.case) == 0
    for d, e in zip(along(Muon(0.1), p, thetas), along(Adam(0.1), p, thetas), strict=True):
        assert_close(d[biases], e[biases], 10, scale=np.abs(thetas).max())
        assert not np.allclose(d[~biases], e[~biases])


def test_a_zero_gradient_makes_no_step():
    assert_it_stays_where_the_gradient_is_zero(Muon())


def test_what_is_not_finite_is_refused():
    assert_it_refuses_what_is_not_finite(Muon())


def test_dependent_inputs():
    assert_it_copes_with_dependent_inputs(Muon(0.03))


def test_the_state_is_in_the_parameters_dtype():
    here, state = walk(Muon(), problem(case("two layers", "multinomial")), 2, np.float32)[-1]
    assert {a.dtype for a in (here.theta, state.m, state.v, *state.M)} == {np.dtype(np.float32)}


def test_the_code_is_in_the_standard():
    assert_the_same_on_strict_arrays(Muon(), problem(case("two layers", "multinomial")), 3, 36 * GROWTH)
