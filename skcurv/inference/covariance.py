r"""The covariance of estimated parameters, from the curvature where they ended.

With W the sum of all weights, C the curvature of the mean loss, D the penalty's and H = W (C + D) the information,

    model      phi H^-1,  C the Gauss-Newton or Fisher matrix           (expected information)
    hessian    phi H^-1,  C the exact Hessian                           (observed information)
    sandwich   H^-1 (sum_i w_i^2 g_i g_i') H^-1 n / (n - p)             (White 1980; MacKinnon & White 1985, HC1)

g_i the gradient of row i's loss. phi is 1 where exp(-l) is a density, or where weights are 1 / sigma^2; else Pearson's

    phi = sum_i w_i (y_i - mu_i)^2 / V(mu_i) / (n k - p)                (McCullagh & Nelder 1989, section 4.5.2)

which is the residual variance for the squared error. Parameters that the box holds are left out. In units where H has a
unit diagonal, eigenvectors of eigenvalues below p ROUNDINGS eps are not determined by the data: their parameters have
infinite standard errors, and the others those of the rest.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backend.namespace import rounding, total
from ..solvers.newton_system import matrix

ROUNDINGS = 100
PART = 1e-7  # of an undetermined direction, that makes a parameter undetermined; less is rounding
KINDS = ("model", "hessian", "sandwich")


@dataclass(frozen=True)
class Covariance:
    """What is known of the parameters' errors.

    Attributes
    ----------
    matrix : (p, p)
        NaN in rows and columns of held parameters, infinite on the diagonal of undetermined ones.
    held, undetermined : (p,) bool
    dispersion : float
        phi.
    degrees : int
        n k - p, the degrees of freedom left.
    kind : str
        One of KINDS.
    """

    matrix: Any
    held: Any
    undetermined: Any
    dispersion: float
    degrees: int
    kind: str

    @property
    def stderr(self):
        """Standard errors (p,)."""
        return np.sqrt(np.diagonal(self.matrix))


def kind_of(loss, cov_type):
    """The kind that "auto" stands for: a sandwich where the loss is no density."""
    if cov_type != "auto":
        return cov_type
    return "sandwich" if loss.likelihood == "none" else "model"


def covariance(here, cov_type, absolute_sigma):
    """The covariance at a Point of the full set.

    Parameters
    ----------
    here : Point
    cov_type : {"auto", "model", "hessian", "sandwich"}
    absolute_sigma : bool
        Whether weights are 1 / sigma^2, so that phi is 1.

    Returns
    -------
    Covariance
    """
    objective = here.objective
    p, degrees = here.theta.shape[0], residual_degrees(here)
    kind = kind_of(objective.loss, cov_type)
    phi = 1.0 if absolute_sigma else dispersion(here, degrees)
    held = np.zeros(p, dtype=bool) if objective.box is None else here.free == 0
    full, undetermined = np.full((p, p), np.nan), np.zeros(p, dtype=bool)
    if degrees <= 0:
        return Covariance(full, held, undetermined, phi, degrees, kind)
    what = "hessian" if kind == "hessian" else "ggn"
    C = matrix(here, "dense", what, None).C + np.diag(objective.shift(here.theta))
    open_ = np.flatnonzero(~held)
    inverse, loose = _inverse(objective.data.total_weight * C[np.ix_(open_, open_)])
    if kind == "sandwich":
        found = (
            inverse @ _scores(here)[np.ix_(open_, open_)] @ inverse * (objective.data.n / max(objective.data.n - p, 1))
        )
    else:
        found = phi * inverse
    found[loose, loose] = np.inf
    full[np.ix_(open_, open_)] = found
    undetermined[open_[loose]] = True
    return Covariance(full, held, undetermined, phi, degrees, kind)


def residual_degrees(here):
    """n k - p, p the free parameters."""
    rows, outputs = here.batch.Y.shape
    return rows * outputs - here.theta.shape[0]


def dispersion(here, degrees):
    """phi."""
    loss = here.objective.loss
    if loss.likelihood != "dispersion" or degrees <= 0:
        return 1.0
    M = loss.predict(here.tape.F)
    terms = here.batch.weights[:, None] * (here.batch.Y - M) ** 2 / loss.variance(M)
    return here.objective.data.total_weight * total(np, terms) / degrees


def _inverse(H):
    """The inverse of H (p, p) on what the data determine, and the mask of parameters that they do not."""
    scale = np.sqrt(np.abs(np.diagonal(H)))
    scale[scale == 0] = 1.0
    s, Q = np.linalg.eigh(H / np.outer(scale, scale))
    null = s <= len(s) * ROUNDINGS * rounding(H) * max(float(s[-1]), 1.0)
    loose = (Q[:, null] ** 2).sum(axis=1) > PART**2
    half = Q[:, ~null] / np.sqrt(s[~null]) / scale[:, None]
    return half @ half.T, loose


def _scores(here):
    """sum_i w_i^2 g_i g_i' (p, p), w_i raw weights."""
    w = here.batch.weights * here.objective.data.total_weight
    g = here.pullback(w[:, None] * here.objective.loss.grad(here.tape.F, here.batch.Y)).rows()
    return g.T @ g


def log_likelihood(here, cov):
    """The maximised log-likelihood and the number of parameters in it, None where the loss is no density.

    That of the squared error is a normal one with the residual variance as a parameter of its own.
    """
    objective, p = here.objective, here.theta.shape[0]
    loss, W, n = objective.loss, objective.data.total_weight, here.batch.Y.size
    if loss.likelihood == "exact":
        c = total(np, here.batch.weights * loss.log_normaliser(here.batch.Y))
        return -W * (here.value - objective.penalty(here.theta) + c), p
    if loss.name != "squared_error":
        return None
    w = here.batch.weights * W
    rss = total(np, w[:, None] * (here.batch.Y - here.tape.F) ** 2)
    constant = 0.5 * here.batch.Y.shape[1] * total(np, np.log(w))
    return -0.5 * n * (np.log(2 * np.pi * rss / n) + 1) + constant if rss > 0 else np.inf, p + 1
