"""The dense matrix and the blocks of its layers, from sums over rows that parts of the rows may make in turn.

With a_i^l = [A_l[i], 1] a layer's input and G_l[i] (o, c) the columns of sqrt(w_i) S_i pulled back to its output, the
block of two layers is

    C[(l, a, r), (m, b, t)] = K[(a, b), (r, t)] = sum_i a_i^l[a] a_i^m[b] M_i[r, t],   M_i = G_l[i] G_m[i]',

one product of two matrices, of all products of inputs and of outputs. For l = m each product of two inputs, and of two
outputs, is taken once. The sums K take half the memory of C; C is put together from them once, some inputs at a time.

With few parameters it takes longer to make the products of inputs and of outputs, and to put C together, than to
multiply. Up to `ROWS` parameters times columns, and without layers, there is one sum, R'R of the rows R (n c, p), which
is C itself, but for what other sums add to it.
"""

from functools import reduce
from itertools import combinations_with_replacement, pairwise
from operator import iadd

import numpy as np

from ..backend.namespace import dense as as_dense
from ..backend.namespace import namespace, stacked
from ..linalg import BlockDiagonal, Dense

ROWS = 2**10
STRIP = 2**15  # entries of C that are put together at a time, or the rows of one input
WHOLE = "whole"  # key of R'R


def dense(here, S):
    """The whole matrix."""
    return assembled(here.objective.network.layout, layer_sums(here, S, across=True))


def by_layer(here, S):
    """The diagonal blocks, one a layer."""
    return assembled_by_layer(here.objective.network.layout, layer_sums(here, S, across=False))


def layer_sums(here, S, across):
    """The sums K as {(l, m): array}, l <= m, which parts of the rows add up; without `across` only those of l = m.

    With few parameters {WHOLE: R'R} instead.
    """
    if across and _by_rows(here.objective.network.layout, S.shape[2]):
        return {WHOLE: _gram_of_rows(here, S)}
    xp, sides = namespace(S), _sides(here, S)
    layers = combinations_with_replacement(range(len(sides)), 2)
    pairs = [(left, right) for left, right in layers if across or left == right]
    return {
        (left, right): _own(xp, sides[left]) if left == right else _cross(xp, sides[left], sides[right])
        for left, right in pairs
    }


def _by_rows(layout, n_columns):
    return not layout.shapes or layout.size * n_columns <= ROWS


def _columns(here, S):
    """The root-weighted columns pulled back, one after the other."""
    rooted = namespace(S).sqrt(here.batch.weights)[:, None, None] * S
    return (here.pullback(rooted[:, :, j]) for j in range(S.shape[2]))


def _gram_of_rows(here, S):
    """R'R (p, p), column by column, added up in place."""
    product = here.objective.spare.product
    return reduce(iadd, (product(R.T, R) for R in (pairs.rows() for pairs in _columns(here, S))))


def _sides(here, S):
    """By layer: inputs with a one appended (n, i + 1), and root-weighted output columns (n, o, c)."""
    xp, sides, columns = namespace(S), [], list(_columns(here, S))
    for layer, (inputs, _) in enumerate(columns[0].pairs):
        sides.append((with_ones(inputs), xp.stack([pairs.pairs[layer][1] for pairs in columns], axis=2)))
    return sides


def with_ones(A):
    """[A, 1], dense."""
    A = as_dense(A)
    xp = namespace(A)
    return xp.concat([A, xp.ones((A.shape[0], 1), dtype=A.dtype)], axis=1)


def _cross(xp, left, right):
    (A, G), (B, H) = left, right
    return cross_sum(xp, A, B, G @ xp.permute_dims(H, (0, 2, 1)))


def cross_sum(xp, A, B, M):
    """K (i j, o t) of two layers, from the M_i (n, o, t)."""
    P = xp.reshape(A[:, :, None] * B[:, None, :], (A.shape[0], -1))
    return P.T @ xp.reshape(M, (M.shape[0], -1))


def _own(xp, side):
    A, G = side
    row, column, _ = upper(xp, G.shape[1])
    return own_sum(xp, A, xp.sum(xp.take(G, row, axis=1) * xp.take(G, column, axis=1), axis=2))


def own_sum(xp, A, M):
    """K of one layer for the pairs a <= b of its inputs, from entries of the M_i (n, pairs r <= t of its outputs)."""
    first, second, _ = upper(xp, A.shape[1])
    return (xp.take(A.T, first, axis=0) * xp.take(A.T, second, axis=0)) @ M


def upper(xp, n):
    """Rows and columns of the upper triangle of (n, n), and the place in it (n, n) of each entry of the matrix."""
    rows, columns = np.triu_indices(n)
    place = np.empty((n, n), dtype=np.int64)
    place[rows, columns] = place[columns, rows] = np.arange(len(rows))
    return xp.asarray(rows), xp.asarray(columns), xp.asarray(place)


def assembled(layout, sums):
    """The matrix (p, p) from the sums K."""
    if sums.keys() == {WHOLE}:
        return Dense(sums[WHOLE])
    strips = [_strips(layout.shapes, sums, layer, range(len(layout.shapes))) for layer in range(len(layout.shapes))]
    C = stacked((strip for of_layer in strips for strip in of_layer), layout.size)
    if WHOLE in sums:
        C += sums[WHOLE]
    return Dense(C)


def assembled_by_layer(layout, sums):
    """The blocks of the layers from the sums K."""
    blocks = []
    for layer, (i, o) in enumerate(layout.shapes):
        blocks.append(Dense(stacked(_strips(layout.shapes, sums, layer, [layer]), i * o)))
    return BlockDiagonal(layout.slices, tuple(blocks))


def _strips(shapes, sums, layer, others):
    """The rows of some inputs' weights of a layer at a time, in the columns of the other layers."""
    xp, (i, o) = namespace(sums[layer, layer]), shapes[layer]
    (_, _, pairs), (_, _, places) = upper(xp, i), upper(xp, o)
    places, width = xp.reshape(places, (-1,)), sum(shapes[other][0] * shapes[other][1] for other in others)
    step = max(1, STRIP // (o * width))
    for group in (slice(a, min(a + step, i)) for a in range(0, i, step)):
        parts, inputs = [], group.stop - group.start
        for other in others:
            j, t = shapes[other]
            if other < layer:
                part = xp.permute_dims(xp.reshape(sums[other, layer], (j, i, t, o))[:, group, :, :], (1, 3, 0, 2))
            elif other > layer:
                part = xp.permute_dims(xp.reshape(sums[layer, other], (i, j, o, t))[group, :, :, :], (0, 2, 1, 3))
            else:
                own = xp.take(sums[layer, layer], xp.reshape(pairs[group, :], (-1,)), axis=0)
                own = xp.reshape(xp.take(own, places, axis=1), (inputs, i, o, o))
                part = xp.permute_dims(own, (0, 2, 1, 3))
            parts.append(xp.reshape(part, (inputs * o, j * t)))
        yield xp.concat(parts, axis=1)


def entries_per_row(layout, n_columns):
    """About how many numbers `dense` and `by_layer` hold for one row at a time."""
    if not layout.shapes:
        return layout.size
    entries = max(max((i + 1) ** 2, o * o * n_columns) for i, o in pairwise(layout.sizes))
    return max(entries, layout.size) if _by_rows(layout, 1) else entries
