import numpy as np
import pytest

from skcurv.data import ClassTargets, RealTargets

from ..cases import assert_close

LABELS = {
    "strings": np.array(["b", "a", "b", "a"]),
    "booleans": np.array([True, False, True, False]),
    "two numbers": np.array([3, -1, -1, 3]),
    "three strings": np.array(["x", "z", "y", "x"]),
    "four numbers": np.array([7, 2, 9, 4]),
    "multilabel": np.array([[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0]]),
    "two labels": np.array([[1, 0], [0, 0], [1, 1], [0, 1]]),
}
each = pytest.mark.parametrize("y", LABELS.values(), ids=LABELS)


@each
def test_decoding_inverts_encoding(y):
    for dtype in (np.float32, np.float64):
        targets = ClassTargets(y)
        Y = targets.encode(y, dtype)
        assert Y.dtype == dtype
        assert Y.shape == (4, targets.n_outputs)
        assert Y.flags.c_contiguous
        assert set(np.unique(Y)) <= {0.0, 1.0}
        np.testing.assert_array_equal(targets.decode(Y), y)
        np.testing.assert_array_equal(targets.decode(0.2 + 0.6 * Y), y)  # means, not only 0 and 1


@each
def test_kind_of_the_outputs(y):
    targets = ClassTargets(y)
    classes = y.shape[1] if y.ndim == 2 else len(np.unique(y))
    assert targets.multilabel == (y.ndim == 2)
    assert targets.n_outputs == (1 if y.ndim == 1 and classes == 2 else classes)
    assert targets.exclusive == (y.ndim == 1 and classes > 2)
    np.testing.assert_array_equal(targets.classes, np.arange(classes) if y.ndim == 2 else np.unique(y))


def test_exclusive_rows_sum_to_one_and_columns_follow_the_classes():
    y = LABELS["three strings"]
    targets = ClassTargets(y)
    np.testing.assert_array_equal(targets.encode(y, float), y[:, None] == targets.classes[None, :])


def test_labels_are_encoded_by_the_classes_of_the_fit():
    targets = ClassTargets(np.array(["a", "b", "c"]))
    np.testing.assert_array_equal(targets.encode(np.array(["c", "c"]), float), [[0, 0, 1], [0, 0, 1]])
    binary = ClassTargets(np.array(["a", "b"]))
    np.testing.assert_array_equal(binary.encode(np.array(["b", "b"]), float), [[1], [1]])


def _numbers(n=30):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 3)) * [1, 1e3, 1e-3] + [0, 1e4, 5], rng.integers(0, 4, n).astype(float)


def test_standardised_targets_have_weighted_mean_zero_and_deviation_one():
    y, v = _numbers()
    Y = RealTargets.standardising(y, v, False).encode(y, np.float64)
    # y - mean is known to eps max|y|, which counts in units of the deviation
    condition = np.abs(y).max() / 1e3 + 5 / 1e-3
    assert_close(np.average(Y, axis=0, weights=v), np.zeros(3), 30 * condition, scale=1.0)
    assert_close(np.average(Y**2, axis=0, weights=v), np.ones(3), 30 * condition, scale=1.0)


def test_weights_of_targets_equal_repetition():
    y, v = _numbers()
    weighted = RealTargets.standardising(y, v, False)
    rows = np.repeat(np.arange(len(y)), v.astype(int))
    repeated = RealTargets.standardising(y[rows], np.ones(len(rows)), False)
    np.testing.assert_allclose(weighted.shift, repeated.shift, rtol=100 * np.finfo(float).eps)
    np.testing.assert_allclose(weighted.scale, repeated.scale, rtol=100 * np.finfo(float).eps * 5 / 1e-3)


