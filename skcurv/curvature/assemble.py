"""From a fitted estimator and rows to columns, products and forms.

Sums over rows run over parts of them. Kronecker factors are means over rows, and those of parts with masses m_q mix as
A = sum_q m_q A_q / sum_q m_q, G = sum_q G_q; the eigenvalues of ekfac are summed in a second pass. The rows of a Gram
matrix and the moments of a tridiagonal form are taken at once.
"""

from functools import reduce
from operator import add

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from ..backend.namespace import namespace, total
from ..data import Data
from ..linalg import Kronecker
from ..losses.draws import drawn
from ..objective import Objective
from . import structures
from .columns import empirical_fisher, ggn

HOWS = {
    "dense": "dense",
    "diag": "diagonal",
    "layer": "by_layer",
    "unit": "by_unit",
    "kron": "kronecker",
    "ekfac": "ekfac",
    "tridiagonal": "tridiagonal",
    "gram": "gram",
}
STRIP = 2**22  # numbers held at once while rows are summed


def point(estimator, X, y, sample_weight=None):
    """The estimator's parameters on these rows, with its loss and penalty, all in float64.

    Parameters
    ----------
    estimator : fitted estimator
    X, y, sample_weight
        As for `curvature`.

    Returns
    -------
    Point
    """
    check_is_fitted(estimator, "theta_")
    X = validate_data(estimator, X, accept_sparse="csr", dtype=np.float64, order="C", reset=False)
    y = estimator._checked_targets(y, X.shape[0])
    v = estimator._weights(y, checked_weights(sample_weight, X.shape[0]))
    data = Data(X, estimator._encoded(y, np.float64), v)
    alpha, box = getattr(estimator, "alpha_", estimator.alpha), getattr(estimator, "box_", None)
    objective = Objective(estimator.network_, estimator.loss_function_, data, alpha, box)
    return objective.point(estimator.theta_.astype(np.float64))


def checked_weights(sample_weight, n):
    """Weights (n,) in float64, ones by default."""
    if sample_weight is None:
        return np.ones(n)
    v = check_array(sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
    if v.shape != (n,) or v.min() < 0 or not v.any():
        raise ValueError(
            f"sample_weight of shape {v.shape} from {v.min():.6g} to {v.max():.6g} was given for {n} rows. Allowed are "
            f"{n} weights of at least 0, one of them above 0. Pass one such number for each row of X."
        )
    return v


def columns_of(what, n_draws, seed):
    """A function of a Point: its columns S (n, k, c). For parts in order the draws are those of the whole."""
    rng = np.random.default_rng(seed)
    if what == "ggn":
        return lambda here: ggn(here, rng)
    if what == "empirical-fisher":
        return lambda here: empirical_fisher(here, rng)
    return lambda here: drawn(here.objective.loss, here.tape.F, here.batch.Y, n_draws, rng) / n_draws**0.5


def product_of(here, S):
    """u -> sum_i w_i J_i' S_i S_i' J_i u."""
    w = here.batch.weights[:, None, None]

    def product(u):
        V = (w * S) @ (namespace(S).permute_dims(S, (0, 2, 1)) @ here.pushforward(u)[:, :, None])
        return here.pullback(V[:, :, 0]).total()

    return product


def form_of(how, here, pass_over, n_columns):
    """The structure, from as few rows at a time as it allows; ``pass_over()`` gives the columns of one pass."""
    structure = getattr(structures, HOWS[how])
    if how in ("gram", "tridiagonal"):
        return structure(here, pass_over()(here))
    layout = here.objective.network.layout
    entries = n_columns * sum(layout.sizes)
    if how in ("dense", "layer", "unit"):
        entries = max(entries, structures.entries_per_row(layout, n_columns))
    parts = here.parts(max(1, STRIP // entries))

    def forms(structure):
        columns = pass_over()
        return (structure(part, columns(part)) for part in parts)

    if how == "kron":
        return _mixed(forms(structure), parts)
    if how == "ekfac":
        basis = _mixed(forms(structures.kronecker), parts).in_eigenbasis()
        return reduce(add, forms(lambda part, S: structures.in_basis(part, S, basis)))
    return reduce(add, forms(structure))


def _mixed(forms, parts):
    """One Kronecker form from those of parts."""
    mass = 0.0
    for form, part in zip(forms, parts, strict=True):
        m = total(namespace(part.batch.w), part.batch.weights)
        if not mass:
            A, G, layout = form.A, form.G, form.layout
        else:
            A = tuple((mass * old + m * new) / (mass + m) for old, new in zip(A, form.A, strict=True))
            G = tuple(map(add, G, form.G))
        mass += m
    return Kronecker(layout, A, G)
