"""Equal mixtures of normal distributions against their definition, quadrature and symmetry."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from skcurv.posterior import mixture

EPS = np.finfo(float).eps
RNG = np.random.default_rng(0)
MEANS, DEVIATIONS = RNG.normal(size=(3, 4, 2)), RNG.uniform(0.1, 2, size=(3, 4, 2))


def _density(y, means, deviations):
    return norm.pdf(y, means, deviations).mean()


def test_moments_are_integrals_over_the_density():
    mean, std = mixture.moments(MEANS[:, :1, 0], DEVIATIONS[:, :1, 0])
    parts = MEANS[:, 0, 0], DEVIATIONS[:, 0, 0]
    first = quad(lambda y: y * _density(y, *parts), -20, 20, epsabs=1e-12)[0]
    second = quad(lambda y: (y - first) ** 2 * _density(y, *parts), -20, 20, epsabs=1e-12)[0]
    np.testing.assert_allclose([mean[0], std[0]], [first, np.sqrt(second)], rtol=1e-10)


@pytest.mark.parametrize("apart", [1, 100])
def test_the_distribution_function_at_a_quantile_is_its_level(apart):
    """To the rounding of y and of (y - mu) / s, times the density, which is below 0.4 / s."""
    levels = np.array([1e-8, 0.05, 0.5, 0.9])
    Q = mixture.quantiles(apart * MEANS, DEVIATIONS, levels)
    assert Q.shape == (4, 2, 4)
    F = norm.cdf(Q, apart * MEANS[..., None], DEVIATIONS[..., None]).mean(axis=0)
    largest = np.abs(apart * MEANS).max() + np.abs(Q).max()
    assert np.abs(F - levels).max() <= 4 * EPS * (1 + 0.4 * largest / DEVIATIONS.min())


def test_equal_parts_are_one_normal_distribution():
    one = np.broadcast_to(MEANS[0], MEANS.shape), np.broadcast_to(DEVIATIONS[0], MEANS.shape)
    mean, std = mixture.moments(*one)
    np.testing.assert_allclose(mean, MEANS[0], rtol=2 * EPS)
    np.testing.assert_allclose(std, DEVIATIONS[0], rtol=4 * EPS)
    np.testing.assert_array_equal(mixture.quantiles(*one, np.array(0.5)), MEANS[0])
    levels = np.array([0.01, 0.8])
    np.testing.assert_allclose(
        mixture.quantiles(*one, levels), MEANS[0][..., None] + DEVIATIONS[0][..., None] * norm.ppf(levels), rtol=1e-14
    )


def test_a_mixture_that_is_symmetric_has_symmetric_quantiles():
    means, deviations = np.array([[-3.0], [3.0]]), np.array([[0.5], [0.5]])
    low, median, high = mixture.quantiles(means, deviations, np.array([0.25, 0.5, 0.75]))[0]
    assert abs(median) < 1e-3 / norm.pdf(6)  # the density there is almost 0: the median hardly determined
    assert low == pytest.approx(-high, rel=4 * EPS)


def test_parts_without_spread_are_steps():
    means, none = np.array([[0.0], [1.0]]), np.zeros((2, 1))
    np.testing.assert_allclose(mixture.quantiles(means, none, np.array([0.3, 0.7])), [[0, 1]], atol=1e-15)
