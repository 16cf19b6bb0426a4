r"""K-FAC: the natural gradient with a Kronecker-factored Fisher matrix (Martens & Grosse 2015)."""

from dataclasses import dataclass
from itertools import pairwise

from sklearn.base import BaseEstimator

from ..curvature import tridiagonal
from . import preconditioned
from .forms import Averaged, Corrected, ExactlyDamped, Factored
from .proposal import Recipe
from .protocol import COUNT, FRACTION, OPTIONAL

FORMS = {
    "kron": Factored(),
    "kron-exact": ExactlyDamped(),
    "ekfac": Corrected(),
    "tridiagonal": Averaged(tridiagonal),
}
BASIS = 3  # refresh periods between changes of an eigenbasis, whose eigenvalues follow in between
MEMORY_LIMIT = 4 * 2**30  # bytes, for factors, inverses and their work space


@dataclass(eq=False, repr=False)
class KFAC(BaseEstimator):
    r"""Kronecker-factored approximate curvature, block-diagonal; no learning rate.

    For layer :math:`l` with inputs :math:`\bar a` (a one appended) and loss gradients :math:`g` in its outputs, at
    targets drawn from the model, the Fisher block is taken as :math:`A_l \otimes G_l`, running means of
    :math:`E[\bar a \bar a']` and :math:`E[g g']`. The last :math:`G_l` is the loss's own, without draws, where the loss
    says that it is diagonal; not in "tridiagonal". With :math:`\pi_l^2 = (\mathrm{tr} A_l / \dim A_l) / (\mathrm{tr}
    G_l / \dim G_l)` and :math:`V_l` the gradient's block,

    .. math:: p_l = -(A_l + \pi_l \gamma I)^{-1} V_l (G_l + \pi_l^{-1} \gamma I)^{-1}, \qquad
              \gamma = r \sqrt{\lambda + l_2}, \qquad \theta \leftarrow \theta + \alpha p + \mu v,

    where :math:`(\alpha, \mu)` minimise the model of the exact Gauss-Newton matrix with damping :math:`\lambda` over
    :math:`p` and the last update :math:`v`; on mini-batches it is the running mean of such models in directions of
    length one, which takes in one in each of the first 10 steps and then ever fewer, down to one in 10. From the 25th
    model on the step is longer in the output layer by half of what a model with a length for it would add. The ratio
    :math:`r`, 1 at first, moves to the best by that model of :math:`\{0.36, 0.6, 1\}` in the third step and of
    :math:`\{0.6 r, r, r / 0.6\}` about every 160 steps.
    :math:`\lambda` follows the ratio of actual to predicted decrease every 10 steps, at every step when a batch is the
    full set; then the factors are exact. On mini-batches, which double from 128 rows, or as many as make the first
    gradient more than noise, to 512, or to the full set of at most 1024, the average of the iterates by polynomial
    decay is validated and returned.

    Parameters
    ----------
    damping : float or None, default=None
        :math:`\lambda` at the start, above 0; None finds it on the first batch.
    structure : {"kron", "kron-exact", "ekfac", "tridiagonal"}, default="kron"
        "kron" damps each factor as above; "kron-exact" adds :math:`\lambda + l_2` to the eigenvalues of
        :math:`A_l \otimes G_l`; "ekfac" puts the true second moments of the gradients in the place of those
        eigenvalues; "tridiagonal" models neighbouring layers together, so that the inverse is block-tridiagonal.
    refresh_period : int, default=20
        Steps between inversions of the factors, at least 1; the first three steps always invert.
    statistics_fraction : float, default=0.125
        Part of a mini-batch that the factors are estimated from, in (0, 1], at least 128 rows.
    model_fraction : float, default=0.125
        Part of a mini-batch for the exact model, in (0, 1], at least 128 rows, and as many as it needs to hang on 16.
    learning_rate : float or None, default=None
        A fixed :math:`\alpha`, above 0, with :math:`\mu = 0.9`, in place of the exact model's.
    norm_constraint : float or None, default=None
        The most that :math:`\alpha^2 g'(-p)`, about the squared length of a step in the Fisher metric, may be with a
        fixed rate, above 0; None is no limit.

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

    damping: float | None = None
    structure: str = "kron"
    refresh_period: int = 20
    statistics_fraction: float = 0.125
    model_fraction: float = 0.125
    learning_rate: float | None = None
    norm_constraint: float | None = None

    name = "kfac"
    domains = {
        "damping": OPTIONAL,
        "structure": (lambda s: isinstance(s, str) and s in FORMS, f"one of {', '.join(map(repr, FORMS))}"),
        "refresh_period": COUNT,
        "statistics_fraction": FRACTION,
        "model_fraction": FRACTION,
        "learning_rate": OPTIONAL,
        "norm_constraint": OPTIONAL,
    }
    remedy = "raise damping tenfold, or scale the inputs"
    double = False
    full_batch = False
    layered = True
    cost = "1.6"
    memory = "3 + factors and up to 2048 rows of them"

    def batch_size(self, n):
        return preconditioned.batch_size(n)

    def first_batch(self, n):
        return preconditioned.first_batch(n)

    def init(self, here, seed):
        _check_memory(here.objective.network.layout)
        return preconditioned.init(here, seed, self.damping)

    def step(self, here, state):
        form, period = FORMS[self.structure], int(self.refresh_period)
        recipe = Recipe(
            form=form,
            curvature="fisher",
            statistics_fraction=self.statistics_fraction,
            model_fraction=self.model_fraction,
            period=period if form.lazy else BASIS * period,
            search=self.learning_rate is None,
            rate=self.learning_rate,
            norm_constraint=self.norm_constraint,
        )
        return preconditioned.step(here, state, recipe)


def _check_memory(layout):
    entries = sum((i + 1) ** 2 + o**2 for i, o in pairwise(layout.sizes))
    needed = 4 * 8 * entries  # statistics, damped, inverse, work space
    if needed > MEMORY_LIMIT:
        raise ValueError(
            f"Layers of {layout.sizes} were given to solver='kfac', whose factors would take {needed / 2**30:.1f} GiB. "
            f"Allowed are {MEMORY_LIMIT / 2**30:.0f} GiB. Reduce the widest layer or the number of columns of X, or "
            "use solver='diag-fisher' or 'adam'."
        )
