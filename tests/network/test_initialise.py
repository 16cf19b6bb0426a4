import itertools

import numpy as np
import pytest

from skcurv.network.initialise import INITIALISERS, initialise
from skcurv.network.layout import Layout

SIZES = (60, 40, 90, 3)
VARIANCES = {
    "glorot": lambda i, o: 2 / (i + o),
    "he": lambda i, o: 2 / i,
    "orthogonal": lambda i, o: max(1, o / i) / max(i, o),
}
each = pytest.mark.parametrize("name", INITIALISERS)


def test_every_initialiser_has_its_variance():
    assert set(VARIANCES) == set(INITIALISERS)


@each
def test_mean_zero_and_variance(name):
    """The sample variance of N independent entries has standard error sqrt((kurtosis - 1) / N) <= sqrt(2 / N)."""
    for i, o in itertools.pairwise(SIZES):
        W = INITIALISERS[name](np.random.default_rng((i, o)), i, o)
        variance = VARIANCES[name](i, o)
        assert W.shape == (i, o)
        assert abs(W.mean()) < 5 * np.sqrt(variance / W.size)
        assert abs(np.mean(W**2) / variance - 1) < 5 * np.sqrt(2 / W.size)


def test_glorot_is_uniform_within_its_bound():
    W = INITIALISERS["glorot"](np.random.default_rng(0), 50, 30)
    bound = np.sqrt(6 / 80)
    assert np.abs(W).max() <= bound
    quarters = np.histogram(W, bins=4, range=(-bound, bound))[0] / W.size
    np.testing.assert_allclose(quarters, 0.25, rtol=0, atol=5 * np.sqrt(0.25 * 0.75 / W.size))


@pytest.mark.parametrize(("i", "o"), [(5, 5), (7, 3), (3, 7), (1, 4), (4, 1)])
def test_orthogonal(i, o):
    W = INITIALISERS["orthogonal"](np.random.default_rng(1), i, o)
    product = W.T @ W if i >= o else W @ W.T
    np.testing.assert_allclose(product, max(1, o / i) * np.eye(min(i, o)), rtol=0, atol=50 * np.finfo(float).eps)


def test_orthogonal_has_no_preferred_sign():
    """Without the sign correction the diagonal of Q is negative throughout."""
    diagonals = [np.diag(INITIALISERS["orthogonal"](np.random.default_rng(s), 3, 3)) for s in range(400)]
    share = (np.array(diagonals) > 0).mean(axis=0)
    np.testing.assert_allclose(share, 0.5, rtol=0, atol=5 * np.sqrt(0.25 / 400))


@each
def test_initialise_joins_the_layers_with_the_output_bias(name):
    layout = Layout(SIZES)
    bias = np.array([1.0, -2.0, 3.0])
    theta = initialise(layout, name, np.random.default_rng(2), bias)
    assert theta.shape == (layout.size,)
    assert theta.dtype == np.float64
    blocks = layout.blocks(theta)
    np.testing.assert_array_equal(blocks[-1][-1], bias)
    for block in blocks[:-1]:
        np.testing.assert_array_equal(block[-1], 0)
    rng = np.random.default_rng(2)
    for (i, o), block in zip(itertools.pairwise(SIZES), blocks, strict=True):
        np.testing.assert_array_equal(block[:-1], INITIALISERS[name](rng, i, o))


@each
def test_draws_depend_on_the_generator_alone(name):
    one, same, other = (INITIALISERS[name](np.random.default_rng(s), 4, 3) for s in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0
