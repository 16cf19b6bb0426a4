"""What a model hands back: shapes, failures, and the derivatives that go with it."""

import pickle
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from skcurv.data import Data
from skcurv.losses import SquaredError
from skcurv.models import ModelFunction, network, parameters
from skcurv.objective import Objective
from skcurv.solvers import LMNewton

from ..functions import network_of

X = np.linspace(0.5, 2.0, 5)[:, None]


def decay(X, a, b):
    """a exp(-b x), (n,)."""
    return a * np.exp(-b * X[:, 0])


def two_outputs(X, a, b):
    """(n, 2)."""
    return np.stack([decay(X, a, b), a + 0 * X[:, 0]], axis=1)


def _function(model, start=None, fixed=None):
    start = {"a": 2.0, "b": 0.7} if start is None else start
    return ModelFunction(model, parameters(model, start, None, fixed))


def _message(model, theta=None):
    """The message that a model earns at the start, or later at theta."""
    with pytest.raises(ValueError, match="Allowed") as caught:
        _function(model).sized(np.array([2.0, 0.7]), X) if theta is None else ModelFunction(
            model, parameters(model, {"a": 1.0, "b": 1.0}, None, None), 1, True
        )(theta, X)
    parts = re.split(r"\.\s+(?=[A-Z])", str(caught.value))
    assert len(parts) == 3
    return parts


def test_one_column_is_one_output():
    flat, column = _function(decay), _function(lambda X, a, b: decay(X, a, b)[:, None])
    theta = np.array([2.0, 0.7])
    for function in (flat, column):
        sized = function.sized(theta, X)
        assert sized.width == 1
        assert sized.flat == (function is flat)
        np.testing.assert_array_equal(sized(theta, X), decay(X, *theta)[:, None])
    assert _function(two_outputs).sized(theta, X).width == 2
    single = _function(lambda X, a, b: decay(X, a, b).astype(np.float32)).sized(theta, X)
    assert single(theta, X).dtype == np.float64
    assert _function(lambda X, a, b: [1] * len(X)).sized(theta, X)(theta, X).tolist() == [[1.0]] * 5


