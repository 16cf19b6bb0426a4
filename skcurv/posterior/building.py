"""From a fitted estimator and its rows to its posterior: checks, the noise, the log-likelihood."""

import copy
import math

import numpy as np
from scipy.optimize import brentq

from ..backend.namespace import is_number
from ..curvature.assemble import point
from ..inference import log_likelihood
from ..inference.covariance import dispersion
from ..losses.offset import without_offset
from . import forms
from . import temperature as tempering
from .laplace import Laplace


def laplace(
    estimator, X, y, how="dense", *, sample_weight=None, prior_precision=None, noise_variance=None, temperature=1.0
):
    r"""The Gaussian posterior of a fitted estimator's parameters.

    Its mean is `theta_`, its precision :math:`H = (W / \phi) (C + D)`, with :math:`W` the total weight of the rows,
    :math:`C` the Gauss-Newton matrix of the mean loss at `theta_`, :math:`D` the diagonal of the prior and
    :math:`\phi` the noise variance.

    Parameters
    ----------
    estimator : fitted CurvatureMLPRegressor, CurvatureMLPClassifier, CurvatureRegressor or CurvatureClassifier
        It is not changed.
    X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
        The rows of the fit.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Their targets.
    how : {"dense", "gram", "diag", "layer", "kron", "ekfac", "last-layer"}, default="dense"
        How C is held, as for `skcurv.curvature.curvature`. "gram" holds the rows of C, as many as numbers observed, of
        length p; "kron" and "ekfac" one Kronecker product a layer; "last-layer" the last layer's block, the other
        layers taken as known. A model function has "dense", "gram" and "diag".
    sample_weight : array-like of shape (n_samples,), default=None
        The weights of the fit.
    prior_precision : float or array-like of shape (n_parameters,), default=None
        1 / variance of each parameter a priori, in the units of training; 0 is a flat prior. None takes the penalty of
        the fit, ``alpha`` / noise variance at weights, and at biases of hidden layers too; those of the outputs stay
        flat. "kron" and "ekfac" take the mean over a layer's weights, for its biases too.
    noise_variance : float, default=None
        In the target's units; None estimates it from the residuals. For losses that leave it open: "squared_error",
        "gamma", "tweedie".
    temperature : float or "held-out", default=1.0
        A factor on the covariance, at least 0. "held-out", for classifiers, is the one by which rows held out of
        further fits are forecast best: a fifth of the rows at a time, until 2000 rows or all of them have been held
        out. It is what ``posterior="laplace"`` of `CurvatureMLPClassifier` uses.

    Returns
    -------
    posterior : Laplace

    Raises
    ------
    ValueError
        For an argument outside its domain, a loss that is no density, and where data and prior together do not
        determine a parameter, which the message names.

    References
    ----------
    D. J. C. MacKay, "A practical Bayesian framework for backpropagation networks", Neural Computation 4 (1992);
    A. Immer, M. Korzepa and M. Bauer, "Improving predictions of Bayesian neural nets via local linearization", AISTATS
    2021; E. Daxberger and others, "Laplace redux: effortless Bayesian deep learning", NeurIPS 2021; P. Grünwald and
    T. van Ommen, "Inconsistency of Bayesian inference for misspecified linear models, and a proposal for repairing it",
    Bayesian Analysis 12 (2017), on temperatures.

    Examples
    --------
    >>> import numpy as np
    >>> from skcurv import CurvatureMLPRegressor
    >>> from skcurv.posterior import laplace
    >>> X = np.linspace(-1, 1, 40)[:, None]
    >>> y = X[:, 0] ** 3 + 0.05 * np.random.default_rng(0).normal(size=40)
    >>> reg = CurvatureMLPRegressor((8,), "tanh", solver="lm-newton", alpha=0.01, random_state=0).fit(X, y)
    >>> posterior = laplace(reg, X, y)
    >>> mean, std = posterior.predictive([[0.0], [3.0]])
    >>> bool(std[1] > 3 * std[0])
    True
    """
    here = point(estimator, X, y, sample_weight)
    return posterior_at(estimator, here, how, prior_precision, noise_variance, temperature)


def posterior_at(estimator, here, how, prior_precision=None, noise_variance=None, temperature=1.0):
    """`laplace` for an estimator at a Point of the rows of its fit, in float64."""
    checks(here, how)
    tempering.check(temperature, estimator)
    precision = checked_precision(prior_precision, here)
    form, free = forms.curvature_form(how, here), forms.members(how, here)
    W, N = here.objective.data.total_weight, counted(estimator, here)
    estimator = copy.copy(estimator)  # a later fit gives it new attributes
    if temperature == tempering.HELD_OUT:
        temperature = tempering.held_out(
            estimator, here, lambda refit, at: posterior_at(refit, at, how, prior_precision)
        )

    def posterior(phi):
        D = forms.penalty_of(here) if precision is None else precision * phi / W
        density = log_density(estimator, here, phi, N)
        return Laplace(estimator, here, how, form, free, D, phi, density, temperature)

    phi = given_noise(estimator, here, noise_variance)
    if phi is None:
        phi = estimated_noise(here, N, lambda phi: posterior(phi).effective_n_parameters, fixed=precision is None)
    return posterior(phi)


