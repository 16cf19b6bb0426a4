"""The array code gives on array-api-strict what it gives on NumPy: it uses nothing outside the standard."""

import array_api_strict as xp
import numpy as np
import pytest

from skcurv import curvature
from skcurv.data import Batch
from skcurv.linalg import Kronecker
from skcurv.network.activations import ACTIVATIONS
from skcurv.solvers.adam import update

from .cases import ACTIVATIONS as NAMES
from .cases import CASES, LOSSES, assert_close, case, problem

every_case = pytest.mark.parametrize("c", CASES.values(), ids=CASES)
SOME = {name: CASES[name] for name in ("tanh, squared_error", "deep relu, multinomial", "one output, bernoulli")}
some_cases = pytest.mark.parametrize("c", SOME.values(), ids=SOME)


def _strict(*arrays):
    return [xp.asarray(np.array(a)) for a in arrays]


def _points(c, dtype=np.float64):
    """The same point on NumPy and on strict arrays."""
    p = problem(c)
    here = p.point(dtype=dtype)
    X, Y, w, scale, *_ = here.batch
    (theta,) = _strict(here.theta)
    return p, here, here.objective.point(theta, Batch(*_strict(X, Y, w), scale))


def assert_same(strict, ours, p, dtype=np.float64):
    assert hasattr(strict, "__array_namespace__") or isinstance(strict, float)
    ours = np.asarray(ours)
    assert_close(np.asarray(strict), ours, 20 * p.theta.size * p.Y.size, dtype, scale=max(1.0, np.abs(ours).max()))


@every_case
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_point(c, dtype):
    p, here, strict = _points(c, dtype)
    assert_same(strict.value, here.value, p, dtype)
    assert_same(strict.grad, here.grad, p, dtype)
    assert_same(strict.pullback(strict.loss_grad).rows(), here.pullback(here.loss_grad).rows(), p, dtype)
    assert strict.grad.dtype == getattr(xp, np.dtype(dtype).name)
    assert_same(strict.moved(-strict.grad).value, here.moved(-here.grad).value, p, dtype)


@some_cases
def test_rows_of_a_point(c):
    p, here, strict = _points(c)
    assert_same(strict.head(2).grad, here.head(2).grad, p)
    assert_same(strict.tail(2).grad, here.tail(2).grad, p)
    for part, other in zip(strict.parts(2), here.parts(2), strict=True):
        assert_same(part.value, other.value, p)


@every_case
def test_products(c):
    p, here, strict = _points(c)
    u = np.random.default_rng(1).normal(size=p.theta.size)
    (v,) = _strict(u)
    assert_same(curvature.ggn_product(strict, v), curvature.ggn_product(here, u), p)
    assert_same(curvature.hessian_product(strict, v), curvature.hessian_product(here, u), p)
    ends = [[u], [v]] if here.objective.network.layout.output else [[], []]
    ours = curvature.slopes_and_gram(here, [u, here.grad], 0.1, ends[0])
    theirs = curvature.slopes_and_gram(strict, [v, strict.grad], 0.1, ends[1])
    for one, other in zip(ours, theirs, strict=True):
        assert_close(other, one, 20 * p.theta.size * p.Y.size, scale=1 + np.abs(one).max())


