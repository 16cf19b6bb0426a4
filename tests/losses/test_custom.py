"""Losses of the user's own: what is given is used, what is missing is found, nothing of theirs is changed."""

import copy
import pickle
import re
import sys
from functools import partial

import array_api_strict
import jax.numpy as jnp
import numpy as np
import pytest

from skcurv.curvature.products import ggn_product
from skcurv.data import Data
from skcurv.losses import BernoulliLogLoss, LogLoss, MultinomialLogLoss, SquaredError, from_jax
from skcurv.losses.custom import UserLoss, adapted
from skcurv.losses.draws import drawn
from skcurv.losses.registry import CLASSIFICATION, REGRESSION, concrete, resolve
from skcurv.network import MLP
from skcurv.network.initialise import initialise
from skcurv.objective import Objective
from skcurv.solvers import LMNewton

from ..cases import assert_close, assert_close_to_difference

EPS = np.finfo(float).eps


def softmax_value(F, Y):
    """log sum exp F - Y F: a Hessian that is full and positive semi-definite."""
    return np.log(np.exp(F).sum(axis=1)) - (Y * F).sum(axis=1)


def cauchy(F, Y):
    """log(1 + r^2 / 2): bends down where |r| > sqrt 2."""
    return np.log1p(0.5 * (F - Y) ** 2).sum(axis=1)


def traced_softmax(F, Y):
    return jnp.log(jnp.sum(jnp.exp(F), axis=1)) - jnp.sum(Y * F, axis=1)


class Value:
    def value(self, F, Y):
        return softmax_value(F, Y)


class Gradient(Value):
    def grad(self, F, Y):
        return MultinomialLogLoss().grad(F, Y)


class Product(Gradient):
    def hessp(self, F, Y, V):
        return MultinomialLogLoss().hessp(F, Y, V)


class Factor(Gradient):
    def factor(self, F, Y):
        return MultinomialLogLoss().factor(F, Y)


class Curved(Gradient):
    def ggnp(self, F, Y, V):
        return MultinomialLogLoss().ggnp(F, Y, V)


# what is given, and the error of what is not: rounding, one difference, a difference of a difference
GIVEN = {
    "function": (softmax_value, 1, 2),
    "value": (Value(), 1, 2),
    "grad": (Gradient(), 0, 1),
    "hessp": (Product(), 0, 0),
    "factor": (Factor(), 0, 1),
    "ggnp": (Curved(), 0, 1),
    "jax": (from_jax(traced_softmax), 0, 0),
}
ERRORS = (200 * EPS, 10 * EPS ** (2 / 3), 60 * EPS ** (1 / 2))
each = pytest.mark.parametrize("given", GIVEN)


def _arrays(n=6, k=3):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, k)), rng.dirichlet(np.ones(k), n), rng.normal(size=(n, k))


@each
def test_what_is_missing_is_found(given):
    source, slope, bend = GIVEN[given]
    loss, exact, (F, Y, V) = resolve(source, REGRESSION), MultinomialLogLoss(), _arrays()
    np.testing.assert_allclose(loss.value(F, Y), softmax_value(F, Y), rtol=20 * EPS)
    np.testing.assert_allclose(loss.grad(F, Y), exact.grad(F, Y), rtol=0, atol=ERRORS[slope])
    np.testing.assert_allclose(loss.hessp(F, Y, V), exact.hessp(F, Y, V), rtol=0, atol=3 * ERRORS[bend])
    S = loss.factor(F, Y)
    curvature = S @ np.swapaxes(S, 1, 2)
    tolerance = 3 * ERRORS[0 if given in ("factor", "ggnp") else bend]
    wanted = exact.factor(F, Y) @ np.swapaxes(exact.factor(F, Y), 1, 2)
    np.testing.assert_allclose(curvature, wanted, rtol=0, atol=tolerance)
    assert_close(loss.ggnp(F, Y, V), np.einsum("nab,nb->na", curvature, V), 100)


