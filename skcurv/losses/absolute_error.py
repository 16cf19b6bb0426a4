"""Absolute error, rounded in a narrow zone about 0 (`losses/rounded.py`): the prediction is the median.

With r = F - y, l = sum_c h(r_c) and S S' = diag(1 / max(|r|, epsilon)): iteratively reweighted least squares, whose
full steps never rise (Hunter & Lange 2000).
"""

from ..backend.namespace import namespace
from .common import centre, check_finite, diagonal
from .rounded import bend, bound_to, rounded, slope, weight, widened_at, width_of


class AbsoluteError:
    """Absolute error, summed over outputs: the prediction is the median.

    References
    ----------
    R. Koenker and G. Bassett, "Regression quantiles", Econometrica 46 (1978); D. R. Hunter and K. Lange, "Quantile
    regression via an MM algorithm", Journal of Computational and Graphical Statistics 9 (2000).

    Examples
    --------
    >>> import numpy as np
    >>> from skcurv.losses import AbsoluteError
    >>> AbsoluteError().value(np.zeros((1, 2)), np.array([[0.5, -3.0]]))
    array([3.5])
    """

    name = "absolute_error"
    out_activation = "identity"
    location_scale = True
    fused = None
    likelihood = "none"
    scale = 1.0

    def raw_outputs(self, k):
        """k."""
        return k

    def for_targets(self, Y, w):
        """The loss whose zone fits the targets."""
        return bound_to(self, Y, w)

    def for_errors(self, F, Y, w):
        """The loss whose Hessian's mean estimates that of the mean loss at F."""
        return widened_at(self, F - Y, w, [0.5])

    def value(self, F, Y):
        """sum_c h(r_c), (n,)."""
        return namespace(F).sum(rounded(F - Y, width_of(self, F)), axis=1)

    def grad(self, F, Y):
        """clip(r / epsilon, -1, 1), (n, k)."""
        return slope(F - Y, width_of(self, F))

    def hessp(self, F, Y, V):
        """V / epsilon where |r| <= epsilon, else 0, (n, k)."""
        return bend(F - Y, width_of(self, F)) * V

    def ggnp(self, F, Y, V):
        """V / max(|r|, epsilon), (n, k)."""
        return weight(F - Y, width_of(self, F)) * V

    def factor(self, F, Y):
        """diag(max(|r|, epsilon)^(-1/2)), (n, k, k)."""
        return diagonal(namespace(F).sqrt(weight(F - Y, width_of(self, F))))

    def sample(self, F, m, rng):
        """-1 or 1 with equal probability, (n, k, m)."""
        return namespace(F).asarray(rng.choice([-1.0, 1.0], (*F.shape, m)), dtype=F.dtype)

    def predict(self, F):
        """F."""
        return F

    def start(self, Y, w):
        """The weighted median, (k,)."""
        return centre(self, Y, w)

    def check_targets(self, Y):
        """Any finite number is allowed."""
        check_finite(self, Y)
