"""The multilayer perceptron classifier."""

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..losses.registry import CLASSIFICATION
from .base import BaseCurvatureMLP
from .labelling import Labelling
from .labels import check_known, checked_labels
from .parameters import CLASSIFIER, checked_loss, class_factors, has_partial_fit, takes_labels
from .posterior import posterior_of


class CurvatureMLPClassifier(Labelling, BaseCurvatureMLP):
    r"""Multilayer perceptron classifier trained by first- and second-order methods.

    Minimises the weighted mean of the log-losses plus :math:`\frac{l_2}{2} |W|^2` over all weights :math:`W` (biases
    are free), with :math:`l_2` = ``alpha`` / sum of the sample weights. Binary targets have one output with a logistic
    link, three or more classes a softmax, multilabel targets one logistic output a label, their losses summed. A loss
    with a link of its own, such as "ordinal", keeps it; one without a link has log-odds for raw outputs.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Units of each hidden layer; ``()`` is logistic regression.
    activation : str or sequence of str, default="relu"
        "identity", "logistic", "tanh", "relu", "leaky_relu", "softplus" or "silu"; one for all hidden layers, or one
        for each.
    solver : str or solver object, default="kfac"
        A name that `skcurv.solvers.available` lists, or an object of `skcurv.solvers` to set its own parameters.
    loss : {"log_loss", "focal", "ordinal"}, loss object or function, default="log_loss"
        What is minimised: a name, an object of `skcurv.losses` to set its own numbers, or a loss of your own, object or
        function. "ordinal" takes the classes in their sorted order.
    alpha : float, "evidence" or Evidence, default=1e-4
        Strength of the penalty on weights, at least 0. "evidence" finds it while training, one for the weights and the
        biases of each layer; `skcurv.solvers.Evidence` has other choices. It takes ``solver="lm-newton"`` or "kfac".
    init : {"glorot", "he", "orthogonal"}, default="orthogonal"
        Random weights; biases start at zero, the last at the best constant output.
    class_weight : dict, list of dict, "balanced" or None, default=None
        Factors on the sample weights by class.
    batch_size : int or "auto", default="auto"
        Rows of a mini-batch; "auto" is the solver's choice: 200 for "adam", growing to 512 for "kfac".
    max_iter : int, default=200
        Most epochs; with a full batch an epoch is one step.
    tol : float, default=1e-4
        What counts as an improvement of the loss (or the validation score) in an epoch, at least 0.
    early_stopping : bool, default=False
        Hold out a part of the training data, stop when its score no longer improves, and keep the best parameters.
    validation_fraction : float, default=0.1
        The part held out, between 0 and 1, stratified by class.
    n_iter_no_change : int, default=10
        Epochs without improvement after which training stops.
    scoring : str or callable, default="loss"
        Score of the part held out: "loss" is minus the mean loss, else a scorer of scikit-learn.
    random_state : int, RandomState instance or None, default=None
        Determines parameters at the start, batches, draws and the part held out.
    warm_start : bool, default=False
        Whether `fit` goes on from the present parameters.
    verbose : bool, default=False
        Print one line an epoch.
    posterior : {None, "laplace"}, default=None
        "laplace" finds the Gaussian posterior of the parameters at the end of `fit`, with the whole matrix up to 2000
        parameters and Kronecker products beyond: probabilities are averaged over it. Its temperature is found on rows
        held out of one to five further fits, each to four fifths of the rows: five up to 2000 rows, one from 10000 on.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels; for multilabel targets the column numbers.
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
        The inverse link: "logistic", "softmax" or what the loss says.
    posterior_ : skcurv.posterior.Laplace
        With ``posterior="laplace"``, after `fit`.
    loss_function_ : loss object
        What was minimised.
    log_evidence_, leave_one_out_score_ : float
        With ``alpha="evidence"``: the log evidence, and the mean log probability of a row's label given the others.
    effective_n_parameters_ : float
        With ``alpha="evidence"``: how many parameters the data determine.
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
    CurvatureMLPRegressor : The same for real targets.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skcurv import CurvatureMLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = make_pipeline(
    ...     StandardScaler(), CurvatureMLPClassifier((16,), solver="kfac", max_iter=20, tol=0, random_state=0)
    ... )
    >>> bool(clf.fit(X, y).score(X, y) > 0.95)
    True
    """

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        solver="kfac",
        loss="log_loss",
        alpha=1e-4,
        init="orthogonal",
        class_weight=None,
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
        self.class_weight = class_weight
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

    @available_if(has_partial_fit)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Go through one chunk of data once, going on where the last call stopped; not there for full-batch solvers.

        Parameters
        ----------
        X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Labels.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever come; needed in the first call unless `y` has them all.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights.

        Returns
        -------
        self : object
            The fitted estimator; after an error it is as it was before.
        """
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' was given to partial_fit, which does not see all labels. Allowed are None, "
                "dicts and lists. Compute the weights with sklearn.utils.class_weight.compute_class_weight and pass "
                "them as a dict."
            )
        return self._adopt(X, y, sample_weight, None, classes, incremental=True)

    def predict_proba_std(self, X, n_draws=100, random_state=0):
        """Standard deviations of the probabilities over the parameters; for fits with ``posterior="laplace"``.

        Parameters
        ----------
        X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
            Inputs.
        n_draws : int, default=100
            Draws of the raw outputs.
        random_state : int, RandomState instance or None, default=0
            Determines them.

        Returns
        -------
        std : ndarray of shape (n_samples, n_classes) or (n_samples, n_labels)
            Of `predict_proba`'s entries.
        """
        check_is_fitted(self, "theta_")
        return posterior_of(self, "predict_proba_std").predict_proba_std(X, n_draws, random_state)

    def _domains(self):
        return CLASSIFIER

    def _loss(self):
        return checked_loss(self.loss, CLASSIFICATION)

    def _checked_targets(self, y, n_samples):
        y = checked_labels(y, n_samples)
        if hasattr(self, "targets_"):
            check_known(y, self.targets_)
        return y

    def _weights(self, y, sample_weight):
        if self.class_weight is None:
            return sample_weight
        return sample_weight * class_factors(self.class_weight, y, sample_weight)

    def _learn_targets(self, y, sample_weight, classes, loss):
        seen = y[sample_weight > 0] if classes is None else np.asarray(classes)
        self._set_labels(seen, loss)
        if classes is not None:
            check_known(y, self.targets_)

    def _strata(self, y):
        return y if y.ndim == 1 else None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = takes_labels(self.loss, CLASSIFICATION)
        return tags