@each
def test_dtype_and_shapes_are_those_of_the_outputs(given):
    loss = resolve(GIVEN[given][0], REGRESSION)
    F, Y, V = (array.astype(np.float32) for array in _arrays())
    results = {
        "value": (loss.value(F, Y), (6,)),
        "grad": (loss.grad(F, Y), (6, 3)),
        "hessp": (loss.hessp(F, Y, V), (6, 3)),
        "ggnp": (loss.ggnp(F, Y, V), (6, 3)),
        "factor": (loss.factor(F, Y), (6, 3, 3)),
        "draws": (drawn(loss, F, Y, 4, np.random.default_rng(0)), (6, 3, 4)),
        "predict": (loss.predict(F), (6, 3)),
        "start": (loss.start(Y, np.ones(6, np.float32)), (3,)),
    }
    for part, (array, shape) in results.items():
        assert (array.dtype, array.shape) == (np.float32, shape), part
    np.testing.assert_allclose(results["grad"][0], MultinomialLogLoss().grad(F, Y), rtol=0, atol=1e-6)


@each
def test_copies_and_pickles(given):
    loss, (F, Y, _) = resolve(GIVEN[given][0], REGRESSION), _arrays()
    wanted = loss.grad(F, Y)
    for twin in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss), copy.copy(loss)):
        np.testing.assert_array_equal(twin.grad(F, Y), wanted)


def test_the_curvature_is_the_positive_part_of_the_hessian():
    """Brute force: for independent outputs, max(Hessian, 0) on the diagonal."""
    loss, (F, Y, V) = adapted(cauchy), _arrays(40)
    r = 4 * F - Y
    F = 4 * F
    bend = (1 - 0.5 * r * r) / (1 + 0.5 * r * r) ** 2
    assert (bend < 0).any()
    np.testing.assert_allclose(loss.hessp(F, Y, V), bend * V, rtol=0, atol=200 * ERRORS[2])
    np.testing.assert_allclose(loss.ggnp(F, Y, V), np.maximum(bend, 0) * V, rtol=0, atol=200 * ERRORS[2])


def test_differences_hold_where_outputs_are_large():
    F, Y = np.array([[1e6, -1e5]]), np.array([[3.0, 4.0]])
    exact = F - Y
    loss = adapted(lambda F, Y: 0.5 * ((F - Y) ** 2).sum(axis=1))
    np.testing.assert_allclose(loss.grad(F, Y), exact, rtol=0, atol=60 * EPS ** (2 / 3) * 1e6)
    np.testing.assert_allclose(loss.hessp(F, Y, np.ones((1, 2))), [[1.0, 1.0]], rtol=0, atol=200 * EPS ** (1 / 2))


def test_the_best_constant_is_found():
    rng = np.random.default_rng(1)
    Y, w = np.abs(rng.normal(size=(50, 2))), rng.uniform(0.5, 2, 50)
    start = adapted(lambda F, Y: (np.exp(F) - Y * F).sum(axis=1)).start(Y, w)
    np.testing.assert_allclose(start, np.log(w @ Y / w.sum()), rtol=0, atol=1e-7)


def test_the_start_of_a_loss_without_a_minimum_or_a_number_is_finite():
    Y, w = np.ones((4, 2)), np.ones(4)
    assert np.isfinite(adapted(lambda F, Y: F.sum(axis=1)).start(Y, w)).all()
    assert not adapted(lambda F, Y: np.nan * F.sum(axis=1)).start(Y, w).any()


def test_numbers_that_are_none_stay_values():
    loss, (F, Y, V) = adapted(lambda F, Y: np.where(F[:, 0] > 0, np.nan, 1.0) * softmax_value(F, Y)), _arrays()
    bad = F[:, 0] > 0
    assert bad.any()
    for part in (loss.value(F, Y), loss.grad(F, Y)[:, 0], loss.ggnp(F, Y, V)[:, 0], loss.factor(F, Y)[:, 0, 0]):
        np.testing.assert_array_equal(np.isnan(part), bad)


