"""Estimates, standard errors and criteria of other likelihoods against statsmodels 0.15.0.

Numbers were printed by ``sm.GLM(y, X, family, offset, freq_weights).fit(tol=1e-14, cov_type)`` with log links (the
canonical one for labels), ``sm.NegativeBinomial``, ``sm.MNLogit`` and ``OrderedModel(..., distr="logit")``, for the
data of `samples`: ``params``, ``bse``, ``llf``, ``scale``. Its GLM knows no factor n / (n - p) of robust errors,
whatever `cov_type` says: HC1 is its HC0 times that factor's root.
"""

import numpy as np
import pytest
from scipy.special import gammaln
from scipy.stats import poisson

from skcurv.losses import Tweedie

from .samples import (
    N,
    X,
    classifier,
    counts,
    dispersed,
    labels,
    offset,
    positive,
    regressor,
    three,
    weights,
    x,
)

HC1 = np.sqrt(N / (N - 2))
REAL = {
    "poisson": (
        (counts, "poisson", {}, {}),
        ([0.566206753974219, 0.615268210391509], [0.202251262191821, 0.106833743561579]),
        (-33.16533795773162, 1.0),
    ),
    "poisson, offset": (
        (counts, "poisson", {}, {"offset": offset}),
        ([0.485008485110541, 0.625365041204247], [0.202460389266409, 0.107012427070159]),
        (-34.65030403009367, 1.0),
    ),
    "poisson, sandwich": (
        (counts, "poisson", {"cov_type": "sandwich"}, {}),
        ([0.566206753974219, 0.615268210391509], HC1 * np.array([0.165857977699041, 0.096543613619045])),
        (-33.16533795773162, 1.0),
    ),
    "gamma": (
        (positive, "gamma", {}, {}),
        ([0.222152418326366, 0.629668125530038], [0.090118863036455, 0.060500855912869]),
        (None, 0.15213344509475962),
    ),
    "gamma, offset": (
        (positive, "gamma", {}, {"offset": offset}),
        ([0.243193996234578, 0.639438934541643], [0.114437002249178, 0.076826719189493]),
        (None, 0.24531620497782006),
    ),
    "tweedie": (
        (positive, Tweedie(1.5), {}, {}),
        ([0.231476164497539, 0.616252283743248], [0.102039604793047, 0.06060251168414]),
        (None, 0.18889060941510225),
    ),
}
LABELS = {
    "logistic": (
        {},
        {},
        ([-0.025159813998071, 0.749541664297502], [0.515492116880727, 0.392204127667534]),
        -11.468654090615953,
    ),
    "logistic, observed": (
        {"cov_type": "hessian"},
        {},
        ([-0.025159813998071, 0.749541664297502], [0.515492116880727, 0.392204127667534]),
        -11.468654090615953,
    ),
    "logistic, sandwich": (
        {"cov_type": "sandwich"},
        {},
        ([-0.025159813998071, 0.749541664297502], HC1 * np.array([0.517094381035105, 0.373593549361811])),
        -11.468654090615953,
    ),
    "logistic, weights": (
        {},
        {"sample_weight": weights},
        ([0.056391152517759, 0.92618101984047], [0.409963713766251, 0.331629326458105]),
        -18.333803349312785,
    ),
}
DIGITS = 1e-6  # of estimates and of matrices made from J
OBSERVED = 1e-5  # of an observed information, a difference of differences


def check_criteria(model, ll, p):
    np.testing.assert_allclose(model.log_likelihood_, ll, rtol=1e-9)
    np.testing.assert_allclose([model.aic_, model.bic_], [2 * p - 2 * ll, p * np.log(N) - 2 * ll], rtol=1e-9)


@pytest.mark.parametrize("name", REAL)
def test_generalised_linear_models(name):
    (y, loss, options, data), (b, error), (ll, phi) = REAL[name]
    reg = regressor(loss=loss, **options).fit(X, y, **data)
    np.testing.assert_allclose(reg.theta_, b, rtol=DIGITS)
    np.testing.assert_allclose(reg.stderr_["theta"], error, rtol=DIGITS)
    np.testing.assert_allclose(reg.dispersion_, phi, rtol=DIGITS)
    assert reg.dof_ == N - 2
    if ll is None:
        assert not hasattr(reg, "aic_")
    else:
        check_criteria(reg, ll, 2)


@pytest.mark.parametrize("name", LABELS)
def test_logistic_regression(name):
    options, data, (b, error), ll = LABELS[name]
    clf = classifier(**options).fit(X, labels, **data)
    np.testing.assert_allclose(clf.theta_, b, rtol=DIGITS)
    np.testing.assert_allclose(clf.stderr_["theta"], error, rtol=OBSERVED if clf.cov_type == "hessian" else DIGITS)
    check_criteria(clf, ll, 2)
    assert clf.dispersion_ == 1


def log_mean_and_dispersion(X, b, log_alpha):
    return np.column_stack([X @ b, np.full(len(X), log_alpha)])


