"""The matrix C (p, p) of a Newton step: which curvature, how it is held, and within which memory.

Rows are summed in chunks. With m rows R, chunks of `STRIP` numbers and blocks of b_l parameters, the most held is

    dense  2 p^2 + 3 chunks          C and the factor of C + shift; before that C and the half that it is made from.
                                     With one C in the place of another p^2 more
    gram   3 m p + 2 m^2             R, being joined or scaled; the kernel and its factor
    layer  2 sum_l b_l^2 + 3 chunks

The Hessian is dense. That of a multilayer perceptron is the Gauss-Newton matrix and the rest, from chunks too; that of
a model function is made by p products with unit vectors, each about three evaluations (Pearlmutter 1994).
"""

from ..backend.namespace import dot, namespace, stacked
from ..curvature import (
    empirical_fisher,
    entries_per_row,
    ggn,
    gram,
    hessian_product,
    sampled_fisher,
    slopes_and_gram,
)
from ..curvature.dense_blocks import assembled, assembled_by_layer, layer_sums
from ..curvature.layered_hessian import second_order_sums
from ..linalg import Dense

COLUMNS = {"ggn": ggn, "fisher": sampled_fisher, "empirical-fisher": empirical_fisher}
CURVATURES = (*COLUMNS, "hessian")
STRUCTURES = ("dense", "gram", "layer")
STRIP = 2**22  # numbers in the products of one chunk of rows


def matrix(here, structure, curvature, rng):
    """C at a Point, without the penalty.

    Parameters
    ----------
    here : Point
    structure : one of STRUCTURES
    curvature : one of CURVATURES
    rng : Generator
        For "fisher" alone. The draws do not depend on the chunks, unless the loss draws in two calls.

    Returns
    -------
    Factored
    """
    if curvature == "hessian" and not here.objective.network.layout.shapes:
        return _hessian(here)
    if structure == "gram":
        return gram(here, COLUMNS[curvature](here, rng))
    return _from_sums(here, structure, curvature, lambda part: _sums(part, structure, curvature, rng))


def with_second_order(here, structure, C):
    """The Hessian of a network's mean loss from its Gauss-Newton matrix C in a structure, which is kept."""
    if structure != "dense":
        return matrix(here, "dense", "hessian", None)
    S = _from_sums(here, "dense", "hessian", second_order_sums)
    S.C[...] += C.C
    return S


def _from_sums(here, structure, curvature, sums_of):
    """The matrix from the sums of parts of the rows."""
    layout, sums = here.objective.network.layout, {}
    for part in here.parts(max(1, STRIP // _entries(here, curvature))):
        _add(sums, sums_of(part))
    return (assembled if structure == "dense" else assembled_by_layer)(layout, sums)


def _sums(part, structure, curvature, rng):
    if curvature != "hessian":
        return layer_sums(part, COLUMNS[curvature](part, rng), across=structure == "dense")
    sums = layer_sums(part, ggn(part, rng), across=True)
    _add(sums, second_order_sums(part))
    return sums


def _entries(here, curvature):
    """About how many numbers a row takes at a time."""
    layout = here.objective.network.layout
    return entries_per_row(layout, here.k) * (max(1, len(layout.shapes)) if curvature == "hessian" else 1)


def _add(sums, more):
    """Add to the sums in place: a third K would not fit."""
    for pair, K in more.items():
        if pair in sums:
            sums[pair] += K
        else:
            sums[pair] = K


def _hessian(here):
    """The Hessian of a model function's mean loss, row by row."""
    theta, xp, D = here.theta, namespace(here.theta), here.objective.shift(here.theta)
    p = theta.shape[0]
    units = (xp.astype(xp.arange(p) == j, theta.dtype) for j in range(p))
    return Dense(stacked(((hessian_product(here, u) - D * u)[None, :] for u in units), p))


def slope_and_bend(here, d, hessian=None):
    """g'd and d'(C + D)d, exact and with the penalty's D, for the Gauss-Newton matrix or the Hessian given."""
    if hessian is not None:
        xp, D = namespace(d), here.objective.shift(here.theta)
        return dot(xp, here.grad, d), dot(xp, d, hessian.mv(d) + D * d)
    (slope,), ((bend,),) = slopes_and_gram(here, [d])
    return float(slope), float(bend)


def chosen(here, structure, curvature, limit):
    """The structure to use.

    Raises
    ------
    ValueError
        When none fits into `limit` bytes, or when the structure cannot hold the curvature.
    """
    if curvature == "hessian" and structure in ("gram", "layer"):
        raise ValueError(
            f"structure={structure!r} with curvature='hessian' was given to solver='lm-newton'. Allowed is 'dense' or "
            "'auto', for the Hessian has no rows. Set structure='dense', or curvature='ggn'."
        )
    layout = here.objective.network.layout
    p, m = layout.size, here.n * _columns_per_row(here, curvature)
    needed = {name: 8 * numbers for name, numbers in _numbers(here, curvature).items()}
    preferred = ["gram", "dense"] if 2 * m <= p else ["dense", "gram"]
    preferred += ["layer"] if layout.shapes else []
    preferred = ["dense"] if curvature == "hessian" else preferred
    if structure == "layer" and not layout.shapes:
        raise ValueError(
            "structure='layer' was given to solver='lm-newton' for a model without layers. Allowed are 'auto', 'dense' "
            "and 'gram'. Set structure='auto'."
        )
    for name in preferred if structure == "auto" else [structure]:
        if needed[name] <= limit:
            return name
    least = min(preferred, key=needed.get) if structure == "auto" else structure
    raise ValueError(
        f"A model of {p} parameters was given to solver='lm-newton', whose curvature ({least}) would take "
        f"{needed[least] / 2**30:.2f} GiB. Allowed are {limit / 2**30:.2f} GiB. Use fewer units, pass "
        "solver=LMNewton(memory_limit=...) with more bytes, or use solver='kfac'."
    )


def by_turns(here, limit):
    """Whether the Hessian is to be had beside the Gauss-Newton matrix.

    That is for a network with a hidden layer and fewer parameters than twice its targets, where residuals remain; rows
    count by their weights, so that a weight does what repetition does. Both fit into the limit.
    """
    p, targets = here.theta.shape[0], here.k * here.objective.data.total_weight
    if len(here.objective.network.layout.shapes) < 2 or p >= 2 * targets:
        return False
    return 8 * (_numbers(here, "hessian")["dense"] + p * p) <= limit


def _numbers(here, curvature):
    """Numbers held at most by each structure."""
    layout = here.objective.network.layout
    p, m = layout.size, here.n * _columns_per_row(here, curvature)
    entries = _entries(here, curvature)
    chunks = 3 * entries * min(here.n, max(1, STRIP // entries))
    blocks = sum((rows * columns) ** 2 for rows, columns in layout.shapes)
    return {"dense": 2 * p * p + chunks, "gram": 3 * m * p + 2 * m * m, "layer": 2 * blocks + chunks}


def _columns_per_row(here, curvature):
    return here.k if curvature == "ggn" else 1