@pytest.mark.parametrize("power", [-900, -540, 540, 900])
def test_targets_whose_squares_are_no_numbers_are_standardised_alike(power):
    y, v = _numbers()
    plain, extreme = (RealTargets.standardising(z, v, False) for z in (y, np.ldexp(y, power)))
    np.testing.assert_array_equal(extreme.encode(np.ldexp(y, power), float), plain.encode(y, float))
    np.testing.assert_array_equal(extreme.decode(y), np.ldexp(plain.decode(y), power))


@pytest.mark.parametrize("make", [lambda y, v: RealTargets.standardising(y, v, False), lambda y, v: None])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_decoding_inverts_encoding_of_numbers(make, dtype):
    y, v = _numbers()
    targets = make(y, v) or RealTargets.unchanged(3, False)
    Y = targets.encode(y, dtype)
    assert Y.dtype == dtype
    assert Y.flags.c_contiguous
    back = targets.decode(Y)
    assert back.dtype == dtype
    np.testing.assert_allclose(back, y, rtol=0, atol=8 * np.finfo(dtype).eps * np.abs(y).max())


def test_shape_of_the_predictions_is_that_of_the_targets():
    P = np.arange(4.0)[:, None]
    assert RealTargets.unchanged(1, True).decode(P).shape == (4,)
    assert RealTargets.unchanged(1, False).decode(P).shape == (4, 1)


def test_several_numbers_a_target_get_an_axis_of_their_own():
    """Those of one target lie beside one another, in its units."""
    one = RealTargets(np.array([10.0]), np.array([2.0]), True)
    np.testing.assert_array_equal(one.decode(np.array([[0.0, 1.0, 2.0]])), [[10.0, 12.0, 14.0]])
    two = RealTargets(np.array([10.0, 0.0]), np.array([2.0, 5.0]), False)
    P = np.array([[0.0, 1.0, 2.0, 0.0, 1.0, 2.0]])
    np.testing.assert_array_equal(two.decode(P), [[[10.0, 12.0, 14.0], [0.0, 5.0, 10.0]]])
    np.testing.assert_array_equal(two.decode(P[:, :3]), P[:, :3])  # one number for two targets: as it is
    np.testing.assert_array_equal(two.decode(P[:, :1]), [0.0])
    np.testing.assert_array_equal(two.deviations(np.array([[1.0, 3.0]])), [[2.0, 15.0]])
    np.testing.assert_array_equal(one.deviations(np.array([[3.0]])), [6.0])


def test_targets_of_one_dimension_are_one_column():
    targets = RealTargets(np.array([1.0]), np.array([2.0]), True)
    np.testing.assert_array_equal(targets.encode(np.array([1.0, 5.0]), float), [[0.0], [2.0]])
    assert targets.scaled
    assert not RealTargets.unchanged(2, True).scaled


def test_two_classes_one_hot():
    for y in (LABELS["strings"], LABELS["two numbers"]):
        targets = ClassTargets(y, one_hot=True)
        Y = targets.encode(y, float)
        np.testing.assert_array_equal(Y, y[:, None] == targets.classes[None, :])
        assert (targets.n_outputs, targets.exclusive) == (2, True)
        np.testing.assert_array_equal(targets.decode(0.2 + 0.6 * Y), y)


@pytest.mark.parametrize("n", [3, 1000, 300_000])
@pytest.mark.parametrize("constant", [0.0, 0.1, -7.7, 1e10])
def test_a_deviation_that_is_only_rounding_counts_as_one(n, constant):
    targets = RealTargets.standardising(np.full((n, 1), constant), np.ones(n), True)
    np.testing.assert_array_equal(targets.scale, 1.0)
    np.testing.assert_allclose(targets.encode(np.full((1, 1), constant), float), 0, atol=1e-11 * abs(constant))


def test_a_small_deviation_is_not_rounding():
    y = 1.0 + 1e-6 * np.random.default_rng(1).normal(size=(1000, 1))
    np.testing.assert_allclose(RealTargets.standardising(y, np.ones(1000), True).scale, y.std(axis=0), rtol=1e-6)
