"""A wrong Jacobian is found and named by its parameter; a right one passes at every scale."""

import numpy as np
import pytest

from skcurv.models.check import check_jacobian

from ..functions import network_of

X = np.column_stack([np.linspace(0.1, 2.0, 9), np.linspace(-1.0, 1.0, 9)])
START = {"a": 2.0, "b": np.array([0.5, -0.3]), "c": 1.0}
LABELS = ["a", "b[0]", "b[1]", "c"]


def _model(scale):
    """Two outputs, with parameters in other units: theta = scale * start."""

    def model(X, a, b, c):
        a, b, c = a / scale[0], [b[0] / scale[1], b[1] / scale[2]], c / scale[3]
        first = a * np.exp(-b[0] * X[:, 0]) + np.sin(c * X[:, 1])
        return np.stack([first, a * c + b[1] ** 2 * X[:, 0]], axis=1)

    def jac(X, a, b, c):
        a, b, c = a / scale[0], [b[0] / scale[1], b[1] / scale[2]], c / scale[3]
        e, zero = np.exp(-b[0] * X[:, 0]), 0 * X[:, 0]
        first = np.stack([e, -a * X[:, 0] * e, zero, X[:, 1] * np.cos(c * X[:, 1])], axis=1)
        second = np.stack([c + zero, zero, 2 * b[1] * X[:, 0], a + zero], axis=1)
        return np.stack([first, second], axis=1) / scale

    return model, jac


SCALES = {
    "plain": np.ones(4),
    "tiny": np.full(4, 1e-12),
    "huge": np.full(4, 1e12),
    "unlike": np.array([1e-9, 1e6, 1.0, 1e9]),
}
every_scale = pytest.mark.parametrize("scale", SCALES)


def _check(scale, change=lambda J: J, bounds=None, fixed=None):
    model, jac = _model(scale)
    start = {"a": 2.0 * scale[0], "b": START["b"] * scale[1:3], "c": scale[3]}
    net, found = network_of(model, start, lambda X, **values: change(jac(X, **values)), bounds, fixed, X)
    labels = [label for label, free in zip(found.labels, found.free, strict=True) if free]
    return check_jacobian(net, labels, found.theta, X, "jac")


@every_scale
def test_a_right_jacobian_passes(scale):
    assert _check(SCALES[scale]) is None
    assert _check(SCALES[scale], fixed=["a", "b[1]"]) is None


def test_a_right_jacobian_passes_on_the_border_of_a_box():
    for bounds in ({"a": (2.0, None)}, {"a": (None, 2.0), "b": ([0.5, -1], [9, -0.3])}, {"c": (1.0, 1.0 + 1e-7)}):
        assert _check(np.ones(4), bounds=bounds) is None


def test_a_model_that_bends_within_a_step_is_not_blamed():
    """sin(1e4 a): over a step of eps^(1/3) a central difference errs by (6e-2)^2 / 6 of the derivative."""
    net, found = network_of(lambda X, a: np.sin(1e4 * a + X[:, 0]), [1.0], lambda X, a: _waves(X, a), X=X)
    assert check_jacobian(net, ["a"], found.theta, X, "jac") is None


def _waves(X, a):
    return 1e4 * np.cos(1e4 * a + X[:, :1])


def _sign(j):
    return lambda J: np.where(np.arange(4) == j, -J, J)


def _factor(j, factor):
    return lambda J: np.where(np.arange(4) == j, factor * J, J)


@every_scale
@pytest.mark.parametrize("j", range(4), ids=LABELS)
@pytest.mark.parametrize("wrong", ["sign", "factor", "zero", "nan", "one row"])
def test_a_wrong_column_is_named(scale, j, wrong):
    """A sign, one in a thousand, nothing, no number, a single entry."""

    def one_row(J):
        J = J.copy()
        J[7, 1 if j in (0, 2, 3) else 0, j] *= 1.01
        return J

    change = {
        "sign": _sign(j),
        "factor": _factor(j, 1.001),
        "zero": _factor(j, 0.0),
        "nan": _factor(j, np.nan),
        "one row": one_row,
    }[wrong]
    with pytest.raises(ValueError, match="differences of the model give") as caught:
        _check(SCALES[scale], change)
    message = str(caught.value)
    assert f"jac is wrong for parameter {LABELS[j]!r}" in message
    assert message.count(". ") == 2
    assert "check_jac=False" in message


def test_the_place_of_the_error_is_named():
    def change(J):
        J[3, 1, 2] += 0.5
        return J

    right = _model(np.ones(4))[1](X, 2.0, START["b"], 1.0)[3, 1, 2]
    with pytest.raises(ValueError, match=r"in row 3, output 1 it gives") as caught:
        _check(np.ones(4), change)
    assert f"{right + 0.5:.6g}, where" in str(caught.value)


def test_a_jacobian_with_parameters_in_another_order_is_wrong():
    with pytest.raises(ValueError, match="is wrong for parameter"):
        _check(np.ones(4), lambda J: J[:, :, ::-1])


def test_a_transposed_square_jacobian_is_wrong():
    """With as many rows as parameters the shape alone does not tell."""

    def model(X, theta):
        return np.sin(X @ theta)

    Z = np.random.default_rng(0).normal(size=(3, 3))
    for transposed in (False, True):

        def jac(X, theta, transposed=transposed):
            J = np.cos(X @ theta)[:, None] * X
            return J.T if transposed else J

        net, found = network_of(model, np.array([0.1, 0.2, 0.3]), jac, X=Z)
        if not transposed:
            assert check_jacobian(net, found.labels, found.theta, Z, "jac") is None
            continue
        with pytest.raises(ValueError, match="is wrong for parameter 'theta"):
            check_jacobian(net, found.labels, found.theta, Z, "jac")


def _pair(scale, forward=lambda J: J, backward=lambda J: J):
    model, jac = _model(scale)
    jvp = lambda X, a, b, c, u: forward(jac(X, a, b, c)) @ u  # noqa: E731
    vjp = lambda X, a, b, c, V: np.einsum("nk,nkp->p", V, backward(jac(X, a, b, c)))  # noqa: E731
    start = {"a": 2.0 * scale[0], "b": START["b"] * scale[1:3], "c": scale[3]}
    net, found = network_of(model, start, (jvp, vjp), X=X)
    return check_jacobian(net, found.labels, found.theta, X, "jac")


@every_scale
def test_a_pair_of_products_is_checked_against_each_other(scale):
    scale = SCALES[scale]
    assert _pair(scale) is None
    for j in range(4):
        with pytest.raises(ValueError, match=f"jac is wrong for parameter {LABELS[j]!r}".replace("[", r"\[")):
            _pair(scale, forward=_sign(j))
        for backward in (_sign(j), _factor(j, 1.01), _factor(j, np.nan)):
            with pytest.raises(ValueError, match="is not consistent") as caught:
                _pair(scale, backward=backward)
            assert str(caught.value).count(". ") == 2
