"""Derivatives by JAX: those of the function in float64, without a trace left behind."""

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from skcurv.backend import tracing
from skcurv.models import ModelFunction, network, parameters

from ..functions import network_of

X = np.linspace(0.1, 2.0, 6)[:, None]


def model(X, a, b, c=0.3):
    """(n, 2)."""
    first = a * jnp.exp(-b[0] * X[:, 0]) + c
    return jnp.stack([first, jnp.sin(b[1] * X[:, 0]) * a], axis=1)


def plain(X, a, b, c=0.3):
    return np.stack([a * np.exp(-b[0] * X[:, 0]) + c, np.sin(b[1] * X[:, 0]) * a], axis=1)


START = {"a": 2.0, "b": np.array([0.5, 1.5])}


@pytest.mark.parametrize("fixed", [None, "a", ["b[1]", "c"]])
def test_jacobian_and_products_are_those_of_complex_steps(fixed):
    traced, found = network_of(model, START, "jax", fixed=fixed, X=X)
    stepped, _ = network_of(plain, START, "cs", fixed=fixed, X=X)
    ours, theirs = traced.forward(found.theta, X), stepped.forward(found.theta, X)
    np.testing.assert_allclose(ours.F, theirs.F, rtol=1e-14)
    assert ours.F.dtype == ours.J.dtype == np.float64
    assert ours.F.flags.writeable
    np.testing.assert_allclose(ours.J, theirs.J, rtol=0, atol=1e-14 * 10)
    rng = np.random.default_rng(0)
    u, V = rng.normal(size=found.theta.shape), rng.normal(size=(6, 2))
    np.testing.assert_allclose(traced.pushforward(ours, u), theirs.J @ u, atol=1e-13)
    np.testing.assert_allclose(traced.pullback(ours, V).total(), np.einsum("nk,nkp->p", V, theirs.J), atol=1e-13)


def test_the_precision_of_the_process_is_left_alone():
    before = jax.config.jax_enable_x64
    net, found = network_of(model, START, "jax", X=X)
    assert net.forward(found.theta, X).J.dtype == np.float64
    assert jax.config.jax_enable_x64 == before
    assert jnp.ones(1).dtype == (jnp.float64 if before else jnp.float32)


def test_it_survives_pickling_and_threads():
    net, found = network_of(model, START, "jax", X=X)
    J = net.forward(found.theta, X).J
    again = pickle.loads(pickle.dumps(net))
    with ThreadPoolExecutor(4) as pool:
        for other in pool.map(lambda _: again.forward(found.theta, X).J, range(16)):
            np.testing.assert_array_equal(other, J)
    assert not jax.config.jax_enable_x64


def test_no_numbers_are_values():
    net, found = network_of(lambda X, a: jnp.log(a * X[:, 0]), {"a": 1.0}, "jax", X=X)
    assert np.isfinite(net.output(found.theta, X)).all()
    assert np.isnan(net.output(-found.theta, X)).all()


def test_without_jax_the_message_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(ImportError, match=r"not installed\. Allowed without it .*'3-point'.* pip install jax"):
        tracing.double()


def test_jax_is_not_loaded_for_other_derivatives(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    found = parameters(plain, START, None, None)
    net = network(ModelFunction(plain, found, 2), "3-point", 1)
    assert net.forward(found.theta, X).J.shape == (6, 2, 4)
