"""What both classifiers do with labels: learn them, and predict labels and probabilities from raw outputs.

A fit with a posterior has its probabilities averaged over the parameters, and labels and decisions from those.
"""

import numpy as np
from sklearn.base import ClassifierMixin

from ..data import ClassTargets
from ..losses.registry import concrete
from .labels import decisions, log_probabilities, means, probabilities
from .posterior import averaged, averaged_decisions, averaged_labels


class Labelling(ClassifierMixin):
    """Predictions of estimators with `_raw_outputs`, `loss_function_` and `targets_`."""

    def predict(self, X):
        """The most probable label of each row, whatever the loss.

        Parameters
        ----------
        X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
            Inputs; a model function takes no CSR matrix.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Labels.
        """
        if hasattr(self, "posterior_"):
            return averaged_labels(self, X)
        F = self._raw_outputs(X)
        return self.targets_.decode(means(F, self.loss_function_, self.targets_))

    def decision_function(self, X):
        """The raw outputs: logits; for "ordinal", or with a posterior, from the probabilities.

        Parameters
        ----------
        X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
            Inputs; a model function takes no CSR matrix.

        Returns
        -------
        F : ndarray of shape (n_samples,) for two classes, else (n_samples, n_outputs)
            Log-odds of the second class or of each label; logarithms of probabilities up to a constant otherwise.
        """
        if hasattr(self, "posterior_"):
            return averaged_decisions(self, X).astype(self.theta_.dtype)
        return decisions(self._raw_outputs(X), self.loss_function_, self.targets_)

    def predict_proba(self, X):
        """Probabilities, with ``posterior="laplace"`` averaged over the parameters.

        Parameters
        ----------
        X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
            Inputs; a model function takes no CSR matrix.

        Returns
        -------
        P : ndarray of shape (n_samples, n_classes) or (n_samples, n_labels)
            Of each class in the order of `classes_`; for multilabel targets of each label.
        """
        if hasattr(self, "posterior_"):
            return np.maximum(averaged(self, X).astype(self.theta_.dtype), np.finfo(self.theta_.dtype).tiny)
        return probabilities(self._raw_outputs(X), self.loss_function_, self.targets_)

    def predict_log_proba(self, X):
        """Logarithms of the probabilities.

        Parameters
        ----------
        X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
            Inputs; a model function takes no CSR matrix.

        Returns
        -------
        L : ndarray of shape (n_samples, n_classes) or (n_samples, n_labels)
            ``log(predict_proba(X))``, finite where that underflows.
        """
        if hasattr(self, "posterior_"):
            return np.log(self.predict_proba(X))
        return log_probabilities(self._raw_outputs(X), self.loss_function_, self.targets_)

    def _set_labels(self, seen, loss):
        """Set `targets_` and `classes_` from labels, those of positive weight or those that were named."""
        outputs = concrete(loss, exclusive=False).raw_outputs(1)
        self.targets_ = ClassTargets(seen, one_hot=outputs < 1)  # a loss without outputs for one column needs two
        self.classes_ = self.targets_.classes
        if not self.targets_.multilabel and len(self.classes_) < 2:
            raise ValueError(
                f"y has one class, {self.classes_.tolist()[0]!r}, in rows of positive weight. Allowed are two classes "
                "or more. Add rows of another class."
            )
