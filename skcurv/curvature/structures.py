"""How curvature is held: a Point and columns S (n, k, c) to an operator; w_i are the batch's weights.

With a_i = [A_l[i], 1] a layer's input and G_l[i, :, j] the j-th column of S_i pulled back to its output:

* dense:      C[(l, a, r), (m, b, t)] = sum_i a_i^l[a] a_i^m[b] M_i[r, t],  M_i = w_i G_l[i] G_m[i]'
* by_layer:   the blocks l = m of it
* diagonal:   sum_i w_i sum_j (a_i G_l[i, :, j]')^2
* kronecker:  A_l = sum_i w_i a_i a_i' / sum_i w_i,  G_l = sum_i w_i G_l[i] G_l[i]'  (Martens & Grosse 2015, eq. 5)
* gram:       the rows sqrt(w_i) a_i G_l[i, :, j]' themselves, n c of them
"""

from itertools import pairwise

import numpy as np

from ..backend.namespace import dense as as_dense
from ..backend.namespace import gram as weighted_gram
from ..backend.namespace import inner, namespace, total
from ..linalg import BlockDiagonal, Dense, Diagonal, Gram, Kronecker


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


def kronecker(here, S):
    """One Kronecker product a layer."""
    columns, w = _columns(here, S), here.batch.weights
    xp = namespace(w)
    mass = total(xp, w)
    A, G = [], []
    for layer, (inputs, _) in enumerate(columns[0].pairs):
        A.append(_bordered(xp, inputs, w) / mass)
        outputs = [pairs.pairs[layer][1] for pairs in columns]
        blocks = [weighted_gram(g, w) for g in outputs]
        G.append(sum(blocks[1:], blocks[0]))
    return Kronecker(here.objective.network.layout, tuple(A), tuple(G))


def _bordered(xp, A, w):
    """sum_i w_i [A_i, 1]'[A_i, 1], (i + 1, i + 1)."""
    sums = inner(A, w[:, None]).T
    top = xp.concat([weighted_gram(A, w), sums.T], axis=1)
    return xp.concat([top, xp.concat([sums, xp.sum(w)[None, None]], axis=1)], axis=0)


def dense(here, S):
    """The whole matrix."""
    xp, sides = namespace(S), _sides(here, S)
    rows = [[None] * len(sides) for _ in sides]
    for m, right in enumerate(sides):
        for layer, left in enumerate(sides[:m]):
            rows[layer][m] = _cross_block(xp, left, right)
            rows[m][layer] = rows[layer][m].T
        rows[m][m] = _own_block(xp, right)
    return Dense(xp.concat([xp.concat(row, axis=1) for row in rows], axis=0))


def by_layer(here, S):
    """The diagonal blocks, one a layer."""
    xp = namespace(S)
    blocks = tuple(Dense(_own_block(xp, side)) for side in _sides(here, S))
    return BlockDiagonal(here.objective.network.layout.slices, blocks)


def _sides(here, S):
    """By layer: inputs with a one appended (n, i + 1), and root-weighted output columns (n, o, c)."""
    columns = _columns(here, _root_weighted(here, S))
    xp, sides = namespace(S), []
    for layer, (inputs, _) in enumerate(columns[0].pairs):
        A = as_dense(inputs)
        A = xp.concat([A, xp.ones((A.shape[0], 1), dtype=A.dtype)], axis=1)
        sides.append((A, xp.stack([pairs.pairs[layer][1] for pairs in columns], axis=2)))
    return sides


def _cross_block(xp, left, right):
    """The block between two layers, ((i + 1) o, (i' + 1) o'), from all products of inputs and of outputs."""
    (A, G), (B, H) = left, right
    n, i, j, o, t = A.shape[0], A.shape[1], B.shape[1], G.shape[1], H.shape[1]
    P = xp.reshape(A[:, :, None] * B[:, None, :], (n, -1))
    M = xp.reshape(G @ xp.permute_dims(H, (0, 2, 1)), (n, -1))
    return _interleave(xp, P.T @ M, (i, j, o, t))


def _own_block(xp, side):
    """A layer's own block: each product of two inputs, and of two outputs, is taken once."""
    A, G = side
    i, o = A.shape[1], G.shape[1]
    (first, second, whole_i), (row, column, whole_o) = _upper(xp, i), _upper(xp, o)
    P = xp.take(A, first, axis=1) * xp.take(A, second, axis=1)
    M = xp.sum(xp.take(G, row, axis=1) * xp.take(G, column, axis=1), axis=2)
    K = xp.take(xp.take(P.T @ M, whole_o, axis=1), whole_i, axis=0)
    return _interleave(xp, K, (i, i, o, o))


def _upper(xp, n):
    """Rows and columns of the upper triangle of (n, n), and the place in it of each entry of the whole matrix."""
    rows, columns = np.triu_indices(n)
    place = np.empty((n, n), dtype=np.int64)
    place[rows, columns] = place[columns, rows] = np.arange(len(rows))
    return xp.asarray(rows), xp.asarray(columns), xp.asarray(place.ravel())


def _interleave(xp, K, sizes):
    """K (i j, o t), products of inputs by products of outputs, as the block (i o, j t)."""
    i, j, o, t = sizes
    return xp.reshape(xp.permute_dims(xp.reshape(K, (i, j, o, t)), (0, 2, 1, 3)), (i * o, j * t))


def entries_per_row(layout, n_columns):
    """About how many numbers `dense` and `by_layer` hold for one row at a time."""
    return max(max((i + 1) ** 2, o * o * n_columns) for i, o in pairwise(layout.sizes))
