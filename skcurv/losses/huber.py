"""Squared error near the target, absolute error far from it (Huber 1964).

With r = F - y and psi(r) = clip(r, -delta, delta):

    l = psi(r) (r - psi(r) / 2),   gradient psi(r),   Hessian 1 where |r| <= delta, else 0,

summed over outputs. S S' = psi(r) / r = min(1, delta / |r|), the weights of iteratively reweighted least squares: the
parabola with this curvature that touches l at r lies above l everywhere (Huber & Ronchetti 2009, section 7.8; Hunter &
Lange 2000). Samples are psi of r drawn from the density proportional to exp(-l), Huber's least favourable one:
E psi^2 = E psi' = P(|r| <= delta), its Fisher information.
"""

import math
from dataclasses import dataclass

import numpy as np
import scipy.special
from sklearn.base import BaseEstimator

from ..backend.namespace import is_number, namespace
from .common import centre, check_finite, diagonal


@dataclass(eq=False, repr=False)
class Huber(BaseEstimator):
    """Huber's loss: half the square up to delta, then linear.

    Parameters
    ----------
    delta : float, default=1.35
        Residuals above it have bounded influence. In the units in which the loss sees the targets: standard deviations
        where those are standardised.

    References
    ----------
    P. J. Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35 (1964); P. J. Huber
    and E. M. Ronchetti, "Robust statistics", 2nd edition, Wiley 2009; D. R. Hunter and K. Lange, "Quantile regression
    via an MM algorithm", Journal of Computational and Graphical Statistics 9 (2000).

    Examples
    --------
    >>> import numpy as np
    >>> from skcurv.losses import Huber
    >>> Huber(delta=1.0).value(np.zeros((1, 2)), np.array([[0.5, 3.0]]))
    array([2.625])
    """

    delta: float = 1.35

    name = "huber"
    domains = {"delta": (lambda delta: is_number(delta) and delta > 0, "a finite number above 0")}
    out_activation = "identity"
    location_scale = True
    fused = None
    likelihood = "none"

    def raw_outputs(self, k):
        """k."""
        return k

    def value(self, F, Y):
        """sum_c psi(r_c) (r_c - psi(r_c) / 2), (n,)."""
        R = F - Y
        psi = self._psi(R)
        return namespace(F).sum(psi * (R - 0.5 * psi), axis=1)

    def grad(self, F, Y):
        """psi(r), (n, k)."""
        return self._psi(F - Y)

    def hessp(self, F, Y, V):
        """V where |r| <= delta, else 0, (n, k)."""
        xp = namespace(F)
        return xp.where(xp.abs(F - Y) <= self.delta, V, xp.zeros_like(V))

    def ggnp(self, F, Y, V):
        """min(1, delta / |r|) V, (n, k)."""
        return self._weight(F, Y) * V

    def factor(self, F, Y):
        """diag(sqrt(min(1, delta / |r|))), (n, k, k)."""
        return diagonal(namespace(F).sqrt(self._weight(F, Y)))

    def sample(self, F, m, rng):
        """psi(r) with r from the density proportional to exp(-l), (n, k, m)."""
        xp, delta = namespace(F), self.delta
        below, middle = scipy.special.ndtr(-delta), math.erf(delta / math.sqrt(2))
        tails = 2 * math.exp(-0.5 * delta**2) / delta / math.sqrt(2 * math.pi)
        share = middle / (middle + tails)  # of |r| <= delta, where r is normal
        u = 2 * rng.random((*F.shape, m)) - 1
        normal = scipy.special.ndtri(below + middle * (0.5 + 0.5 * np.clip(u / share, -1, 1)))
        return xp.asarray(np.where(abs(u) < share, normal, np.sign(u) * delta), dtype=F.dtype)

    def predict(self, F):
        """F."""
        return F

    def start(self, Y, w):
        """Huber's estimate of location at this delta, (k,)."""
        return centre(self, Y, w)

    def check_targets(self, Y):
        """Any finite number is allowed."""
        check_finite(self, Y)

    def _psi(self, R):
        return namespace(R).clip(R, -self.delta, self.delta)

    def _weight(self, F, Y):
        xp = namespace(F)
        R = xp.abs(F - Y)
        return self.delta / xp.maximum(R, xp.full_like(R, self.delta))
