"""Probabilities under a posterior: against quadrature, against draws, and what must not change them."""

import numpy as np
import pytest
from scipy.special import expit, softmax
from scipy.stats import norm

from skcurv import CurvatureClassifier, CurvatureMLPClassifier
from skcurv.posterior import laplace
from skcurv.posterior.classification import bridge, mean_field, output_draws, probit
from skcurv.posterior.forms import HOWS

RNG = np.random.default_rng(11)
X = RNG.normal(size=(60, 3))
LABELS = np.argmax(X @ RNG.normal(size=(3, 3)) + 0.5 * RNG.normal(size=(60, 3)), axis=1)
OPTIONS = {"solver": "lm-newton", "max_iter": 50, "tol": 0, "alpha": 0.5, "random_state": 0}


def _gaussians(n, k, scale=1.0):
    R = RNG.normal(size=(n, k, k))
    return scale**0.5 * RNG.normal(size=(n, k)), scale * R @ np.swapaxes(R, 1, 2) / k


def test_probit_is_near_the_integral():
    """MacKay's approximation is within 0.02 of the integral for all means and variances (Spiegelhalter & Lauritzen)."""
    m, v = np.repeat([-4.0, -1.0, 0.0, 2.0], 4)[:, None], np.tile([0.1, 1.0, 4.0, 25.0], 4)
    grid = np.linspace(-9, 9, 4001)
    exact = np.trapezoid(expit(m + np.sqrt(v)[:, None] * grid) * norm.pdf(grid), grid, axis=1)
    np.testing.assert_allclose(probit(m, v[:, None, None])[:, 0], exact, atol=0.02)
    np.testing.assert_allclose(probit(m, 0 * v[:, None, None]), expit(m), rtol=1e-12)


def test_two_classes_are_one_log_odds():
    m, S = _gaussians(6, 2, 3.0)
    v = S[:, 0, 0] + S[:, 1, 1] - 2 * S[:, 0, 1]
    one = probit((m[:, 1] - m[:, 0])[:, None], v[:, None, None])[:, 0]
    np.testing.assert_allclose(mean_field(m, S), np.column_stack([1 - one, one]), rtol=1e-10)


