"""Classification by a user's model function."""

from ..losses.registry import CLASSIFICATION
from .labelling import Labelling
from .labels import checked_labels
from .model_base import BaseCurvatureModel
from .parameters import MODEL, checked_loss


class CurvatureClassifier(Labelling, BaseCurvatureModel):
    r"""Estimate the parameters of a model of the logits of your own, with standard errors.

    Minimises the weighted mean of the log-losses of the labels, or of another loss, at the model's outputs
    :math:`F_i = f(X_i, \theta)`, plus :math:`\frac{\alpha}{2 W} |\theta|^2` with :math:`W` the sum of the weights,
    within bounds. Multilabel targets have one logit a label.

    Parameters
    ----------
    model : callable
        ``f(X, a, b, ...)`` with parameters by name, numbers or arrays, or ``f(X, theta)`` with one array or dict of
        them; X is a float64 array of shape (n, n_features). It hands back logits: for two classes (n,), the
        log-odds of the second; for K classes (n, K). Row i depends on row i of X alone.
    start : dict, array-like, number or callable, default=None
        Where to start: a value for each parameter, by name or in order; parameters with a default in the signature may
        be left out. A callable ``start(X, y)`` hands back such values.
    jac : {"3-point", "2-point", "cs", "jax"}, callable or pair of callables, default="3-point"
        Derivatives of the model: differences (errors of about 1e-10, 1e-8, and 1e-16 by complex steps, which need a
        model that computes with complex numbers); by JAX, for a model written with `jax.numpy`; a function of the
        model's arguments that hands back (n, P) or (n, k, P), a column for each parameter in order; or, for large
        models, a pair of functions ``jvp(X, ..., u)`` handing back J u and ``vjp(X, ..., V)`` handing back J'V.
    bounds : dict, pair of array-likes or scipy.optimize.Bounds, default=None
        ``{name: (lower, upper)}``, None for none; or lower and upper bounds of all parameters. No value outside them is
        asked of the model.
    fixed : sequence of str, default=None
        Parameters, or single entries of them such as "w[0]", kept at their start values.
    loss : str or loss object, default="log_loss"
        What is minimised: "log_loss", "focal", "ordinal" (for which the model hands back (n, K - 1), see
        `skcurv.losses.Ordinal`), an object of `skcurv.losses`, or your own.
    solver : str or solver object, default="lm-newton"
        A name that `skcurv.solvers.available` lists with ``layers=False``, or an object of `skcurv.solvers`.
    alpha : float, default=0.0
        Strength of the penalty on all parameters, at least 0.
    n_starts : int, default=1
        Starts in all: the given one, and others drawn between bounds or around it. The least loss wins.
    cov_type : {"auto", "model", "hessian", "sandwich"}, default="auto"
        Standard errors from the Gauss-Newton or Fisher matrix, the exact Hessian, or robust ones that hold when the
        loss is not the data's distribution. "auto" is "model" for likelihoods and "sandwich" for other losses.
    check_jac : bool, default=True
        Whether a given `jac`, or complex steps, are compared with differences before the fit.
    batch_size : int or "auto", default="auto"
        Rows of a mini-batch; "auto" is the solver's choice, all rows for "lm-newton".
    max_iter : int, default=1000
        Most epochs; with a full batch an epoch is one step.
    tol : float, default=0.0
        What counts as an improvement of the loss in an epoch, at least 0; solvers of the full set find convergence
        themselves.
    n_iter_no_change : int, default=10
        Epochs without improvement after which training stops.
    random_state : int, RandomState instance or None, default=None
        Determines random starts, batches and draws.
    n_jobs : int, default=None
        Starts that run at the same time, through joblib.
    verbose : bool, default=False
        Print one line an epoch.

    Attributes
    ----------
    params_ : dict of str -> float or ndarray
        Estimates by name, fixed ones included.
    stderr_ : dict of str -> float or ndarray
        Their standard errors: NaN for fixed parameters, for those at a bound, and without degrees of freedom; infinite
        for those that the data do not determine.
    theta_ : ndarray of shape (p,)
        The free parameters in order.
    labels_ : list of str
        A word for each entry of `theta_`.
    cov_, corr_ : ndarray of shape (p, p)
        Covariance and correlations of `theta_`.
    cov_type_ : str
        What "auto" stood for.
    undetermined_, held_ : list of str
        Labels of parameters that the data do not determine, and of those at a bound.
    dispersion_ : float
        1.
    dof_ : int
        Labels minus free parameters; of multilabel targets those of all columns.
    log_likelihood_, aic_, bic_ : float
        Where the loss is a likelihood.
    classes_ : ndarray of shape (n_classes,)
        Labels in sorted order; for multilabel targets the column numbers.
    loss_ : float
        The objective at `theta_`, penalty included.
    loss_curve_ : list of float
        The objective in each epoch.
    history_ : dict of ndarray
        By epoch: "iteration", "epoch", "seconds", "loss"; "step_length", "damping", "gain_ratio" where there are any.
    start_losses_ : ndarray of shape (n_starts,)
        The loss at which the run from each start ended.
    n_iter_ : int
        Epochs.
    converged_ : bool
        Whether the loss had settled.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, when X has them.

    Raises
    ------
    ValueError
        At `fit`, where signature, `start` and `bounds` do not match, a Jacobian is wrong, or the model hands back a
        wrong shape or no finite numbers at the start.

    See Also
    --------
    CurvatureRegressor : The same for real targets.
    CurvatureMLPClassifier : Multilayer perceptrons.

    Examples
    --------
    A psychometric curve: the probability to see a stimulus, with a threshold and a slope.

    >>> import numpy as np
    >>> from skcurv import CurvatureClassifier
    >>> def psychometric(X, threshold, slope):
    ...     return slope * (X[:, 0] - threshold)
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(0, 10, (500, 1))
    >>> y = np.where(rng.random(500) < 1 / (1 + np.exp(-1.5 * (X[:, 0] - 4))), "seen", "not seen")
    >>> clf = CurvatureClassifier(psychometric, {"threshold": 5.0, "slope": 1.0}, bounds={"slope": (0, None)})
    >>> round(clf.fit(X, y).params_["threshold"], 1), clf.classes_.tolist()
    (4.1, ['not seen', 'seen'])
    """

    def __init__(
        self,
        model,
        start=None,
        *,
        jac="3-point",
        bounds=None,
        fixed=None,
        loss="log_loss",
        solver="lm-newton",
        alpha=0.0,
        n_starts=1,
        cov_type="auto",
        check_jac=True,
        batch_size="auto",
        max_iter=1000,
        tol=0.0,
        n_iter_no_change=10,
        random_state=None,
        n_jobs=None,
        verbose=False,
    ):
        self.model = model
        self.start = start
        self.jac = jac
        self.bounds = bounds
        self.fixed = fixed
        self.loss = loss
        self.solver = solver
        self.alpha = alpha
        self.n_starts = n_starts
        self.cov_type = cov_type
        self.check_jac = check_jac
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X, y, sample_weight=None):
        """Estimate the parameters from `start`.

        Parameters
        ----------
        X : {array-like, data frame} of shape (n_samples, n_features)
            Inputs, handed to the model as a float64 array.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; a row of weight w counts as w rows.

        Returns
        -------
        self : object
            The fitted estimator; after an error it is as it was before.

        Warns
        -----
        ConvergenceWarning
            When the run from the best start had not settled.
        UserWarning
            When the data do not determine the parameters, as where a logit separates the classes.
        """
        return self._adopt(X, y, sample_weight, None)

    def _domains(self):
        return MODEL

    def _loss(self):
        return checked_loss(self.loss, CLASSIFICATION)

    def _checked_targets(self, y, n_samples):
        return checked_labels(y, n_samples)

    def _learn_targets(self, y, sample_weight, loss):
        self._set_labels(y[sample_weight > 0], loss)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