SHAPES = {
    "a number": lambda X, a, b: 1.0,
    "too few rows": lambda X, a, b: decay(X, a, b)[:-1],
    "a row": lambda X, a, b: decay(X, a, b)[None, :],
    "three axes": lambda X, a, b: decay(X, a, b)[:, None, None],
    "no columns": lambda X, a, b: np.zeros((len(X), 0)),
    "nothing": lambda X, a, b: None,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_wrong_shape_names_itself_and_the_rows(shape):
    given, allowed, _ = _message(SHAPES[shape])
    assert str(np.shape(SHAPES[shape](X, 1.0, 1.0))) in given
    assert "5 rows" in given
    assert "(5,)" in allowed


def test_a_shape_that_changes_later_is_refused():
    def model(X, a, b):
        return decay(X, a, b) if a < 2 else two_outputs(X, a, b)

    sized = _function(model, {"a": 1.0, "b": 1.0}).sized(np.ones(2), X)
    assert sized(np.ones(2), X).shape == (5, 1)
    with pytest.raises(ValueError, match=re.escape("shape (5, 2) for 5 rows. Allowed is (5,) or (5, 1)")):
        sized(np.array([3.0, 1.0]), X)
    wide = _function(two_outputs).sized(np.ones(2), X)
    wide.model = decay
    with pytest.raises(ValueError, match=re.escape("shape (5,)")):
        wide(np.ones(2), X)


def test_complex_outputs_at_the_start_are_refused_and_later_count_as_no_numbers():
    def model(X, a, b):
        return np.emath.sqrt(a) * X[:, 0]

    assert "complex" in _message(lambda X, a, b: decay(X, a, b) + 1j)[0]
    sized = _function(model).sized(np.array([2.0, 0.7]), X)
    assert np.isnan(sized(np.array([-2.0, 0.7]), X)).all()
    assert sized(np.array([2.0, 0.7]), X).dtype == np.float64
    assert sized(np.array([2.0 + 1e-3j, 0.7]), X).dtype == np.complex128


@pytest.mark.parametrize("rows", [[3], [0, 2], [0, 1, 2, 3, 4]])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_rows_that_are_not_finite_at_the_start_are_named(rows, bad):
    def model(X, a, b):
        F = decay(X, a, b)
        F[rows] = bad
        return F

    given, _, remedy = _message(model)
    assert f"in {len(rows)} of 5 rows: {', '.join(map(str, rows))}" in given
    assert "'a': " in given
    assert "2.0" in given
    assert "drop these rows" in remedy


def test_of_many_rows_the_first_five_are_named():
    far = np.ones((20, 1))
    with pytest.raises(ValueError, match=re.escape("in 20 of 20 rows: 0, 1, 2, 3, 4, ...")):
        _function(lambda X, a, b: np.full(len(X), np.nan)).sized(np.ones(2), far)


FAILING = {
    "division": lambda X, a, b: np.array([1 / (float(a) - 2) for _ in X]),
    "overflow": lambda X, a, b: np.array([(float(a) * 1e200) ** 2 for _ in X]),
    "numpy": lambda X, a, b: np.exp(1e4 * a * X[:, 0]) - np.exp(1e4 * a * X[:, 0]),
}


@pytest.mark.parametrize("how", FAILING)
def test_arithmetic_that_fails_in_the_model_is_no_number_and_no_warning(how):
    assert "not finite" in _message(FAILING[how])[0]
    sized = ModelFunction(FAILING[how], parameters(FAILING[how], {"a": 0.0, "b": 1.0}, None, None), 1, True)
    F = sized(np.array([2.0, 1.0]), X)
    assert F.shape == (5, 1)
    assert np.isnan(F).all()


def test_a_bug_in_the_model_is_shown_as_it_is():
    with pytest.raises(KeyError, match="nonsense"):
        _function(lambda X, a, b: {}["nonsense"]).sized(np.ones(2), X)


def test_a_step_into_failing_arithmetic_is_rejected():
    """log(a) of Python refuses a <= 0 by division: 1 / max(a, 0). The first Gauss-Newton step overshoots to a < 0."""

    def model(X, a, b):
        return 1 / max(float(a), 0.0) + b * X[:, 0]

    net, found = network_of(model, {"a": 3.0, "b": 0.0}, X=X)
    assert np.isnan(net.output(np.array([-1.0, 0.0]), X)).all()
    Y = model(X, 0.5, 1.0)[:, None]
    here = Objective(net, SquaredError(), Data(X, Y, np.ones(5)), 0.0).point(found.theta)
    solver, state, values = LMNewton(), None, []
    state = solver.init(here, 0)
    for _ in range(40):
        here, state, report = solver.step(here, state)
        values.append(here.value)
        if report.converged:
            break
    assert np.all(np.diff(values) <= 0)
    np.testing.assert_allclose(here.theta, [0.5, 1.0], atol=1e-6)


def _jac(X, a, b):
    e = np.exp(-b * X[:, 0])
    return np.stack([e, -a * X[:, 0] * e], axis=1)


def test_a_given_jacobian_is_cut_to_the_free_parameters():
    theta = np.array([2.0, 0.7])
    for fixed, columns in ((None, [0, 1]), ("a", [1]), ("b", [0])):
        for jac in (_jac, lambda X, a, b: _jac(X, a, b)[:, None, :]):
            net, found = network_of(decay, {"a": 2.0, "b": 0.7}, jac, fixed=fixed, X=X)
            J = net.forward(found.theta, X).J
            np.testing.assert_array_equal(J[:, 0, :], _jac(X, *theta)[:, columns])


@pytest.mark.parametrize(
    ("model", "J", "words"),
    [
        (decay, np.zeros((2, 5)), ["(2, 5)", "(5, 1, 2)", "(5, 2)", "['a', 'b']"]),
        (decay, np.zeros((5, 3)), ["(5, 3)", "(5, 2)"]),
        (decay, np.zeros(2), ["(2,)"]),
        (two_outputs, np.zeros((5, 2)), ["(5, 2)", "(5, 2, 2)"]),
    ],
)
def test_a_jacobian_of_a_wrong_shape_names_both(model, J, words):
    net, found = network_of(model, {"a": 2.0, "b": 0.7}, lambda X, a, b: J, X=X)
    with pytest.raises(ValueError, match=r"Allowed is .* Hand back") as caught:
        net.forward(found.theta, X).J  # noqa: B018
    for word in words:
        assert word in str(caught.value)


def _products(u_shape, v_shape):
    return lambda X, a, b, u: np.zeros(u_shape), lambda X, a, b, V: np.zeros(v_shape)


def test_products_of_a_wrong_shape_name_both():
    for jac, call, words in (
        (_products((4,), (2,)), lambda net, t: net.pushforward(t, np.ones(2)), ["first", "(4,)", "(5,) or (5, 1)"]),
        (_products((5,), (3,)), lambda net, t: net.pullback(t, np.ones((5, 1))).total(), ["second", "(3,)", "(2,)"]),
    ):
        net, found = network_of(decay, {"a": 2.0, "b": 0.7}, jac, X=X)
        with pytest.raises(ValueError, match="Allowed") as caught:
            call(net, net.forward(found.theta, X))
        for word in words:
            assert word in str(caught.value)


def test_products_get_what_the_model_hands_back():
    """V of shape (n,) for a model of shape (n,), and u with zeros at fixed parameters."""
    seen = []

    def jvp(X, a, b, u):
        seen.append(u)
        return _jac(X, a, b) @ u

    def vjp(X, a, b, V):
        seen.append(V)
        return _jac(X, a, b).T @ V

    net, found = network_of(decay, {"a": 2.0, "b": 0.7}, (jvp, vjp), fixed="a", X=X)
    tape = net.forward(found.theta, X)
    assert net.pushforward(tape, np.ones(1)).shape == (5, 1)
    np.testing.assert_allclose(net.pullback(tape, np.ones((5, 1))).total(), [_jac(X, 2.0, 0.7)[:, 1].sum()])
    np.testing.assert_array_equal(seen[0], [0.0, 1.0])
    assert seen[1].shape == (5,)


def test_derivatives_that_fail_in_arithmetic_are_no_numbers():
    def broken(X, a, b, *u):
        return 1 / 0

    for jac in (broken, (broken, broken)):
        net, found = network_of(decay, {"a": 2.0, "b": 0.7}, jac, X=X)
        tape = net.forward(found.theta, X)
        assert np.isnan(net.pushforward(tape, np.ones(2))).all()
        assert np.isnan(net.pullback(tape, np.ones((5, 1))).total()).all()


def test_options_keep_their_defaults():
    def model(X, a, kind="plain", b=0.5):
        assert kind == "plain"
        return decay(X, a, b)

    found = parameters(model, {"a": 2.0}, None, None)
    np.testing.assert_array_equal(ModelFunction(model, found, 1, True)(found.theta, X)[:, 0], decay(X, 2.0, 0.5))


def test_models_survive_pickling_and_threads():
    net = network(ModelFunction(decay, parameters(decay, [2.0, 0.7], None, None), 1, True), "3-point", 1)
    again = pickle.loads(pickle.dumps(net))
    thetas = np.random.default_rng(0).random((40, 2))
    with ThreadPoolExecutor(4) as pool:
        Js = list(pool.map(lambda t: again.forward(t, X).J, thetas))
    for theta, J in zip(thetas, Js, strict=True):
        np.testing.assert_array_equal(J, net.forward(theta, X).J)
