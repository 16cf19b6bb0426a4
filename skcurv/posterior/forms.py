r"""The two parts of a posterior's precision: the curvature C in a form that inverts, and the prior's diagonal D.

D is the penalty's Hessian, l2 at weights, with two additions for networks:

* Biases of hidden layers, which the penalty leaves free, have the prior of the weights. A unit that is active on every
  row, or on none, would else leave its bias undetermined.
* Biases of the outputs stay flat. Their D is `FLAT` times their mean curvature (`FLAT_GRAM` where rows are held, whose
  inverse goes through D^-1), too little to be seen: only a softmax, which a constant added to all outputs leaves
  alone, has a direction that nothing else determines.

Kronecker forms take one number a layer: the mean of D over the layer's weights, for its biases too.

Parameters that are not in the posterior (held by a bound, or outside the last layer) have C = 0 and D = 1 here: the
matrix falls apart, and they add nothing to log det(C + D), to log det D or to gamma.

What fails: where the diagonal of C + D times that of its inverse is above 1 / (`ROUNDINGS` eps), that parameter is a
combination of others but for rounding (the variance inflation factor, Belsley, Kuh & Welsch 1980, section 3.2).
"""

import numpy as np

from ..backend.namespace import dense
from ..curvature.assemble import STRIP, columns_of, form_of
from ..linalg import BlockDiagonal, Dense, Diagonal
from ..network.mlp import LayerPairs

LAYERED = ("layer", "kron", "ekfac", "last-layer")
HOWS = ("dense", "gram", "diag", *LAYERED)
KRONECKER = ("kron", "ekfac")
FLAT, FLAT_GRAM = 1e-10, 1e-7
ROUNDINGS = 100
NUDGE = 1e-6  # relative to the mean diagonal: makes a singular matrix regular, to find where it is singular


def curvature_form(how, here):
    """The Gauss-Newton matrix at a Point; Kronecker products by their eigenvectors."""
    if how == "last-layer":
        return _last_layer(here)
    form = form_of(how, here, lambda: columns_of("ggn", 0, 0), here.k)
    return form.in_eigenbasis() if how == "kron" else form


def _last_layer(here):
    """The last layer's block, and zeros before it."""
    layout, S = here.objective.network.layout, columns_of("ggn", 0, 0)
    start, size, C = layout.slices[-1].start, layout.size, 0.0
    for part in here.parts(max(1, STRIP // ((size - layout.slices[-1].start) * here.k))):
        A, root = dense(part.tape.A[-1]), np.sqrt(part.batch.weights)[:, None, None]
        columns = root * S(part)
        for j in range(columns.shape[2]):
            R = LayerPairs([(A, columns[:, :, j])], part.tape.spare).rows()
            C = C + R.T @ R
    return BlockDiagonal((slice(0, start), slice(start, size)), (Diagonal(np.zeros(start)), Dense(C)))


def members(how, here):
    """A mask (p,): 1 at the parameters that are in the posterior, else 0."""
    if how == "last-layer":
        return (np.arange(here.theta.shape[0]) >= here.objective.network.layout.slices[-1].start).astype(float)
    return np.ones_like(here.theta) if here.objective.box is None else np.asarray(here.free)


def penalty_of(here):
    """D (p,) by the penalty, with the biases of hidden layers; 0 where the prior is flat."""
    objective, D = here.objective, np.array(here.objective.shift(here.theta))
    shapes = objective.network.layout.shapes
    if shapes and not np.ndim(objective.l2):
        D[: len(D) - shapes[-1][1]] = objective.l2
    return D


def completed(D, how, here, form, free):
    """The shift of the form for a prior D (p,), and the mask (p,) of its flat parameters."""
    layout = here.objective.network.layout
    if how in KRONECKER:
        return layout.weight_means(D), np.zeros(len(D), dtype=bool)
    flat, D = (D == 0) & (free > 0), np.where(free > 0, D, 1.0)
    if flat.any() and layout.shapes:
        first = len(D) - layout.shapes[-1][1]  # with alpha=0 weights are flat too, and stay so
        outputs = first + np.flatnonzero(flat[first:])
        D[outputs] = (FLAT_GRAM if how == "gram" else FLAT) * np.mean(form.diag()[outputs])
    return D, flat


def spread(shift, how, here):
    """A form's shift as one number a parameter (p,)."""
    return here.objective.network.layout.repeated(shift) if how in KRONECKER else shift


def inverse_diagonal(form, shift, D, estimator, here):
    """The diagonal of (C + D)^-1 (p,).

    Raises
    ------
    ValueError
        Where C + D is not positive definite but for rounding, naming the parameter that is least determined.
    """
    diagonal = form.diag() + D
    with np.errstate(all="ignore"):
        inverse = form.inverse_diag(shift)
        inflation = diagonal * inverse
        if np.isfinite(inflation).all() and inflation.max() <= 1 / (ROUNDINGS * np.finfo(D.dtype).eps):
            return inverse
        inflation = diagonal * form.inverse_diag(shift + NUDGE * np.mean(diagonal))
    if not np.isfinite(here.value):
        raise ValueError(
            f"The loss of the fitted parameters is {here.value} on the rows given. Allowed are rows where it is "
            "finite. Scale X, or fit again."
        )
    j = int(np.argmax(np.where(np.isfinite(inflation), inflation, -1.0)))
    raise ValueError(
        f"The posterior is not positive definite: data and prior do not determine "
        f"{label(estimator, here.objective.network.layout, j)}. Allowed are fits where they determine every parameter. "
        "Raise alpha, pass prior_precision above 0, or drop a column of X that repeats others."
    )


def label(estimator, layout, j):
    """A parameter in words."""
    if not layout.shapes:
        return repr(estimator.labels_[j])
    layer = next(layer for layer, s in enumerate(layout.slices) if j < s.stop)
    source, unit = divmod(j - layout.slices[layer].start, layout.shapes[layer][1])
    if source == layout.shapes[layer][0] - 1:
        return f"the bias of unit {unit} of layer {layer + 1}"
    return f"the weight from input {source} to unit {unit} of layer {layer + 1}"
