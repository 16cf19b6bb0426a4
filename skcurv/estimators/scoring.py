"""The score of both regressors."""

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score


class ScoringWithOffset(RegressorMixin):
    """R² of predictions that take offsets and may be quantiles."""

    def score(self, X, y, sample_weight=None, offset=None):
        """R² of the predictions; where the loss has several quantile levels, of the level nearest the median.

        Parameters
        ----------
        X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights.
        offset : array-like, default=None
            As for `fit`.

        Returns
        -------
        score : float
            At most 1; the mean over the targets.
        """
        predicted = self.predict(X, offset)
        levels = np.atleast_1d(getattr(self.loss_function_, "levels", 0.5))
        if len(levels) > 1:
            predicted = predicted[..., int(np.argmin(abs(levels - 0.5)))]
        return float(r2_score(y, predicted, sample_weight=sample_weight))
