"""Nonlinear least squares against SciPy, lmfit and simulation."""

from functools import lru_cache

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import curve_fit

from skcurv import CurvatureRegressor

from .samples import N, decay, decayed, decaying, noise, t

SIGMA = 0.05 + np.arange(N) % 3 / 20


@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.parametrize("sigma", [None, SIGMA], ids=["plain", "sigma"])
def test_estimates_and_covariance_are_those_of_curve_fit(sigma, absolute):
    theta, cov = curve_fit(
        lambda x, a, k, c: decay(x[:, None], a, k, c),
        t[:, 0],
        decayed,
        [2.0, 1.0, 0.0],
        sigma,
        absolute_sigma=absolute,
        ftol=1e-15,
        xtol=1e-15,
        jac=lambda x, a, k, c: np.column_stack([np.exp(-k * x), -a * x * np.exp(-k * x), np.ones_like(x)]),
    )
    w = None if sigma is None else 1 / sigma**2
    reg = decaying(absolute_sigma=absolute).fit(t, decayed, sample_weight=w)
    np.testing.assert_allclose(reg.theta_, theta, rtol=1e-6)
    np.testing.assert_allclose(reg.cov_, cov, rtol=1e-6)
    assert reg.params_ == pytest.approx(dict(zip("akc", theta, strict=True)), rel=1e-6)


LMFIT = {  # lmfit 1.3.4: conf_interval(minimizer, result, sigmas=[p], maxiter=5000) after leastsq with ftol=xtol=1e-15
    0.95: {
        "a": (2.8541643848244758, 3.1287422194829846),
        "k": (0.769985508178834, 0.9944529792289267),
        "c": (0.37207436199819566, 0.5888213088914136),
    },
    0.6826894921370859: {
        "a": (2.924377449968876, 3.0584572028577965),
        "k": (0.8250338329158611, 0.9344737196551034),
        "c": (0.4339633668089828, 0.5390733379901782),
    },
}


@pytest.mark.parametrize("level", LMFIT)
def test_profile_intervals_are_those_of_lmfit(level):
    reg = decaying().fit(t, decayed)
    found = reg.conf_interval(level=level)
    for name, ends in LMFIT[level].items():
        np.testing.assert_allclose(found[name], ends, rtol=1e-4)
    errors = {"a": 0.06506658600080391, "k": 0.05271764966259535, "c": 0.050640207285752845}
    assert reg.stderr_ == pytest.approx(errors, rel=1e-5)  # lmfit's Jacobian is a forward difference


def test_a_profile_end_is_where_the_residual_sum_has_risen_by_the_quantile():
    """With k held the model is linear: the other parameters by least squares, nothing of the package."""
    reg = decaying().fit(t, decayed)

    def rss(k):
        A = np.column_stack([np.exp(-k * t[:, 0]), np.ones(N)])
        return np.sum((decayed - A @ np.linalg.lstsq(A, decayed, rcond=None)[0]) ** 2)

    least = rss(reg.params_["k"])
    for end in reg.conf_interval("k", level=0.99)["k"]:
        F = (rss(end) - least) / (least / (N - 3))
        np.testing.assert_allclose(F, stats.f.ppf(0.99, 1, N - 3), rtol=1e-5)


def constant(X, m):
    return np.full(len(X), m)


def constant_by_its_reciprocal(X, a):
    return np.full(len(X), 1 / a)


def test_profiles_do_not_depend_on_the_parameter_that_is_chosen():
    """Of a = 1 / m they are the reciprocals of Student's interval of a mean, here six times as far on one side."""
    y = 1 + 24 * noise
    half = stats.t.ppf(0.975, N - 1) * np.std(y, ddof=1) / np.sqrt(N)
    low, high = np.mean(y) - half, np.mean(y) + half
    plain = CurvatureRegressor(constant, {"m": 1.0}).fit(t, y).conf_interval()["m"]
    np.testing.assert_allclose(plain, (low, high), rtol=1e-5)
    other = CurvatureRegressor(constant_by_its_reciprocal, {"a": 1.0}).fit(t, y).conf_interval()["a"]
    np.testing.assert_allclose(other, (1 / high, 1 / low), rtol=1e-5)
    assert 0 < low < 0.2 * np.mean(y)


def test_an_end_is_infinite_where_the_objective_never_rises_so_far():
    """m = exp(-a) with data about zero: a may be as large as it likes."""
    interval = CurvatureRegressor(lambda X, a: np.full(len(X), np.exp(-a)), {"a": 1.0}).fit(t, 0.2 + noise * 10)
    low, high = interval.conf_interval()["a"]
    assert high == np.inf
    y = 0.2 + 10 * noise
    upper = np.mean(y) + stats.t.ppf(0.975, N - 1) * np.std(y, ddof=1) / np.sqrt(N)
    assert low == pytest.approx(-np.log(upper), rel=1e-4)


