r"""Laplace's approximation: a Gaussian around the fitted parameters, from the curvature of the training loss.

With W the total weight of the rows, phi the variance of the noise, C the Gauss-Newton matrix of the mean loss and D the
diagonal of the prior in its units (`posterior/forms.py`),

    p(theta | y) ~ N(theta_, H^-1),      H = (W / phi) (C + D)

(MacKay 1992; with the Gauss-Newton matrix Immer, Korzepa & Bauer 2021). phi is 1 where exp(-l) is a density. Where
exp(-l / phi) is one it is the residual variance, by the effective number of parameters gamma,

    gamma = tr C (C + D)^-1 = p - sum_j D_j (C + D)^-1_jj,     phi = sum_i w_i (y_i - mu_i)^2 / V(mu_i) / (N - gamma),

with N = W k numbers observed, since a row of weight w counts as w rows; N = n k for model functions, whose weights are
1 / sigma^2. With E the sum of weighted losses, A = W D / phi the precisions of the prior, p_0 the number of flat
parameters, whose prior density is 1, and g = (W / phi) (gradient of the mean loss + D theta_),

    log p(y) = -E / phi - c - theta'A theta / 2 + g'H^-1 g / 2 + (log |A| - log |H| + p_0 log 2 pi) / 2,

|A| over the parameters that are not flat, c the density's normaliser (MacKay 1992; Bishop 2006, eq. 3.86). The fourth
term is what a Newton step would still gain; with it the evidence of a linear model is exact at any theta_.

Predictions, draws and covariances have T H^-1 in place of H^-1, with T = 1 unless a temperature is asked for
(`posterior/temperature.py`); gamma, phi and the evidence have not.
"""

import math
from functools import cached_property

import numpy as np
from sklearn.utils import check_random_state

from . import forms, predictive
from .classification import Averaging


