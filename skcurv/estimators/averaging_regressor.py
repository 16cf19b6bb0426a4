"""The average of a regressor's restarts."""

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..posterior import mixture
from ..posterior.predictive import checked_levels
from .averaging import EvidenceAveraging


class EvidenceAveragingRegressor(RegressorMixin, EvidenceAveraging):
    r"""Restarts of a regressor, those near the best evidence averaged as an equal mixture.

    Parameters
    ----------
    estimator : regressor or Pipeline
        What is fitted, such as ``CurvatureMLPRegressor(solver="lm-newton", alpha="evidence", posterior="laplace")``. It
        must leave an evidence: ``alpha="evidence"``, or else ``posterior="laplace"``, which deviations, quantiles and
        draws need anyway.
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
    EvidenceAveragingClassifier : The same for labels.

    References
    ----------
    D. J. C. MacKay, "A practical Bayesian framework for backpropagation networks", Neural Computation 4 (1992);
    B. Lakshminarayanan, A. Pritzel and C. Blundell, "Simple and scalable predictive uncertainty estimation using deep
    ensembles", NeurIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from skcurv import CurvatureMLPRegressor, EvidenceAveragingRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-2, 2, (80, 1))
    >>> y = np.sin(2 * X[:, 0]) + 0.1 * rng.normal(size=80)
    >>> one = CurvatureMLPRegressor((8,), "tanh", solver="lm-newton", alpha="evidence", posterior="laplace")
    >>> reg = EvidenceAveragingRegressor(one, n_restarts=3, random_state=0).fit(X, y)
    >>> mean, std = reg.predict([[0.0], [4.0]], return_std=True)
    >>> bool(std[1] > 2 * std[0])
    True
    """

    def predict(self, X, return_std=False):
        """The mean of the target at each row: the mean of the restarts' means.

        Parameters
        ----------
        X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
            Inputs.
        return_std : bool, default=False
            Whether to hand back the mixture's standard deviation as well: its variance is the mean of the restarts'
            variances plus the variance of their means.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions in the target's units.
        std : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The standard deviation of the target, noise included, with ``return_std=True``.
        """
        if return_std:
            return mixture.moments(*self._normals(X))
        return np.mean(self._each(X, "predict"), axis=0)

    def predict_quantiles(self, X, q):
        """Quantiles of the target at each row: of the mixture of the restarts' normal distributions.

        Parameters
        ----------
        X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
            Inputs.
        q : float or array-like of shape (l,)
            Levels between 0 and 1.

        Returns
        -------
        Q : ndarray of shape (n_samples,) or (n_samples, n_outputs), with a last axis l more for several levels
            In the target's units.
        """
        return mixture.quantiles(*self._normals(X), checked_levels(q))

    def sample_y(self, X, n_draws=1, random_state=0):
        """Draws of the target, each from one restart that is drawn first, at all rows the same.

        Parameters
        ----------
        X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
            Inputs.
        n_draws : int, default=1
            How many.
        random_state : int, RandomState instance or None, default=0
            Determines them.

        Returns
        -------
        y : ndarray of shape (n_samples, n_draws) or (n_samples, n_outputs, n_draws)
            In the target's units, noise included.
        """
        check_is_fitted(self, "estimators_")
        if not all(hasattr(fit, "sample_y") for fit in self.estimators_):
            raise ValueError(
                f"sample_y was asked of restarts of {type(self.estimators_[0]).__name__}, which have none. Allowed are "
                "estimators with sample_y, such as CurvatureMLPRegressor. Put the steps of a pipeline before the "
                "average: make_pipeline(scaler, EvidenceAveragingRegressor(regressor))."
            )
        rng = check_random_state(random_state)
        counts = np.bincount(rng.randint(len(self.estimators_), size=n_draws))
        drawn = [fit.sample_y(X, m, rng) for fit, m in zip(self.estimators_, counts, strict=False) if m]
        return np.concatenate(drawn, axis=-1)[..., rng.permutation(n_draws)]

    def _normals(self, X):
        """Means and standard deviations (m, ...) of the restarts."""
        return tuple(np.stack(part) for part in zip(*self._each(X, "predict", return_std=True), strict=True))
