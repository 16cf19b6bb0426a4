"""Orders of error, and no value outside the box."""

import numpy as np
import pytest

from skcurv.network import Box, differences

THETA = np.array([0.7, -1.3])
WIDE = Box(np.full(2, -10.0), np.full(2, 10.0))
AT_UPPER, AT_LOWER = Box(np.full(2, -10.0), THETA), Box(THETA, np.full(2, 10.0))
RULES = {  # method, box, order of error
    "2-point": ("2-point", None, 1),
    "3-point": ("3-point", None, 2),
    "3-point in a box": ("3-point", WIDE, 2),
    "3-point below": ("3-point", AT_UPPER, 2),
    "3-point above": ("3-point", AT_LOWER, 2),
}


def _model(theta, X):
    """(n, 2), smooth, of no vanishing derivative."""
    return np.stack([np.exp(theta[0] * X[:, 0]) * np.cos(theta[1]), np.sin(theta[0] * theta[1] + X[:, 0])], axis=1)


def _exact(theta, X):
    a, b, x = *theta, X[:, 0]
    first = np.stack([x * np.exp(a * x) * np.cos(b), -np.exp(a * x) * np.sin(b)], axis=1)
    second = np.stack([b * np.cos(a * b + x), a * np.cos(a * b + x)], axis=1)
    return np.stack([first, second], axis=1)


X = np.linspace(0.2, 1.5, 4)[:, None]


def _jacobian(method, box, theta=THETA, start=None):
    start = np.ones(2) if start is None else start
    return differences.jacobian(method, _model, theta, X, _model(theta, X), start, box)


@pytest.mark.parametrize(("method", "box", "order"), RULES.values(), ids=RULES)
def test_halving_the_step_divides_the_error_by_two_to_the_order(method, box, order, monkeypatch):
    errors = []
    for h in (2e-3, 1e-3):
        monkeypatch.setitem(differences.STEPS, method, h)
        errors.append(np.abs(_jacobian(method, box) - _exact(THETA, X)).max(axis=(0, 1)))
    np.testing.assert_allclose(np.log2(errors[0] / errors[1]), order, atol=0.02)


@pytest.mark.parametrize(("method", "box", "order"), RULES.values(), ids=RULES)
def test_steps_balance_truncation_and_rounding(method, box, order):
    error = np.abs(_jacobian(method, box) - _exact(THETA, X)).max()
    assert error <= 60 * differences.ERRORS[method]


def test_the_complex_step_is_exact_at_every_scale():
    np.testing.assert_allclose(_jacobian("cs", WIDE), _exact(THETA, X), rtol=4e-15)
    for size in (1e-30, 1.0, 1e30):
        J = differences.jacobian(
            "cs", lambda t, X: (t**2)[None, :], np.full(1, size), X, np.zeros((1, 1)), np.ones(1), None
        )
        assert J[0, 0, 0] == pytest.approx(2 * size, rel=1e-15)


@pytest.mark.parametrize("method", differences.STEPS)
def test_the_derivative_does_not_depend_on_the_units(method):
    """A parameter in units of 2^k, exact in binary, moves the same way."""
    units = np.array([2.0**40, 2.0**-40])
    scaled = differences.jacobian(
        method, lambda t, X: _model(t / units, X), units * THETA, X, _model(THETA, X), units, None
    )
    plain = _jacobian(method, None)
    np.testing.assert_allclose(scaled * units, plain, rtol=0, atol=1e-14 * np.abs(plain).max())


def test_a_parameter_near_zero_is_moved_by_a_part_of_its_start():
    np.testing.assert_array_equal(differences.scale(np.array([0.0, 5.0]), np.array([2.0, 1.0])), [2e-2, 5.0])
    J = _jacobian("3-point", None, theta=np.array([0.0, 1e-12]))
    np.testing.assert_allclose(J, _exact(np.array([0.0, 1e-12]), X), atol=1e-5)


@pytest.mark.parametrize("method", differences.STEPS)
def test_no_value_outside_a_box_is_asked_for(method):
    """Boxes of widths from far above to far below a step, at, beside and between their bounds."""
    rng = np.random.default_rng(0)
    for _ in range(500):
        lower = rng.normal(size=2) * 10.0 ** rng.integers(-3, 4, 2)
        upper = lower + np.abs(lower) * 10.0 ** rng.uniform(-13, 2, 2)
        inside = lower + rng.random(2) * (upper - lower)
        near = np.nextafter(lower, upper), np.nextafter(upper, lower)
        theta = np.clip(np.choose(rng.integers(5, size=2), [lower, upper, inside, *near]), lower, upper)
        seen, box = [], Box(lower, upper)

        def model(t, X, seen=seen):
            seen.append(t.real)
            return np.sin(t)[None, :]

        J = differences.jacobian(method, model, theta, X[:1], model(theta, X), np.ones(2), box)
        assert all(box.holds(t) for t in seen)
        assert np.isfinite(J).all()
        for end, start, _ in differences.along(theta, rng.normal(size=2), np.ones(2), 1e-16, box):
            assert box.holds(end)
            assert box.holds(start)


@pytest.mark.parametrize("method", ["2-point", "3-point"])
def test_a_box_narrower_than_a_step_still_gives_a_derivative(method):
    """Of the digits that the width leaves: eps |f| over the width."""
    for width in (1e-6, 1e-9):
        box = Box(THETA - 0.3 * width, THETA + 0.7 * width)
        error = np.abs(_jacobian(method, box) - _exact(THETA, X)).max()
        assert error <= 100 * (np.finfo(float).eps / width + width)


@pytest.mark.parametrize("corner", ["none", "lower", "upper", "opposite", "beside"])
def test_lines_add_up_to_the_derivative_along_u(corner):
    """sum_lines (g(end) - g(start)) / distance = g'u for any g, with u across a corner of the box too."""
    lower, upper = np.full(2, -10.0), np.full(2, 10.0)
    lower = {"lower": THETA, "opposite": np.array([THETA[0], -10.0]), "beside": THETA - 1e-12}.get(corner, lower)
    upper = {"upper": THETA, "opposite": np.array([10.0, THETA[1]])}.get(corner, upper)
    box, X_1 = None if corner == "none" else Box(lower, upper), X[:1]
    for u in np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [0.0, 2.0], [-1e-9, 0.0], [1e20, -3e20]]):
        lines = differences.along(THETA, u, np.ones(2), differences.ERRORS["cs"], box)
        assert len(lines) == 1 or corner != "none"
        found = sum((_model(end, X_1) - _model(start, X_1)) / distance for end, start, distance in lines)
        expected = _exact(THETA, X_1) @ u
        error = 1e-9 if corner == "none" else 4 * differences.ERRORS["cs"] ** (1 / 3)
        np.testing.assert_allclose(found, expected, rtol=0, atol=error * 4 * np.abs(u).max())
