"""Predictions of regressors under a posterior, in the target's units."""

import numpy as np
import pytest
from scipy.stats import norm

from skcurv import CurvatureMLPClassifier, CurvatureMLPRegressor
from skcurv.posterior import laplace, predictive

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


def test_probabilities_are_for_classifiers():
    with pytest.raises(ValueError, match=r"CurvatureMLPRegressor\. Allowed are classifiers\. Use predictive"):
        _fit()[1].predict_proba(X)
    clf = CurvatureMLPClassifier((), **OPTIONS).fit(X, X[:, 0] > 0)
    assert laplace(clf, X, X[:, 0] > 0).noise_variance == 1