@pytest.mark.usefixtures("dense_by")
@some_cases
@pytest.mark.parametrize("structure", [curvature.dense, curvature.by_layer, curvature.diagonal, curvature.gram])
@pytest.mark.parametrize("columns", [curvature.ggn, curvature.sampled_fisher, curvature.empirical_fisher])
def test_structures_and_operators(c, structure, columns):
    p, here, strict = _points(c)
    ours, theirs = (structure(h, columns(h, np.random.default_rng(2))) for h in (here, strict))
    b = np.random.default_rng(3).normal(size=p.theta.size)
    for shift in (0.5, np.linspace(0.5, 1.0, p.theta.size)):
        d, e = _strict(b, shift)
        e = shift if isinstance(shift, float) else e
        assert_same(theirs.mv(d), ours.mv(b), p)
        assert_same(theirs.solve(d, e), ours.solve(b, shift), p)
        assert_same(theirs.diag(), ours.diag(), p)
        assert_close(theirs.logdet(e), ours.logdet(shift), 20 * p.theta.size * p.Y.size, scale=p.theta.size)
        units = [_strict(unit)[0] for unit in np.eye(p.theta.size)]
        B = np.stack([np.asarray(theirs.sqrt_solve(unit, e)) for unit in units], axis=1)
        A = np.stack([ours.sqrt_solve(unit, shift) for unit in np.eye(p.theta.size)], axis=1)
        assert_same(xp.asarray(B @ B.T), A @ A.T, p)


@some_cases
def test_kronecker(c):
    p, here, strict = _points(c)
    ours, theirs = (curvature.kronecker(h, curvature.ggn(h, None)) for h in (here, strict))
    assert isinstance(theirs, Kronecker)
    b = np.random.default_rng(3).normal(size=p.theta.size)
    (d,) = _strict(b)
    shift = np.linspace(0.3, 0.6, len(c.sizes) - 1)
    assert_same(theirs.mv(d), ours.mv(b), p)
    assert_same(theirs.diag(), ours.diag(), p)
    assert_same(theirs.solve(d, 0.3), ours.solve(b, 0.3), p)
    assert_same(theirs.solve(d, _strict(shift)[0]), ours.solve(b, shift), p)
    assert_same(theirs.sqrt_solve(d, 0.3), ours.sqrt_solve(b, 0.3), p)
    assert_same(theirs.logdet(0.3), ours.logdet(0.3), p)
    assert_same(theirs.blend(theirs.damped(0.1), 0.5).mv(d), ours.blend(ours.damped(0.1), 0.5).mv(b), p)
    assert_same(theirs.damped(1.0).inverse().mv(d), ours.damped(1.0).inverse().mv(b), p)
    assert_same(theirs.astype(xp.float32).mv(xp.astype(d, xp.float32)), ours.mv(b), p, np.float32)


@pytest.mark.parametrize("loss", LOSSES)
def test_losses(loss):
    p = problem(case("two layers", loss))
    loss, F, V = LOSSES[loss], np.sin(np.arange(21.0)).reshape(7, 3), np.ones((7, 3))
    f, y, u, v = _strict(F, p.Y, V, p.v)
    for name, args, strict in (
        *((name, (F, p.Y), (f, y)) for name in ("value", "grad", "factor")),
        *((name, (F, p.Y, V), (f, y, u)) for name in ("hessp", "ggnp")),
        ("predict", (F,), (f,)),
        ("start", (p.Y, p.v), (y, v)),
        ("sample", (F, 3, np.random.default_rng(0)), (f, 3, np.random.default_rng(0))),
    ):
        assert_same(getattr(loss, name)(*strict), getattr(loss, name)(*args), p)
    assert loss.check_targets(y) is None
    with pytest.raises(ValueError, match="allows"):
        loss.check_targets(y * float("nan"))


@pytest.mark.parametrize("name", NAMES)
def test_activations(name):
    phi, z = ACTIVATIONS[name], np.linspace(-3, 3, 8)
    (s,) = _strict(z)
    for function in (
        lambda x: phi.value(x),
        lambda x: phi.slope(x, phi.value(x)),
        lambda x: phi.curvature(x, phi.value(x)),
    ):
        assert_close(np.asarray(function(s)), function(z), 10, scale=3.0)


def test_the_definition_of_adam():
    arrays = [np.linspace(0.1, 1, 5)] * 4
    numbers = (0.1, 0.9, 0.999, 1e-8)
    for strict, ours in zip(update(*_strict(*arrays), *numbers), update(*arrays, *numbers), strict=True):
        assert_close(np.asarray(strict), ours, 4)
