"""The exact model on a few directions: a dense solve, conjugate gradients, and what lambda and short steps do."""

import numpy as np
import pytest

from skcurv.curvature import slopes_and_gram
from skcurv.solvers import quadratic_model
from skcurv.solvers.quadratic_model import NOTHING, lengths, minimise, solve

from .. import oracles
from ..cases import CASES, assert_close, case, problem

EPS = np.finfo(np.float64).eps


def dense_model(p, lam):
    """Gradient and damped curvature with the penalty, by brute force."""
    l2 = p.alpha / p.v.sum()
    return oracles.gradient(p), oracles.ggn(p) + np.diag(l2 * oracles.penalised(p.case) + lam)


@pytest.mark.parametrize("c", CASES.values(), ids=CASES)
@pytest.mark.parametrize("r", [1, 2, 3])
def test_minimum_equals_the_dense_solve(c, r):
    p, lam = problem(c), 0.3
    g, C = dense_model(p, lam)
    W = np.random.default_rng(r).normal(size=(r, p.theta.size))
    coefficients, predicted = minimise(p.point(), list(W), lam)
    expected = -np.linalg.solve(W @ C @ W.T, W @ g)
    terms = 20 * p.theta.size * p.Y.size * np.linalg.cond(W @ C @ W.T)
    scale = np.linalg.norm(g) * np.linalg.norm(W, 2) / np.linalg.norm(W @ C @ W.T, 2)
    assert_close(coefficients, expected, terms, scale=max(scale, np.abs(expected).max()))
    d = expected @ W
    assert predicted == pytest.approx(g @ d + d @ C @ d / 2, rel=4 * terms * EPS, abs=1e-13)
    assert predicted <= 0


def test_a_zero_and_a_repeated_direction_do_no_harm():
    p = problem(case("two layers", "multinomial"))
    g = oracles.gradient(p)
    _, alone = minimise(p.point(), [g], 0.1)
    c, predicted = minimise(p.point(), [g, 0 * g, g], 0.1)
    assert np.isfinite(c).all()
    assert predicted == pytest.approx(alone, rel=1e-12)


@pytest.mark.parametrize("trouble", [np.nan, np.inf])
def test_a_direction_that_is_not_finite_gives_nan(trouble):
    p = problem(case("two layers", "multinomial"))
    with np.errstate(invalid="ignore"):
        c, predicted = minimise(p.point(), [np.full(p.theta.size, trouble)], 0.1)
    assert np.isnan(c).all()
    assert np.isnan(predicted)


@pytest.mark.parametrize("name", [name for name, c in CASES.items() if len(c.sizes) > 2])
def test_ends_are_directions_with_nothing_below_the_output_layer(name):
    p, c = problem(CASES[name]), CASES[name]
    u, v = np.random.default_rng(0).normal(size=(2, p.theta.size))
    e = np.where(np.arange(p.theta.size) >= c.network.layout.slices[-1].start, [u, v], 0)
    found = slopes_and_gram(p.point(), [u, v], 0.3, [u, v])
    for ours, theirs in zip(found, slopes_and_gram(p.point(), [u, v, *e], 0.3), strict=True):
        assert_close(ours, theirs, 20 * p.theta.size * p.Y.size, scale=1 + np.abs(theirs).max())


def models(count):
    """b, M and lengths of the models of `count` pairs of directions."""
    p, rng = problem(case("two layers", "multinomial")), np.random.default_rng(0)
    pairs = rng.normal(size=(count, 2, p.theta.size))
    return [(*slopes_and_gram(p.point(), list(W), 0.3), np.linalg.norm(W, axis=1)) for W in pairs]


def test_one_model_smoothed_is_that_model_and_its_repetitions_change_nothing():
    ((b, M, s),) = models(1)
    smoothed = NOTHING
    for t in range(8):
        smoothed = smoothed.taking_in(b, M, s)
        assert smoothed.seen == t + 1
        np.testing.assert_allclose(smoothed.c / s, solve(b, M)[0], rtol=1e-12)


def test_smoothed_models_do_not_depend_on_the_scales_of_their_directions():
    """Directions t_i w_i have slopes t_i b_i and curvatures t_i t_j M_ij; the step along them stays the same."""
    found = models(4)
    plain, scaled, rng = NOTHING, NOTHING, np.random.default_rng(1)
    for b, M, s in found:
        t = np.exp(3 * rng.normal(size=2))
        plain, scaled = plain.taking_in(b, M, s), scaled.taking_in(t * b, np.outer(t, t) * M, t * s)
    np.testing.assert_allclose(scaled.c, plain.c, rtol=1e-11)


def test_smoothed_models_are_a_flat_and_then_a_decaying_mean():
    found = models(8)
    smoothed, memory = NOTHING, quadratic_model.MEMORY
    unit = [(b / s, M / np.outer(s, s)) for b, M, s in found]
    flat = round(1 / (1 - memory))
    assert flat < len(found)
    for t, (b, M, s) in enumerate(found, start=1):
        smoothed = smoothed.taking_in(b, M, s)
        late = max(t - flat, 0)
        shares = np.r_[
            np.full(min(t, flat), memory**late / min(t, flat)), (1 - memory) * memory ** np.arange(late)[::-1]
        ]
        assert shares.sum() == pytest.approx(1)
        np.testing.assert_allclose(smoothed.b, sum(a * b for a, (b, _) in zip(shares, unit, strict=False)), rtol=1e-12)
        np.testing.assert_allclose(smoothed.M, sum(a * M for a, (_, M) in zip(shares, unit, strict=False)), rtol=1e-12)
        np.testing.assert_allclose(smoothed.c, -np.linalg.solve(smoothed.M, smoothed.b), rtol=1e-9)


