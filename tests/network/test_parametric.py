"""A multilayer perceptron handed over as a model function is the multilayer perceptron."""

import numpy as np
import pytest

from skcurv.curvature import (
    dense,
    diagonal,
    empirical_fisher,
    ggn,
    ggn_product,
    gram,
    hessian_product,
    sampled_fisher,
    slopes_and_gram,
)
from skcurv.curvature.dense_blocks import layer_sums
from skcurv.network.parametric import FlatLayout
from skcurv.objective import Objective, outputs

from .. import oracles
from ..cases import Case, problem
from ..functions import ERRORS, KINDS, as_model

SHAPES = {
    "linear": ((3, 2), ()),
    "hidden": ((3, 4, 2), ("tanh",)),
    "deep": ((2, 3, 2, 1), ("tanh", "tanh")),
}
every_kind = pytest.mark.parametrize("kind", KINDS)
every_shape = pytest.mark.parametrize("shape", SHAPES)
SECOND = {kind: 2000 * error ** (2 / 3) for kind, error in ERRORS.items()}  # of a difference of such derivatives


def _case(shape, loss="squared_error"):
    return Case(*SHAPES[shape], loss)


def _both(shape, kind, loss="squared_error"):
    """The problem, and its point as a network and as a model; no penalty, which a network has on weights alone."""
    p = problem(_case(shape, loss), alpha=0.0)
    mlp = p.objective()
    model = Objective(as_model(p.case, p.theta, kind), mlp.loss, mlp.data, 0.0)
    return p, mlp.point(p.theta), model.point(p.theta)


def assert_near(actual, desired, error):
    desired = np.asarray(desired)
    np.testing.assert_allclose(actual, desired, rtol=0, atol=error * max(1.0, np.abs(desired).max()))


@every_kind
@every_shape
def test_the_jacobian_is_the_oracles(shape, kind):
    p, _, model = _both(shape, kind)
    X = model.batch.X
    assert_near(model.tape.F, oracles.forward(p.case, p.theta, X), 1e-13)
    assert_near(model.tape.J, oracles.jacobian(p.case, p.theta, X), ERRORS[kind])


@every_kind
@every_shape
def test_products_are_adjoint(shape, kind):
    """V'(J u) = (J'V)'u, whatever J is."""
    p, _, model = _both(shape, kind)
    rng = np.random.default_rng(0)
    for _ in range(5):
        u, V = rng.normal(size=p.theta.shape), rng.normal(size=model.tape.F.shape)
        rows = model.pullback(V)
        assert np.sum(V * model.pushforward(u)) == pytest.approx(rows.total() @ u, abs=1e-12 * 100)
        np.testing.assert_allclose(rows.rows().sum(axis=0), rows.total(), rtol=0, atol=1e-12)
        np.testing.assert_allclose(rows.squares(), (rows.rows() ** 2).sum(axis=0), rtol=1e-13)
        np.testing.assert_allclose(rows.squared_norms(), (rows.rows() ** 2).sum(axis=1), rtol=1e-13)
        free = rng.integers(0, 2, p.theta.shape).astype(float)
        held = rows.restricted(free)
        np.testing.assert_allclose(held.total(), free * rows.total(), atol=1e-13)
        np.testing.assert_allclose(held.rows(), free * rows.rows(), atol=1e-13)


@every_kind
@pytest.mark.parametrize("loss", ["squared_error", "multinomial"])
def test_value_gradient_and_curvature_are_the_networks(kind, loss):
    _, mlp, model = _both("hidden", kind, loss)
    error = 20 * ERRORS[kind]
    assert model.value == pytest.approx(mlp.value, rel=1e-13)
    assert_near(model.grad, mlp.grad, error)
    for what in (ggn, sampled_fisher, empirical_fisher):
        S = what(mlp, np.random.default_rng(1))
        C = dense(mlp, S).mv(np.eye(mlp.theta.size))
        assert_near(dense(model, S).mv(np.eye(mlp.theta.size)), C, error)
        assert_near(gram(model, S).mv(np.ones(mlp.theta.size)), C.sum(axis=1), error)
        assert_near(diagonal(model, S).diag(), np.diag(C), error)
    u, v = np.random.default_rng(2).normal(size=(2, mlp.theta.size))
    assert_near(ggn_product(model, u), ggn_product(mlp, u), error)
    for ours, theirs in zip(slopes_and_gram(model, [u, v]), slopes_and_gram(mlp, [u, v]), strict=True):
        assert_near(ours, theirs, error)


