"""First-order steps against the recursions of their papers, written out on linear regression."""

import numpy as np
import pytest

from skcurv.solvers import SGD, Adam, Momentum, Nesterov, RMSProp
from skcurv.solvers.adam import update

from ..cases import case, problem

STEPS = 6


def quadratic():
    """Linear regression in plain arrays: (problem, H, c) with gradient H theta - c."""
    p = problem(case("linear", "squared_error"), n=9)
    w, k = p.v / p.v.sum(), p.Y.shape[1]
    B = np.hstack([p.X, np.ones((len(w), 1))])
    free = np.diag([1.0] * p.X.shape[1] + [0.0])
    H = np.kron(B.T @ (w[:, None] * B) + p.alpha / p.v.sum() * free, np.eye(k))
    return p, H, (B.T @ (w[:, None] * p.Y)).reshape(-1)


def run(solver, p, compiled, steps=STEPS):
    """The parameters after each step; reading the tape first forces the array code."""
    here, state, path = p.point(), None, []
    for _ in range(steps):
        if not compiled:
            assert here.tape.F.shape == (here.n, p.Y.shape[1])
        state = solver.init(here, 0) if state is None else state
        here, state, report = solver.step(here, state)
        path.append(here.theta.copy())
        assert report.step_length == solver.learning_rate
    return np.array(path)


def sgd(theta, gradient, eta):
    while True:
        theta = theta - eta * gradient(theta)
        yield theta


def momentum(theta, gradient, eta, mu):
    v = 0
    while True:
        v = mu * v - eta * gradient(theta)
        theta = theta + v
        yield theta


def nesterov(phi, gradient, eta, mu):
    """Sutskever et al. 2013, eqs. 3-4, in phi; the solver's parameters are the look-ahead points phi + mu v."""
    v = 0
    while True:
        v = mu * v - eta * gradient(phi + mu * v)
        phi = phi + v
        yield phi + mu * v


def rmsprop(theta, gradient, eta, rho, epsilon):
    s = 0
    while True:
        g = gradient(theta)
        s = rho * s + (1 - rho) * g**2
        theta = theta - eta * g / (np.sqrt(s) + epsilon)
        yield theta


def adam(theta, gradient, eta, beta_1, beta_2, epsilon):
    """Kingma & Ba 2015, algorithm 1 in the order of the end of section 2."""
    m = v = t = 0
    while True:
        t, g = t + 1, gradient(theta)
        m, v = beta_1 * m + (1 - beta_1) * g, beta_2 * v + (1 - beta_2) * g**2
        m_hat, v_hat = m / (1 - beta_1**t), v / (1 - beta_2**t)
        theta = theta - eta * m_hat / (np.sqrt(v_hat) + epsilon / np.sqrt(1 - beta_2**t))
        yield theta


TEXTBOOK = {
    "sgd": (SGD(0.2), sgd, (0.2,)),
    "momentum": (Momentum(0.1, 0.8), momentum, (0.1, 0.8)),
    "nesterov": (Nesterov(0.1, 0.8), nesterov, (0.1, 0.8)),
    "rmsprop": (RMSProp(0.05, 0.7, 1e-3), rmsprop, (0.05, 0.7, 1e-3)),
    "adam": (Adam(0.05, 0.8, 0.9, 1e-3), adam, (0.05, 0.8, 0.9, 1e-3)),
}


@pytest.mark.parametrize("compiled", [False, True], ids=["array", "compiled"])
@pytest.mark.parametrize("name", TEXTBOOK)
def test_steps_follow_the_textbook_recursion(name, compiled):
    solver, recursion, numbers = TEXTBOOK[name]
    p, H, c = quadratic()
    textbook = recursion(p.theta, lambda theta: H @ theta - c, *numbers)
    expected = np.array([next(textbook) for _ in range(STEPS)])
    np.testing.assert_allclose(run(solver, p, compiled), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("compiled", [False, True], ids=["array", "compiled"])
def test_without_momentum_all_are_gradient_descent(compiled):
    p = quadratic()[0]
    plain = run(SGD(0.1), p, compiled)
    for solver in (Momentum(0.1, 0.0), Nesterov(0.1, 0.0)):
        np.testing.assert_array_equal(run(solver, p, compiled), plain)


def test_gradient_descent_on_a_quadratic_contracts_at_the_theoretical_rate():
    """|theta_t - theta*| <= ((kappa - 1) / (kappa + 1))^t |theta_0 - theta*| for eta = 2 / (mu + L)."""
    p, H, c = quadratic()
    least, *_, most = np.linalg.eigvalsh(H)
    errors = run(SGD(2 / (least + most)), p, True, steps=30) - np.linalg.solve(H, c)
    start = np.linalg.norm(p.theta - np.linalg.solve(H, c))
    bound = start * ((most - least) / (most + least)) ** np.arange(1, 31)
    assert np.all(np.linalg.norm(errors, axis=1) <= bound * (1 + 1e-9))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adam_in_place_is_its_array_definition(dtype):
    solver, p = Adam(0.03, 0.85, 0.95, 1e-4), quadratic()[0]
    here = p.point(dtype=dtype)
    state = solver.init(here, 0)
    theta, m, v = here.theta.copy(), state.m.copy(), state.v.copy()
    for t in range(1, 5):
        grad = here.grad.copy()
        assert here.plan
        rate = 0.03 * (1 - 0.95**t) ** 0.5 / (1 - 0.85**t)
        theta, m, v = update(theta, grad, m, v, rate, 0.85, 0.95, 1e-4)
        here, state, _ = solver.step(here, state)
        tolerance = {"rtol": 20 * t * np.finfo(dtype).eps, "atol": 20 * t * np.finfo(dtype).eps}
        for compiled, defined in ((here.theta, theta), (state.m, m), (state.v, v)):
            assert compiled.dtype == dtype
            np.testing.assert_allclose(compiled, defined, **tolerance)


def test_the_first_adam_step_has_the_length_of_the_rate_in_every_entry():
    p = quadratic()[0]
    moved = run(Adam(0.01, epsilon=1e-30), p, True, steps=1)[0] - p.theta
    np.testing.assert_allclose(np.abs(moved), 0.01, rtol=1e-10)
