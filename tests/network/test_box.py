import numpy as np

from skcurv.network import Box

BOX = Box(np.array([-1.0, 0.0, -np.inf, 2.0]), np.array([1.0, np.inf, np.inf, 3.0]))


def test_inside_is_the_nearest_point_and_a_projection():
    rng = np.random.default_rng(0)
    for theta in 3 * rng.normal(size=(50, 4)):
        nearest = BOX.inside(theta)
        assert BOX.holds(nearest)
        assert BOX.holds(theta) == np.array_equal(nearest, theta)
        np.testing.assert_array_equal(BOX.inside(nearest), nearest)
        for other in 3 * rng.normal(size=(20, 4)):  # the angle to every point of a convex set is obtuse
            assert (theta - nearest) @ (BOX.inside(other) - nearest) <= 1e-12


def test_nan_stays():
    theta = np.array([np.nan, -1.0, 0.0, 5.0])
    np.testing.assert_array_equal(BOX.inside(theta), [np.nan, 0.0, 0.0, 3.0])
    assert not BOX.holds(theta)


def test_held_are_those_on_a_bound_that_descent_would_push_outwards():
    theta = np.array([[-1.0, 0.0, 5.0, 2.0], [1.0, 0.0, 5.0, 3.0], [0.5, 1.0, 5.0, 2.5]])
    for at, lower, upper in zip(
        theta, [[1, 1, 0, 1], [0, 1, 0, 0], [0] * 4], [[0] * 4, [1, 0, 0, 1], [0] * 4], strict=True
    ):
        np.testing.assert_array_equal(BOX.free(at, np.ones(4)), 1 - np.array(lower, float))
        np.testing.assert_array_equal(BOX.free(at, -np.ones(4)), 1 - np.array(upper, float))
        np.testing.assert_array_equal(BOX.free(at, np.zeros(4)), np.ones(4))
        np.testing.assert_array_equal(BOX.free(at, np.full(4, np.nan)), np.ones(4))
    assert BOX.free(theta[0].astype(np.float32), np.ones(4, np.float32)).dtype == np.float32
