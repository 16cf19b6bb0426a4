r"""K-FAC: the natural gradient with a Kronecker-factored Fisher matrix (Martens & Grosse 2015)."""

from dataclasses import dataclass
from itertools import pairwise

from sklearn.base import BaseEstimator

from ..curvature import kronecker
from . import preconditioned
from .protocol import COUNT, FRACTION, POSITIVE

MEMORY_LIMIT = 4 * 2**30  # bytes, for factors, inverses and their work space


@dataclass(eq=False, repr=False)
class KFAC(BaseEstimator):
    r"""Kronecker-factored approximate curvature, block-diagonal; no learning rate.

    For layer :math:`l` with inputs :math:`\bar a` (a one appended) and loss gradients :math:`g` in its outputs, at
    targets drawn from the model, the Fisher block is taken as :math:`A_l \otimes G_l`, running means of
    :math:`E[\bar a \bar a']` and :math:`E[g g']`. With :math:`\pi_l^2 = (\mathrm{tr} A_l / \dim A_l) /
    (\mathrm{tr} G_l / \dim G_l)` and :math:`V_l` the gradient's block,

    .. math:: p_l = -(A_l + \pi_l \sqrt{\lambda + l_2} I)^{-1} V_l (G_l + \pi_l^{-1} \sqrt{\lambda + l_2} I)^{-1},
              \qquad \theta \leftarrow \theta + \alpha p + \mu v,

    where :math:`(\alpha, \mu)` minimise the model of the exact Gauss-Newton matrix with damping :math:`\lambda` over
    :math:`p` and the last update :math:`v`. :math:`\lambda` follows the ratio of actual to predicted decrease every 5
    steps, at every step when a batch is the full set; then the factors are exact.

    Parameters
    ----------
    damping : float, default=1.0
        :math:`\lambda` at the start, above 0.
    refresh_period : int, default=20
        Steps between inversions of the factors, at least 1; the first three steps always invert.
    statistics_fraction : float, default=0.125
        Part of a mini-batch that the factors are estimated from, in (0, 1], at least 128 rows.
    model_fraction : float, default=0.125
        Part of a mini-batch for the exact model, in (0, 1], at least 128 rows.

    References
    ----------
    J. Martens and R. Grosse, "Optimizing neural networks with Kronecker-factored approximate curvature", ICML 2015,
    algorithm 2 of arXiv:1503.05671.

    Examples
    --------
    >>> from skcurv.solvers import KFAC
    >>> KFAC(refresh_period=10)
    KFAC(refresh_period=10)
    """

    damping: float = 1.0
    refresh_period: int = 20
    statistics_fraction: float = 0.125
    model_fraction: float = 0.125

    name = "kfac"
    domains = {
        "damping": POSITIVE,
        "refresh_period": COUNT,
        "statistics_fraction": FRACTION,
        "model_fraction": FRACTION,
    }
    remedy = "raise damping tenfold, or scale the inputs"
    double = False
    full_batch = False
    layered = True
    cost = "1.5"
    memory = "1 + factors"

    def batch_size(self, n):
        return min(512, n)

    def init(self, here, seed):
        _check_memory(here.objective.network.layout)
        return preconditioned.init(here, seed, self.damping)

    def step(self, here, state):
        due = state.step < 3 or state.step % self.refresh_period == 0
        fractions = (self.statistics_fraction, self.model_fraction)
        return preconditioned.step(here, state, kronecker, _invert, due, *fractions)


def _invert(statistics, d, dtype):
    return statistics.damped(d).inverse().astype(dtype)


def _check_memory(layout):
    entries = sum((i + 1) ** 2 + o**2 for i, o in pairwise(layout.sizes))
    needed = 4 * 8 * entries  # statistics, damped, inverse, work space
    if needed > MEMORY_LIMIT:
        raise ValueError(
            f"Layers of {layout.sizes} were given to solver='kfac', whose factors would take {needed / 2**30:.1f} GiB. "
            f"Allowed are {MEMORY_LIMIT / 2**30:.0f} GiB. Reduce the widest layer or the number of columns of X, or "
            "use solver='diag-fisher' or 'adam'."
        )
