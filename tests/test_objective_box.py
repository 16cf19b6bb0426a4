"""A Point in a box: it lies inside, and what is held has no derivatives."""

import numpy as np
import pytest

from skcurv.curvature import dense, diagonal, ggn, ggn_product, gram, hessian_product, slopes_and_gram
from skcurv.data import Data
from skcurv.losses import SquaredError
from skcurv.network import Box
from skcurv.objective import Objective

from . import oracles
from .cases import Case, problem
from .functions import KINDS, as_model

CASE = Case((3, 3, 2), ("tanh",), "multinomial")


def _held(p, share=0.4):
    """Bounds that a share of the parameters are on, half of them pushed outwards; and the mask of the free ones."""
    rng, g = np.random.default_rng(0), oracles.gradient(p)
    on, above = rng.random((2, p.theta.size)) < np.array([[share], [0.5]])
    lower = np.where(on & ~above, p.theta, p.theta - 2)
    upper = np.where(on & above, p.theta, p.theta + 2)
    held = on & np.where(above, g < 0, g > 0)
    assert 0 < held.sum() < on.sum()  # some are on a bound and free
    return Box(lower, upper), ~held


def _points(kind="given"):
    p = problem(CASE, alpha=0.0)
    plain = p.objective()
    net = as_model(p.case, p.theta, kind, tuple(_held(p)[0]))
    box, free = _held(p)
    return (
        p,
        free,
        Objective(net, plain.loss, plain.data, 0.0).point(p.theta),
        Objective(net, plain.loss, plain.data, 0.0, box).point(p.theta),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_are_those_of_the_free_parameters_alone(kind):
    """Rows and columns of what is held are zero; the others are what they were."""
    p, free, plain, here = _points(kind)
    only = np.diag(free.astype(float))
    assert here.value == plain.value
    np.testing.assert_array_equal(here.full_grad, plain.grad)
    np.testing.assert_array_equal(here.grad, free * plain.grad)
    np.testing.assert_array_equal(here.free, free)
    S, u = ggn(plain, None), np.random.default_rng(1).normal(size=p.theta.size)
    near = {"rtol": 0, "atol": 1e-12}
    C = dense(plain, S).mv(np.eye(u.size))
    for ours in (dense(here, S), gram(here, S)):
        np.testing.assert_allclose(ours.mv(np.eye(u.size)), only @ C @ only, **near)
    np.testing.assert_allclose(diagonal(here, S).diag(), np.diag(only @ C), **near)
    np.testing.assert_allclose(here.pushforward(u), plain.pushforward(free * u), **near)
    np.testing.assert_allclose(ggn_product(here, u), free * ggn_product(plain, free * u), **near)
    Hu, expected = hessian_product(here, u), oracles.hessian(p) @ (free * u)
    assert not Hu[~free].any()
    np.testing.assert_allclose(Hu, free * expected, rtol=0, atol=0.02 * np.abs(expected).max())
    (b,), ((M,),) = slopes_and_gram(here, [free * u])
    assert b == pytest.approx(here.grad @ u, abs=1e-12)
    assert pytest.approx(u @ only @ C @ only @ u, abs=1e-12) == M


def test_points_lie_in_the_box():
    p, _, plain, here = _points()
    box = here.objective.box
    rng = np.random.default_rng(0)
    for d in 5 * rng.normal(size=(20, p.theta.size)):
        for there in (here.moved(d), here.at(p.theta + d), here.objective.point(p.theta + d)):
            assert box.holds(there.theta)
            np.testing.assert_array_equal(there.theta, np.clip(p.theta + d, box.lower, box.upper))
    assert plain.moved(d).theta is not None
    np.testing.assert_array_equal(plain.moved(d).theta, p.theta + d)


def test_parts_of_a_batch_hold_what_the_whole_holds():
    p, free, _, here = _points()
    for part in (*here.parts(2), here.head(2), here.tail(3)):
        np.testing.assert_array_equal(part.free, free)
        assert (part.grad[~free] == 0).all()
    S = ggn(here, None)
    added = sum(dense(part, ggn(part, None)).mv(np.eye(p.theta.size)) for part in here.parts(2))
    np.testing.assert_allclose(added, dense(here, S).mv(np.eye(p.theta.size)), rtol=0, atol=1e-12)


def test_held_parameters_leave_when_the_gradient_turns():
    """f = (t - c)^2 / 2 in t <= 1: held where c > 1, free where c <= 1."""
    X = np.ones((1, 1))
    for c, expected in ((2.0, 0), (1.0, 1), (0.5, 1)):
        data = Data(X, np.full((1, 1), c), np.ones(1))
        net = as_model(Case((1, 1), (), "squared_error"), np.array([1.0, 0.0]), "given")
        here = Objective(net, SquaredError(), data, 0.0, Box(np.array([-9.0, 0.0]), np.ones(2))).point(
            np.array([1.0, 0])
        )
        assert here.free[0] == expected
        assert here.restricted(np.ones(2))[0] == expected


@pytest.mark.parametrize("kind", ["3-point", "cs", "given", "products", "jax"])
def test_hessian_products_at_a_corner_are_finite_and_right(kind):
    """Two parameters that rest on bounds and are free: along a line that leaves the box on both sides."""
    p = problem(Case((2, 2, 1), ("tanh",), "squared_error"), alpha=0.0)
    g = oracles.gradient(p)
    box = Box(np.where(g < 0, p.theta, p.theta - 1), np.where(g < 0, p.theta + 1, p.theta))  # all on a bound, all free
    plain = p.objective()
    here = Objective(as_model(p.case, p.theta, kind, tuple(box)), plain.loss, plain.data, 0.0, box).point(p.theta)
    assert here.free.all()
    H = oracles.hessian(p)
    for u in np.random.default_rng(0).normal(size=(5, p.theta.size)):
        np.testing.assert_allclose(hessian_product(here, u), H @ u, rtol=0, atol=0.01 * np.abs(H @ u).max())
