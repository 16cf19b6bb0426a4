"""Predictions of regressors under a posterior, in the target's units."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct
from sklearn.linear_model import BayesianRidge

from skcurv import CurvatureMLPClassifier, CurvatureMLPRegressor
from skcurv.posterior import laplace, predictive
from skcurv.posterior.forms import HOWS

RNG = np.random.default_rng(5)
X = RNG.normal(size=(50, 2))
Y = np.column_stack([np.sin(X[:, 0]), 100 + 20 * X[:, 1]]) + np.array([0.1, 5]) * RNG.normal(size=(50, 2))
OPTIONS = {"solver": "lm-newton", "max_iter": 50, "tol": 0, "alpha": 0.1, "random_state": 0}


def _fit(loss="squared_error", y=Y, **options):
    reg = CurvatureMLPRegressor((4,), "tanh", loss=loss, **OPTIONS, **options).fit(X, y)
    return reg, laplace(reg, X, y)


def test_deviations_are_roots_of_covariances_with_or_without_noise():
    reg, posterior = _fit()
    mean, std = posterior.predictive(X)
    np.testing.assert_allclose(mean, reg.predict(X), rtol=1e-10)
    np.testing.assert_allclose(std**2, np.einsum("ncc->nc", posterior.covariance(X)), rtol=1e-10)
    inner = posterior.predictive(X, noise=False)[1]
    np.testing.assert_allclose(std**2 - inner**2, np.broadcast_to(posterior.noise_variance, (50, 2)), rtol=1e-8)
    S = posterior.latent(X)[1]
    scale = reg.targets_.scale
    np.testing.assert_allclose(posterior.covariance(X, noise=False), S * np.outer(scale, scale), rtol=1e-12)


@pytest.mark.parametrize("how", ["dense", "gram", "kron", "ekfac", "last-layer"])
def test_rows_in_chunks_are_the_same(how, monkeypatch):
    reg, _ = _fit()
    posterior = laplace(reg, X, Y, how)
    whole, drawn = posterior.latent(X), posterior.sample_y(X, 3, 0, noise=False)
    monkeypatch.setattr(predictive, "STRIP", 100)
    np.testing.assert_allclose(posterior.latent(X)[1], whole[1], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(posterior.sample_y(X, 3, 0, noise=False), drawn, rtol=1e-12)


def _rows(posterior, X, c):
    """J_i of output c (n, p), by the pushforward of unit vectors."""
    network, theta = posterior.network, posterior.theta
    tape = network.forward(theta, X)
    return np.stack([network.pushforward(tape, e)[:, c] for e in np.eye(len(theta))], axis=1)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("strip", [predictive.STRIP, 200])
def test_covariances_over_rows_are_those_of_the_parameters(how, strip, monkeypatch):
    reg, _ = _fit()
    posterior, scale = laplace(reg, X, Y, how), reg.targets_.scale
    monkeypatch.setattr(predictive, "STRIP", strip)  # 200 numbers are nine rows of 22 parameters
    H = np.stack([posterior.covariance_product(e) for e in np.eye(len(posterior.theta))])
    K = posterior.joint_covariance(X)
    assert K.shape == (50, 50, 2)
    assert np.array_equal(K, K.transpose(1, 0, 2))
    std = posterior.predictive(X)[1]
    for c in range(2):
        J = _rows(posterior, X, c)
        exact = scale[c] ** 2 * (J @ H @ J.T + posterior.dispersion * np.eye(50))
        np.testing.assert_allclose(K[:, :, c], exact, atol=1e-9 * exact.max())
        np.testing.assert_allclose(np.diagonal(K[:, :, c]), std[:, c] ** 2, rtol=1e-9)
    inner = posterior.joint_covariance(X, noise=False)
    np.testing.assert_allclose(K - inner, posterior.noise_variance * np.eye(50)[:, :, None], atol=1e-9 * K.max())


def test_a_linear_model_is_a_gaussian_process():
    """One precision a for weights and bias is the kernel (1 + x'x) / a."""
    a, noise, new = 0.8, 0.3, RNG.normal(size=(7, 2))
    reg = CurvatureMLPRegressor((), target_scaling=None, **OPTIONS).fit(X, Y)
    posterior = laplace(reg, X, Y, prior_precision=a, noise_variance=noise)
    kernel = ConstantKernel(1 / a, "fixed") * DotProduct(1.0, "fixed")
    process = GaussianProcessRegressor(kernel, alpha=noise, optimizer=None).fit(X, Y)
    exact = process.predict(new, return_cov=True)[1]
    np.testing.assert_allclose(posterior.joint_covariance(new, noise=False), exact, atol=1e-11 * np.abs(exact).max())
    one = laplace(reg.fit(X, Y[:, 0]), X, Y[:, 0], prior_precision=a, noise_variance=noise)
    np.testing.assert_allclose(one.joint_covariance(new, noise=False), exact[:, :, 0], atol=1e-11 * exact.max())


def test_a_linear_model_has_the_covariance_of_bayesian_ridge():
    y, new = Y[:, 0], RNG.normal(size=(7, 2))
    ridge = BayesianRidge(tol=1e-14, max_iter=2000).fit(X, y)
    settings = {**OPTIONS, "alpha": ridge.lambda_ / ridge.alpha_}
    reg = CurvatureMLPRegressor((), target_scaling=None, **settings).fit(X, y)
    K = laplace(reg, X, y, noise_variance=1 / ridge.alpha_).joint_covariance(new)
    centred = new - X.mean(axis=0)
    intercept = 1 / (ridge.alpha_ * len(y))  # its variance, which scikit-learn leaves out
    exact = centred @ ridge.sigma_ @ centred.T + intercept + np.eye(7) / ridge.alpha_
    np.testing.assert_allclose(K, exact, atol=1e-8 * exact.max())
    np.testing.assert_allclose(np.diagonal(K), ridge.predict(new, return_std=True)[1] ** 2 + intercept, rtol=1e-8)


@pytest.mark.parametrize("how", ["dense", "kron", "last-layer"])
def test_draws_have_the_covariance_over_rows(how):
    reg, _ = _fit()
    posterior, m = laplace(reg, X, Y, how), 20_000
    y, K = posterior.sample_y(X[:6], m, 0), posterior.joint_covariance(X[:6])
    for c in range(2):
        spread = np.sqrt((np.outer(*[np.diagonal(K[:, :, c])] * 2) + K[:, :, c] ** 2) / m)  # of a sample covariance
        assert np.abs((np.cov(y[:, c]) - K[:, :, c]) / spread).max() < 5


def test_quantiles_are_normal():
    _, posterior = _fit(y=Y[:, 1])
    mean, std = posterior.predictive(X)
    q = posterior.quantiles(X, [0.05, 0.5, 0.95])
    assert q.shape == (50, 3)
    np.testing.assert_allclose(q[:, 1], mean, rtol=1e-12)
    np.testing.assert_allclose((q[:, 2] - q[:, 0]) / (2 * std), norm.ppf(0.95), rtol=1e-12)
    np.testing.assert_allclose(posterior.quantiles(X, 0.05), q[:, 0], rtol=1e-12)
    assert _fit()[1].quantiles(X, [0.1, 0.9]).shape == (50, 2, 2)


def test_a_draw_is_one_function():
    """Without noise, draws at two copies of a row are the same."""
    _, posterior = _fit(y=Y[:, 0])
    twice = posterior.sample_y(np.vstack([X[:3], X[:3]]), 5, 0, noise=False)
    np.testing.assert_allclose(twice[:3], twice[3:], rtol=1e-12)
    assert not np.allclose(*np.split(posterior.sample_y(np.vstack([X[:3], X[:3]]), 5, 0), 2))


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_a_log_link_goes_by_its_slope(loss):
    y = np.round(np.exp(1 + 0.3 * X[:, 0])) + 1
    reg, posterior = _fit(loss, y)
    mean, std = posterior.predictive(X, noise=False)
    np.testing.assert_allclose(mean, reg.predict(X), rtol=1e-10)
    np.testing.assert_allclose(std, mean * np.sqrt(posterior.latent(X)[1][:, 0, 0]), rtol=1e-6)
    S = posterior.latent(X)[1][:, 0, 0]
    K = posterior.joint_covariance(X, noise=False, offset=0.3) / np.outer(mean, mean) / np.exp(0.6)
    J = _rows(posterior, X, 0)
    exact = J @ np.stack([posterior.covariance_product(row) for row in J], axis=1)
    np.testing.assert_allclose(np.diagonal(K), S, rtol=1e-6)
    np.testing.assert_allclose(K, exact, atol=1e-6 * exact.max())
    if loss == "gamma":
        total = posterior.predictive(X)[1]
        np.testing.assert_allclose(total**2 - std**2, posterior.dispersion * mean**2, rtol=1e-6)
        assert posterior.log_evidence is None
    else:
        assert np.isfinite(posterior.log_evidence)
        with pytest.raises(ValueError, match="Allowed is noise=False"):
            posterior.predictive(X)
    with pytest.raises(ValueError, match=r"not normal\. Allowed is noise=False"):
        posterior.sample_y(X)


def test_predicted_noise_is_added():
    reg, posterior = _fit("gaussian_nll", Y[:, 0])
    noise = reg.predict(X, return_std=True)[1]
    inner, total = (posterior.predictive(X, noise=flag)[1] for flag in (False, True))
    np.testing.assert_allclose(total**2, inner**2 + noise**2, rtol=1e-8)
    np.testing.assert_allclose(np.diagonal(posterior.joint_covariance(X)), total**2, rtol=1e-8)


def test_probabilities_are_for_classifiers():
    with pytest.raises(ValueError, match=r"CurvatureMLPRegressor\. Allowed are classifiers\. Use predictive"):
        _fit()[1].predict_proba(X)
    clf = CurvatureMLPClassifier((), **OPTIONS).fit(X, X[:, 0] > 0)
    assert laplace(clf, X, X[:, 0] > 0).noise_variance == 1
