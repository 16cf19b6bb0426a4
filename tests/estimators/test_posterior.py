"""posterior="laplace" on the estimators: the same as `laplace` after the fit, and what it gives to predictions."""

import pickle

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.stats import norm
from sklearn.base import clone

from skcurv import CurvatureMLPClassifier, CurvatureMLPRegressor
from skcurv.estimators import posterior as settings
from skcurv.posterior import laplace

RNG = np.random.default_rng(2)
X = RNG.normal(size=(50, 3))
Y = X[:, 0] + 0.3 * RNG.normal(size=50)
W = RNG.uniform(0.5, 2, 50)
OPTIONS = {"solver": "lm-newton", "max_iter": 30, "tol": 0, "alpha": 0.5, "random_state": 0, "posterior": "laplace"}


def _regressor(**options):
    return CurvatureMLPRegressor((4,), "tanh", **{**OPTIONS, **options})


@pytest.mark.parametrize("solver", ["lm-newton", "adam"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_fit_has_the_posterior_of_its_rows(dtype, solver):
    rows = X.astype(dtype)
    reg = _regressor(solver=solver).fit(rows, Y, W)
    after = laplace(reg, rows, Y, sample_weight=W)
    eps = 1e-10 if dtype is np.float64 else 1e-4
    mean, std = reg.predict(rows, return_std=True)
    np.testing.assert_allclose(std, after.predictive(rows)[1], rtol=eps)
    assert std.dtype == mean.dtype == dtype
    np.testing.assert_allclose(mean, clone(reg).set_params(posterior=None).fit(rows, Y, W).predict(rows), rtol=1e-6)
    np.testing.assert_allclose(reg.predict_quantiles(rows, [0.1, 0.9]), after.quantiles(rows, [0.1, 0.9]), rtol=eps)
    assert reg.sample_y(rows, 3).shape == (50, 3)
    np.testing.assert_allclose(reg.posterior_.log_evidence, after.log_evidence, rtol=eps)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_covariances_over_rows_beside_predictions(dtype):
    rows, two = X[:8].astype(dtype), np.column_stack([Y, 100 * X[:, 1] + RNG.normal(size=50)])
    one, both = _regressor().fit(X.astype(dtype), Y), _regressor().fit(X.astype(dtype), two)
    for reg, shape in ((one, (8, 8)), (both, (8, 8, 2))):
        mean, cov = reg.predict(rows, return_cov=True)
        np.testing.assert_array_equal(mean, reg.predict(rows))
        assert cov.shape == shape
        assert cov.dtype == mean.dtype == dtype
        std = reg.predict(rows, return_std=True)[1]
        np.testing.assert_allclose(np.diagonal(cov).T, std**2, rtol=100 * np.finfo(dtype).eps)
        np.testing.assert_allclose(cov, reg.posterior_.joint_covariance(rows), rtol=np.finfo(dtype).eps)


def test_quantiles_of_a_predicted_deviation_are_normal():
    reg = CurvatureMLPRegressor((4,), "tanh", loss="gaussian_nll", solver="lm-newton", max_iter=5, tol=0).fit(X, Y)
    mean, std = reg.predict(X, return_std=True)
    exact = norm.ppf([0.05, 0.5, 0.95], mean[:, None], std[:, None])
    np.testing.assert_allclose(reg.predict_quantiles(X, [0.05, 0.5, 0.95]), exact, rtol=1e-12)
    with pytest.raises(ValueError, match="q=0 was given"):
        reg.predict_quantiles(X, 0)


def test_large_networks_have_kronecker_products(monkeypatch):
    monkeypatch.setattr(settings, "DENSE", 20)
    assert _regressor().fit(X, Y).posterior_.how == "kron"


@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_are_averaged(classes):
    y = np.digitize(Y, [-0.4, 0.4]) if classes == 3 else (Y > 0).astype(int)
    options = {**OPTIONS, "alpha": 1e-3}  # a network that is too sure
    clf = CurvatureMLPClassifier((4,), "tanh", class_weight="balanced", **options).fit(X, y, W)
    P = clf.predict_proba(X)
    after = laplace(clf, X, y, sample_weight=W, temperature="held-out")
    assert 0 < after.temperature == clf.posterior_.temperature
    np.testing.assert_allclose(P, after.predict_proba(X), rtol=1e-9)
    np.testing.assert_array_equal(clf.predict(X), clf.classes_[np.argmax(P, axis=1)])
    np.testing.assert_allclose(clf.predict_log_proba(X), np.log(P), rtol=1e-12)
    D = clf.decision_function(X)
    np.testing.assert_allclose(D, np.log(P[:, 1] / P[:, 0]) if classes == 2 else np.log(P), rtol=1e-8)
    assert (clf.predict_proba_std(X) > 0).all()
    plain = clone(clf).set_params(posterior=None).fit(X, y, W).predict_proba(X)
    assert np.max(P, axis=1).mean() < np.max(plain, axis=1).mean()


def test_a_posterior_is_of_the_training_part_and_leaves_no_trace_of_its_refits():
    y, options = (X[:, 0] > 0).astype(int), {**OPTIONS, "solver": "adam"}
    clf = CurvatureMLPClassifier((4,), early_stopping=True, warm_start=True, **options).fit(csr_matrix(X), y, W)
    plain = clone(clf).set_params(posterior=None).fit(csr_matrix(X), y, W)
    np.testing.assert_array_equal(clf.theta_, plain.theta_)
    assert set(vars(clf)) - set(vars(plain)) == {"posterior_"}
    assert clf.posterior_.temperature >= 0
    assert _regressor().fit(X, Y).posterior_.temperature == 1


def test_offsets_shift_means_alone_or_go_through_the_link():
    offset = np.linspace(0, 1, 50)
    reg = _regressor().fit(X, Y + offset, offset=offset)
    np.testing.assert_allclose(reg.predict(X, offset, return_std=True)[1], reg.predict(X, return_std=True)[1])
    counts = np.random.default_rng(0).gamma(5, np.exp(0.3 * X[:, 0] + offset))
    reg = _regressor(loss="gamma").fit(X, counts, offset=offset)
    mean, std = reg.predict(X, offset, return_std=True)
    F, S = reg.posterior_.latent(X)
    np.testing.assert_allclose(mean, np.exp(F[:, 0] + offset), rtol=1e-10)
    np.testing.assert_allclose(std, mean * np.sqrt(S[:, 0, 0] + reg.posterior_.dispersion), rtol=1e-6)
    cov = reg.predict(X, offset, return_cov=True)[1]
    np.testing.assert_allclose(np.diagonal(cov), std**2, rtol=1e-6)


def test_a_posterior_is_pickled_and_survives_a_failed_fit():
    reg = _regressor().fit(X, Y)
    before = reg.predict(X, return_std=True)[1]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(reg)).predict(X, return_std=True)[1], before)
    with pytest.raises(ValueError, match="NaN"):
        reg.fit(X, np.full(50, np.nan))
    np.testing.assert_array_equal(reg.predict(X, return_std=True)[1], before)


