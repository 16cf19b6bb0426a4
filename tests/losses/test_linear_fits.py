"""Linear models fitted by lm-newton against scikit-learn's, SciPy's and closed forms, without a penalty."""

import time

import numpy as np
import pytest
import scipy.optimize
from sklearn.linear_model import GammaRegressor, PoissonRegressor, QuantileRegressor, TweedieRegressor

from skcurv import losses
from skcurv.data import Data
from skcurv.losses.registry import bind
from skcurv.network import MLP
from skcurv.objective import Objective
from skcurv.solvers import LMNewton
from skcurv.solvers.loop import Budget, train

N, D = 300, 4
EXACT = {"alpha": 0, "solver": "newton-cholesky", "tol": 1e-10, "max_iter": 1000}


def _fit(loss, X, y, w, max_iter=100):
    """Coefficients (D + 1, r) with the intercept last, and the gradient there."""
    Y = y[:, None]
    loss = bind(loss, Y, w)
    network = MLP((X.shape[1], loss.raw_outputs(1)), ())
    theta = np.zeros(network.layout.size)
    theta[-loss.raw_outputs(1) :] = loss.start(Y, w)
    objective = Objective(network, loss, Data(X, Y, w), alpha=0.0)
    budget = Budget(len(X), max_iter, tol=0.0, patience=max_iter)
    end = train(LMNewton(), objective, theta, budget, 0, time.perf_counter()).theta
    return network.layout.blocks(end)[0], objective.point(end).grad


def _data(seed=0):
    """X, a linear predictor and weights."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, D))
    return rng, X, 0.5 + X @ np.array([0.5, -0.3, 0.2, 0.0]), rng.uniform(0.5, 2.0, N)


def _flat(model):
    return np.append(model.coef_, model.intercept_)


GLMS = [
    (losses.Poisson(), PoissonRegressor(**EXACT)),
    (losses.Gamma(), GammaRegressor(**EXACT)),
    *[(losses.Tweedie(p), TweedieRegressor(power=p, link="log", **EXACT)) for p in (1.2, 1.5, 1.9)],
]


@pytest.mark.parametrize(("loss", "model"), GLMS, ids=lambda value: repr(value)[:12])
def test_generalised_linear_models_equal_those_of_scikit_learn(loss, model):
    rng, X, eta, w = _data()
    y = rng.poisson(np.exp(eta)).astype(float) if loss.name == "poisson" else np.exp(eta) * rng.gamma(2, 0.5, N)
    y = y * (rng.random(N) < 0.7) if loss.name == "tweedie" else y
    coefs, _ = _fit(loss, X, y, w)
    np.testing.assert_allclose(coefs[:, 0], _flat(model.fit(X, y, sample_weight=w)), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("loss", "unit"), [(losses.Quantile(0.1), 1.0), (losses.Quantile(0.75), 1e4), (losses.AbsoluteError(), 1e-3)]
)
def test_linear_quantiles_equal_the_linear_programme(loss, unit):
    rng, X, eta, w = _data()
    y = unit * (eta + rng.standard_t(3, N))
    model = QuantileRegressor(quantile=getattr(loss, "levels", 0.5), alpha=0).fit(X, y, sample_weight=w)
    coefs, _ = _fit(loss, X, y, w, max_iter=1000)
    np.testing.assert_allclose(coefs[:, 0], _flat(model), rtol=0, atol=1e-4 * np.abs(_flat(model)).max())


def test_huber_equals_a_general_minimiser():
    rng, X, eta, w = _data()
    y, delta = eta + rng.standard_t(2, N), 1.35
    Z = np.column_stack([X, np.ones(N)])

    def total(theta):
        r = Z @ theta - y
        psi = np.clip(r, -delta, delta)
        return w @ (psi * (r - psi / 2)), Z.T @ (w * psi)

    best = scipy.optimize.minimize(total, np.zeros(D + 1), jac=True, method="BFGS", options={"gtol": 1e-9})
    np.testing.assert_allclose(_fit(losses.Huber(delta), X, y, w)[0][:, 0], best.x, rtol=0, atol=1e-6)


@pytest.mark.parametrize("alpha", [0.1, 1.0, 4.0])
def test_dispersed_counts_reach_their_maximum_likelihood(alpha):
    """Mean and dispersion linear in X: the score is 0 there, and the likelihood above that of the truth."""
    rng, X, eta, w = _data()
    y = rng.poisson(np.exp(eta) * rng.gamma(1 / alpha, alpha, N)).astype(float)
    coefs, grad = _fit(losses.NegativeBinomial(), X, y, w)
    assert np.abs(grad).max() < 1e-6
    loss, truth = losses.NegativeBinomial(), np.column_stack([eta, np.full(N, np.log(alpha))])
    fitted = np.column_stack([X, np.ones(N)]) @ coefs
    assert w @ loss.value(fitted, y[:, None]) < w @ loss.value(truth, y[:, None])


def test_constant_negative_binomial_equals_statsmodels():
    """NegativeBinomial(y, ones).fit(method="newton", tol=1e-12) of statsmodels 0.15.0."""
    y = np.repeat(np.arange(8.0), [70, 38, 17, 10, 9, 3, 2, 1])  # mites on apple leaves, Bliss 1953
    coefs, _ = _fit(losses.NegativeBinomial(), np.zeros((len(y), 1)), y, np.ones(len(y)))
    np.testing.assert_allclose(coefs[1], [0.13685918, np.log(0.97599788)], rtol=0, atol=1e-6)


def test_normal_targets_with_predicted_variance():
    """A constant variance in groups: weighted mean and variance of each group."""
    rng, _, _, w = _data()
    groups = np.arange(N) % 3
    X, y = np.eye(3)[groups], rng.normal(size=N) * (1 + groups) + groups
    coefs, grad = _fit(losses.GaussianNLL(), X, y, w)
    F = X @ coefs[:-1] + coefs[-1]
    assert np.abs(grad).max() < 1e-6
    for g in range(3):
        rows = groups == g
        mean = np.average(y[rows], weights=w[rows])
        np.testing.assert_allclose(losses.GaussianNLL().predict(F)[rows], mean, rtol=0, atol=1e-5)
        deviation = np.sqrt(np.average((y[rows] - mean) ** 2, weights=w[rows]))
        np.testing.assert_allclose(losses.GaussianNLL().scale(F)[rows], deviation, rtol=1e-5)


def test_several_quantiles_cover_their_shares():
    """At the end of a fit with an intercept a quantile has its share of targets below it, but for D + 1 of them."""
    rng, X, eta, _ = _data()
    y, levels = eta + rng.standard_t(4, N), (0.1, 0.5, 0.9)
    loss = losses.Quantile(levels)
    coefs, _ = _fit(loss, X, y, np.ones(N), max_iter=200)
    q = loss.predict(X @ coefs[:-1] + coefs[-1])
    assert np.all(np.diff(q, axis=1) > 0)
    np.testing.assert_allclose((y[:, None] < q).mean(axis=0), levels, rtol=0, atol=3 * (D + 1) / N)