@pytest.mark.parametrize("cov_type", ["model", "sandwich"])
def test_the_standard_error_of_a_prediction_by_brute_force(cov_type):
    reg = decaying(cov_type=cov_type).fit(t, decayed)
    there = np.array([[0.1], [2.5], [7.0]])
    h = 1e-6 * np.diag(reg.theta_)
    J = np.column_stack(
        [(decay(there, *(reg.theta_ + e)) - decay(there, *(reg.theta_ - e))) / (2 * e.sum()) for e in h]
    )
    _, std = reg.predict(there, return_std=True)
    np.testing.assert_allclose(std, np.sqrt(np.einsum("np,pq,nq->n", J, reg.cov_, J)), rtol=1e-8)


def test_the_standard_error_of_a_prediction_is_the_spread_over_drawn_parameters():
    """100,000 draws: a statistical error of 0.22 %, and four of it; small noise makes the model nearly linear."""
    reg = decaying().fit(t, decay(t, 3, 0.9, 0.5) + 0.01 * (decayed - decay(t, 3, 0.9, 0.5)))
    draws = np.random.default_rng(0).multivariate_normal(reg.theta_, reg.cov_, 100_000)
    there = np.array([[0.0], [1.0], [3.0]])
    spread = np.std([decay(there, *theta) for theta in draws], axis=0)
    _, std = reg.predict(there, return_std=True)
    np.testing.assert_allclose(std, spread, rtol=0.009)


def test_all_ways_to_a_jacobian_and_both_solvers_agree():
    plain = decaying().fit(t, decayed)

    def jac(X, a, k, c):
        e = np.exp(-k * X[:, 0])
        return np.column_stack([e, -a * X[:, 0] * e, np.ones(len(X))])

    for options in ({"jac": "2-point"}, {"jac": "cs"}, {"jac": jac}, {"solver": "lbfgs"}):
        other = decaying(**options).fit(t, decayed)
        np.testing.assert_allclose(other.theta_, plain.theta_, rtol=1e-5)
        np.testing.assert_allclose(other.cov_, plain.cov_, rtol=1e-4)


FITS, TRUTH, TIMES = 500, np.array([2.0, 0.8]), np.linspace(0, 3, 15)[:, None]


def rate(X, a, k):
    return a * np.exp(-k * X[:, 0])


@lru_cache
def simulated():
    """Fitted estimators on data drawn anew from the truth."""
    noise = 0.1 * np.random.default_rng(1).normal(size=(FITS, len(TIMES)))
    start = {"a": 1.0, "k": 1.0}
    return [CurvatureRegressor(rate, start).fit(TIMES, rate(TIMES, *TRUTH) + r) for r in noise]


def test_intervals_cover_the_truth_as_often_as_they_say():
    """95 % of 500 fits: a standard deviation of 1 %; profiles, of which each is twenty fits, on every eighth."""
    hits, profiled = [], []
    for i, reg in enumerate(simulated()):
        hits.append([low <= true <= high for true, (low, high) in _ends(reg, "stderr")])
        if i % 8 == 0:
            profiled.append([low <= true <= high for true, (low, high) in _ends(reg, "profile")])
    assert np.all(np.abs(np.mean(hits, axis=0) - 0.95) < 0.02)
    assert np.abs(np.mean(profiled) - 0.95) < 0.06  # 126 intervals, correlated in pairs: about 2.5 %


def _ends(reg, method):
    return zip(TRUTH, reg.conf_interval(method=method).values(), strict=True)


def test_the_mean_of_the_estimated_variances_is_that_of_the_estimates():
    """Of 500: the ratio of standard deviations has a standard error of 1 / sqrt(1000) = 3 %."""
    fits = simulated()
    spread = np.std([reg.theta_ for reg in fits], axis=0)
    mean = np.sqrt(np.mean([np.diag(reg.cov_) for reg in fits], axis=0))
    np.testing.assert_allclose(mean, spread, rtol=0.1)


def test_a_profile_that_finds_a_lower_minimum_says_so():
    X = np.linspace(0, 10, 40)[:, None]
    reg = CurvatureRegressor(wave, {"frequency": 2.1, "a": 1.0}).fit(X, np.sin(2.8 * X[:, 0]))
    assert reg.loss_ > 0.01
    with pytest.warns(UserWarning, match="local minimum") as caught:
        reg.conf_interval("frequency", level=0.9999)
    assert "n_starts" in str(caught[0].message)


def wave(X, frequency, a):
    return a * np.sin(frequency * X[:, 0])
