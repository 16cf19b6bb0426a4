import numpy as np
import pytest

from skcurv import curvature

from .. import oracles
from ..cases import CASES, LOSSES, NETWORKS, assert_close, assert_close_to_difference, case, problem

every_case = pytest.mark.parametrize("c", CASES.values(), ids=CASES)


def _terms(p):
    return 20 * p.theta.size * p.Y.size


def _by_products(product, here):
    return np.stack([product(here, e) for e in np.eye(here.theta.size)], axis=1)


def _penalty(p):
    return np.diag(p.alpha / p.v.sum() * oracles.penalised(p.case))


@every_case
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_ggn_product_equals_brute_force(c, sparse):
    p = problem(c)
    product = _by_products(curvature.ggn_product, p.point(sparse=sparse))
    assert_close(product, oracles.ggn(p) + _penalty(p), _terms(p))


@every_case
def test_hessian_product_is_the_difference_of_gradients(c):
    p = problem(c)
    H = oracles.hessian(p)
    scale = 10 * max(1.0, np.abs(H).max())
    assert_close_to_difference(_by_products(curvature.hessian_product, p.point()), H, scale)


@pytest.mark.parametrize("loss", LOSSES)
def test_ggn_is_the_hessian_of_a_linear_model(loss):
    p = problem(case("linear", loss))
    ggn = curvature.dense(p.point(), curvature.ggn(p.point(), None)).C
    assert_close(_by_products(curvature.hessian_product, p.point()), ggn + _penalty(p), _terms(p))
    assert_close_to_difference(ggn + _penalty(p), oracles.hessian(p), scale=10 * np.abs(ggn).max())


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("network", ["deep relu", "leaky_relu", "deep linear"])
def test_ggn_is_the_hessian_inside_layer_blocks_of_piecewise_linear_nets(network, loss):
    p = problem(case(network, loss))
    here = p.point()
    H = _by_products(curvature.hessian_product, here)
    blocks = _by_products(lambda h, e: curvature.by_layer(h, curvature.ggn(h, None)).mv(e), here)
    assert_close(oracles.blocks_only(p.case, H), blocks + _penalty(p), _terms(p))
    outside = H - oracles.blocks_only(p.case, H)
    assert np.abs(outside - oracles.ggn(p) + blocks).max() > 1e-3  # between layers the two differ


@every_case
def test_hessian_product_is_symmetric(c):
    p = problem(c)
    H = _by_products(curvature.hessian_product, p.point())
    assert_close(H, H.T, _terms(p))


@every_case
def test_slopes_and_gram_are_the_linear_and_quadratic_form(c):
    p = problem(c)
    here, U = p.point(), np.random.default_rng(2).normal(size=(3, p.theta.size))
    b, M = curvature.slopes_and_gram(here, list(U))
    g, C = oracles.gradient(p), oracles.ggn(p) + _penalty(p)
    assert_close(b, U @ g, _terms(p), scale=np.abs(U).max() * (1 + np.abs(g).sum()))
    assert_close(M, U @ C @ U.T, _terms(p))


@pytest.mark.parametrize("alpha", [0.0, 2.0])
def test_slopes_and_gram_of_one_part_belong_to_that_part(alpha):
    p = problem(case("tanh", "multinomial"), alpha=alpha)
    head, u = p.point().head(2), np.random.default_rng(3).normal(size=p.theta.size)
    b, M = curvature.slopes_and_gram(head, [u])
    assert_close(b, [head.grad @ u], _terms(p), scale=np.abs(u).max() * np.abs(head.grad).sum())
    assert_close(M, [[u @ curvature.ggn_product(head, u)]], _terms(p))


def test_slopes_and_gram_are_float64_and_symmetric():
    p = problem(case("tanh", "bernoulli"))
    theta = p.theta.astype(np.float32)
    b, M = curvature.slopes_and_gram(p.point(dtype=np.float32), [theta, theta])
    assert b.dtype == M.dtype == np.float64
    assert M[0, 1] == M[1, 0] == M[0, 0]
    assert b[0] == b[1]


@pytest.mark.parametrize("network", NETWORKS)
def test_products_keep_float32(network):
    p = problem(case(network, "squared_error"))
    here, u = p.point(dtype=np.float32), np.ones_like(p.theta, dtype=np.float32)
    exact = p.point()
    for product in (curvature.ggn_product, curvature.hessian_product):
        desired = product(exact, u.astype(np.float64))
        single = product(here, u)
        assert single.dtype == np.float32
        assert_close(single, desired, _terms(p), np.float32, scale=max(1.0, np.abs(desired).max()))