@every_kind
@every_shape
def test_hessian_products_are_the_networks(shape, kind):
    _, mlp, model = _both(shape, kind)
    for scale in (1e-9, 1.0, 1e9):
        u = scale * np.random.default_rng(2).normal(size=mlp.theta.size)
        assert_near(hessian_product(model, u) / scale, hessian_product(mlp, u) / scale, SECOND[kind])
    assert not model.second_order(model.loss_grad, 0 * mlp.theta).any()


@every_kind
def test_sums_over_parts_of_the_rows_are_those_of_the_whole(kind):
    _, _, model = _both("hidden", kind)
    S = model.objective.loss.factor(model.tape.F, model.batch.Y)
    (whole,) = layer_sums(model, S, across=True).values()
    parts = model.parts(2)
    assert [part.n for part in parts] == [2, 2, 1]
    for _ in range(2):  # before and after J is known
        added = sum(next(iter(layer_sums(part, ggn(part, None), across=True).values())) for part in parts)
        np.testing.assert_allclose(added, whole, rtol=0, atol=1e-6 if kind == "2-point" else 1e-9)
        assert model.tape.J.shape[0] == model.n
        parts = model.at(model.theta).parts(2)
    assert len(model.head(3).tape.J) == len(model.tail(3).tape.J) == 3
    np.testing.assert_allclose(model.tail(3).tape.J, model.tape.J[-3:], atol=1e-6)


@every_kind
def test_weights_are_repetition(kind):
    p = problem(_case("hidden"), alpha=0.0)
    times = np.array([1, 3, 0, 2, 1, 0, 4])
    net, rows = as_model(p.case, p.theta, kind), np.repeat(np.arange(7), times)
    points = []
    for q in (p._replace(v=times.astype(float)), p._replace(X=p.X[rows], Y=p.Y[rows], v=np.ones(len(rows)))):
        mlp = q.objective()
        points.append(Objective(net, mlp.loss, mlp.data, 0.0).point(p.theta))
    weighted, repeated = points
    assert weighted.value == pytest.approx(repeated.value, rel=1e-13)
    assert_near(weighted.grad, repeated.grad, 1e-12)
    (ours, theirs) = (gram(here, ggn(here, None)).mv(np.eye(p.theta.size)) for here in points)
    assert_near(ours, theirs, 1e-12)


def test_the_penalty_is_on_every_parameter():
    p = problem(_case("hidden"), alpha=0.6)
    mlp = p.objective()
    f = Objective(as_model(p.case, p.theta, "given"), mlp.loss, mlp.data, p.alpha)
    l2 = p.alpha / p.v.sum()
    none = Objective(f.network, mlp.loss, mlp.data, 0.0).point(p.theta)
    here = f.point(p.theta)
    assert here.value - none.value == pytest.approx(l2 / 2 * p.theta @ p.theta, rel=1e-12)
    assert_near(here.grad - none.grad, l2 * p.theta, 1e-13)
    np.testing.assert_array_equal(FlatLayout(3, (1, 1)).penalised(p.theta[:3]), np.ones(3))


def test_each_quantity_is_asked_for_once():
    p, calls = problem(_case("hidden"), alpha=0.0), []

    def counted(model):
        return lambda X, t: calls.append(1) or model(X, t)

    mlp = p.objective()
    here = Objective(as_model(p.case, p.theta, "3-point", record=counted), mlp.loss, mlp.data, 0.0).point(p.theta)
    assert here.value == here.value
    assert len(calls) == 1
    assert here.grad is here.grad
    gram(here, ggn(here, None)), ggn_product(here, here.grad), here.head(3).grad
    assert len(calls) == 1 + 2 * p.theta.size


def test_outputs_come_in_chunks():
    p = problem(_case("deep"), n=9)
    net = as_model(p.case, p.theta, "3-point")
    np.testing.assert_array_equal(outputs(net, p.theta, p.X), oracles.forward(p.case, p.theta, p.X))
