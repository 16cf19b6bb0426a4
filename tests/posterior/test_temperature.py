"""The temperature of a posterior: what it scales, on which rows it is found, and that it is the best of its grid."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.special import expit
from sklearn.base import clone

from skcurv import CurvatureClassifier, CurvatureMLPClassifier, CurvatureMLPRegressor
from skcurv.posterior import laplace, temperature
from skcurv.posterior.classification import log_density, probit

RNG = np.random.default_rng(7)
X = RNG.normal(size=(80, 3))
SCORES = X @ RNG.normal(size=(3, 3)) + 0.8 * RNG.gumbel(size=(80, 3))
Y = np.argmax(SCORES, axis=1)
W = RNG.uniform(0.5, 2, 80)
OPTIONS = {"solver": "lm-newton", "max_iter": 30, "tol": 0, "alpha": 0.1, "random_state": 0}


def _fit(y=Y, hidden=(3,), **options):
    return CurvatureMLPClassifier(hidden, "tanh", **{**OPTIONS, **options}).fit(X, y)


# --------------------------------------------------------------------------------------------- what T is


def test_it_is_a_factor_of_covariances_and_of_nothing_else():
    clf = _fit()
    one, other = laplace(clf, X, Y), laplace(clf, X, Y, temperature=0.3)
    (F, S), (G, R) = one.latent(X), other.latent(X)
    np.testing.assert_array_equal(F, G)
    np.testing.assert_allclose(R, 0.3 * S, rtol=1e-14)
    v = RNG.normal(size=clf.theta_.size)
    np.testing.assert_allclose(other.covariance_product(v), 0.3 * one.covariance_product(v), rtol=1e-14)
    moved, less = (p.sample(3, 0) - clf.theta_ for p in (one, other))
    np.testing.assert_allclose(less, 0.3**0.5 * moved, rtol=1e-10, atol=1e-12)
    assert one.log_evidence == other.log_evidence
    assert one.effective_n_parameters == other.effective_n_parameters
    reg = CurvatureMLPRegressor((), **OPTIONS).fit(X, SCORES[:, 0])
    cold = laplace(reg, X, SCORES[:, 0], temperature=0.3)
    np.testing.assert_allclose(
        cold.predictive(X, noise=False)[1] ** 2,
        0.3 * laplace(reg, X, SCORES[:, 0]).predictive(X, noise=False)[1] ** 2,
        rtol=1e-12,
    )


@pytest.mark.parametrize("y", [Y, Y == 1, np.column_stack([Y == 0, Y != 2]).astype(int)], ids=["3", "2", "labels"])
def test_at_zero_probabilities_are_the_networks(y):
    clf = _fit(y)
    posterior = laplace(clf, X, y, temperature=0.0)
    np.testing.assert_allclose(posterior.predict_proba(X), clf.predict_proba(X), rtol=1e-10)
    assert posterior.predict_proba_std(X).max() < 1e-14


def test_what_is_no_temperature_is_refused():
    clf = _fit(hidden=())
    for wrong in (-1.0, np.inf, "evidence", None):
        with pytest.raises(ValueError, match=r"temperature=.* was given .*\. Allowed is .*'held-out'\. Pass 1\.0"):
            laplace(clf, X, Y, temperature=wrong)
    reg = CurvatureMLPRegressor((), **OPTIONS).fit(X, SCORES[:, 0])
    with pytest.raises(ValueError, match="CurvatureMLPRegressor"):
        laplace(reg, X, SCORES[:, 0], temperature="held-out")


# ---------------------------------------------------------------------------------- the density of a label


def test_the_density_of_labels_is_that_of_the_averaged_probabilities():
    for y in (Y, (Y == 1).astype(int), np.column_stack([Y == 0, Y != 2]).astype(int)):
        clf = _fit(y)
        posterior = laplace(clf, X, y)
        found = log_density(posterior, *posterior.latent(X), clf.targets_.encode(y, float))
        P = posterior.predict_proba(X)
        exact = np.sum(np.log(np.where(y, P, 1 - P)), axis=1) if y.ndim == 2 else np.log(P[np.arange(80), y])
        np.testing.assert_allclose(found, exact, rtol=1e-8)


def test_a_sure_error_keeps_its_digits():
    clf = _fit(Y == 1)
    m = np.array([[200.0], [-200.0], [1e5]])
    found = log_density(laplace(clf, X, Y == 1), m, np.zeros((3, 1, 1)), np.array([[0.0], [1.0], [0.0]]))
    np.testing.assert_allclose(found[:2], -200, rtol=1e-12)
    assert np.isfinite(found).all()


# ------------------------------------------------------------------------------------------------- folds


def test_every_row_is_held_out_once_and_classes_are_dealt_evenly():
    codes = np.repeat([0, 1, 2, 3], [40, 33, 2, 1])
    group, of = temperature.groups(RNG.normal(size=(76, 2)), codes, 0)
    parts = list(temperature.folds(group, of))
    held = np.concatenate([test for _, test in parts])
    assert sorted(held) == list(range(75))  # the only row of its class is never held out
    for train, test in parts:
        assert not set(train) & set(test)
        assert len(train) + len(test) == 76
        assert set(codes[train]) == {0, 1, 2, 3}
        counts = np.bincount(codes[test], minlength=4)
        assert np.all(np.abs(counts - np.bincount(codes) / 5) < 1)


def test_folds_are_those_of_the_rows_whatever_their_order_their_copies_and_their_storage():
    order = RNG.permutation(80)
    copied = np.repeat(order, RNG.integers(1, 4, 80))

    def held_rows(rows, storage=np.asarray, seed=0):
        found = temperature.folds(*temperature.groups(storage(X[rows]), Y[rows], seed))
        return [set(rows[test]) for _, test in found]

    first = held_rows(np.arange(80))
    assert held_rows(order) == held_rows(copied) == held_rows(copied, csr_matrix) == first
    assert held_rows(np.arange(80), seed=1) != first


def test_few_folds_of_many_rows():
    group = np.arange(12_000)
    assert [len(test) for _, test in temperature.folds(group, group % 2)] == [2400]
    group = np.arange(5000)
    assert [len(test) for _, test in temperature.folds(group, group % 2)] == [1000, 1000]


# ------------------------------------------------------------------------------------------- the best T


@pytest.mark.parametrize("classes", [2, 3])
def test_it_forecasts_rows_held_out_best(classes, monkeypatch):
    """By hand: refits with scikit-learn's clone, their closed forms for logistic regression, every T of the grid."""
    y = Y if classes == 3 else (Y == 1).astype(int)
    clf = _fit(y, hidden=() if classes == 2 else (3,), alpha=1e-3)
    found = laplace(clf, X, y, sample_weight=W, temperature="held-out").temperature
    scores = 0.0
    for train, test in temperature.folds(*temperature.groups(X, y, clf.seed_)):
        refit = clone(clf).set_params(random_state=clf.seed_).fit(X[train], y[train], W[train])
        F, S = laplace(refit, X[train], y[train], sample_weight=W[train]).latent(X[test])
        if classes == 2:
            A, B = (np.column_stack([X[rows], np.ones(len(rows))]) for rows in (train, test))
            p = expit(refit.decision_function(X[train]))
            H = A.T @ ((W[train] * p * (1 - p))[:, None] * A) + np.diag([1e-3, 1e-3, 1e-3, 0])
            np.testing.assert_allclose(S[:, 0, 0], np.einsum("ip,pq,iq->i", B, np.linalg.inv(H), B), rtol=1e-6)
            P = np.array([np.where(y[test], *(probit(s * F, T * S)[:, 0] for s in (1, -1))) for T in temperature.GRID])
            scores = scores + np.log(P) @ W[test]
        else:
            posterior, one_hot = laplace(refit, X[train], y[train], sample_weight=W[train]), np.eye(3)[y[test]]
            scores = scores + np.array([W[test] @ log_density(posterior, F, T * S, one_hot) for T in temperature.GRID])
    assert temperature.GRID[0] == 0
    assert found == temperature.GRID[np.argmax(scores)]
    assert 0 < found < temperature.GRID[-1]