def test_negative_binomial_regression_with_the_observed_information():
    """statsmodels has alpha, not its logarithm, whose standard error is that of alpha over alpha."""
    reg = regressor(log_mean_and_dispersion, {"b": np.zeros(2), "log_alpha": 0.0}, loss="negative_binomial")
    reg.set_params(cov_type="hessian").fit(X, dispersed)
    np.testing.assert_allclose(reg.params_["b"], [1.339944660053914, 0.574495239722123], rtol=DIGITS)
    np.testing.assert_allclose(np.exp(reg.params_["log_alpha"]), 0.859266748061405, rtol=DIGITS)
    np.testing.assert_allclose(reg.stderr_["b"], [0.257627707371144, 0.172192628216701], rtol=DIGITS)
    np.testing.assert_allclose(reg.stderr_["log_alpha"], 0.43126299903484144, rtol=DIGITS)
    check_criteria(reg, -53.55951414615747, 3)
    mean, std = reg.predict(X[:4], return_std=True)
    delta = mean * np.sqrt(np.einsum("np,pq,nq->n", X[:4], reg.cov_[:2, :2], X[:4]))
    np.testing.assert_allclose(std, delta, rtol=1e-8)


def against_first(X, theta):
    return np.column_stack([np.zeros(len(X)), X @ theta.reshape(2, 2).T])


def test_multinomial_regression():
    clf = classifier(against_first, np.zeros(4)).fit(X, three)
    b = [0.082283749011727, 0.965670069671325, -0.525929453063497, 1.410870902053525]
    error = [0.634385035675532, 0.538387760204345, 0.796696822884789, 0.630294398620378]
    np.testing.assert_allclose(clf.theta_, b, rtol=DIGITS)
    np.testing.assert_allclose(clf.stderr_["theta"], error, rtol=DIGITS)
    check_criteria(clf, -17.696036681866012, 4)
    assert clf.dof_ == N - 4  # a label is one target, however many columns encode it


def proportional_odds(X, slope, first, log_gap):
    """Cumulative logits first - slope x and exp(log_gap) more, the second through the inverse of the softplus."""
    return np.column_stack([first - slope * X[:, 0], np.full(len(X), np.log(np.expm1(np.exp(log_gap))))])


def test_ordinal_regression_with_the_observed_information():
    """OrderedModel's parameters: slope, first threshold, logarithm of the distance to the second."""
    start = {"slope": 0.0, "first": 0.0, "log_gap": 0.0}
    clf = classifier(proportional_odds, start, loss="ordinal", cov_type="hessian").fit(x[:, None], three)
    np.testing.assert_allclose(clf.theta_, [0.920712470115507, -0.472077370462126, 0.712899056635889], rtol=DIGITS)
    error = [0.364989871862731, 0.543690214667063, 0.348632663637812]
    np.testing.assert_allclose(list(clf.stderr_.values()), error, rtol=DIGITS)
    check_criteria(clf, -17.95343846846984, 3)


def test_labels_of_weights_are_labels_repeated():
    """w copies of a row: the same estimates, errors and likelihood."""
    copies = 1 + np.arange(N) % 3
    weighted = classifier().fit(X, labels, sample_weight=copies)
    repeated = classifier().fit(np.repeat(X, copies, axis=0), np.repeat(labels, copies))
    np.testing.assert_allclose(weighted.theta_, repeated.theta_, rtol=1e-7)
    np.testing.assert_allclose(weighted.cov_, repeated.cov_, rtol=1e-7)
    np.testing.assert_allclose(weighted.log_likelihood_, repeated.log_likelihood_, rtol=1e-12)


def test_the_profile_of_a_likelihood_is_its_ratio():
    """At an end twice the log-likelihood has fallen by the quantile of chi squared, computed from its definition."""
    reg = regressor(loss="poisson").fit(X, counts, offset=offset)

    def ll(b):
        F = X @ b + offset
        return np.sum(counts * F - np.exp(F) - gammaln(counts + 1))

    np.testing.assert_allclose(ll(reg.theta_), reg.log_likelihood_, rtol=1e-12)
    for end in reg.conf_interval("theta[1]", level=0.9)["theta[1]"]:
        b = np.array([0.0, end])
        for _ in range(30):  # Newton's method in the intercept
            mu = np.exp(X @ b + offset)
            b[0] += np.sum(counts - mu) / np.sum(mu)
        np.testing.assert_allclose(2 * (reg.log_likelihood_ - ll(b)), 1.6448536269514722**2, rtol=1e-4)


def test_a_likelihood_is_without_the_penalty():
    reg = regressor(loss="poisson", alpha=3.0).fit(X, counts, sample_weight=weights)
    ll = weights @ poisson.logpmf(counts, np.exp(X @ reg.theta_))
    np.testing.assert_allclose(reg.log_likelihood_, ll, rtol=1e-12)


@pytest.mark.parametrize(("loss", "y"), [("poisson", counts), ("gamma", positive)])
def test_the_standard_error_of_a_mean_under_a_log_link(loss, y):
    reg = regressor(loss=loss).fit(X, y, offset=offset)
    mean, std = reg.predict(X, offset=offset, return_std=True)
    np.testing.assert_allclose(mean, np.exp(X @ reg.theta_ + offset), rtol=1e-14)
    np.testing.assert_allclose(std, mean * np.sqrt(np.einsum("np,pq,nq->n", X, reg.cov_, X)), rtol=1e-7)
