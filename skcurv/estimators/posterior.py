"""``posterior="laplace"``: the posterior at the end of a fit, and what asks for one."""

import numpy as np
from scipy.special import logit
from sklearn.utils.validation import check_is_fitted

from ..objective import Objective
from ..posterior import posterior_at
from ..posterior.predictive import normal_quantiles

DENSE = 2000  # parameters up to which the whole matrix is held, 32 MB; beyond them Kronecker products


def set_posterior(estimator, objective, incremental):
    """Set `posterior_` of a fit that asks for one; a chunk of data is not all that the parameters were fitted to."""
    estimator.__dict__.pop("posterior_", None)
    if estimator.posterior is None or incremental:
        return
    data, loss, alpha = objective.data.in_double(), objective.loss, getattr(estimator, "alpha_", estimator.alpha)
    here = Objective(objective.network, loss, data, alpha).point(estimator.theta_.astype(np.float64))
    how = "dense" if here.theta.shape[0] <= DENSE else "kron"
    temperature = "held-out" if hasattr(estimator, "classes_") else 1.0
    estimator.posterior_ = posterior_at(estimator, here, how, temperature=temperature)


def averaged(estimator, X):
    """Probabilities (n, K) of a classifier over its posterior."""
    return estimator.posterior_.predict_proba(X, random_state=estimator.seed_)


def averaged_labels(estimator, X):
    """The most probable labels."""
    P, targets = averaged(estimator, X), estimator.targets_
    return targets.decode(P if P.shape[1] == targets.n_outputs else P[:, 1:])


def averaged_decisions(estimator, X):
    """Log-odds of the probabilities where they are of two classes or of labels, else their logarithms."""
    P = averaged(estimator, X)
    if estimator.targets_.multilabel:
        return logit(P)
    return np.log(P) if P.shape[1] > 2 else np.log(P[:, 1]) - np.log(P[:, 0])


def posterior_of(estimator, method):
    """`posterior_`, or an error that says how to get one."""
    if not hasattr(estimator, "posterior_"):
        raise ValueError(
            f"{method} was asked of a fit with posterior={estimator.posterior!r} that has no posterior. Allowed are "
            "fits of all rows at once with posterior='laplace'. Set it and call fit, or pass the fit to "
            "skcurv.posterior.laplace."
        )
    return estimator.posterior_


def predicts_scale(loss):
    """Whether a loss predicts the standard deviation of the target, as "gaussian_nll" does."""
    return callable(getattr(loss, "scale", None))


def check_uncertainty(estimator, return_std, return_cov):
    """Raise ValueError where `predict` cannot give the uncertainty asked for."""
    if return_std and return_cov:
        raise ValueError(
            "return_std=True and return_cov=True were given. Allowed is one of them at a time. Pass "
            "return_cov=True: the roots of its diagonal are the standard deviations."
        )
    if return_cov:
        posterior_of(estimator, "predict(return_cov=True)")
    if return_std and not (hasattr(estimator, "posterior_") or predicts_scale(estimator.loss_function_)):
        raise ValueError(
            f"return_std=True was given where loss={estimator.loss_function_.name!r} predicts no standard deviation. "
            "Allowed is return_std=False. Use posterior='laplace', or loss='gaussian_nll' to predict one."
        )


class Drawing:
    """Quantiles and draws of regressors with a `posterior_`."""

    def predict_quantiles(self, X, q):
        """Quantiles of the target at each row, as if normal; for fits whose `predict` takes ``return_std=True``.

        Parameters
        ----------
        X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
            Inputs.
        q : float or array-like of shape (m,)
            Levels between 0 and 1.

        Returns
        -------
        Q : ndarray of shape (n_samples,) or (n_samples, n_outputs), with a last axis m more for several levels
            In the target's units.
        """
        check_is_fitted(self, "theta_")
        if not hasattr(self, "posterior_") and predicts_scale(self.loss_function_):
            return normal_quantiles(*self.predict(X, return_std=True), q)
        return posterior_of(self, "predict_quantiles").quantiles(X, q)

    def sample_y(self, X, n_draws=1, random_state=0):
        """Draws of the target, each from one draw of the parameters; for fits with ``posterior="laplace"``.

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
        check_is_fitted(self, "theta_")
        return posterior_of(self, "sample_y").sample_y(X, n_draws, random_state)