def _three(beta):
    """b and M (3, 3) of directions whose minimum has beta as the third coefficient."""
    R = np.random.default_rng(0).normal(size=(4, 3))
    M = R.T @ R
    return -M @ np.array([0.5, 0.25, beta]), M


@pytest.mark.parametrize("beta", [0.5, -0.5])
def test_the_output_layer_is_longer_by_a_share_of_what_late_models_say_and_never_shorter(beta):
    """Without that, the step is the minimum over the other two directions."""
    b, M = _three(beta)
    two, smoothed, found = solve(b[:2], M[:2, :2])[0], NOTHING, []
    for _ in range(quadratic_model.OWN + 1):
        smoothed = smoothed.taking_in(b, M, np.ones(3))
        found.append(smoothed.c)
    early, late = found[:-2], found[-2:]
    assert len(early) == quadratic_model.OWN - 1
    for c in early if beta > 0 else found:
        np.testing.assert_allclose(c, [*two, 0], rtol=1e-12)
    for c in late if beta > 0 else []:
        np.testing.assert_allclose(c, [0.5, 0.25, quadratic_model.SHARE * beta], rtol=1e-10)


def test_a_model_of_three_directions_that_is_not_finite_gives_no_step():
    b, M = _three(1.0)
    smoothed = NOTHING._replace(seen=quadratic_model.OWN).taking_in(np.nan * b, M, np.ones(3))
    assert np.isnan(smoothed.c[:2]).all()


def test_lengths_are_those_in_the_metric_of_the_preconditioner_and_euclidean():
    rng = np.random.default_rng(0)
    g, v, R = rng.normal(size=5), rng.normal(size=5), rng.normal(size=(5, 5))
    P = R @ R.T + np.eye(5)
    w = -np.linalg.solve(P, g)
    np.testing.assert_allclose(lengths(g, w, v), [np.sqrt(w @ P @ w), np.linalg.norm(v)], rtol=1e-12)
    np.testing.assert_allclose(lengths(g, 0 * w, 0 * v), [1, 1])
    np.testing.assert_allclose(lengths(g, w, v, slice(3, None))[2], np.sqrt(abs(g[3:] @ w[3:])), rtol=1e-12)


def conjugate_gradients(H, b, theta, steps):
    """Hestenes & Stiefel 1952."""
    r = b - H @ theta
    d, path = r, []
    for _ in range(steps):
        alpha = r @ r / (d @ H @ d)
        theta, old = theta + alpha * d, r
        r = old - alpha * H @ d
        d = r + (r @ r) / (old @ old) * d
        path.append(theta)
    return np.array(path)


@pytest.mark.parametrize("network", ["linear one output", "linear"])
def test_length_and_momentum_on_a_quadratic_are_conjugate_gradients(network):
    """theta + alpha (-g) + mu v with the model's (alpha, mu): CG's iterates, which end after at most p steps."""
    p = problem(case(network, "squared_error"), n=12)
    zero = np.zeros_like(p.theta)
    H = dense_model(p, 0.0)[1]
    g0 = oracles.gradient(p._replace(theta=zero))
    here, v, path = p.objective().point(p.theta), None, []
    steps = len(np.unique(np.round(np.linalg.eigvalsh(H), 9)))  # repeated by outputs
    assert steps <= p.theta.size
    for _ in range(steps):
        directions = [-here.grad] + ([] if v is None else [v])
        c, _ = minimise(here, directions, 0.0)
        v = sum(a * w for a, w in zip(c, directions, strict=True))
        here = here.moved(v)
        path.append(here.theta)
    rounding = 100 * EPS * np.linalg.cond(H) ** 2 * np.abs(p.theta).max()
    np.testing.assert_allclose(path, conjugate_gradients(H, -g0, p.theta, steps), rtol=0, atol=rounding)
    np.testing.assert_allclose(here.theta, np.linalg.solve(H, -g0), rtol=0, atol=rounding)


@pytest.mark.parametrize("c", CASES.values(), ids=CASES)
def test_actual_over_predicted_decrease_tends_to_one_for_short_steps(c):
    """With lambda growing the step -g / lambda shrinks, and with it the error O(|d|) of the undamped model's slope."""
    p = problem(c)
    here, errors = p.point(), []
    curvature = np.linalg.norm(dense_model(p, 0.0)[1], 2)
    for lam in (1e2 * curvature, 1e4 * curvature):
        (a,), damped = minimise(here, [-here.grad], lam)
        d = -a * here.grad
        predicted = damped - lam / 2 * (d @ d)
        errors.append(abs((here.moved(d).value - here.value) / predicted - 1))
    assert errors[0] < 0.1
    assert errors[1] < 0.05 * errors[0] + 1e-7


def test_a_large_lambda_gives_the_gradient_step():
    """(G + lambda I) d = -g tends to d = -g / lambda, here for the coefficient of -g."""
    p = problem(case("two layers", "squared_error"))
    here = p.point()
    (a,), predicted = minimise(here, [-here.grad], 1e9)
    assert a == pytest.approx(1e-9, rel=1e-6)
    assert predicted == pytest.approx(-(here.grad @ here.grad) / 2e9, rel=1e-6)
