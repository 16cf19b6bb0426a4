"""How curvature is held: a Point and columns S (n, k, c) to an operator; w_i are the batch's weights.

With a_i = [A_l[i], 1] a layer's input and G_l[i, :, j] the j-th column of S_i pulled back to its output:

* dense:      C[(l, a, r), (m, b, t)] = sum_i a_i^l[a] a_i^m[b] M_i[r, t],  M_i = w_i G_l[i] G_m[i]'
* by_layer:   the blocks l = m of it
* diagonal:   sum_i w_i sum_j (a_i G_l[i, :, j]')^2
* kronecker:  A_l = sum_i w_i a_i a_i' / sum_i w_i,  G_l = sum_i w_i G_l[i] G_l[i]'  (Martens & Grosse 2015, eq. 5)
* with_exact_output: the same for drawn columns; in the last layer, where G_l[i] = S_i, the mean over draws may be known
* gram:       the rows sqrt(w_i) a_i G_l[i, :, j]' themselves, n c of them
* by_unit:    C_r = sum_i w_i |G_l[i, r]|^2 a_i a_i' of each unit r
* ekfac:      Q_A, Q_G the eigenvectors of A_l and G_l, Lambda = sum_i w_i sum_j ((Q_A' a_i) (Q_G' G_l[i, :, j])')^2
              (George et al. 2018, eq. 6)
* tridiagonal: A_l, G_l, and of neighbours m = l + 1 sum_i w_i a_i^l a_i^m' / sum_i w_i and sum_i w_i G_l[i] G_m[i]'
              (Martens & Grosse 2015, section 4.3)
"""

from itertools import pairwise

from ..backend.namespace import inner, namespace, total
from ..linalg import EKFAC, Diagonal, Gram, KroneckerTridiagonal, UnitBlocks
from .dense_blocks import by_layer, dense, entries_per_row, with_ones
from .factors import factor_rows

__all__ = [
    "by_layer",
    "by_unit",
    "dense",
    "diagonal",
    "ekfac",
    "entries_per_row",
    "gram",
    "in_basis",
    "kronecker",
    "rows_with_exact_output",
    "tridiagonal",
    "with_exact_output",
]


def _columns(here, S):
    """The pairs (A_l, G_l) of each column."""
    return [here.pullback(S[:, :, j]) for j in range(S.shape[2])]


def _root_weighted(here, S):
    return namespace(S).sqrt(here.batch.weights)[:, None, None] * S


def diagonal(here, S):
    """The diagonal of the curvature."""
    squares = [pairs.squares() for pairs in _columns(here, _root_weighted(here, S))]
    return Diagonal(sum(squares[1:], squares[0]))


def gram(here, S):
    """The curvature by its rows."""
    rows = [pairs.rows() for pairs in _columns(here, _root_weighted(here, S))]
    return Gram(namespace(rows[0]).concat(rows, axis=0))


def by_unit(here, S):
    """One matrix a unit."""
    columns, blocks = _columns(here, _root_weighted(here, S)), []
    for layer, (inputs, _) in enumerate(columns[0].pairs):
        A = with_ones(inputs)
        xp, (n, i) = namespace(A), A.shape
        squares = [pairs.pairs[layer][1] ** 2 for pairs in columns]
        products = xp.reshape(A[:, :, None] * A[:, None, :], (n, i * i))
        blocks.append(xp.reshape(sum(squares[1:], squares[0]).T @ products, (-1, i, i)))
    return UnitBlocks(here.objective.network.layout, tuple(blocks))


def kronecker(here, S):
    """One Kronecker product a layer."""
    return factor_rows(here, _columns(here, S)).factors()


def with_exact_output(here, S):
    """`kronecker`, with no noise of draws in the last G where the loss says that S S' is diagonal."""
    return rows_with_exact_output(here, S).factors()


def rows_with_exact_output(here, S, share=1.0):
    """What the factors of `with_exact_output`, times a share above 0, are the products of."""
    return factor_rows(here, _columns(here, S), share, _output_curvature(here))


def _output_curvature(here):
    """sum_i w_i S_i S_i' of the loss as its diagonal (k,), None where it has more than that."""
    loss, F, w = here.objective.loss, here.tape.F, here.batch.weights
    if not getattr(loss, "diagonal", False):
        return None
    xp = namespace(F)
    return xp.sum(w[:, None] * loss.ggnp(F, here.batch.Y, xp.ones_like(F)), axis=0)


def ekfac(here, S):
    """The eigenvectors of the Kronecker factors with the true second moments in their basis."""
    return in_basis(here, S, kronecker(here, S).in_eigenbasis())


def in_basis(here, S, basis):
    """`ekfac` with the eigenvectors of another one."""
    columns, eigenvalues = _columns(here, _root_weighted(here, S)), []
    for layer, (inputs, g) in enumerate(columns[0].pairs):
        xp = namespace(g)
        Q_A, Q_G = (xp.astype(Q[layer], g.dtype, copy=False) for Q in (basis.Q_A, basis.Q_G))
        A = (inputs @ Q_A[:-1, :] + Q_A[-1, :]) ** 2
        squares = [A.T @ (pairs.pairs[layer][1] @ Q_G) ** 2 for pairs in columns]
        eigenvalues.append(xp.astype(sum(squares[1:], squares[0]), basis.L[layer].dtype, copy=False))
    return EKFAC(basis.layout, basis.Q_A, basis.Q_G, tuple(eigenvalues))


def tridiagonal(here, S):
    """Kronecker products of each layer and of neighbouring layers."""
    columns, w = _columns(here, S), here.batch.weights
    mass, A_next, G_next = total(namespace(w), w), [], []
    for layer, following in pairwise(range(len(columns[0].pairs))):
        left, right = (columns[0].pairs[one][0] for one in (layer, following))
        A_next.append(_bordered_cross(left, w[:, None] * right, w) / mass)
        blocks = [pairs.pairs[layer][1].T @ (w[:, None] * pairs.pairs[following][1]) for pairs in columns]
        G_next.append(sum(blocks[1:], blocks[0]))
    return KroneckerTridiagonal(factor_rows(here, columns).factors(), tuple(A_next), tuple(G_next))


def _bordered_cross(A, B, w):
    """sum_i [A_i, 1]'[B_i, w_i], for B that carries the weights."""
    xp = namespace(B)
    B = xp.concat([B, w[:, None]], axis=1)
    return xp.concat([inner(A, B), xp.sum(B, axis=0)[None, :]], axis=0)
