r"""Levenberg-Marquardt damped Gauss-Newton: (C + lambda I + D) d = -g, lambda by the gain ratio.

Symbols: C = sum_i w_i J_i' H_i J_i the exact generalised Gauss-Newton matrix of the mean loss (p, p), D = l2 on weights
the penalty's Hessian, g the gradient, m(d) = g'd + d'(C + D)d / 2 the undamped model.

    repeat:  d = -(C + D + lambda I)^-1 g
             alpha = -g'd / d'(C + D + lambda I)d           (1 unless C is held by layers)
             rho = (f(theta + alpha d) - f(theta)) / m(alpha d)
             lambda <- Nielsen's rule
    until rho > 0
"""

import math
from dataclasses import dataclass
from functools import reduce
from operator import add

from sklearn.base import BaseEstimator

from ..backend.namespace import dot, finite, namespace, rounding
from ..curvature import by_layer, dense, entries_per_row, ggn, gram
from .damping import gain_ratio, negligible, nielsen
from .protocol import POSITIVE, Report
from .quadratic_model import minimise

STRUCTURES = {"dense": dense, "gram": gram, "layer": by_layer}
TRIES = 20  # each doubles the factor on lambda: together beyond any scale
START = 1e-3  # lambda at the start, relative to the largest diagonal entry of C (Madsen et al. 2004, eq. 3.14)
STRIP = 2**22  # numbers held at once while C is accumulated


@dataclass(eq=False, repr=False)
class LMNewton(BaseEstimator):
    r"""Levenberg-Marquardt with the exact generalised Gauss-Newton matrix; no learning rate.

    Each step solves

    .. math:: (C + D + \lambda I)\, d = -g, \qquad C = \sum_i w_i J_i' H_i J_i,

    with :math:`J_i` the network's Jacobian at row :math:`i`, :math:`H_i` the loss Hessian in output space, :math:`D`
    the penalty's Hessian and :math:`g` the gradient, and is taken when it lowers the objective. :math:`\lambda` follows
    the gain ratio by Nielsen's rule, and starts at :math:`10^{-3} \max \mathrm{diag}\, C`. Full batch unless
    ``batch_size`` says otherwise; parameters are held in float64.

    Parameters
    ----------
    structure : {"auto", "dense", "gram", "layer"}, default="auto"
        How :math:`C` is held. With p parameters, n rows of a batch and k outputs: "dense", p x p; "gram", by its n k
        rows, exact as well; "layer", only the diagonal blocks of the layers, an approximation whose step is scaled by
        the exact model. "auto" takes "gram" when 2 n k <= p, else "dense"; what would pass `memory_limit` makes way
        for the other exact form, then for "layer".
    memory_limit : float, default=2147483648
        Bytes (2 GiB) that :math:`C` and the work on it may take.

    References
    ----------
    K. Levenberg, Quarterly of Applied Mathematics 2 (1944); D. W. Marquardt, SIAM Journal 11 (1963); K. Madsen, H. B.
    Nielsen and O. Tingleff, "Methods for non-linear least squares problems", 2nd edition, Technical University of
    Denmark 2004, algorithm 3.16; N. N. Schraudolph, "Fast curvature matrix-vector products for second-order gradient
    descent", Neural Computation 14 (2002), for losses other than the squared error.

    Examples
    --------
    >>> from skcurv.solvers import LMNewton
    >>> LMNewton(structure="dense")
    LMNewton(structure='dense')
    """

    structure: str = "auto"
    memory_limit: float = 2 * 2**30

    name = "lm-newton"
    domains = {
        "structure": (lambda s: s in ("auto", *STRUCTURES), "one of 'auto', 'dense', 'gram', 'layer'"),
        "memory_limit": POSITIVE,
    }
    remedy = "scale the inputs, or raise alpha"
    double = True
    full_batch = False
    layered = False
    cost = "p"
    memory = "2 p"

    def batch_size(self, n):
        return n

    def init(self, here, seed):
        _choose(self.structure, self.memory_limit, here)
        return None

    def step(self, here, state):
        C = _curvature(self.structure, self.memory_limit, here)
        xp, diagonal = namespace(here.theta), C.diag()
        if not (finite(xp, diagonal) and math.isfinite(here.value)):
            return here, state, Report(0.0, trouble="the loss or its curvature is not finite")
        least = math.sqrt(rounding(here.theta)) * (float(xp.mean(diagonal)) or 1.0)
        lam = max(START * float(xp.max(diagonal)) if state is None else state, least)
        for rejections in range(TRIES):
            d, alpha, predicted = _damped_step(here, C, lam)
            there = here.moved(d)
            if negligible(here, there, predicted):
                return there, lam, Report(alpha, lam, converged=here.whole)
            rho = gain_ratio(there.value - here.value, predicted)
            lam = max(nielsen(lam, rho, rejections), least)
            if rho > 0:
                return there, lam, Report(alpha, lam, rho)
        return here, lam, Report(0.0, lam, rho, converged=here.whole)  # not even the least step along -g descends


def _damped_step(here, C, lam):
    """The step alpha d, alpha, and the undamped model's value there."""
    d = -C.solve(here.grad, lam + here.objective.shift(here.theta))
    (alpha,), predicted = minimise(here, [d], lam)
    d = float(alpha) * d
    return d, float(alpha), predicted - 0.5 * lam * dot(namespace(d), d, d)


def _curvature(structure, limit, here):
    """C in the chosen structure, accumulated over parts of the rows."""
    structure = _choose(structure, limit, here)
    entries = entries_per_row(here.objective.network.layout, here.batch.Y.shape[1])
    rows = here.n if structure == "gram" else max(1, STRIP // entries)
    parts = (STRUCTURES[structure](part, ggn(part, None)) for part in here.parts(rows))
    return reduce(add, parts)


def _choose(structure, limit, here):
    """The structure to use; ValueError when none fits into the limit."""
    layout = here.objective.network.layout
    p, m = layout.size, here.n * here.batch.Y.shape[1]
    blocks = [rows * columns for rows, columns in layout.shapes]
    needed = {
        "dense": 8 * 4 * p * p,  # C, a part's C, the shifted C and its factor
        "gram": 8 * (3 * m * p + 2 * m * m),  # rows, being joined, scaled; the kernel and its factor
        "layer": 8 * (2 * sum(b * b for b in blocks) + 2 * max(blocks) ** 2),
    }
    preferred = ["gram", "dense", "layer"] if 2 * m <= p else ["dense", "gram", "layer"]
    for name in preferred if structure == "auto" else [structure]:
        if needed[name] <= limit:
            return name
    least = min(needed, key=needed.get) if structure == "auto" else structure
    raise ValueError(
        f"A network of {p} parameters was given to solver='lm-newton', whose curvature ({least}) would take "
        f"{needed[least] / 2**30:.2f} GiB. Allowed are {limit / 2**30:.2f} GiB. Use fewer units, pass "
        "solver=LMNewton(memory_limit=...) with more bytes, or use solver='kfac'."
    )
