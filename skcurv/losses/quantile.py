"""Quantiles: pinball losses, rounded in a narrow zone about 0 (Koenker & Bassett 1978; `losses/rounded.py`).

With r = q - y, tau a level, h the rounded absolute value and epsilon the half-width of its zone,

    l = sum_j h(q_j - y) / 2 + (1/2 - tau_j) (q_j - y),   summed over targets.

Several quantiles of a target never cross:

    q_1 = F_1,   q_j = q_{j-1} + softplus(F_j).

S S' = Q' W Q with Q = dq / dF and W = diag(1 / max(|r_j|, epsilon)) / 2: iteratively reweighted least squares, whose
full steps never rise (Hunter & Lange 2000). For one level Q = 1; for more the curvature of softplus is left out.

Residuals shrink or grow by a factor a step, near 1 where a minimum is nearly not unique: the last digits of a linear
fit can take hundreds of steps.

A gradient depends on the target only through the quantiles that it is below, and below q_j it lies with probability
tau_j: draws need a uniform number, no density. Their second moment in q is min(tau_i, tau_j) - tau_i tau_j.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from sklearn.base import BaseEstimator

from ..backend.namespace import is_number, namespace, sigmoid, softplus
from .common import centre, check_finite
from .rounded import bend, bound_to, rounded, slope, weight, widened_at, width_of

GAP = 1e-3  # least distance of neighbouring quantiles at the start, in scales of the targets


def _are_levels(levels):
    if is_number(levels):
        return 0 < levels < 1
    if not isinstance(levels, Iterable) or isinstance(levels, (str, dict, set)):
        return False
    levels = list(levels)
    inside = all(is_number(tau) and 0 < tau < 1 for tau in levels)
    return bool(levels) and inside and all(a < b for a, b in pairwise(levels))


@dataclass(eq=False, repr=False)
class Quantile(BaseEstimator):
    """Pinball loss of one quantile or of several that never cross, summed over levels and targets.

    Parameters
    ----------
    levels : float or sequence of float, default=0.5
        Levels in (0, 1), rising. With m of them and k targets there are k m raw outputs and predictions, those of one
        target beside one another.

    References
    ----------
    R. Koenker and G. Bassett, "Regression quantiles", Econometrica 46 (1978); D. R. Hunter and K. Lange, "Quantile
    regression via an MM algorithm", Journal of Computational and Graphical Statistics 9 (2000).

    Examples
    --------
    >>> import numpy as np
    >>> from skcurv.losses import Quantile
    >>> Quantile(levels=0.75).value(np.zeros((2, 1)), np.array([[4.0], [-4.0]]))
    array([3., 1.])
    >>> Quantile(levels=(0.1, 0.5, 0.9)).raw_outputs(2)
    6
    """

    levels: Any = 0.5

    name = "quantile"
    domains = {"levels": (_are_levels, "a number in (0, 1), or a rising sequence of them")}
    out_activation = "identity"
    location_scale = True
    fused = None
    likelihood = "none"
    scale = 1.0

    def raw_outputs(self, k):
        """k m."""
        return k * len(self._taus)

    def for_targets(self, Y, w):
        """The loss whose zone fits the targets."""
        return bound_to(self, Y, w)

    def for_errors(self, F, Y, w):
        """The loss whose Hessian's mean estimates that of the mean loss at F."""
        middle = (len(self._taus) - 1) // 2
        return widened_at(self, self._quantiles(F)[:, :, middle] - Y, w, self._taus)

    def value(self, F, Y):
        """sum_c sum_j h(r_cj) / 2 + (1/2 - tau_j) r_cj, (n,)."""
        xp, (R, _, width) = namespace(F), self._residuals(F, Y)
        return xp.sum(0.5 * rounded(R, width) + (0.5 - self._row(F)) * R, axis=(1, 2))

    def grad(self, F, Y):
        """Q' (h'(r) / 2 + 1/2 - tau), (n, k m)."""
        R, Q, width = self._residuals(F, Y)
        return _pulled(Q, self._slopes(F, R, width))

    def hessp(self, F, Y, V):
        """Q' h''(r) / 2 Q V, and from j = 2 on the gradient times 1 - sigmoid(F_j), (n, k m)."""
        xp, (R, Q, width) = namespace(F), self._residuals(F, Y)
        flat = _pulled(Q, 0.5 * bend(R, width) * _pushed(Q, V))
        softness = xp.concat([xp.zeros_like(Q[:, :, :1]), sigmoid(-self._split(F)[:, :, 1:])], axis=2)
        return flat + _pulled(Q, self._slopes(F, R, width)) * xp.reshape(softness, F.shape) * V

    def ggnp(self, F, Y, V):
        """Q' W Q V, (n, k m)."""
        R, Q, width = self._residuals(F, Y)
        return _pulled(Q, 0.5 * weight(R, width) * _pushed(Q, V))

    def factor(self, F, Y):
        """Q' W^(1/2), (n, k m, k m)."""
        xp, (R, Q, width) = namespace(F), self._residuals(F, Y)
        (n, k, m), root = R.shape, xp.sqrt(0.5 * weight(R, width))
        later = xp.triu(xp.ones((m, m), dtype=F.dtype))
        blocks = Q[:, :, :, None] * later * root[:, :, None, :]
        own = xp.eye(k, dtype=F.dtype)[None, :, None, :, None]
        return xp.reshape(blocks[:, :, :, None, :] * own, (n, k * m, k * m))

    def sample(self, F, m, rng):
        """Q' (1[y < q] - tau) with y below q_j with probability tau_j, (n, k m, m)."""
        xp, Q, tau = namespace(F), self._slopes_of_q(F), self._row(F)
        uniform = xp.asarray(rng.random((F.shape[0], Q.shape[1], 1, m)), dtype=F.dtype)
        below = xp.astype(uniform < tau[:, None], F.dtype)
        return _pulled(Q[:, :, :, None], below - tau[:, None])

    def predict(self, F):
        """q, (n, k m)."""
        return namespace(F).reshape(self._quantiles(F), F.shape)

    def start(self, Y, w):
        """The weighted quantiles, (k m,), apart by a thousandth of the scale at least."""
        xp = namespace(Y)
        q = xp.stack([centre(self._one(tau), Y, w) for tau in self._taus], axis=1)
        least = GAP * xp.asarray(self.scale, dtype=Y.dtype)[..., None]
        gaps = xp.maximum(q[:, 1:] - q[:, :-1], least + xp.zeros_like(q[:, 1:]))
        return xp.reshape(xp.concat([q[:, :1], gaps + xp.log(-xp.expm1(-gaps))], axis=1), (-1,))

    def check_targets(self, Y):
        """Any finite number is allowed."""
        check_finite(self, Y)

    @property
    def _taus(self):
        return [self.levels] if is_number(self.levels) else list(self.levels)

    def _one(self, tau):
        """The loss of one level, with the same zone."""
        one = Quantile(tau)
        one.scale = self.scale
        return one

    def _row(self, F):
        return namespace(F).asarray(self._taus, dtype=F.dtype)

    def _split(self, F):
        """F by target and level, (n, k, m)."""
        return namespace(F).reshape(F, (F.shape[0], -1, len(self._taus)))

    def _quantiles(self, F):
        xp, F = namespace(F), self._split(F)
        return xp.cumulative_sum(xp.concat([F[:, :, :1], softplus(F[:, :, 1:])], axis=2), axis=2)

    def _slopes_of_q(self, F):
        """dq_i / dF_j for i >= j: 1, then sigmoid(F_j), (n, k, m)."""
        xp, F = namespace(F), self._split(F)
        return xp.concat([xp.ones_like(F[:, :, :1]), sigmoid(F[:, :, 1:])], axis=2)

    def _residuals(self, F, Y):
        """r (n, k, m), the slopes of q, and epsilon."""
        width = width_of(self, F)
        return self._quantiles(F) - Y[:, :, None], self._slopes_of_q(F), width[..., None]

    def _slopes(self, F, R, width):
        """dl / dq, (n, k, m)."""
        return 0.5 * slope(R, width) + 0.5 - self._row(F)


def _pushed(Q, V):
    """Q V by target and level, for V (n, k m)."""
    xp = namespace(Q)
    return xp.cumulative_sum(Q * xp.reshape(V, Q.shape), axis=2)


def _pulled(Q, G):
    """Q' G, with the levels of all targets in one axis."""
    xp = namespace(G)
    sums = xp.flip(xp.cumulative_sum(xp.flip(G, axis=2), axis=2), axis=2)
    return xp.reshape(Q * sums, (G.shape[0], -1, *G.shape[3:]))
