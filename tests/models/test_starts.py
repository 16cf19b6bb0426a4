import numpy as np

from skcurv.models import parameters
from skcurv.models.starts import random_starts

LOWER = np.array([0.0, -np.inf, 1.0, -np.inf, -5.0, 2.0])
UPPER = np.array([1.0, np.inf, np.inf, 2.0, -4.999, np.inf])
START = np.array([0.5, -30.0, 2.0, 1.0, -5.0, 2.0])


def _starts(n, seed=0, fixed=None):
    found = parameters(lambda X, theta: None, START, (LOWER, UPPER), fixed)
    return np.array(random_starts(found, n, np.random.default_rng(seed)))


def test_the_given_start_is_the_first_and_all_lie_between_bounds():
    starts = _starts(2000)
    np.testing.assert_array_equal(starts[0], START)
    assert np.all((starts >= LOWER) & (starts <= UPPER))
    assert len(np.unique(starts, axis=0)) == 2000


def test_they_are_distributed_as_said():
    """Uniform; normal; the logarithms of distances from a bound normal around the start's: at 5 standard errors."""
    starts = _starts(20001)[1:]
    error = 5 / np.sqrt(20000)
    uniform = (starts[:, [0, 4]] - LOWER[[0, 4]]) / (UPPER - LOWER)[[0, 4]]
    np.testing.assert_allclose(uniform.mean(axis=0), 0.5, atol=error / np.sqrt(12))
    normal = np.stack(
        [
            (starts[:, 1] + 30) / 30,
            np.log(starts[:, 2] - 1),
            np.log(2 - starts[:, 3]),
            np.log((starts[:, 5] - 2) / 2),  # a start on its bound counts by its size
        ]
    )
    np.testing.assert_allclose(normal.mean(axis=1), 0, atol=error)
    np.testing.assert_allclose(normal.std(axis=1), 1, atol=error)


def test_the_same_seed_gives_the_same_starts():
    np.testing.assert_array_equal(_starts(5, seed=3), _starts(5, seed=3))
    assert not np.array_equal(_starts(5, seed=3)[1:], _starts(5, seed=4)[1:])
    np.testing.assert_array_equal(_starts(9)[:5], _starts(5))


def test_only_free_parameters_are_drawn():
    starts = _starts(5, fixed=["theta[1]", "theta[3]"])
    assert starts.shape == (5, 4)
    np.testing.assert_array_equal(starts[0], START[[0, 2, 4, 5]])


def test_a_start_of_zero_is_drawn_as_one():
    found = parameters(lambda X, theta: None, np.zeros(1), None, None)
    drawn = np.array(random_starts(found, 5000, np.random.default_rng(0)))
    assert abs(drawn.std() - 1) < 0.06
