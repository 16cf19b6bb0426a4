r"""Probabilities averaged over Gaussian raw outputs F ~ N(m, S), of one row.

* one logistic output, and each label of several: with v the variance of the log-odds,
  E sigmoid(F) ~ sigmoid(m / sqrt(1 + pi v / 8))                                          (MacKay 1992)
* a softmax: with v_ij = S_ii + S_jj - 2 S_ij the variance of F_i - F_j,
  E p_i ~ 1 / sum_j exp(-(m_i - m_j) / sqrt(1 + pi v_ij / 8)), then divided by their sum  (Lu, Ie & Sha 2020)
  Pairs of classes are what a softmax sees: a constant added to all outputs, and a flat prior on it, change nothing.
  Scaling each output by its own variance (Daxberger and others 2021) would. For two classes it is the first line.
* the Laplace bridge: the Dirichlet distribution with E p_i = a_i / sum_j a_j,
  a_i = (1 - 2 / K + exp(m'_i) sum_j exp(-m'_j) / K^2) / S'_ii,                   (Hobbhahn and others 2022)
  m' = R m and S' = R S R without the mean of the outputs, R = I - 1 1' / K. The reference conditions on their sum
  being zero, which is the same under a flat prior on it, and else would change the differences that a softmax sees.
* draws of F

The logarithm of the average is taken without 1 - E p where two outcomes are all: E sigmoid(-F) has digits that 1 - E p
has lost.
"""

import math

import numpy as np
from scipy.special import logsumexp, softmax
from sklearn.utils import check_random_state

from ..backend.namespace import sigmoid

DRAWS = 100  # of the raw outputs, where they are averaged over draws
METHODS = ("auto", "probit", "bridge", "monte-carlo")


class Averaging:
    """Predictions of a `Laplace` of a classifier."""

    def predict_proba(self, X, method="auto", n_draws=DRAWS, random_state=None):
        """Probabilities of a classifier, averaged over the posterior.

        Parameters
        ----------
        X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
        method : {"auto", "probit", "bridge", "monte-carlo"}, default="auto"
            "probit" scales each log-odds by 1 / sqrt(1 + pi v / 8), v its variance, of each pair of classes where there
            are three or more; "bridge" is the Laplace bridge to a Dirichlet distribution, for three or more classes;
            "monte-carlo" averages over draws of the raw outputs. "auto" is "probit" where the link is logistic or a
            softmax, else "monte-carlo".
        n_draws : int, default=100
        random_state : int, RandomState instance or None, default=None
            For "monte-carlo".

        Returns
        -------
        P : ndarray of shape (n_samples, n_classes) or (n_samples, n_labels)

        References
        ----------
        D. J. C. MacKay, "The evidence framework applied to classification networks", Neural Computation 4 (1992);
        Z. Lu, E. Ie and F. Sha, "Mean-field approximation to Gaussian-softmax integral", 2020; M. Hobbhahn,
        A. Kristiadi and P. Hennig, "Fast predictive uncertainty for classification with Bayesian deep networks", UAI
        2022.
        """
        return averaged(self, X, method, n_draws, check_random_state(random_state))

    def predict_proba_std(self, X, n_draws=DRAWS, random_state=None):
        """Standard deviations of a classifier's probabilities over the posterior, by draws of the raw outputs.

        Parameters
        ----------
        X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
        n_draws : int, default=100
        random_state : int, RandomState instance or None, default=None

        Returns
        -------
        ndarray of shape (n_samples, n_classes) or (n_samples, n_labels)
        """
        return spread(self, X, n_draws, check_random_state(random_state))


def probit(m, S):
    """E sigmoid(F) (n, k) by output."""
    return sigmoid(m / np.sqrt(1 + np.pi / 8 * np.einsum("ncc->nc", S)))


def mean_field(m, S):
    """E softmax(F) (n, k) by pairs of classes."""
    v = np.einsum("ncc->nc", S)
    pairs = np.maximum(v[:, :, None] + v[:, None, :] - 2 * S, 0.0)
    z = (m[:, :, None] - m[:, None, :]) / np.sqrt(1 + np.pi / 8 * pairs)
    return softmax(-logsumexp(-z, axis=2), axis=1)


