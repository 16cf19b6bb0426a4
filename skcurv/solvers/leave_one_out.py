r"""How well each row is predicted by the others, by the model linearised at theta: no refit.

With C the curvature of the mean loss, W the total weight, D the penalty's Hessian, g_i (k,) and L_i (k, k) the gradient
and the Hessian of a row's loss at its raw outputs F_i, J_i (k, p) their Jacobian and

    S_i = J_i (C + D)^-1 J_i' / W,      S_-i = (I - u_i S_i L_i)^-1 u_i S_i,      u_i = min(w_i, 1),

the second without the row, or one of the w_i rows that it stands for, a Newton step without it takes its outputs to

    F_-i = F_i + S_-i g_i                              (Rad & Maleki 2020; exact where l is quadratic in linear outputs)

Kronecker products are means over all rows to which one row matters little, and can have S_i L_i above I; there S_-i is
u_i S_i. The density of y_i is exp(-l(F_-i, y_i)) where exp(-l) is one. For the half squared error under noise of
precision beta the uncertainty of F_-i is in it too,

    p(y_i | others) = N(y_i; F_-i, (I + S_-i) / beta)                   (Rasmussen & Williams 2006, eq. 5.12)
"""

import math

import numpy as np

from ..backend.namespace import total
from ..curvature.outputs import output_covariance
from ..losses.offset import without_offset
from .newton_system import STRIP

ROWS = 2**12  # rows, evenly spaced, that are left out one by one


def score(here, C, prior):
    """The weighted mean over rows of the log density of their targets given the others.

    Parameters
    ----------
    here : Point
        All rows, under the penalty of the prior.
    C : Factored
    prior : Prior

    Returns
    -------
    float
        -inf where one row alone determines outputs of its own.
    """
    weight = here.objective.data.total_weight
    here = here.on(here.batch.part(slice(None, None, -(-here.n // ROWS))))
    loss, F, Y, w, k = here.objective.loss, here.tape.F, here.batch.Y, here.batch.weights, here.k
    u = np.minimum(w * weight, 1.0)[:, None, None]
    S = u / weight * _covariances(here, C, prior.shift(weight, C))
    root = loss.factor(F, Y)
    L = root @ root.transpose(0, 2, 1)
    left = S if hasattr(C, "quadratic") else np.linalg.solve(np.eye(k) - S @ L, S)
    spread = np.eye(k) + left @ L
    sign, logdet = np.linalg.slogdet(spread)
    if not (np.isfinite(logdet).all() and (sign > 0).all()):
        return -math.inf
    moved = F + (left @ loss.grad(F, Y)[:, :, None])[:, :, 0]
    if loss.name == "squared_error":
        misfit = np.sum((moved - Y) * np.linalg.solve(spread, (moved - Y)[:, :, None])[:, :, 0], axis=1)
        density = 0.5 * (k * math.log(prior.beta / (2 * math.pi)) - logdet - prior.beta * misfit)
    else:
        proper, _, targets = without_offset(loss, F, Y)
        density = -loss.value(moved, Y) - proper.log_normaliser(targets)
    return total(np, w * density) / total(np, w)


def _covariances(here, C, D):
    """J_i (C + D)^-1 J_i' (n, k, k), some rows at a time."""
    k, solve, found = here.k, C.solver(D), []
    for part in here.parts(max(1, STRIP // (k * here.theta.shape[0]))):
        found.append(output_covariance(part.pullback, part.n, k, C, D, solve))
    return np.concatenate(found)
