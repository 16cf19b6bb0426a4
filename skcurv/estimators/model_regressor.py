"""Regression by a user's model function."""

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from ..data import RealTargets
from ..losses.registry import REGRESSION, concrete
from .model_base import BaseCurvatureModel
from .offsets import added, of_predictions
from .parameters import MODEL_REGRESSOR, checked_loss, checked_numbers
from .scoring import ScoringWithOffset


class CurvatureRegressor(ScoringWithOffset, BaseCurvatureModel):
    r"""Estimate the parameters of a model function of your own, with standard errors.

    Minimises the weighted mean of the losses of :math:`F_i = f(X_i, \theta)` against :math:`y_i`, plus
    :math:`\frac{\alpha}{2 W} |\theta|^2` with :math:`W` the sum of the weights, within bounds. With the squared error
    this is nonlinear least squares.

    Parameters
    ----------
    model : callable
        ``f(X, a, b, ...)`` with parameters by name, numbers or arrays, or ``f(X, theta)`` with one array or dict of
        them; X is a float64 array of shape (n, n_features). It hands back (n,), or (n, k) for k outputs: the mean, or
        what the loss's link makes a mean of. Row i depends on row i of X alone.
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
    loss : str or loss object, default="squared_error"
        What is minimised: a name such as "huber" or "poisson", an object of `skcurv.losses`, or your own.
    solver : str or solver object, default="lm-newton"
        A name that `skcurv.solvers.available` lists with ``layers=False``, or an object of `skcurv.solvers`.
    alpha : float, default=0.0
        Strength of the penalty on all parameters, at least 0.
    n_starts : int, default=1
        Starts in all: the given one, and others drawn between bounds or around it. The least loss wins.
    cov_type : {"auto", "model", "hessian", "sandwich"}, default="auto"
        Standard errors from the Gauss-Newton or Fisher matrix, the exact Hessian, or robust ones that hold when the
        loss is not the data's distribution. "auto" is "model" for likelihoods and "sandwich" for other losses.
    absolute_sigma : bool, default=False
        Whether ``sample_weight`` is exactly 1 / sigma^2; otherwise the scale of the residuals is estimated.
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
        The residual variance, or the scale of the loss's distribution; 1 where it is known.
    dof_ : int
        Targets, of all outputs, minus free parameters.
    log_likelihood_, aic_, bic_ : float
        Where the loss is a likelihood. For "squared_error" the variance counts as one more parameter, unless
        ``absolute_sigma`` says that it is known.
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
        At `fit`, where signature, `start` and `bounds` do not match, a Jacobian is wrong, the model hands back a wrong
        shape or no finite numbers at the start, or a target leaves the loss's domain.

    See Also
    --------
    CurvatureClassifier : The same for labels.
    CurvatureMLPRegressor : Multilayer perceptrons.

    References
    ----------
    G. A. F. Seber and C. J. Wild, "Nonlinear regression", Wiley 1989; for the solver and its references see
    `skcurv.solvers.LMNewton`.

    Examples
    --------
    >>> import numpy as np
    >>> from skcurv import CurvatureRegressor
    >>> def decay(X, amplitude, rate, floor):
    ...     return floor + amplitude * np.exp(-rate * X[:, 0])
    >>> X = np.linspace(0, 5, 30)[:, None]
    >>> y = decay(X, 2.0, 1.5, 0.5) + 0.01 * np.random.default_rng(0).normal(size=30)
    >>> start = {"amplitude": 1.0, "rate": 0.1, "floor": 0.0}
    >>> reg = CurvatureRegressor(decay, start, bounds={"rate": (0, None)}).fit(X, y)
    >>> {name: f"{value:.2f} +- {reg.stderr_[name]:.3f}" for name, value in reg.params_.items()}
    {'amplitude': '2.00 +- 0.007', 'rate': '1.50 +- 0.010', 'floor': '0.50 +- 0.002'}
    """

    def __init__(
        self,
        model,
        start=None,
        *,
        jac="3-point",
        bounds=None,
        fixed=None,
        loss="squared_error",
        solver="lm-newton",
        alpha=0.0,
        n_starts=1,
        cov_type="auto",
        absolute_sigma=False,
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
        self.absolute_sigma = absolute_sigma
        self.check_jac = check_jac
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def fit(self, X, y, sample_weight=None, offset=None):
        """Estimate the parameters from `start`.

        Parameters
        ----------
        X : {array-like, data frame} of shape (n_samples, n_features)
            Inputs, handed to the model as a float64 array.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, such as 1 / sigma^2 for known errors sigma of the targets.
        offset : array-like of shape (n_samples,), (n_samples, n_outputs) or (n_samples, n_raw_outputs), default=None
            Fixed numbers added to the model's outputs, such as the logarithm of an exposure for counts.

        Returns
        -------
        self : object
            The fitted estimator; after an error it is as it was before.

        Warns
        -----
        ConvergenceWarning
            When the run from the best start had not settled.
        UserWarning
            When the data do not determine the parameters.
        """
        return self._adopt(X, y, sample_weight, offset)

    def predict(self, X, offset=None, return_std=False):
        """The mean of the target at each row.

        Parameters
        ----------
        X : {array-like, data frame} of shape (n_samples, n_features)
            Inputs.
        offset : array-like, default=None
            As for `fit`; without it, zero.
        return_std : bool, default=False
            Whether to hand back its standard error too: that of the mean, from the parameters' covariance, without the
            scatter of single targets around it (for which the residual variance is `dispersion_`). It is infinite where
            the mean depends on what the data do not determine.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions.
        std : ndarray of the same shape
            Only with ``return_std``.
        """
        check_is_fitted(self, "theta_")
        X = validate_data(self, X, dtype=np.float64, reset=False)
        loss, k = self.loss_function_, self.targets_.n_outputs
        tape = self.objective_.network.forward(self.theta_, X)
        on_outputs, on_targets = of_predictions(offset, loss, X.shape[0], k, tape.F.shape[1])
        F = tape.F + on_outputs
        y = added(self.targets_.decode(loss.predict(F)), on_targets)
        return (y, self.targets_.decode(self._std(F, tape.J))) if return_std else y

    def _domains(self):
        return MODEL_REGRESSOR

    def _loss(self):
        return concrete(checked_loss(self.loss, REGRESSION), exclusive=False)

    def _checked_targets(self, y, n_samples):
        return checked_numbers(y, n_samples, np.float64)

    def _learn_targets(self, y, sample_weight, loss):
        self.targets_ = RealTargets.unchanged(1 if y.ndim == 1 else y.shape[1], y.ndim == 1)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