def test_averaging_is_no_worse_than_the_network_on_rows_of_neither():
    """A network that goes through its rows: T H^-1 mends its log-loss; that of H^-1 is worse."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1200, 5))
    y = (rows[:, 0] + 0.5 * np.sin(3 * rows[:, 1]) + 0.3 * rng.logistic(size=1200) > 0).astype(int)
    clf = CurvatureMLPClassifier((10,), "tanh", **{**OPTIONS, "alpha": 1e-3, "max_iter": 60}).fit(rows[:200], y[:200])

    def loss(P):
        return -np.mean(np.log(P[np.arange(1000), y[200:]]))

    plain = loss(clf.predict_proba(rows[200:]))
    tempered = laplace(clf, rows[:200], y[:200], temperature="held-out")
    assert tempered.temperature < 1
    assert loss(tempered.predict_proba(rows[200:])) < 0.5 * plain
    assert loss(tempered.predict_proba(rows[200:])) < loss(laplace(clf, rows[:200], y[:200]).predict_proba(rows[200:]))


def test_nothing_to_hold_out_is_a_temperature_of_one():
    clf = _fit(hidden=(), alpha=1.0).fit(X[[0, 1]], [0, 1])
    assert laplace(clf, X[[0, 1]], [0, 1], temperature="held-out").temperature == 1


def test_model_functions_ordered_classes_labels_and_class_weights_have_one():
    y = (Y == 1).astype(int)
    model = CurvatureClassifier(lambda X, b, c: X @ b + c, {"b": np.zeros(3), "c": 0.0}, alpha=0.5).fit(X, y)
    ordered, rare = _fit(loss="ordinal"), np.column_stack([Y == 0, np.arange(80) == 3]).astype(int)
    weighted = _fit(class_weight={0: 1, 1: 2, 2: 1})
    for clf, targets in ((model, y), (ordered, Y), (weighted, Y), (_fit(rare), rare)):
        posterior = laplace(clf, X, targets, temperature="held-out")
        assert posterior.temperature in temperature.GRID
        assert np.isfinite(np.log(posterior.predict_proba(X, random_state=0))).all()
    by_rows = laplace(_fit(), X, Y, sample_weight=np.where(Y == 1, 2.0, 1.0), temperature="held-out")
    assert laplace(weighted, X, Y, temperature="held-out").temperature == by_rows.temperature