@pytest.mark.parametrize("average", [mean_field, bridge])
def test_a_constant_on_all_outputs_changes_nothing(average):
    m, S = _gaussians(6, 4)
    P = average(m, S)
    np.testing.assert_allclose(P.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(average(m + 3.0, S), P, rtol=1e-8)
    np.testing.assert_allclose(average(m, S + 1e6), P, rtol=1e-6)
    order = [2, 0, 3, 1]
    np.testing.assert_allclose(average(m[:, order], S[:, order][:, :, order]), P[:, order], rtol=1e-8)


def test_averages_of_a_softmax_are_near_those_of_draws():
    m, S = _gaussians(30, 3)
    draws = np.mean([softmax(F, axis=1) for F in output_draws(m, S, 4000, RNG)], axis=0)
    assert np.abs(mean_field(m, S) - draws).max() < 0.06
    equal = np.broadcast_to(np.eye(3), S.shape)  # variances that differ move the bridge, however small they are
    near = np.mean([softmax(F, axis=1) for F in output_draws(m, equal, 4000, RNG)], axis=0)
    assert np.abs(bridge(m, equal) - near).max() < 0.12
    np.testing.assert_allclose(mean_field(m, 0 * S), softmax(m, axis=1), rtol=1e-10)


def test_the_bridge_is_the_dirichlet_of_its_reference():
    """Equation 9 of Hobbhahn and others, on logits that sum to zero and a covariance without that direction."""
    K, rest = 4, np.eye(4) - 0.25
    m, S = (RNG.normal(size=(5, K)) @ rest), rest @ _gaussians(5, K)[1] @ rest
    a = (1 - 2 / K + np.exp(m) * np.exp(-m).sum(axis=1, keepdims=True) / K**2) / np.einsum("ncc->nc", S)
    np.testing.assert_allclose(bridge(m, S), a / a.sum(axis=1, keepdims=True), rtol=1e-8)
    assert np.isfinite(bridge(300 * m, S)).all()


def test_draws_have_their_moments():
    m, S = _gaussians(2, 3)
    draws = np.array(list(output_draws(m, S, 20_000, np.random.default_rng(0))))
    np.testing.assert_allclose(draws.mean(axis=0), m, atol=5 * (S.max() / 20_000) ** 0.5)
    for i in range(2):
        np.testing.assert_allclose(np.cov(draws[:, i].T), S[i], atol=7 * S.max() / 20_000**0.5)


@pytest.mark.parametrize("how", HOWS)
def test_a_softmax_has_a_posterior_in_every_form(how):
    clf = CurvatureMLPClassifier((4,), "tanh", **OPTIONS).fit(X, LABELS)
    posterior = laplace(clf, X, LABELS, how)
    plain, far = clf.predict_proba(X), posterior.predict_proba(20 * X)
    P = posterior.predict_proba(X)
    np.testing.assert_allclose(P.sum(axis=1), 1, rtol=1e-12)
    assert np.mean(np.sort(P)[:, -1]) < np.mean(np.sort(plain)[:, -1])
    assert np.mean(np.max(far, axis=1)) < np.mean(np.max(clf.predict_proba(20 * X), axis=1))
    draws = posterior.predict_proba(X, "monte-carlo", 400, 0)
    assert np.abs(draws - P).max() < 0.12
    assert np.isfinite(posterior.predict_proba(X, "bridge")).all()
    assert np.isfinite(posterior.log_evidence)
    assert posterior.dispersion == 1


def test_logistic_regression_has_the_closed_form():
    y = (LABELS == 1).astype(int)
    clf = CurvatureMLPClassifier((), **OPTIONS).fit(X, y)
    A, p = np.column_stack([X, np.ones(60)]), clf.predict_proba(X)[:, 1]
    H = A.T @ ((p * (1 - p))[:, None] * A) + np.diag([0.5, 0.5, 0.5, 0.0])
    v = np.einsum("ip,pq,iq->i", A, np.linalg.inv(H), A)
    exact = expit(clf.decision_function(X) / np.sqrt(1 + np.pi / 8 * v))
    posterior = laplace(clf, X, y)
    np.testing.assert_allclose(posterior.predict_proba(X)[:, 1], exact, rtol=1e-8)
    spread = posterior.predict_proba_std(X, 2000, 0)
    np.testing.assert_allclose(spread[:, 0], spread[:, 1], rtol=1e-10)
    grid = np.linspace(-9, 9, 1001)
    P, density = expit(clf.decision_function(X)[:, None] + np.sqrt(v)[:, None] * grid), norm.pdf(grid)
    mean, square = (np.trapezoid(power * density, grid, axis=1) for power in (P, P**2))
    np.testing.assert_allclose(spread[:, 1], np.sqrt(square - mean**2), atol=0.01)


def test_labels_are_averaged_one_by_one():
    Y = np.column_stack([LABELS == 0, LABELS != 2]).astype(int)
    clf = CurvatureMLPClassifier((3,), "tanh", **OPTIONS).fit(X, Y)
    posterior = laplace(clf, X, Y)
    F, S = posterior.latent(X)
    np.testing.assert_allclose(posterior.predict_proba(X), probit(F, S), rtol=1e-12)
    assert posterior.predict_proba_std(X).shape == (60, 2)


def test_ordered_classes_are_averaged_over_draws():
    clf = CurvatureMLPClassifier((3,), "tanh", loss="ordinal", **OPTIONS).fit(X, LABELS)
    posterior = laplace(clf, X, LABELS)
    P = posterior.predict_proba(X, n_draws=200, random_state=0)
    np.testing.assert_allclose(P.sum(axis=1), 1, rtol=1e-10)
    with pytest.raises(ValueError, match=r"Allowed is one of .'auto', 'monte-carlo'"):
        posterior.predict_proba(X, "probit")


def test_a_model_function_of_two_classes():
    y = (LABELS == 1).astype(int)
    model = CurvatureClassifier(lambda X, b, c: X @ b + c, {"b": np.zeros(3), "c": 0.0}, alpha=0.5).fit(X, y)
    network = CurvatureMLPClassifier((), **OPTIONS).fit(X, y)
    network.theta_ = model.theta_
    own = laplace(model, X, y).predict_proba(X)
    np.testing.assert_allclose(own, laplace(network, X, y, prior_precision=0.5).predict_proba(X), rtol=1e-5)


def test_methods_that_do_not_apply_are_refused():
    clf = CurvatureMLPClassifier((), **OPTIONS).fit(X, LABELS == 1)
    posterior = laplace(clf, X, LABELS == 1)
    with pytest.raises(ValueError, match=r"'bridge'.*Allowed is one of \['auto', 'probit', 'monte-carlo'\]\. Set"):
        posterior.predict_proba(X, "bridge")
