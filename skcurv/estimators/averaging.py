r"""Restarts of one estimator, those near the best evidence averaged.

A network has many minima, and a fit finds one of them. With e_j the log evidence of restart j, W the total weight of
the rows and w the window,

    K = {j : e_j / W >= max_i e_i / W - w},      p(y | x) = sum_{j in K} p_j(y | x) / |K|.

All of K count the same. Weights in proportion to exp(e_j) would be those of Bayes if e_j were the logarithm of the
whole posterior mass at minimum j. Differences of e_j are tens of nats, so that one restart alone would be left, and not
the one that predicts best (docs/evidence.md has figures).
"""

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted

from ..backend.namespace import is_number
from ..posterior import log_evidence_scorer
from ..solvers.protocol import COUNT, check_fields


def is_estimator(value):
    """Whether value is an estimator, and no class of them."""
    return hasattr(value, "__sklearn_tags__") and not isinstance(value, type)


DOMAINS = {
    "estimator": (is_estimator, "an estimator, no class"),
    "n_restarts": COUNT,
    "window": (lambda value: value == np.inf or (is_number(value) and value >= 0), "a number of at least 0, or inf"),
}
SEEDS = np.iinfo(np.int32).max


class EvidenceAveraging(MetaEstimatorMixin, BaseEstimator):
    """Base of both: the restarts, and which of them are kept."""

    _doc_link_module = "skcurv"

    def __init__(self, estimator, *, n_restarts=5, window=0.5, n_jobs=None, random_state=None):
        self.estimator = estimator
        self.n_restarts = n_restarts
        self.window = window
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None):
        """Fit all restarts, and keep those near the best evidence.

        Parameters
        ----------
        X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
            Inputs, as the estimator takes them.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets or labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, handed to the estimator's `fit` where given.

        Returns
        -------
        self : object
            The fitted estimator; after an error it is as it was before.
        """
        check_fields(self, DOMAINS)
        rng = check_random_state(self.random_state)
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        fits = Parallel(n_jobs=self.n_jobs)(
            delayed(_fitted)(_seeded(self.estimator, rng), X, y, weights) for _ in range(int(self.n_restarts))
        )
        total = len(np.asarray(y)) if sample_weight is None else float(np.sum(np.asarray(sample_weight)))
        evidences = np.array([log_evidence_scorer(fit) for fit in fits])
        scores = np.where(np.isfinite(evidences), evidences / total, -np.inf)
        self.log_evidences_ = evidences
        self.kept_ = scores >= scores.max() - self.window
        self.estimators_ = [fit for fit, kept in zip(fits, self.kept_, strict=True) if kept]
        return self

    def _each(self, X, method, **options):
        """What a method of each restart that was kept says of X."""
        check_is_fitted(self, "estimators_")
        return [getattr(fit, method)(X, **options) for fit in self.estimators_]

    @property
    def n_features_in_(self):
        """Columns of X."""
        return self.estimators_[0].n_features_in_

    @property
    def feature_names_in_(self):
        """Names of the columns, when X had them."""
        return self.estimators_[0].feature_names_in_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if is_estimator(self.estimator):  # else `fit` says what is wrong
            inner = get_tags(self.estimator)
            tags.input_tags, tags.target_tags = inner.input_tags, inner.target_tags
        return tags


def _seeded(estimator, rng):
    """A clone with draws of its own."""
    one = clone(estimator)
    names = sorted(name for name in one.get_params() if name == "random_state" or name.endswith("__random_state"))
    return one.set_params(**{name: int(rng.randint(SEEDS)) for name in names})


def _fitted(estimator, X, y, weights):
    return estimator.fit(X, y, **weights)
