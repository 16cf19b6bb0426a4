"""Several starts: the least loss wins, the given start is among them, draws respect bounds."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skcurv import CurvatureRegressor
from skcurv.models import parameters
from skcurv.models.starts import random_starts

X = np.linspace(0, 10, 50)[:, None]


def wave(X, frequency):
    return np.sin(frequency * X[:, 0])


y = wave(X, 2.8)


def test_the_given_start_ends_in_the_worse_of_minima_and_others_find_the_best():
    given = CurvatureRegressor(wave, {"frequency": 1.0}, bounds={"frequency": (0.1, 6)}).fit(X, y)
    assert given.loss_ > 0.1
    several = CurvatureRegressor(
        wave, {"frequency": 1.0}, bounds={"frequency": (0.1, 6)}, n_starts=20, random_state=0
    ).fit(X, y)
    assert several.params_["frequency"] == pytest.approx(2.8, rel=1e-6)
    assert several.start_losses_[0] == given.loss_
    assert several.start_losses_.shape == (20,)
    assert several.loss_ == several.start_losses_.min() < 1e-12


def test_one_start_draws_nothing():
    fits = [CurvatureRegressor(wave, {"frequency": 2.7}, random_state=seed).fit(X, y) for seed in (0, 1)]
    np.testing.assert_array_equal(fits[0].theta_, fits[1].theta_)


def test_a_callable_start_sees_the_data():
    seen = []

    def start(X, y):
        seen.append((X.shape, y.shape))
        return {"frequency": 2.5 + X[0, 0]}

    reg = CurvatureRegressor(wave, start).fit(X, y)
    assert seen == [((50, 1), (50,))]
    assert reg.params_["frequency"] == pytest.approx(2.8)
    assert reg.start is start


def numbers(X, a, b, c, d):
    return a + b + c + d + 0 * X[:, 0]


def test_draws_by_their_definition():
    bounds = {"a": (-1, 3), "b": (1, None), "c": (None, 0), "d": (None, None)}
    found = parameters(numbers, {"a": 0.0, "b": 1.5, "c": -2.0, "d": -5.0}, bounds, None)
    first, *rest = random_starts(found, 4001, np.random.default_rng(0))
    np.testing.assert_array_equal(first, [0, 1.5, -2, -5])
    a, b, c, d = np.array(rest).T
    deviation = 3 / 4000**0.5  # three standard errors of a mean of unit variance
    assert -1 <= a.min() < a.max() <= 3
    assert abs(a.mean() - 1) < 4 / 12**0.5 * deviation  # uniform
    for logs in (np.log((b - 1) / 0.5), np.log(-c / 2), (d + 5) / 5):  # standard normal
        assert abs(logs.mean()) < deviation
        assert abs(logs.std() - 1) < deviation
    assert abs(np.corrcoef([a, b, c, d]) - np.eye(4)).max() < 1.5 * deviation


def test_a_fixed_parameter_is_not_drawn():
    found = parameters(numbers, {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}, None, ["b"])
    assert all(theta.shape == (3,) for theta in random_starts(found, 5, np.random.default_rng(0)))


def overflowing(X, a):
    return np.exp(a * X[:, 0])


def test_starts_where_the_model_is_not_finite_lose():
    """The first start is fine; draws between wide bounds overflow."""
    reg = CurvatureRegressor(overflowing, {"a": 0.1}, bounds={"a": (-1, 1e6)}, n_starts=5, random_state=0)
    reg.fit(X, np.exp(0.2 * X[:, 0]))
    assert reg.params_["a"] == pytest.approx(0.2, rel=1e-6)
    assert not np.isfinite(reg.start_losses_[1:]).all()


def test_the_warning_is_that_of_the_best_start_alone():
    with pytest.warns(ConvergenceWarning, match="used up max_iter=2 before the loss settled") as caught:
        CurvatureRegressor(wave, {"frequency": 2.0}, n_starts=4, random_state=0, max_iter=2).fit(X, y)
    assert len(caught) == 1
    assert caught[0].filename == __file__
