"""Kronecker factors as the products R'R of rows, which can be put off until many are together.

With w_i the weights of rows and G_l[i] (o, c) the columns pulled back to the output of layer l,

    A_l = sum_i w_i a_i a_i' / sum_i w_i,    G_l = sum_i w_i G_l[i] G_l[i]',    a_i = [A_l[i], 1],

so that both are sums of R'R over matrices R with rows sqrt(w_i / sum w) a_i and sqrt(w_i) G_l[i, :, j]. The product of
128 rows takes twice its share of the product of 2048, and then it has to be added to what there was.
"""

from functools import reduce
from operator import iadd
from typing import Any, NamedTuple

import scipy.sparse

from ..backend.namespace import issparse, namespace, total
from ..linalg import Kronecker

MANY = 2**11  # rows whose product takes no more than its share of that of more


class FactorRows(NamedTuple):
    """Matrices R by layer, for inputs and outputs, whose products R'R add up to A_l and G_l.

    Attributes
    ----------
    layout : Layout
    A, G : tuples over layers of tuples of matrices (n, i + 1), dense or CSR, and (n, o)
    last : (k,) or None
        The diagonal of the last G, if it has nothing else; G has then one layer less.
    """

    layout: Any
    A: tuple
    G: tuple
    last: Any = None

    @property
    def n(self):
        """Rows of inputs."""
        return sum(R.shape[0] for R in self.A[0])

    def with_more(self, other):
        """Those of the sum of both."""
        A, G = (tuple(a + b for a, b in zip(*sides, strict=True)) for sides in ((self.A, other.A), (self.G, other.G)))
        return FactorRows(self.layout, A, G, None if self.last is None else self.last + other.last)

    def factors(self):
        """The products."""
        A, G = (tuple(map(_product, side)) for side in (self.A, self.G))
        return Kronecker(self.layout, A, G if self.last is None else (*G, self.last))


def factor_rows(here, columns, share=1.0, last=None):
    """The rows for a share above 0 of a Point's factors, from its cotangents by column, or the last G itself."""
    w = share * here.batch.weights
    xp = namespace(w)
    roots = xp.sqrt(w)
    A = tuple((_rooted(inputs, roots * (share / total(xp, w)) ** 0.5),) for inputs, _ in columns[0].pairs)
    layers = range(len(A) if last is None else len(A) - 1)
    G = tuple(tuple(roots[:, None] * pairs.pairs[layer][1] for pairs in columns) for layer in layers)
    return FactorRows(here.objective.network.layout, A, G, last if last is None else share * last)


def _rooted(A, roots):
    """diag(roots) [A, 1]."""
    roots = roots[:, None]
    if issparse(A):
        return scipy.sparse.hstack([A.multiply(roots), roots], format="csr", dtype=A.dtype)
    return namespace(A).concat([roots * A, roots], axis=1)


def _product(matrices):
    """The sum of R'R, of one array with itself: NumPy takes the symmetric product, half the work."""
    together = max(1, MANY // matrices[0].shape[0])
    joined = (_joined(matrices[i : i + together]) for i in range(0, len(matrices), together))
    product = reduce(iadd, (R.T @ R for R in joined))
    return product.toarray() if issparse(product) else product


def _joined(matrices):
    """Matrices below one another."""
    if len(matrices) == 1:
        return matrices[0]
    if issparse(matrices[0]):
        return scipy.sparse.vstack(matrices, format="csr")
    return namespace(matrices[0]).concat(matrices, axis=0)