def test_what_has_no_posterior_says_how_to_get_one():
    reg = CurvatureMLPRegressor((2,), solver="adam", max_iter=1, tol=0).fit(X, Y)
    with pytest.raises(ValueError, match="Use posterior='laplace'"):
        reg.predict(X, return_std=True)
    for call in (
        lambda: reg.predict_quantiles(X, 0.5),
        lambda: reg.sample_y(X),
        lambda: reg.predict(X, return_cov=True),
    ):
        with pytest.raises(ValueError, match=r"posterior=None .* Allowed are .*posterior='laplace'"):
            call()
    with pytest.raises(ValueError, match=r"return_cov=True were given\. Allowed is one .* Pass return_cov=True"):
        reg.predict(X, return_std=True, return_cov=True)
    chunked = CurvatureMLPClassifier((2,), solver="adam", max_iter=1, tol=0, posterior="laplace").fit(X, Y > 0)
    assert hasattr(chunked, "posterior_")
    chunked.partial_fit(X, Y > 0)
    with pytest.raises(ValueError, match="predict_proba_std was asked"):
        chunked.predict_proba_std(X)
    with pytest.raises(ValueError, match="posterior='mcmc'"):
        CurvatureMLPClassifier(posterior="mcmc").fit(X, Y > 0)


def test_a_prior_set_by_the_evidence_is_that_of_the_posterior():
    reg = _regressor(alpha="evidence", max_iter=20).fit(X, Y, W)
    posterior = laplace(reg, X, Y, sample_weight=W, noise_variance=reg.noise_variance_)
    np.testing.assert_allclose(posterior.log_evidence, reg.log_evidence_, rtol=1e-9)
    np.testing.assert_allclose(posterior.effective_n_parameters, reg.effective_n_parameters_, rtol=1e-8)
    np.testing.assert_allclose(reg.posterior_.effective_n_parameters, reg.effective_n_parameters_, rtol=1e-8)
