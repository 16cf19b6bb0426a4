"""The dense Hessian of a multilayer perceptron, made by recursions over its layers, against products with it."""

import numpy as np
import pytest

from skcurv.curvature import ggn_product, hessian_product
from skcurv.curvature.dense_blocks import assembled
from skcurv.curvature.layered_hessian import second_order_sums
from skcurv.data import Data
from skcurv.losses import GaussianNLL, Huber
from skcurv.network import MLP
from skcurv.objective import Objective

from ..cases import ACTIVATIONS, CASES, Case, assert_close, problem

every_case = pytest.mark.parametrize("c", CASES.values(), ids=CASES)
DEEP = {name: Case((3, 4, 2, 3, 2), (name, "tanh", name), "multinomial") for name in ACTIVATIONS}


def check_against_products(here):
    """S, once it is the Hessian without the penalty less the Gauss-Newton matrix, a product with each unit vector."""
    layout, shift, units = here.objective.network.layout, here.objective.shift(here.theta), np.eye(here.theta.size)
    S = assembled(layout, second_order_sums(here)).C
    H = np.stack([hessian_product(here, e) - shift * e for e in units], axis=1)
    G = np.stack([ggn_product(here, e) - shift * e for e in units], axis=1)
    assert_close(S, H - G, 20 * here.theta.size * here.n * here.k, scale=1 + np.abs(H).max() + np.abs(G).max())
    np.testing.assert_array_equal(S, S.T)
    return S


@every_case
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_it_equals_products_with_unit_vectors(c, sparse):
    check_against_products(problem(c).point(sparse=sparse))


@pytest.mark.parametrize("c", DEEP.values(), ids=DEEP)
def test_it_does_so_in_deep_nets(c):
    assert np.abs(check_against_products(problem(c, n=12).point())).max() > 1e-3


@pytest.mark.parametrize("loss", [GaussianNLL(), Huber()])
def test_it_has_what_the_loss_hessian_is_beyond_its_positive_part(loss):
    """Without a hidden layer there is nothing else."""
    rng, k = np.random.default_rng(0), 2 if isinstance(loss, GaussianNLL) else 1
    data = Data(rng.normal(size=(9, 3)), 3 * rng.normal(size=(9, 1)), rng.uniform(0.5, 2, 9))
    for network in (MLP((3, k), ()), MLP((3, 4, 2, k), ("tanh", "silu"))):
        here = Objective(network, loss, data, 0.1).point(rng.normal(size=network.layout.size))
        assert np.abs(check_against_products(here)).max() > 1e-3


def test_the_sums_of_parts_of_the_rows_add_up():
    here = problem(DEEP["tanh"], n=12).point()
    whole, parts = second_order_sums(here), [second_order_sums(part) for part in here.parts(5)]
    assert len(parts) > 1
    for pair, K in whole.items():
        added = sum(part[pair] for part in parts)
        assert_close(added, K, 20 * here.theta.size * here.n, scale=np.abs(K).max() or 1.0)
