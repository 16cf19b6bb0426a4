"""Coverage of predictive intervals: counted by hand, by the law of the right model, and drawn as scikit-learn does."""

import builtins
import math
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.stats import norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import BayesianRidge, LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcurv import CurvatureMLPRegressor
from skcurv.display import CoverageDisplay
from skcurv.display.coverage import LEVELS, binomial_band, counted

RNG = np.random.default_rng(4)
X = RNG.normal(size=(60, 2))
Y = X @ [1.0, -2.0] + 0.5 * RNG.normal(size=60)
OPTIONS = {"solver": "lm-newton", "max_iter": 20, "tol": 0, "alpha": 0.1, "random_state": 0}


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def _quantiles(mean, std, q):
    return norm.ppf(q, np.asarray(mean)[:, None], np.asarray(std)[:, None])


# ------------------------------------------------------------------------------------------------------ what it counts


def test_targets_are_counted_between_the_ends():
    y = [0.0, 1.0, 2.0, 3.0, 4.0]
    Q = np.tile([1.0, 2.0, 2.5, 3.0], (5, 1))  # ends are inside
    display = CoverageDisplay.from_predictions(y, Q, [0.1, 0.4, 0.6, 0.9])
    np.testing.assert_allclose(display.levels, [0.2, 0.8], rtol=1e-12)
    np.testing.assert_array_equal(display.coverage, [0.2, 0.6])
    assert display.n_samples == 5


def test_evenly_spread_probabilities_lie_on_the_diagonal():
    """With y_i the quantile (i + 1/2) / n of its own distribution, the coverage of every level is right to 1 / n."""
    n, std, mean = 400, RNG.uniform(0.1, 3, 400), RNG.normal(size=400)
    y = norm.ppf((np.arange(n) + 0.5) / n, mean, std)
    q = np.concatenate([(1 - LEVELS) / 2, (1 + LEVELS) / 2])
    display = CoverageDisplay.from_predictions(y, _quantiles(mean, std, q), q)
    np.testing.assert_allclose(display.levels, LEVELS, rtol=1e-12)
    np.testing.assert_allclose(display.coverage, LEVELS, atol=1 / n + 1e-12)
    wide = CoverageDisplay.from_predictions(y, _quantiles(mean, 2 * std, q), q)
    narrow = CoverageDisplay.from_predictions(y, _quantiles(mean, std / 2, q), q)
    np.testing.assert_allclose(wide.coverage, 2 * norm.cdf(2 * norm.ppf((1 + LEVELS) / 2)) - 1, atol=1 / n + 1e-12)
    assert (narrow.coverage < display.coverage).all()


def test_order_of_levels_and_the_median_do_not_matter():
    q = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
    Q, order = _quantiles(np.zeros(60), np.ones(60), q), RNG.permutation(5)
    plain = CoverageDisplay.from_predictions(Y, Q, q)
    for other in (
        CoverageDisplay.from_predictions(Y, Q[:, order], q[order]),
        CoverageDisplay.from_predictions(Y[:, None], Q[:, [0, 1, 3, 4]].tolist(), [0.05, 0.25, 0.75, 0.95]),
    ):
        np.testing.assert_array_equal(other.levels, plain.levels)
        np.testing.assert_array_equal(other.coverage, plain.coverage)


@pytest.mark.parametrize("n", [1, 7, 50])
def test_the_band_has_the_probability_that_it_says(n):
    levels = np.array([0.01, 0.3, 0.5, 0.95])
    for c, low, high in zip(levels, *binomial_band(levels, n), strict=True):
        mass = [math.comb(n, k) * c**k * (1 - c) ** (n - k) for k in range(n + 1)]
        low, high = round(low * n), round(high * n)
        assert sum(mass[low : high + 1]) >= 0.95 - 1e-12
        assert max(sum(mass[:low]), sum(mass[high + 1 :])) <= 0.025 + 1e-12
        assert min(sum(mass[: low + 1]), sum(mass[high:])) >= 0.025 - 1e-12  # and no wider than that


