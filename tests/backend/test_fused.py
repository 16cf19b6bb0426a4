"""The kernels equal their array definitions."""

import numpy as np
import pytest

from skcurv.backend import fused
from skcurv.data import Batch, Data
from skcurv.objective import Objective, Point
from skcurv.solvers.adam import update

from .. import oracles
from ..cases import ACTIVATIONS, LOSSES, assert_close, case, problem

HEADS = {name: getattr(fused, loss.fused) for name, loss in LOSSES.items()}
LINEAR_PIECES = {"identity": 1.0, "relu": 0.0, "leaky_relu": 0.01}
SHAPES = {
    "linear": (3, 2),
    "one layer": (3, 4, 2),
    "two layers": (4, 3, 5, 3),
    "one unit": (3, 1, 2),
    "one out": (2, 3, 1),
}


def _call(p, dtype, activations, spare_rows):
    """The kernel on the problem's kept rows, taken as the first rows of longer buffers."""
    kept, sizes = p.v > 0, np.asarray(p.case.sizes)
    n = int(kept.sum())
    buffers = [np.full((n + spare_rows, *a.shape[1:]), np.nan, dtype) for a in (p.X, p.Y, p.v)]
    for buffer, a in zip(buffers, (p.X, p.Y, p.v / p.v[kept].mean()), strict=True):
        buffer[:n] = a[kept]
    X, Y, w = (buffer[:n] for buffer in buffers)
    leaks = np.array([*(LINEAR_PIECES[a] for a in activations), 1.0], dtype)
    work = np.full((n + spare_rows) * (sizes[1:].sum() + 2 * sizes[1:].max()), np.nan, dtype)
    theta, grad = p.theta.astype(dtype), np.full(p.theta.size, np.nan, dtype)
    l2 = dtype(p.alpha / p.v.sum())
    head = HEADS[p.case.loss]
    value = fused.value_and_grad(theta, X, Y, w, dtype(1 / n), l2, sizes, leaks, head, work, grad)
    return value, grad, Batch(X, Y, w, 1 / n)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", LINEAR_PIECES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("spare_rows", [0, 3])
def test_value_and_grad_equal_the_array_definition(loss, activation, shape, dtype, spare_rows):
    sizes = SHAPES[shape]
    if loss == "multinomial" and sizes[-1] == 1:
        sizes = (*sizes[:-1], 2)
    activations = (activation,) * (len(sizes) - 2)
    p = problem(case("linear", loss)._replace(sizes=sizes, activations=activations))
    value, grad, batch = _call(p, dtype, activations, spare_rows)
    data = Data(p.X.astype(dtype), p.Y.astype(dtype), p.v.astype(dtype))
    here = Point(Objective(p.case.network, LOSSES[loss], data, p.alpha), p.theta.astype(dtype), batch)
    assert here.tape.F.dtype == grad.dtype == dtype
    terms = 20 * p.theta.size * p.Y.size
    scale = 1 + np.abs(here.grad).max()
    assert_close(grad, here.grad, terms, dtype, scale)
    assert_close(value, here.value, terms, dtype)
    assert_close(grad, oracles.gradient(p), terms, dtype, scale)
    assert_close(value, oracles.value(p), terms, dtype)


def test_heads_are_the_losses_and_leaks_the_activations():
    assert sorted(HEADS.values()) == [0, 1, 2]
    assert set(LINEAR_PIECES) <= set(ACTIVATIONS)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_outputs_stay_finite(loss, dtype):
    p = problem(case("linear", loss))
    p = p._replace(X=p.X * 1e4, alpha=0.0)
    value, grad, _ = _call(p, dtype, (), 0)
    assert np.isfinite(value)
    assert np.isfinite(grad).all()
    assert_close(value, Objective(p.case.network, LOSSES[loss], Data(p.X, p.Y, p.v), 0.0).value(p.theta), 200, dtype)


@pytest.mark.parametrize("loss", LOSSES)
def test_nan_is_passed_on(loss):
    p = problem(case("relu", loss))
    p = p._replace(theta=np.full_like(p.theta, np.nan))
    value, grad, _ = _call(p, np.float64, p.case.activations, 0)
    assert np.isnan(value)
    assert np.isnan(grad).any()


def _kingma_ba(theta, g, m, v, rate, beta_1, beta_2, epsilon):
    """Kingma & Ba 2015, Algorithm 1 in the order of the end of section 2: the bias correction is in the rate."""
    m = beta_1 * m + (1 - beta_1) * g
    v = beta_2 * v + (1 - beta_2) * g * g
    return theta - rate * m / (np.sqrt(v) + epsilon), m, v


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_adam_equals_its_definition(dtype):
    rng = np.random.default_rng(0)
    theta, g, m = (rng.normal(size=50).astype(dtype) for _ in range(3))
    v = rng.random(50).astype(dtype)
    numbers = [dtype(x) for x in (0.01, 0.9, 0.999, 1e-8)]
    paper = _kingma_ba(*(a.astype(np.float64) for a in (theta, g, m, v)), *(float(x) for x in numbers))
    definition = update(theta, g, m, v, *numbers)
    before = g.copy()
    fused.adam(theta, g, m, v, *numbers)
    np.testing.assert_array_equal(g, before)
    for kernel, array, exact in zip((theta, m, v), definition, paper, strict=True):
        assert kernel.dtype == array.dtype == dtype
        assert_close(kernel, exact, 10, dtype)
        assert_close(array, exact, 10, dtype)
