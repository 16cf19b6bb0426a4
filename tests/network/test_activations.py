import numpy as np
import pytest
import scipy.special

from skcurv.network.activations import ACTIVATIONS

from .. import oracles
from ..cases import ACTIVATIONS as NAMES
from ..cases import STEP

CLOSED = {
    "identity": lambda z: z,
    "logistic": scipy.special.expit,
    "tanh": np.tanh,
    "relu": lambda z: np.where(z > 0, z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "softplus": lambda z: np.logaddexp(0, z),
    "silu": lambda z: z * scipy.special.expit(z),
}
# the closed form of phi' at +-infinity, and of phi'' for the piecewise-linear ones
LIMITS = {"identity": (1, 1), "relu": (0, 1), "leaky_relu": (0.01, 1), "softplus": (0, 1), "silu": (0, 1)}
GRID = np.linspace(-20, 20, 400)  # without zero, the kink
each = pytest.mark.parametrize("name", NAMES)


def test_the_table_is_complete():
    assert set(ACTIVATIONS) == set(NAMES) == set(CLOSED)


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values(name, dtype):
    z = np.concatenate([GRID, [0.0], 1e4 * np.array([-1, 1])]).astype(dtype)
    value = ACTIVATIONS[name].value(z)
    assert value.dtype == dtype
    exact = CLOSED[name](z.astype(np.float64))
    np.testing.assert_allclose(value, exact, rtol=8 * np.finfo(dtype).eps)  # relative: no cancellation in the tails


@each
def test_slope_is_the_derivative(name):
    phi = ACTIVATIONS[name]
    exact = oracles.PHI[name](GRID + 1j * oracles.TINY).imag / oracles.TINY
    eps = np.finfo(float).eps
    np.testing.assert_allclose(phi.slope(GRID, phi.value(GRID)), exact, rtol=0, atol=10 * eps * np.abs(GRID).max())


@each
def test_curvature_is_the_derivative_of_the_slope(name):
    phi = ACTIVATIONS[name]
    slopes = [phi.slope(z, phi.value(z)) for z in (GRID + STEP, GRID - STEP)]
    difference = (slopes[0] - slopes[1]) / (2 * STEP)
    # |phi''''| < 1 for all: h^2 / 6, and slopes in error by 20 eps over h
    atol = STEP**2 + 40 * np.finfo(float).eps * np.abs(GRID).max() / STEP
    np.testing.assert_allclose(phi.curvature(GRID, phi.value(GRID)), difference, rtol=0, atol=atol)


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extremes_are_finite_silent_and_keep_their_dtype(name, dtype):
    """Under warnings as errors."""
    phi, z = ACTIVATIONS[name], np.array([-1e4, -200, 0, 200, 1e4], dtype)
    a = phi.value(z)
    for array in (a, phi.slope(z, a), phi.curvature(z, a)):
        assert array.dtype == dtype
        assert array.shape == z.shape
        assert np.isfinite(array).all()
    below, above = LIMITS.get(name, (0, 0))
    np.testing.assert_allclose(phi.slope(z, a)[[0, -1]], [below, above], rtol=0, atol=1e-6)
    assert np.abs(phi.curvature(z, a)[[0, 1, -2, -1]]).max() < 1e-30  # at most |z| exp(-|z|)


@each
def test_leak_says_which_are_piecewise_linear(name):
    phi, z = ACTIVATIONS[name], np.array([-3.0, -0.5])
    if name in ("identity", "relu", "leaky_relu"):
        np.testing.assert_allclose(phi.value(z), phi.leak * z, rtol=1e-15)
        np.testing.assert_array_equal(phi.slope(z, phi.value(z)), phi.leak)
    else:
        assert phi.leak is None