def test_a_right_model_is_inside_the_band_as_often_as_it_says():
    n, repeats, q = 100, 2000, np.concatenate([(1 - LEVELS) / 2, (1 + LEVELS) / 2])
    low, high = binomial_band(LEVELS, n)
    inside = []
    for _ in range(repeats):
        mean, std = RNG.normal(size=n), RNG.uniform(0.5, 2, n)
        coverage = counted(mean + std * RNG.normal(size=n), _quantiles(mean, std, q), q)[1]
        inside.append((low - 1e-12 <= coverage) & (coverage <= high + 1e-12))
    share = np.mean(inside, axis=0)  # by level: at least 0.95, within five standard errors
    assert (share > 0.95 - 5 * (0.95 * 0.05 / repeats) ** 0.5).all()


# -------------------------------------------------------------------------------------------------------- estimators


def _posterior():
    return CurvatureMLPRegressor((3,), "tanh", posterior="laplace", **OPTIONS)


@pytest.mark.parametrize(
    "estimator",
    [
        _posterior(),
        CurvatureMLPRegressor((), loss="gaussian_nll", **OPTIONS),
        make_pipeline(StandardScaler(), _posterior()),
        BayesianRidge(),
        GaussianProcessRegressor(RBF() + WhiteKernel()),
    ],
    ids=["laplace", "gaussian_nll", "pipeline", "bayesian ridge", "gaussian process"],
)
def test_an_estimator_is_asked_for_its_quantiles_or_its_deviation(estimator):
    estimator.fit(X, Y)
    q = [0.025, 0.25, 0.75, 0.975]
    by_hand = CoverageDisplay.from_predictions(Y, _quantiles(*estimator.predict(X, return_std=True), q), q)
    display = CoverageDisplay.from_estimator(estimator, X, Y, levels=[0.95, 0.5])
    np.testing.assert_allclose(display.levels, [0.5, 0.95], rtol=1e-12)
    np.testing.assert_array_equal(display.coverage, by_hand.coverage)
    assert display.estimator_name == type(estimator).__name__
    assert len(CoverageDisplay.from_estimator(estimator, X, Y).levels) == len(LEVELS)


def test_own_quantiles_come_first():
    class Quantiles(LinearRegression):
        def predict_quantiles(self, X, q):
            return np.tile(np.where(np.asarray(q) < 0.5, -1e9, 1e9), (len(X), 1))

    display = CoverageDisplay.from_estimator(Quantiles().fit(X, Y), X, Y, levels=[0.1])
    np.testing.assert_array_equal(display.coverage, [1.0])


# ------------------------------------------------------------------------------------------------------- the picture


def test_what_is_drawn():
    display = CoverageDisplay([0.5, 0.9], [0.4, 0.8], 60, estimator_name="a")
    assert not hasattr(display, "ax_")
    assert display.plot() is display
    assert display.figure_ is display.ax_.figure
    np.testing.assert_array_equal(display.line_.get_xydata(), [[0.5, 0.4], [0.9, 0.8]])
    assert display.ax_.get_legend_handles_labels()[1] == ["Perfectly calibrated", "95 % band for n = 60", "a"]
    low, high = binomial_band(np.linspace(0, 1, 201), 60)
    shape = display.band_.get_paths()[0].vertices
    assert (shape[:, 1].min(), shape[:, 1].max()) == (0, 1)
    for c, a, b in zip(np.linspace(0, 1, 201), low, high, strict=True):
        np.testing.assert_allclose(np.unique(shape[shape[:, 0] == c, 1]), np.unique([a, b]), atol=1e-12)


def test_several_curves_share_the_diagonal_and_the_band():
    first = CoverageDisplay([0.5], [0.4], 60).plot(name="one", c="r", lw=3)
    second = CoverageDisplay([0.5], [0.6], 60).plot(ax=first.ax_, name="two", marker=None)
    other = CoverageDisplay([0.5], [0.6], 10).plot(ax=first.ax_)
    assert second.ax_ is first.ax_
    assert second.band_ is None
    assert other.band_ is not None
    assert first.line_.get_color() == "r"
    assert first.line_.get_linewidth() == 3
    labels = first.ax_.get_legend_handles_labels()[1]
    assert sorted(labels) == ["95 % band for n = 10", "95 % band for n = 60", "Perfectly calibrated", "one", "two"]
    bare = CoverageDisplay([0.5], [0.4], 60).plot(ref_line=False)
    assert bare.band_ is None
    assert bare.ax_.get_legend() is None
    assert len(bare.ax_.lines) == 1