class Laplace(Averaging):
    """A Gaussian around a fitted estimator's parameters; `laplace` makes it.

    Predictions are those of the model linearised at `theta`, F(x) + J(x) (theta' - theta): a Gaussian of raw outputs.

    Parameters
    ----------
    estimator : fitted estimator
        Whose rows are validated, and whose targets' units predictions have.
    here : Point
        Its parameters on the rows of the fit; not kept.
    how : str
    form : Factored
        C.
    free : (p,)
        1 at parameters of the posterior, 0 at those taken as known.
    D : (p,)
        The prior, 0 where it is flat.
    dispersion : float
        phi.
    log_density : float or None
        -E / phi - c in the target's units.
    temperature : float
        T.

    Attributes
    ----------
    theta : ndarray of shape (n_parameters,)
        The mean, in the units of training.
    how : str
        The form of C.
    dispersion : float
        The noise variance in the units of training; 1 where the loss is a density.
    temperature : float
        A factor on the covariance.
    shift : ndarray
        D, as the form takes it.
    scale : float
        T phi / W: the covariance is scale (C + D)^-1.
    effective_n_parameters : float
        How many parameters the data determine, tr C (C + D)^-1; a flat parameter counts as one.
    """

    def __init__(self, estimator, here, how, form, free, D, dispersion, log_density, temperature=1.0):
        objective = here.objective
        self.estimator, self.how, self.form, self.free, self.dispersion = estimator, how, form, free, dispersion
        self.network, self.loss, self.theta = objective.network, estimator.loss_function_, here.theta
        self.shift, self._flat = forms.completed(D, how, here, form, free)
        D = forms.spread(self.shift, how, here)
        inverse = forms.inverse_diagonal(form, self.shift, D, estimator, here)
        self.effective_n_parameters = float(np.sum(1 - D * inverse))
        self.temperature, self._variance = float(temperature), dispersion / objective.data.total_weight
        self.scale = self.temperature * self._variance  # the covariance is this times (C + D)^-1
        D = np.where(self._flat, 0.0, D)
        self._prior_log = np.log(D, out=np.zeros_like(D), where=D > 0)
        mean_grad = here.pullback(here.loss_grad).total()
        self._gradient, self._square = free * (mean_grad + D * here.theta), float(free @ (D * here.theta**2))
        self._log_density = log_density

    @cached_property
    def _solve(self):
        """b -> (C + D)^-1 b, factored once."""
        return self.form.solver(self.shift)

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "_solve"}

    def __repr__(self):
        return f"Laplace(how={self.how!r}, n_parameters={int(self.free.sum())}, dispersion={self.dispersion:.6g})"

    @property
    def noise_variance(self):
        """The variance of the noise in the target's units, a number, or one for each target (n_outputs,)."""
        if self.loss.name != "squared_error":
            return self.dispersion
        scale = self.estimator.targets_.scale
        values = self.dispersion * scale**2
        return float(values[0]) if self.estimator.targets_.one_dimensional else values

    @property
    def log_evidence(self):
        """The logarithm of the marginal likelihood, in the target's units.

        Flat parameters, such as biases of the outputs, have a prior density of 1 in the units of training: compare
        models with equally many of them alone. It is None where the normaliser of the density is unknown ("gamma",
        "tweedie").
        """
        if self._log_density is None:
            return None
        flat = int(self._flat.sum())
        half = 0.5 * (float(np.sum(self._prior_log)) - self.form.logdet(self.shift))
        half += 0.5 * flat * math.log(2 * math.pi * self._variance)
        gain = 0.5 * float(self._gradient @ self._solve(self._gradient))
        return self._log_density + (gain - 0.5 * self._square) / self._variance + half

    # --------------------------------------------------------------------------------------------- parameters

    def covariance_product(self, v):
        """H^-1 v.

        Parameters
        ----------
        v : array-like (p,)

        Returns
        -------
        ndarray (p,)
        """
        return self.scale * self.free * self._solve(self.free * np.asarray(v, dtype=np.float64))

    def variance_of(self, R):
        """The variances of linear functions of the parameters, diag R H^-1 R'.

        Parameters
        ----------
        R : array-like (m, p)

        Returns
        -------
        ndarray (m,)
        """
        R = self.free * np.asarray(R, dtype=np.float64)
        return self.scale * np.sum(R * self.solved(R), axis=1)

    def solved(self, R):
        """R (C + D)^-1 (m, p) for rows R (m, p) that are 0 at parameters taken as known."""
        if self.how in forms.KRONECKER:
            return np.stack([self._solve(r) for r in R])
        return self._solve(R.T).T

    def sample(self, n_draws=1, random_state=None):
        """Draws of the parameters.

        Parameters
        ----------
        n_draws : int, default=1
        random_state : int, RandomState instance or None, default=None

        Returns
        -------
        ndarray (n_draws, p)
        """
        z = check_random_state(random_state).standard_normal((n_draws, self.theta.shape[0]))
        if self.how in forms.KRONECKER:
            draws = np.stack([self.form.sqrt_solve(one, self.shift) for one in z])
        else:
            draws = self.form.sqrt_solve(z.T, self.shift).T
        return self.theta + math.sqrt(self.scale) * self.free * draws

    # -------------------------------------------------------------------------------------------- predictions

    def latent(self, X):
        """Means and covariances of the raw outputs: the network's at `theta`, and J H^-1 J'.

        Parameters
        ----------
        X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)

        Returns
        -------
        F : ndarray of shape (n_samples, n_raw_outputs)
        S : ndarray of shape (n_samples, n_raw_outputs, n_raw_outputs)
        """
        return predictive.latent(self, predictive.rows(self, X))

    def predictive(self, X, noise=True, offset=0.0):
        """Mean and standard deviation of the targets of a regressor.

        Parameters
        ----------
        X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
        noise : bool, default=True
            Whether the noise of single targets is in the deviation, or the parameters' uncertainty alone.
        offset : float or ndarray of shape (n_samples, n_raw_outputs), default=0.0
            Added to the raw outputs.

        Returns
        -------
        mean, std : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        mean, V = predictive.moments(self, X, noise, offset)
        targets = self.estimator.targets_
        return targets.decode(mean), targets.deviations(np.sqrt(np.einsum("ncc->nc", V)))

    def covariance(self, X, noise=True):
        """Covariances of the targets of a row, each row by itself.

        Parameters
        ----------
        X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
        noise : bool, default=True
            As for `predictive`.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs, n_outputs)
        """
        scale = self.estimator.targets_.scale
        return predictive.moments(self, X, noise)[1] * np.outer(scale, scale)

    def joint_covariance(self, X, noise=True, offset=0.0):
        """Covariances of a target at one row with the same target at another.

        Parameters
        ----------
        X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
        noise, offset
            As for `predictive`, whose squared deviations are the diagonal.

        Returns
        -------
        ndarray of shape (n_samples, n_samples) or (n_samples, n_samples, n_outputs)
        """
        targets = self.estimator.targets_
        K = predictive.joint_covariance(self, X, noise, offset) * targets.scale**2
        return K[:, :, 0] if targets.one_dimensional else K

    def quantiles(self, X, q):
        """Quantiles of the targets, as if normal with the mean and deviation of `predictive`.

        Parameters
        ----------
        X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
        q : float or array-like (m,)
            Levels between 0 and 1.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs), with a last axis m more where q is several levels
        """
        return predictive.normal_quantiles(*self.predictive(X), q)

    def sample_y(self, X, n_draws=1, random_state=None, noise=True):
        """Draws of the targets, those of one draw from the same parameters at all rows.

        Parameters
        ----------
        X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
        n_draws : int, default=1
        random_state : int, RandomState instance or None, default=None
        noise : bool, default=True
            Whether each target has its own noise on top.

        Returns
        -------
        ndarray of shape (n_samples, n_draws) or (n_samples, n_outputs, n_draws)
        """
        return predictive.draws(self, X, n_draws, check_random_state(random_state), noise)
