"""Rows in batches: one fixed function for the whole fit, whatever the batch.

With raw weights v_i, n rows and mean weight v_bar, rows of weight zero dropped first, w_i = v_i / v_bar, a batch b
of n_b rows carries sum_{i in b} w_i l_i / n_b: unbiased for the weighted mean of the losses, and equal to it when b is
everything.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from ..backend.namespace import issparse

SHUFFLE = 1  # purpose of a draw, beside the seed and the epoch
OWNED = 2**20  # a whole set of at most this many entries is held in own buffers, so that kernels can take it


class Batch(NamedTuple):
    """Rows X (n, d), targets Y (n, k), weights w (n,) of mean about one, and scale = 1 / n.

    `owned` says that compiled kernels can take it, `whole` that it is everything. A batch taken by `Data.batches` lives
    in buffers that the next one overwrites.
    """

    X: Any
    Y: Any
    w: Any
    scale: float
    owned: bool = False
    whole: bool = False

    @property
    def weights(self):
        """w * scale (n,): the batch's loss is the sum of weights * losses."""
        return self.w * self.scale

    def part(self, rows):
        """A slice of the rows, each still carrying its share of the whole batch."""
        return Batch(self.X[rows, ...], self.Y[rows, ...], self.w[rows], self.scale)

    def alone(self, rows):
        """A slice of the rows as a batch of their own."""
        part = self.part(rows)
        return part._replace(scale=1.0 / part.X.shape[0])


class Data:
    """The rows of one fit.

    Parameters
    ----------
    X : (n, d) dense or CSR
    Y : (n, k) in the dtype of the parameters
    sample_weight : (n,) non-negative, not all zero
    """

    def __init__(self, X, Y, sample_weight):
        kept = sample_weight > 0
        if not kept.all():
            rows = np.flatnonzero(kept)
            X, Y, sample_weight = X[rows], Y[rows], sample_weight[rows]
        self.X, self.Y = X, Y
        self.n = X.shape[0]
        top = float(np.max(sample_weight))  # taken out, so that no sum overflows
        shares = sample_weight / top
        self.total_weight = top * float(np.sum(shares, dtype=np.float64))
        self.w = (shares / np.mean(shares, dtype=np.float64)).astype(Y.dtype)
        self._all = None

    def all(self):
        """Every row, the same object at each call."""
        if self._all is None:
            owned = not issparse(self.X) and self.X.size <= OWNED
            X = np.array(self.X, dtype=self.Y.dtype, order="C") if owned else self.X
            self._all = Batch(X, self.Y, self.w, 1.0 / self.n, owned, whole=True)
        return self._all

    def in_double(self):
        """The same rows in float64."""
        if self.X.dtype == self.Y.dtype == np.float64:
            return self
        weights = self.w * (self.total_weight / self.n)
        return Data(self.X.astype(np.float64), self.Y.astype(np.float64), weights.astype(np.float64))

    def batches(self, size, seed, epoch):
        """The batches of one epoch, of at most `size` rows, in an order drawn from (seed, epoch).

        Their sizes differ by one at most: a small last batch would take a step of the same length on much less.
        """
        if size >= self.n:
            yield self.all()
            return
        order = np.random.default_rng((seed, epoch, SHUFFLE)).permutation(self.n)
        number = -(-self.n // size)
        edges = [self.n * part // number for part in range(number + 1)]
        take = self._take_sparse if issparse(self.X) else self._take_dense(-(-self.n // number))
        for start, stop in pairwise(edges):
            yield take(order[start:stop])

    def _take_sparse(self, rows):
        return Batch(self.X[rows], self.Y[rows], self.w[rows], 1.0 / len(rows))

    def _take_dense(self, size):
        dtype = self.Y.dtype
        x = np.empty((size, self.X.shape[1]), self.X.dtype)
        y, w = np.empty((size, self.Y.shape[1]), dtype), np.empty(size, dtype)

        def take(rows):
            n = len(rows)
            self.X.take(rows, 0, x[:n], "clip")
            self.Y.take(rows, 0, y[:n], "clip")
            self.w.take(rows, 0, w[:n], "clip")
            return Batch(x[:n], y[:n], w[:n], 1.0 / n, x.dtype == dtype)

        return take


def chunks(n, rows):
    """Consecutive slices of at most `rows` of n rows."""
    return [slice(start, min(start + rows, n)) for start in range(0, n, rows)]