def test_arguments_of_the_picture_are_handed_on():
    ax = plt.subplots()[1]
    reg = BayesianRidge().fit(X, Y)
    display = CoverageDisplay.from_estimator(reg, X, Y, name="ridge", ax=ax, ref_line=False, color="g")
    assert (display.ax_, display.line_.get_label(), display.line_.get_color()) == (ax, "ridge", "g")
    assert display.band_ is None


# ------------------------------------------------------------------------------------------------------------ misuse


def _complaint(error, call):
    with pytest.raises(error, match="Allowed") as caught:
        call()
    parts = re.split(r"(?<=[a-z)'\]0-9])\.\s+", str(caught.value))
    assert len(parts) == 3
    assert parts[1].startswith("Allowed")
    return parts[0]


@pytest.mark.parametrize("q", [[0.1, 0.8], [0.1], [0.5], [], 0.1, [0.0, 1.0], [[0.1, 0.9]], [-0.1, 1.1], [0.1, np.nan]])
def test_levels_are_pairs(q):
    Q = np.zeros((60, np.size(q)))
    assert f"q={q!r}" in _complaint(ValueError, lambda: CoverageDisplay.from_predictions(Y, Q, q))


@pytest.mark.parametrize("levels", [[0.0], [0.5, 1.0], [[0.5]], [np.nan]])
def test_levels_of_intervals_are_between_0_and_1(levels):
    reg = BayesianRidge().fit(X, Y)
    said = _complaint(ValueError, lambda: CoverageDisplay.from_estimator(reg, X, Y, levels=levels))
    assert f"levels={levels!r}" in said


def test_one_output_at_a_time():
    two = np.column_stack([Y, X[:, 0] + 0.1 * RNG.normal(size=60)])
    reg = _posterior().fit(X, two)
    assert "(60, 2)" in _complaint(ValueError, lambda: CoverageDisplay.from_estimator(reg, X, two))
    q = [0.1, 0.9]
    each = [CoverageDisplay.from_predictions(two[:, c], reg.predict_quantiles(X, q)[:, c], q) for c in range(2)]
    assert all(0.5 < display.coverage[0] <= 1 for display in each)
    for y, Q in ((Y[1:], np.zeros((60, 2))), (Y, np.zeros((60, 3))), (Y, np.zeros(60)), (1.0, np.zeros((1, 2)))):
        assert "shape" in _complaint(ValueError, lambda y=y, Q=Q: CoverageDisplay.from_predictions(y, Q, q))


def test_estimators_without_a_deviation_and_numbers_that_are_none():
    for estimator in (LinearRegression(), make_pipeline(StandardScaler(), LinearRegression())):
        estimator.fit(X, Y)
        said = _complaint(TypeError, lambda estimator=estimator: CoverageDisplay.from_estimator(estimator, X, Y))
        assert type(estimator).__name__ in said
    with pytest.raises(ValueError, match="y_true contains NaN"):
        CoverageDisplay.from_predictions([np.nan], [[0.0, 1.0]], [0.1, 0.9])
    with pytest.raises(ValueError, match="y_quantiles contains NaN"):
        CoverageDisplay.from_predictions([0.0], [[np.nan, 1.0]], [0.1, 0.9])


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **options):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    for call in (
        lambda: CoverageDisplay([0.5], [0.5], 9).plot(),
        lambda: CoverageDisplay.from_estimator(None, None, None),
        lambda: CoverageDisplay.from_predictions(None, None, None),
    ):
        with pytest.raises(ImportError, match=r"matplotlib is not installed\. Allowed .*\. Run pip install"):
            call()
