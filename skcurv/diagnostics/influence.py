r"""What a fit would be without one of its rows, from one Newton step and no refit.

With w_i the share of row i's weight, J_i (k, p) the Jacobian of its raw outputs, g_i and M_i the gradient and the
curvature of its loss in output space, C + D that of the objective, a minimum without row i is near theta_ + d_i,

    d_i = (C + D - w_i J_i' M_i J_i)^-1 w_i J_i' g_i = (C + D)^-1 J_i' q_i,
    q_i = (I - w_i M_i P_i)^-1 w_i g_i,      P_i = J_i (C + D)^-1 J_i'

(Pregibon 1981; Koh & Liang 2017, with the row's own curvature taken out as well). It is exact for a linear model with
squared error, where I - w_i P_i turns the residual into that of a fit without the row. The leverage of a row is
tr w_i M_i P_i; the leverages sum to the effective number of parameters. The row's pull is W d_i'(C + D) d_i, which is
W q_i'P_i q_i, W the total weight.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..curvature.assemble import STRIP, checked_weights, point
from ..data import chunks
from ..posterior import forms
from ..posterior.laplace import Laplace
from ..posterior.predictive import rows


@dataclass(frozen=True)
class Influence:
    """What `influence` finds, row by row of the fit.

    Attributes
    ----------
    leverage : ndarray of shape (n_samples,)
        How far a row's outputs follow its own targets, 0 to the number of outputs.
    left_out : ndarray
        Predictions of each row by the other rows: as of `predict` for regressors; of classifiers the means of the
        targets' columns, of shape (n_samples, n_columns), one column for two classes.
    loss : ndarray of shape (n_samples,)
        The loss of each row at those.
    pull : ndarray of shape (n_samples,)
        W d'(C + D) d with d the parameters' change and W the total weight: over the noise variance and the number of
        parameters it is Cook's distance.
    change : ndarray or None
        Of the predictions at the rows `on`, one for each row left out: (n_samples, n_on) or (n_samples, n_on,
        n_columns).
    """

    leverage: Any
    left_out: Any
    loss: Any
    pull: Any
    change: Any = None


def influence(estimator, X, y, how="dense", *, sample_weight=None, on=None):
    """Leave-one-out predictions, and the influence of each row of a fit, by one Newton step each.

    Parameters
    ----------
    estimator : fitted CurvatureMLPRegressor, CurvatureMLPClassifier, CurvatureRegressor or CurvatureClassifier
        At a minimum of its objective. It is not changed.
    X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
        The rows of the fit.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Their targets.
    how : {"dense", "gram", "diag", "layer", "kron", "ekfac", "last-layer"}, default="dense"
        How the curvature is held, as for `skcurv.posterior.laplace`.
    sample_weight : array-like of shape (n_samples,), default=None
        The weights of the fit.
    on : array-like of shape (n_on, n_features), default=None
        Rows at which the change of predictions is wanted.

    Returns
    -------
    Influence

    References
    ----------
    D. Pregibon, "Logistic regression diagnostics", Annals of Statistics 9 (1981); P. W. Koh and P. Liang,
    "Understanding black-box predictions via influence functions", ICML 2017; R. D. Cook, "Detection of influential
    observation in linear regression", Technometrics 19 (1977).

    Examples
    --------
    >>> import numpy as np
    >>> from skcurv import CurvatureMLPRegressor
    >>> from skcurv.diagnostics import influence
    >>> X = np.append(np.linspace(0, 1, 20), 3.0)[:, None]
    >>> y = X[:, 0] + 0.1 * np.sin(50 * X[:, 0])
    >>> reg = CurvatureMLPRegressor((), solver="lm-newton").fit(X, y)
    >>> int(np.argmax(influence(reg, X, y).leverage))
    20
    """
    here = point(estimator, X, y, sample_weight)
    form, free = forms.curvature_form(how, here), forms.members(how, here)
    posterior = Laplace(estimator, here, how, form, free, forms.penalty_of(here), 1.0, None)
    X, loss, W = rows(posterior, X), posterior.loss, here.objective.data.total_weight
    y = estimator._checked_targets(y, X.shape[0])
    w = estimator._weights(y, checked_weights(sample_weight, X.shape[0]))[:, None, None] / W
    Y, (F, S) = estimator._encoded(y, np.float64), posterior.latent(X)
    P, g, L = W * S, loss.grad(F, Y)[:, :, None], loss.factor(F, Y)
    MP = L @ (L.transpose(0, 2, 1) @ P)
    q = np.linalg.solve(np.eye(F.shape[1]) - w * MP, w * g)
    step = P @ q
    without = F + step[:, :, 0]
    return Influence(
        np.einsum("ncc->n", w * MP),
        _predicted(posterior, without),
        loss.value(without, Y),
        W * np.sum(q * step, axis=(1, 2)),
        None if on is None else _changes(posterior, X, q[:, :, 0], rows(posterior, on)),
    )


def _predicted(posterior, F):
    """Predictions in the target's units, or means of the 0/1 columns."""
    targets, P = posterior.estimator.targets_, posterior.loss.predict(F)
    return targets.decode(P) if hasattr(targets, "scale") else P


def _changes(posterior, X, q, on):
    """Changes of the predictions `on` by the steps d_i."""
    network, theta = posterior.network, posterior.theta
    tape, found = network.forward(theta, on), []
    before = _predicted(posterior, tape.F)
    for part in chunks(X.shape[0], max(1, STRIP // theta.shape[0])):
        R = posterior.free * network.pullback(network.forward(theta, X[part]), q[part]).rows()
        for d in posterior.solved(R):
            found.append(_predicted(posterior, tape.F + network.pushforward(tape, posterior.free * d)) - before)
    return np.stack(found)
