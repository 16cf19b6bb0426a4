r"""Block-diagonal Fisher: the natural gradient with one exact block for each layer or for each unit."""

from dataclasses import dataclass

from sklearn.base import BaseEstimator

from ..curvature import by_layer, by_unit
from . import preconditioned
from .forms import Averaged
from .preconditioned import CURVATURE
from .proposal import Recipe
from .protocol import COUNT, FRACTION, OPTIONAL

FORMS = {"unit": Averaged(by_unit), "layer": Averaged(by_layer)}
MEMORY_LIMIT = 2 * 2**30  # bytes, for blocks, averages, inverses and their work space


@dataclass(eq=False, repr=False)
class BlockFisher(BaseEstimator):
    r"""Preconditioning by the damped diagonal blocks of the Fisher matrix; no learning rate.

    With :math:`F_b` the running mean of :math:`\sum_i w_i s_{ib} s_{ib}'`, :math:`s_{ib}` the gradient in the
    parameters of block :math:`b` of :math:`\log p(y_i)` at targets :math:`y_i` drawn from the model,

    .. math:: p_b = -(F_b + (\lambda + l_2) I)^{-1} g_b, \qquad \theta \leftarrow \theta + \alpha p + \mu v,

    where :math:`(\alpha, \mu)` minimise the model of the exact Gauss-Newton matrix with damping :math:`\lambda` over
    :math:`p` and the last update :math:`v`. :math:`\lambda` follows the ratio of actual to predicted decrease. On
    mini-batches, which double from 128 rows, or as many as make the first gradient more than noise, to 512, or to the
    full set of at most 1024, the average of the iterates by polynomial decay is validated and returned.

    Parameters
    ----------
    damping : float or None, default=None
        :math:`\lambda` at the start, above 0; None finds it on the first batch.
    blocks : {"unit", "layer"}, default="unit"
        The parameters of a block: the incoming weights and the bias of one unit (i inputs: (i + 1)^2 numbers), or all
        of a layer (o outputs: (i + 1)^2 o^2 numbers).
    curvature : {"fisher", "ggn", "empirical-fisher"}, default="fisher"
        Gradients at targets drawn from the model, a factor of the loss Hessian (as many passes as outputs), or
        gradients at the true targets.
    refresh_period : int, default=20
        Steps between inversions of the blocks, at least 1; the first three steps always invert.
    statistics_fraction : float, default=0.125
        Part of a mini-batch that the blocks are estimated from, in (0, 1], at least 128 rows.
    model_fraction : float, default=1.0
        Part of a mini-batch for the exact model, in (0, 1], at least 128 rows, and as many as it needs to hang on 16.

    References
    ----------
    S. Amari, H. Park and K. Fukumizu, "Adaptive method of realizing natural gradient learning for multilayer
    perceptrons", Neural Computation 12 (2000); blocks by unit: N. Le Roux, P.-A. Manzagol and Y. Bengio, "Topmoumoute
    online natural gradient algorithm", NIPS 2007.

    Examples
    --------
    >>> from skcurv.solvers import BlockFisher
    >>> BlockFisher(blocks="layer")
    BlockFisher(blocks='layer')
    """

    damping: float | None = None
    blocks: str = "unit"
    curvature: str = "fisher"
    refresh_period: int = 20
    statistics_fraction: float = 0.125
    model_fraction: float = 1.0

    name = "block-fisher"
    domains = {
        "damping": OPTIONAL,
        "blocks": (lambda b: isinstance(b, str) and b in FORMS, f"one of {', '.join(map(repr, FORMS))}"),
        "curvature": CURVATURE,
        "refresh_period": COUNT,
        "statistics_fraction": FRACTION,
        "model_fraction": FRACTION,
    }
    remedy = "raise damping tenfold, or scale the inputs"
    double = False
    full_batch = False
    layered = True
    cost = "2 + blocks"
    memory = "3 + 2 (i + 1) of the widest layer, o times that by layer"

    def batch_size(self, n):
        return preconditioned.batch_size(n)

    def first_batch(self, n):
        return preconditioned.first_batch(n)

    def init(self, here, seed):
        _check_memory(here.objective.network.layout, self.blocks)
        return preconditioned.init(here, seed, self.damping)

    def step(self, here, state):
        form, period = FORMS[self.blocks], int(self.refresh_period)
        recipe = Recipe(form, self.curvature, self.statistics_fraction, self.model_fraction, period)
        return preconditioned.step(here, state, recipe)


def _check_memory(layout, blocks):
    entries = sum((rows * columns) ** 2 if blocks == "layer" else rows**2 * columns for rows, columns in layout.shapes)
    needed = 4 * 8 * entries
    if needed > MEMORY_LIMIT:
        raise ValueError(
            f"Layers of {layout.sizes} were given to solver='block-fisher', whose blocks by {blocks} would take "
            f"{needed / 2**30:.1f} GiB. Allowed are {MEMORY_LIMIT / 2**30:.0f} GiB. Use blocks='unit', narrower "
            "layers, or solver='kfac'."
        )
