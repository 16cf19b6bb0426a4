"""The average of a classifier's restarts."""

import math

import numpy as np
from scipy.special import logsumexp
from sklearn.base import ClassifierMixin
from sklearn.utils import get_tags
from sklearn.utils.multiclass import type_of_target

from .averaging import EvidenceAveraging, is_estimator


class EvidenceAveragingClassifier(ClassifierMixin, EvidenceAveraging):
    r"""Restarts of a classifier, the probabilities of those near the best evidence averaged.

    Parameters
    ----------
    estimator : classifier or Pipeline
        What is fitted, such as ``CurvatureMLPClassifier(alpha="evidence")``. It must leave an evidence:
        ``alpha="evidence"``, or else ``posterior="laplace"``.
    n_restarts : int, default=5
        How many are fitted; each `random_state` in the estimator is set anew for each, from that of this one.
    window : float, default=0.5
        Kept are restarts whose log evidence is at most this much below the best, in nats a row (a row of weight w is w
        rows); 0 keeps the best alone, ``numpy.inf`` all.
    n_jobs : int, default=None
        Processes for the fits, as in joblib: None is one, -1 all processors.
    random_state : int, RandomState instance or None, default=None
        Determines the restarts.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels; for multilabel targets the column numbers.
    estimators_ : list of estimators
        The restarts that are averaged.
    log_evidences_ : ndarray of shape (n_restarts,)
        Log evidence of every restart, in nats.
    kept_ : ndarray of bool of shape (n_restarts,)
        Which of them are in `estimators_`.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, when X has them.

    Raises
    ------
    ValueError
        At `fit`, for a parameter outside its domain, an estimator without evidence, and what the estimator refuses.

    See Also
    --------
    EvidenceAveragingRegressor : The same for real targets.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skcurv import CurvatureMLPClassifier, EvidenceAveragingClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> one = CurvatureMLPClassifier((4,), "tanh", solver="lm-newton", alpha="evidence")
    >>> clf = make_pipeline(StandardScaler(), EvidenceAveragingClassifier(one, n_restarts=3, random_state=0))
    >>> bool(clf.fit(X, y).score(X, y) > 0.95)
    True
    """

    def fit(self, X, y, sample_weight=None):
        super().fit(X, y, sample_weight)
        self._multilabel = type_of_target(y).startswith("multilabel")
        return self

    fit.__doc__ = EvidenceAveraging.fit.__doc__

    @property
    def classes_(self):
        """Labels, in the order of the columns of `predict_proba`."""
        return self.estimators_[0].classes_

    def predict(self, X):
        """The most probable label of each row.

        Parameters
        ----------
        X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Labels.
        """
        P = self.predict_proba(X)
        return (P > 0.5).astype(int) if self._multilabel else self.classes_[np.argmax(P, axis=1)]

    def predict_proba(self, X):
        """The mean of the restarts' probabilities.

        Parameters
        ----------
        X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        P : ndarray of shape (n_samples, n_classes) or (n_samples, n_labels)
            Of each class in the order of `classes_`; for multilabel targets of each label.
        """
        return np.mean(self._each(X, "predict_proba"), axis=0)

    def predict_log_proba(self, X):
        """Logarithms of the probabilities.

        Parameters
        ----------
        X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        L : ndarray of shape (n_samples, n_classes) or (n_samples, n_labels)
            ``log(predict_proba(X))``, finite where that underflows.
        """
        each = self._each(X, "predict_log_proba")
        return logsumexp(each, axis=0) - math.log(len(each))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if is_estimator(self.estimator):
            tags.classifier_tags = get_tags(self.estimator).classifier_tags or tags.classifier_tags
        return tags