def checks(here, how):
    """Raise ValueError for a loss that is no density, or a form that the model has not."""
    objective = here.objective
    allowed = forms.HOWS if objective.network.layout.shapes else tuple(h for h in forms.HOWS if h not in forms.LAYERED)
    if how not in allowed:
        raise ValueError(
            f"how={how!r} was given to laplace. Allowed is one of {', '.join(map(repr, allowed))}. Set how to one."
        )
    if objective.loss.likelihood == "none":
        raise ValueError(
            f"laplace was asked of a fit with loss={objective.loss.name!r}, which is no density and says "
            "nothing of how targets scatter. Allowed are losses that are one, such as 'squared_error', 'log_loss' and "
            "'poisson'. Fit with one of them."
        )


def checked_precision(precision, here):
    """prior_precision as (p,) in float64, or None."""
    if precision is None:
        return None
    values, p = np.asarray(precision, dtype=np.float64), here.theta.shape[0]
    if values.shape not in ((), (p,)) or not (np.isfinite(values).all() and (values >= 0).all()):
        raise ValueError(
            f"prior_precision of shape {values.shape} from {np.min(values):.6g} to {np.max(values):.6g} was given. "
            f"Allowed is a finite number of at least 0, or one for each of {p} parameters. Pass one of these."
        )
    return np.broadcast_to(values, (p,))


def counted(estimator, here):
    """N: numbers observed, by rows where weights are 1 / sigma^2, else by weight."""
    n, k = _targets(here).shape
    return n * k if hasattr(estimator, "dof_") else here.objective.data.total_weight * k


def _targets(here):
    """Targets (n, k) without the offsets that may ride on them."""
    return without_offset(here.objective.loss, here.tape.F, here.batch.Y)[2]


def given_noise(estimator, here, noise_variance):
    """phi where it is known: 1 for a density, or what the caller gave in the target's units; else None."""
    loss = here.objective.loss
    if loss.likelihood == "exact" or getattr(estimator, "absolute_sigma", False):
        if noise_variance is not None:
            raise ValueError(
                f"noise_variance={noise_variance!r} was given for a fit with loss={loss.name!r}, where the noise is "
                "known or part of the loss. Allowed is None. Leave noise_variance out."
            )
        return 1.0
    if noise_variance is None:
        return None
    if not (is_number(noise_variance) and noise_variance > 0):
        raise ValueError(
            f"noise_variance={noise_variance!r} was given to laplace. Allowed is a finite number above 0, or None to "
            "estimate it. Pass one of these."
        )
    scale = estimator.targets_.scale
    if np.ptp(scale) > 0:
        raise ValueError(
            f"noise_variance={noise_variance!r} was given for {len(scale)} targets that were standardised by different "
            "scales. Allowed is None, for the noise is one number in those units. Leave noise_variance out, or fit "
            "with target_scaling=None."
        )
    return float(noise_variance / scale[0] ** 2)


def estimated_noise(here, n_observed, effective, fixed):
    """phi of the residuals, for the effective number of parameters as a function of phi; `fixed` says it is constant.

    With a given precision of the prior phi (N - gamma(phi)) = R has one root, for gamma falls; it is at least R / N,
    and at most R / (N - gamma(R / N)).
    """
    residual = dispersion(here, 1.0)
    if not residual > 0:
        raise ValueError(
            "laplace was asked of a fit that goes through all its targets. Allowed are fits with residuals, from which "
            "the noise is estimated. Raise alpha, or pass noise_variance."
        )

    def left(phi):
        degrees = n_observed - effective(phi)
        if degrees <= 1e-9 * n_observed:
            raise ValueError(
                f"laplace was asked of a fit to {n_observed:.6g} numbers of {here.n} samples that determine as many "
                "parameters, which leaves no residuals to estimate the noise from. Allowed are fits with fewer "
                "effective parameters. Raise alpha, or pass noise_variance."
            )
        return degrees

    low = residual / n_observed
    high = residual / left(low)
    if fixed or high <= low:
        return high
    return float(brentq(lambda phi: phi * left(phi) - residual, low, high, xtol=1e-14 * low, rtol=1e-13))


def log_density(estimator, here, phi, n_observed):
    """The log-likelihood at a Point in the target's units, or None where the density's normaliser is unknown."""
    objective = here.objective
    loss, W, k = objective.loss, objective.data.total_weight, _targets(here).shape[1]
    units = W * float(np.sum(np.log(getattr(estimator.targets_, "scale", 1.0))))
    if loss.likelihood == "exact":
        return float(log_likelihood(here, False)[0]) - units
    if loss.name != "squared_error":
        return None
    losses = W * (here.value - objective.penalty(here.theta))
    weights = 0.5 * k * float(np.sum(np.log(W * here.batch.weights))) if hasattr(estimator, "dof_") else 0.0
    return weights - units - losses / phi - 0.5 * n_observed * math.log(2 * math.pi * phi)
