r"""Diagonal Fisher: the natural gradient with a diagonal Fisher matrix and the exact Gauss-Newton step length."""

from dataclasses import dataclass

from sklearn.base import BaseEstimator

from ..curvature import diagonal
from . import preconditioned
from .forms import Averaged
from .preconditioned import CURVATURE
from .proposal import Recipe
from .protocol import FRACTION, OPTIONAL


@dataclass(eq=False, repr=False)
class DiagFisher(BaseEstimator):
    r"""Preconditioning by the damped diagonal of the Fisher matrix; no learning rate.

    With :math:`f_j` the running mean of :math:`\sum_i w_i (\partial \log p(y_i) / \partial \theta_j)^2` at targets
    :math:`y_i` drawn from the model, :math:`g` the gradient, :math:`v` the last update and :math:`G` the exact
    Gauss-Newton matrix,

    .. math:: p_j = -\frac{g_j}{f_j + \lambda + l_2}, \qquad
              (\alpha, \mu) = \arg\min\; g'd + \tfrac12 d'(G + \lambda I) d, \quad d = \alpha p + \mu v, \qquad
              \theta \leftarrow \theta + d.

    :math:`\lambda` follows the ratio of actual to predicted decrease. When a batch is the full set, the diagonal is
    exact. On mini-batches, which double from 128 rows, or as many as make the first gradient more than noise, to 512,
    or to the full set of at most 1024, the average of the iterates by polynomial decay is validated and returned.

    Parameters
    ----------
    damping : float or None, default=None
        :math:`\lambda` at the start, above 0; None finds it on the first batch.
    curvature : {"fisher", "ggn", "empirical-fisher"}, default="fisher"
        Gradients at targets drawn from the model, a factor of the loss Hessian (as many passes as outputs), or
        gradients at the true targets.
    statistics_fraction : float, default=0.125
        Part of a mini-batch that the diagonal is estimated from, in (0, 1], at least 128 rows.
    model_fraction : float, default=1.0
        Part of a mini-batch for the exact model, in (0, 1], at least 128 rows, and as many as it needs to hang on 16.

    References
    ----------
    J. Martens, "New insights and perspectives on the natural gradient method", JMLR 21 (2020), section 10; the step
    length and the momentum: J. Martens and R. Grosse, "Optimizing neural networks with Kronecker-factored approximate
    curvature", ICML 2015, section 7 of arXiv:1503.05671.

    Examples
    --------
    >>> from skcurv.solvers import DiagFisher
    >>> DiagFisher(damping=0.1)
    DiagFisher(damping=0.1)
    """

    damping: float | None = None
    curvature: str = "fisher"
    statistics_fraction: float = 0.125
    model_fraction: float = 1.0

    name = "diag-fisher"
    domains = {"damping": OPTIONAL, "curvature": CURVATURE, "statistics_fraction": FRACTION, "model_fraction": FRACTION}
    remedy = "raise damping tenfold, or scale the inputs"
    double = False
    full_batch = False
    layered = False
    cost = "1.8"
    memory = "5"

    def batch_size(self, n):
        return preconditioned.batch_size(n)

    def first_batch(self, n):
        return preconditioned.first_batch(n)

    def init(self, here, seed):
        return preconditioned.init(here, seed, self.damping)

    def step(self, here, state):
        recipe = Recipe(Averaged(diagonal), self.curvature, self.statistics_fraction, self.model_fraction)
        return preconditioned.step(here, state, recipe)