def test_draws_without_a_model_have_the_curvature_as_second_moment():
    loss, (F, Y, _) = adapted(Factor()), _arrays(3)
    s = drawn(loss, F, Y, 10_000, np.random.default_rng(2))
    S, products = loss.factor(F, Y), s[:, :, None, :] * s[:, None, :, :]
    error = np.abs(products.mean(axis=-1) - S @ np.swapaxes(S, 1, 2))
    assert np.all(error <= 5 * products.std(axis=-1) / 100 + 1e-12)


class _WholeError(SquaredError):
    """All parts, of another name, with one more."""

    name = "mine"

    def __init__(self, scale):
        self.scale = scale

    def raw_outputs(self, k):
        return 2 * k

    def for_targets(self, Y, w):
        return _WholeError(float(np.std(Y)))


def test_whatever_the_object_has_is_used():
    source = _WholeError(2.0)
    loss = adapted(source)
    assert (loss.name, loss.likelihood, loss.location_scale) == ("mine", "dispersion", True)
    assert (loss.raw_outputs(3), loss.scale, loss.source) == (6, 2.0, source)
    assert loss.fused is loss.value_and_grad is None  # a parent's would go past a `value` that was overwritten
    bound = loss.for_targets(np.array([[0.0], [2.0]]), np.ones(2))
    assert type(bound) is UserLoss
    assert bound.scale == 1.0
    assert not hasattr(loss, "for_outputs")
    assert not hasattr(adapted(softmax_value), "sample")


def test_losses_of_the_package_are_left_as_they_are():
    for loss in (SquaredError(), LogLoss(0.1), BernoulliLogLoss(), adapted(softmax_value), from_jax(traced_softmax)):
        assert resolve(loss, REGRESSION) is loss


def test_the_form_for_labels_is_adapted_as_well():
    class Labels:
        def for_outputs(self, exclusive):
            return Value() if exclusive else softmax_value

    loss = resolve(Labels(), CLASSIFICATION)
    for exclusive in (True, False):
        assert type(concrete(loss, exclusive)) is UserLoss
    assert from_jax(Labels()).for_outputs(True).derivatives is not None


@pytest.mark.parametrize("wrong", [SquaredError, 3, None, object()])
def test_what_is_no_loss_is_told_in_three_parts(wrong):
    with pytest.raises(TypeError, match="Allowed is") as caught:
        resolve(wrong, REGRESSION)
    assert len(re.split(r"\.\s+(?=[A-Z])", str(caught.value))) == 3


class _Shapes(Value):
    def grad(self, F, Y):
        return F[:, 0]

    hessp = ggnp = lambda self, F, Y, V: V[:, :1]

    def factor(self, F, Y):
        return F

    def predict(self, F):
        return F[:, 0]

    def start(self, Y, w):
        return 0.0


@pytest.mark.parametrize("part", ["grad", "hessp", "ggnp", "factor", "predict", "start"])
def test_wrong_shapes_are_told_in_three_parts(part):
    F, Y, V = _arrays()
    arguments = {"grad": (F, Y), "hessp": (F, Y, V), "ggnp": (F, Y, V), "factor": (F, Y), "predict": (F,)}
    with pytest.raises(ValueError, match=f"^{part} of loss='_Shapes' returned shape") as caught:
        getattr(adapted(_Shapes()), part)(*arguments.get(part, (Y, np.ones(6))))
    assert len(re.split(r"\.\s+(?=[A-Z])", str(caught.value))) == 3