def bridge(m, S):
    """E softmax(F) (n, k) by a Dirichlet distribution, for three classes or more."""
    K = m.shape[1]
    R = np.eye(K) - 1 / K
    m, v = m @ R, np.maximum(np.einsum("ij,njl,li->ni", R, S, R), np.finfo(m.dtype).tiny)
    grown = m + logsumexp(-m, axis=1, keepdims=True) - 2 * math.log(K)
    return softmax(np.logaddexp(math.log1p(-2 / K), grown) - np.log(v), axis=1)


def output_draws(m, S, n_draws, rng):
    """Draws of the raw outputs, n_draws arrays (n, k)."""
    s, Q = np.linalg.eigh(S)
    root = Q * np.sqrt(np.maximum(s, 0.0))[:, None, :]
    for _ in range(n_draws):
        yield m + (root @ rng.standard_normal(m.shape)[:, :, None])[:, :, 0]


def averaged(posterior, X, method, n_draws, rng):
    """Probabilities (n, K) of classes or labels, averaged over the posterior; never 0."""
    m, S = posterior.latent(X)
    method = _checked(posterior, method, m.shape[1])
    if method == "probit" and m.shape[1] == 1 and not posterior.estimator.targets_.multilabel:
        P = np.hstack([probit(-m, S), probit(m, S)])  # 1 - P has no digits left where P is near 1
    else:
        P = _both(posterior, _columns(posterior, m, S, method, n_draws, rng))
    return np.maximum(P, np.finfo(P.dtype).tiny)


def _columns(posterior, m, S, method, n_draws, rng):
    """The averaged means (n, k) of the targets' columns."""
    if method == "monte-carlo":
        return sum(posterior.loss.predict(F) for F in output_draws(m, S, n_draws, rng)) / n_draws
    if method == "bridge":
        return bridge(m, S)
    return mean_field(m, S) if posterior.loss.out_activation == "softmax" else probit(m, S)


def log_density(posterior, m, S, Y):
    """The logarithm of the averaged probability (n,) of targets Y (n, k), 0 or 1; finite."""
    method = _checked(posterior, "auto", m.shape[1])
    P = _columns(posterior, m, S, method, DRAWS, np.random.default_rng(0))
    if posterior.estimator.targets_.exclusive:
        return np.sum(Y * _log(P), axis=1)
    others = probit(-m, S) if method == "probit" else 1 - P
    return np.sum(Y * _log(P) + (1 - Y) * _log(others), axis=1)


def _log(P):
    return np.log(np.maximum(P, np.finfo(P.dtype).tiny))


def spread(posterior, X, n_draws, rng):
    """Standard deviations (n, K) of the probabilities over the posterior."""
    _checked(posterior, "monte-carlo", 1)
    m, S = posterior.latent(X)
    drawn = [_both(posterior, posterior.loss.predict(F)) for F in output_draws(m, S, n_draws, rng)]
    return np.std(drawn, axis=0)


def _both(posterior, P):
    """P (n, k), with the first class before the second where there is one column for the two."""
    return np.hstack([1 - P, P]) if P.shape[1] == 1 and not posterior.estimator.targets_.multilabel else P


def _checked(posterior, method, k):
    """The method, "auto" resolved."""
    link = posterior.loss.out_activation
    if not hasattr(posterior.estimator, "classes_"):
        raise ValueError(
            f"Probabilities were asked of the posterior of {type(posterior.estimator).__name__}. Allowed are "
            "classifiers. Use predictive, quantiles or sample_y."
        )
    known = link in ("logistic", "softmax")
    allowed = {"auto", "monte-carlo"} | ({"probit"} if known else set())
    allowed |= {"bridge"} if link == "softmax" and k > 2 else set()
    if method not in allowed:
        raise ValueError(
            f"method={method!r} was given for {k} outputs with a link {link!r}. Allowed is one of "
            f"{[one for one in METHODS if one in allowed]}. Set method to one."
        )
    return ("probit" if known else "monte-carlo") if method == "auto" else method
