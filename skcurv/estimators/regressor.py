"""The multilayer perceptron regressor."""

import numpy as np
from sklearn.utils.metaestimators import available_if

from ..data import RealTargets
from ..losses.registry import REGRESSION, concrete
from .base import BaseCurvatureMLP
from .offsets import added, apart, of_predictions
from .parameters import REGRESSOR, checked_loss, checked_numbers, has_partial_fit, rejects_negative
from .posterior import Drawing, check_uncertainty
from .scoring import ScoringWithOffset


class CurvatureMLPRegressor(ScoringWithOffset, Drawing, BaseCurvatureMLP):
    r"""Multilayer perceptron regressor trained by first- and second-order methods.

    Minimises the weighted mean of the losses plus :math:`\frac{l_2}{2} |W|^2` over all weights :math:`W` (biases are
    free), with :math:`l_2` = ``alpha`` / sum of the sample weights. The loss of a row is summed over the outputs.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Units of each hidden layer; ``()`` is linear regression.
    activation : str or sequence of str, default="relu"
        "identity", "logistic", "tanh", "relu", "leaky_relu", "softplus" or "silu"; one for all hidden layers, or one
        for each.
    solver : str or solver object, default="kfac"
        A name that `skcurv.solvers.available` lists, or an object of `skcurv.solvers` to set its own parameters.
    loss : str, loss object or function, default="squared_error"
        What is minimised. "squared_error" is half the squared error; "absolute_error", "huber" and "quantile" are
        robust; "gaussian_nll" predicts a standard deviation as well; "poisson", "negative_binomial", "gamma" and
        "tweedie" have a log link; "log_loss" is the cross-entropy of targets in [0, 1] with a logistic link. An object
        of `skcurv.losses` sets its own numbers; a loss of your own is an object or a function.
    alpha : float, "evidence" or Evidence, default=1e-4
        Strength of the penalty on weights, at least 0. "evidence" finds it while training, one for the weights and the
        biases of each layer, and the noise of the targets with it; `skcurv.solvers.Evidence` has other choices. It
        takes ``solver="lm-newton"`` or "kfac", and a loss that is a density or "squared_error".
    init : {"glorot", "he", "orthogonal"}, default="orthogonal"
        Random weights; biases start at zero, the last at the best constant output.
    target_scaling : {"auto", None}, default="auto"
        "auto" trains on targets of mean 0 and standard deviation 1 (weighted, by output) where the loss allows it
        (identity links); `alpha`, `loss_`, `coefs_` and the loss's numbers are then in those units, predictions in the
        target's.
    batch_size : int or "auto", default="auto"
        Rows of a mini-batch; "auto" is the solver's choice: 200 for "adam", growing to 512 for "kfac".
    max_iter : int, default=200
        Most epochs; with a full batch an epoch is one step.
    tol : float, default=1e-4
        What counts as an improvement of the loss (or the validation score) in an epoch, at least 0.
    early_stopping : bool, default=False
        Hold out a part of the training data, stop when its score no longer improves, and keep the best parameters.
    validation_fraction : float, default=0.1
        The part held out, between 0 and 1.
    n_iter_no_change : int, default=10
        Epochs without improvement after which training stops.
    scoring : str or callable, default="loss"
        Score of the part held out: "loss" is minus the mean loss, else a scorer of scikit-learn.
    random_state : int, RandomState instance or None, default=None
        Determines parameters at the start, batches, draws and the part held out.
    warm_start : bool, default=False
        Whether `fit` goes on from the present parameters and target scaling.
    verbose : bool, default=False
        Print one line an epoch.
    posterior : {None, "laplace"}, default=None
        "laplace" finds the Gaussian posterior of the parameters at the end of `fit`, with the whole matrix up to 2000
        parameters and Kronecker products beyond: standard deviations, quantiles and draws of predictions come from it.

    Attributes
    ----------
    coefs_, intercepts_ : list of ndarray
        Weights of shape (inputs, outputs) and biases of shape (outputs,) of each layer, views of `theta_`.
    theta_ : ndarray of shape (n_parameters,)
        All parameters.
    loss_ : float
        The objective at `theta_` over all training rows, penalty included.
    loss_curve_ : list of float
        The objective in each epoch: the mean over its batches, each before its step.
    best_loss_ : float
        The least of `loss_curve_` and `loss_`.
    validation_scores_ : list of float or None
        The score of the part held out, by epoch.
    history_ : dict of ndarray
        By epoch (by step for full batches): "iteration", "epoch", "seconds" since the fit began, "loss", and where
        there are any "validation_score", "step_length", "damping" (lambda) and "gain_ratio" (rho, NaN where untested).
    n_iter_ : int
        Epochs.
    n_features_in_, n_layers_, n_outputs_ : int
        Columns of X; layers with inputs and outputs; outputs of the network.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, when X has them.
    out_activation_ : str
        The inverse link: "identity", "exp", "logistic" or what the loss says.
    posterior_ : skcurv.posterior.Laplace
        With ``posterior="laplace"``, after `fit`.
    loss_function_ : loss object
        What was minimised, with what it took from the targets.
    log_evidence_, leave_one_out_score_ : float
        With ``alpha="evidence"``: the log evidence, and the mean log density of a row given the others, both in the
        target's units.
    effective_n_parameters_ : float
        With ``alpha="evidence"``: how many parameters the data determine.
    noise_variance_ : float or ndarray of shape (`n_outputs_`,)
        With ``alpha="evidence"``: the variance of the targets around their mean, in their units.
    precisions_ : dict
        With ``alpha="evidence"``: precision of the weights, by group.
    alpha_ : ndarray of shape (n_parameters,)
        With ``alpha="evidence"``: the strength of the penalty on each parameter.
    feature_relevances_ : ndarray of shape (`n_features_in_`,)
        With ``alpha=Evidence(precisions="feature")``: variances of the weights of each feature, of sum 1.

    Raises
    ------
    ValueError
        At `fit`, for a parameter, weight or target outside its domain.

    See Also
    --------
    CurvatureMLPClassifier : The same for labels.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skcurv import CurvatureMLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> reg = make_pipeline(
    ...     StandardScaler(),
    ...     CurvatureMLPRegressor((8,), "tanh", solver="lm-newton", max_iter=10, tol=0, random_state=0),
    ... )
    >>> bool(reg.fit(X, y).score(X, y) > 0.5)
    True
    """

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        solver="kfac",
        loss="squared_error",
        alpha=1e-4,
        init="orthogonal",
        target_scaling="auto",
        batch_size="auto",
        max_iter=200,
        tol=1e-4,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        scoring="loss",
        random_state=None,
        warm_start=False,
        verbose=False,
        posterior=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.loss = loss
        self.alpha = alpha
        self.init = init
        self.target_scaling = target_scaling
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.scoring = scoring
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.posterior = posterior

    def fit(self, X, y, sample_weight=None, offset=None):
        """Train from new parameters, or from the present ones with ``warm_start``.

        Parameters
        ----------
        X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
            Inputs; float32 and float64 are kept, anything else becomes float64.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; a row of weight w counts as w rows.
        offset : array-like of shape (n_samples,), (n_samples, n_outputs) or (n_samples, n_raw_outputs), default=None
            Fixed numbers added to the raw outputs, such as the logarithm of an exposure for counts; one number for a
            target goes to the raw output of its mean. For losses that follow shifts of the targets ("squared_error",
            "huber", ...) it is in the target's units and added to its mean.

        Returns
        -------
        self : object
            The fitted estimator; after an error it is as it was before.
        """
        return self._adopt(X, y, sample_weight, offset, None)

    @available_if(has_partial_fit)
    def partial_fit(self, X, y, sample_weight=None, offset=None):
        """Go through one chunk of data once, going on where the last call stopped; not there for full-batch solvers.

        Parameters
        ----------
        X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets; their scaling is that of the first call, and so is what the loss took from them.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights.
        offset : array-like, default=None
            As for `fit`.

        Returns
        -------
        self : object
            The fitted estimator; after an error it is as it was before.
        """
        return self._adopt(X, y, sample_weight, offset, None, incremental=True)

    def predict(self, X, offset=None, return_std=False, return_cov=False):
        """The mean of the target at each row, or what else the loss predicts, such as quantiles.

        Parameters
        ----------
        X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
            Inputs.
        offset : array-like, default=None
            As for `fit`; without it, zero.
        return_std : bool, default=False
            Whether to hand back the standard deviation of the target as well, noise and the parameters' uncertainty
            together with ``posterior="laplace"``, or what the loss predicts where it does ("gaussian_nll").
            ``posterior_.predictive(X, noise=False)`` has the parameters' uncertainty alone.
        return_cov : bool, default=False
            Whether to hand back the covariances of the target over rows as well, with ``posterior="laplace"``. At most
            one of the two.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions in the target's units; for several levels of "quantile" with a last axis more, one entry a
            level.
        std : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The predicted standard deviation, with ``return_std=True``.
        cov : ndarray of shape (n_samples, n_samples) or (n_samples, n_samples, n_outputs)
            With ``return_cov=True``, for each output; its diagonal is the square of `std`.
        """
        F, loss, k = self._raw_outputs(X), self.loss_function_, self.targets_.n_outputs
        check_uncertainty(self, return_std, return_cov)
        on_outputs, on_targets = of_predictions(offset, loss, len(F), k, F.shape[1])
        F = (F + on_outputs).astype(F.dtype, copy=False)
        y = added(self.targets_.decode(loss.predict(F)), on_targets)
        if return_cov:
            return y, self.posterior_.joint_covariance(X, offset=on_outputs).astype(y.dtype)
        if not return_std:
            return y
        if hasattr(self, "posterior_"):
            return y, self.posterior_.predictive(X, offset=on_outputs)[1].astype(y.dtype)
        return y, self.targets_.deviations(loss.scale(F))

    def _domains(self):
        return REGRESSOR

    def _loss(self):
        return concrete(checked_loss(self.loss, REGRESSION), exclusive=False)

    def _checked_targets(self, y, n_samples):
        return checked_numbers(y, n_samples, (np.float64, np.float32))

    def _with_offset(self, y, offset, loss):
        return apart(y, offset, loss)

    def _weights(self, y, sample_weight):
        return sample_weight

    def _learn_targets(self, y, sample_weight, classes, loss):
        columns, flat = y[:, None] if y.ndim == 1 else y, y.ndim == 1
        if self.target_scaling == "auto" and loss.location_scale:
            self.targets_ = RealTargets.standardising(columns, sample_weight, flat)
        else:
            self.targets_ = RealTargets.unchanged(columns.shape[1], flat)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.positive_only = rejects_negative(self.loss, REGRESSION)
        return tags