@pytest.mark.parametrize("value", [lambda F, Y: np.mean(softmax_value(F, Y)), lambda F, Y: (F - Y) ** 2])
def test_a_value_that_is_not_one_number_a_row_is_told(value):
    F, Y, _ = _arrays()
    with pytest.raises(ValueError, match=r"Allowed is shape \(6,\). Return one number a row"):
        adapted(value).value(F, Y)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_targets_that_are_no_numbers_are_refused(bad):
    loss = adapted(partial(softmax_value))
    with pytest.raises(ValueError, match="loss='partial' allows any finite number"):
        loss.check_targets(np.array([[bad]]))
    assert loss.check_targets(np.array([[1.0]])) is None


@pytest.mark.parametrize("given", ["grad", "hessp", "factor", "ggnp"])
def test_array_code(given):
    loss, arrays = adapted(GIVEN[given][0]), _arrays()
    source, exact = loss.source, MultinomialLogLoss()
    source.value = exact.value  # NumPy's own functions do not take these arrays
    strict = [array_api_strict.asarray(array) for array in arrays]
    try:
        for part, count in (("value", 2), ("grad", 2), ("hessp", 3), ("ggnp", 3)):
            ours = getattr(loss, part)(*strict[:count])
            assert hasattr(ours, "__array_namespace__")
            assert_close(np.asarray(ours), getattr(loss, part)(*arrays[:count]), 100, scale=1e3)
        assert loss.factor(*strict[:2]).shape == (6, 3, 3)
    finally:
        del source.value


# ----------------------------------------------------------------------------------------------------- jax


def test_jax_works_in_the_dtype_of_the_outputs_and_leaves_the_switch_alone():
    F, Y, _ = _arrays()
    loss = from_jax(traced_softmax)
    np.testing.assert_allclose(loss.grad(F, Y), MultinomialLogLoss().grad(F, Y), rtol=0, atol=10 * EPS)
    assert jnp.asarray(F).dtype == np.float32
    assert loss.grad(F.astype(np.float32), Y.astype(np.float32)).dtype == np.float32
    assert loss.grad(F, Y).flags.writeable


def test_other_parts_of_a_traced_object_are_kept():
    class TracedError(_WholeError):
        def value(self, F, Y):
            return traced_softmax(F, Y)

        def factor(self, F, Y):
            return 3 * SquaredError().factor(F, Y)

    F, Y, _ = _arrays()
    loss = from_jax(TracedError(5.0))
    assert (loss.name, loss.scale) == ("mine", 5.0)
    np.testing.assert_allclose(loss.grad(F, Y), MultinomialLogLoss().grad(F, Y), rtol=0, atol=10 * EPS)
    assert_close(loss.factor(F, Y)[0], 3 * np.eye(3), 1)


def test_jax_that_is_not_there_is_told_in_three_parts(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    with pytest.raises(ImportError, match="It needs jax") as caught:
        from_jax(traced_softmax)
    assert len(re.split(r"\.\s+(?=[A-Z])", str(caught.value))) == 3


# ------------------------------------------------------------------------------------------------ training


@pytest.mark.parametrize("given", [g for g in GIVEN if g != "ggnp"])
def test_training_ends_where_the_exact_loss_does(given):
    rng = np.random.default_rng(3)
    X, Y, w = rng.normal(size=(60, 2)), np.eye(3)[rng.integers(0, 3, 60)], np.ones(60)
    network, ends = MLP((2, 3), ()), []
    theta = initialise(network.layout, "glorot", rng, np.zeros(3))
    for loss in (MultinomialLogLoss(), resolve(GIVEN[given][0], CLASSIFICATION)):
        here, solver = Objective(network, loss, Data(X, Y, w), alpha=1.0).point(theta), LMNewton()
        state = solver.init(here, 0)
        for _ in range(8):
            here, state, _ = solver.step(here, state)
        ends.append(here)
    exact, ours = ends
    assert_close_to_difference(ours.value, exact.value)
    np.testing.assert_allclose(ours.theta[:6], exact.theta[:6], rtol=0, atol=1e-6)
    assert ggn_product(ours, theta).shape == theta.shape
