r"""The covariance of estimated parameters, from the curvature where they ended.

With W the sum of all weights, C the curvature of the mean loss, D the penalty's and H = W (C + D) the information,

    model      phi H^-1,  C the Gauss-Newton or Fisher matrix           (expected information)
    hessian    phi H^-1,  C the exact Hessian                           (observed information)
    sandwich   H^-1 (sum_i w_i^2 g_i g_i') H^-1 n / (n - p)             (White 1980; MacKinnon & White 1985, HC1)

g_i the gradient of row i's loss. Where exp(-l) is no density, S S' may be a bound of the loss's Hessian, and the
sandwich has that Hessian itself in C, at a kink one that counts the residuals near it (Powell 1991). phi is 1 where
exp(-l) is a density, or where weights are 1 / sigma^2; else Pearson's

    phi = sum_i w_i (y_i - mu_i)^2 / V(mu_i) / (n k - p)                (McCullagh & Nelder 1989, section 4.5.2)

which is the residual variance for the squared error. Parameters that the box holds are left out. In units where H has a
unit diagonal, eigenvectors of eigenvalues below p ROUNDINGS eps are not determined by the data: their parameters have
infinite standard errors, and the others those of the rest. The exact Hessian is a difference of derivatives of relative
error e, so a direction that C does not see and along which H is below ROUNDINGS e^(2/3) counts as such too.

With N the undetermined directions, a linear function a'theta has the variance a' cov a where a'N = 0, and no finite one
elsewhere (Searle 1971, section 5.4: estimable functions).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backend.namespace import rounding, total
from ..losses.offset import without_offset
from ..solvers.newton_system import matrix

ROUNDINGS = 100
PART = 1e-7  # of an undetermined direction, that makes a parameter undetermined; less is rounding
SEEN = 1e-5  # of a linear function along an undetermined direction, that makes it undetermined; less is rounding of J
KINDS = ("model", "hessian", "sandwich")


@dataclass(frozen=True)
class Covariance:
    """What is known of the parameters' errors.

    Attributes
    ----------
    determined : (p, p)
        On what the data determine; zero in rows and columns of held parameters.
    null : (p, m)
        N, the undetermined directions in units where H has a unit diagonal.
    scale : (p,)
        Those units: a'theta is a / scale there.
    held : (p,) bool
    dispersion : float
        phi.
    degrees : int
        n k - p, the degrees of freedom left.
    kind : str
        One of KINDS.
    """

    determined: Any
    null: Any
    scale: Any
    held: Any
    dispersion: float
    degrees: int
    kind: str

    @property
    def undetermined(self):
        """A mask (p,)."""
        return (self.null**2).sum(axis=1) > PART**2

    @property
    def matrix(self):
        """The covariance (p, p): NaN at held parameters, infinite on the diagonal at undetermined ones."""
        if self.degrees <= 0:
            return np.full(self.determined.shape, np.nan)
        full = self.determined.copy()
        full[self.undetermined, self.undetermined] = np.inf
        full[self.held], full[:, self.held] = np.nan, np.nan
        return full

    @property
    def stderr(self):
        """Standard errors (p,)."""
        return np.sqrt(np.diagonal(self.matrix))

    def stderr_of(self, A):
        """Standard errors (n, k) of linear functions A (n, k, p) of the parameters, those held taken as known."""
        if self.degrees <= 0:
            return np.full(A.shape[:2], np.nan)
        variance = np.einsum("nkp,pq,nkq->nk", A, self.determined, A)
        B = np.where(self.held, 0.0, A / self.scale)
        seen = (np.abs(B @ self.null) > SEEN * np.linalg.norm(B, axis=2, keepdims=True)).any(axis=2)
        return np.where(seen, np.inf, np.sqrt(np.maximum(variance, 0.0)))


def kind_of(loss, cov_type):
    """The kind that "auto" stands for: a sandwich where the loss is no density."""
    if cov_type != "auto":
        return cov_type
    return "sandwich" if loss.likelihood == "none" else "model"


def covariance(here, cov_type, absolute_sigma, exclusive=False):
    """The covariance at a Point of the full set.

    Parameters
    ----------
    here : Point
    cov_type : {"auto", "model", "hessian", "sandwich"}
    absolute_sigma : bool
        Whether weights are 1 / sigma^2, so that phi is 1.
    exclusive : bool, default=False
        Whether the targets of a row are one label.

    Returns
    -------
    Covariance
    """
    objective = here.objective
    p, degrees = here.theta.shape[0], residual_degrees(here, exclusive)
    kind = kind_of(objective.loss, cov_type)
    phi = 1.0 if absolute_sigma else dispersion(here, degrees)
    held = np.zeros(p, dtype=bool) if objective.box is None else here.free == 0
    found, null, scale = np.zeros((p, p)), np.zeros((p, 0)), np.ones(p)
    if degrees > 0 and not held.all():
        open_ = np.ix_(~held, ~held)
        C = _curvature(here, "ggn")[open_]
        H = _curvature(here, "hessian")[open_] if kind == "hessian" else C
        if kind == "sandwich" and objective.loss.likelihood == "none":
            H = _bread(here)[open_]
        part, directions, scale[~held] = _inverse(H, C, objective.network.derivative.error)
        null = np.zeros((p, directions.shape[1]))
        null[~held] = directions
        n, influence = objective.data.n, _scores(here)[:, ~held] @ part if kind == "sandwich" else None
        found[open_] = phi * part if influence is None else influence.T @ influence * (n / max(n - p, 1))
    return Covariance(found, null, scale, held, phi, degrees, kind)


def residual_degrees(here, exclusive):
    """n k - p, p the free parameters; n - p where the k targets of a row are one label."""
    Y = _parts(here)[2]
    return (Y.shape[0] if exclusive else Y.size) - here.theta.shape[0]


def dispersion(here, degrees):
    """phi."""
    loss, F, Y = _parts(here)
    if loss.likelihood != "dispersion" or degrees <= 0:
        return 1.0
    M = loss.predict(F)
    terms = here.batch.weights[:, None] * (Y - M) ** 2 / loss.variance(M)
    return here.objective.data.total_weight * total(np, terms) / degrees


def _parts(here):
    """The loss proper with its raw outputs and targets (n, k)."""
    return without_offset(here.objective.loss, here.tape.F, here.batch.Y)


def _curvature(here, what):
    """The information (p, p) by the Hessian or the Gauss-Newton matrix."""
    C = matrix(here, "dense", what, None).C + np.diag(here.objective.shift(here.theta))
    return here.objective.data.total_weight * C


def _bread(here):
    """The information (p, p) by the exact Hessian of the loss, where S S' bounds it: sum_i w_i J_i' l''_i J_i."""
    (loss, F, Y), J, w = _parts(here), here.tape.J, here.batch.weights
    loss = loss.for_errors(F, Y, w) if hasattr(loss, "for_errors") else loss
    bent = np.stack([loss.hessp(F, Y, J[:, :, j]) for j in range(J.shape[2])], axis=2)
    C = np.einsum("n,nkp,nkq->pq", w, J, bent)
    return here.objective.data.total_weight * (C + np.diag(here.objective.shift(here.theta)))


def _inverse(H, C, error):
    """The inverse of H (p, p) on what the data determine, the directions that they do not, and the units of those.

    The inverse is NaN where H is not finite.
    Directions that C does not see, and H no more than by the error of its differences, are not determined.
    """
    scale = np.sqrt(np.abs(np.diagonal(H)))
    scale[scale == 0] = 1.0
    H, C = (M / np.outer(scale, scale) for M in (H, C))
    if not (np.isfinite(H).all() and np.isfinite(C).all()):
        return np.full(H.shape, np.nan), np.zeros((len(scale), 0)), np.ones_like(scale)
    N, _, _ = _split(C)
    t, R = np.linalg.eigh(N.T @ H @ N)
    N = N @ R[:, t <= ROUNDINGS * error ** (2 / 3)]
    rest = np.eye(len(scale)) - N @ N.T
    N, s, Q = _split(rest @ H @ rest)
    half = Q / np.sqrt(s) / scale[:, None]
    return half @ half.T, N, scale


def _split(H):
    """Eigenvectors of H (p, p) whose eigenvalues are rounding; the other eigenvalues and vectors."""
    s, Q = np.linalg.eigh(H)
    null = s <= len(s) * ROUNDINGS * rounding(H) * max(float(s[-1]), 1.0)
    return Q[:, null], s[~null], Q[:, ~null]


def _scores(here):
    """The rows w_i g_i (n, p), w_i raw weights."""
    w = here.batch.weights * here.objective.data.total_weight
    return here.pullback(w[:, None] * here.objective.loss.grad(here.tape.F, here.batch.Y)).rows()


def log_likelihood(here, absolute_sigma):
    """The maximised log-likelihood and the number of parameters in it, None where the loss is no density.

    That of the squared error is a normal one with the residual variance as a parameter of its own, unless weights are
    1 / sigma^2.
    """
    objective, p = here.objective, here.theta.shape[0]
    (loss, F, Y), W = _parts(here), objective.data.total_weight
    if loss.likelihood == "exact":
        c = total(np, here.batch.weights * loss.log_normaliser(Y))
        return -W * (here.value - objective.penalty(here.theta) + c), p
    if loss.likelihood != "dispersion" or loss.name != "squared_error":
        return None
    n, w = Y.size, here.batch.weights * W
    rss = total(np, w[:, None] * (Y - F) ** 2)
    constant = 0.5 * Y.shape[1] * total(np, np.log(w))
    if absolute_sigma:
        return constant - 0.5 * (n * np.log(2 * np.pi) + rss), p
    return -0.5 * n * (np.log(2 * np.pi * rss / n) + 1) + constant if rss > 0 else np.inf, p + 1
