"""Products, rows and sums in arrays of earlier steps that nothing refers to any more.

A new array of a megabyte costs as much as a quarter of the product that fills it, for the system hands out its pages
one by one. A step makes the same arrays as the one before.
"""

from sys import getrefcount

import numpy as np

from .namespace import dense

LEAST = 2**15  # entries below which a new array is as good
MOST = 64  # arrays that are kept
UNUSED = 3  # references to an array that only the list, the loop over it and getrefcount hold


class Spare:
    """Arrays of one fit, for one thread."""

    def __init__(self):
        self._arrays = []

    def product(self, A, B):
        """A @ B, for NumPy arrays in a spare array if there is one of the shape."""
        plain = type(A) is np.ndarray and type(B) is np.ndarray and A.dtype == B.dtype and B.ndim == 2
        if not plain or A.shape[0] * B.shape[1] < LEAST:
            return A @ B
        return np.matmul(A, B, out=self._array((A.shape[0], B.shape[1]), A.dtype))

    def rows(self, pairs):
        """The rows vec([A, 1] G') of all pairs of NumPy arrays A (n, i), or CSR, and G (n, o), side by side."""
        n, p = pairs[0][1].shape[0], sum((A.shape[1] + 1) * G.shape[1] for A, G in pairs)
        make, end = np.empty if n * p < LEAST else self._array, 0
        R = make((n, p), pairs[0][1].dtype)
        for A, G in pairs:
            (_, i), o = A.shape, G.shape[1]
            start, end = end, end + (i + 1) * o
            block = R[:, start:end].reshape((n, i + 1, o))  # a view, for only its columns are split
            np.multiply(dense(A)[:, :, None], G[:, None, :], out=block[:, :-1, :])
            block[:, -1, :] = G
        return R

    def total(self, pairs):
        """The sum over rows of vec([A, 1] G') of all pairs of NumPy arrays A (n, i), or CSR, and G (n, o), joined.

        A sum of G by BLAS would be faster, but its last digit depends on where G lies in memory.
        """
        p, end = sum((A.shape[1] + 1) * G.shape[1] for A, G in pairs), 0
        make = np.empty if p < LEAST else self._array
        total = make((p,), np.result_type(*(M.dtype for pair in pairs for M in pair)))
        for A, G in pairs:
            i, o = A.shape[1], G.shape[1]
            start, end = end, end + (i + 1) * o
            block = total[start:end].reshape(i + 1, o)
            if type(A) is np.ndarray:
                np.matmul(A.T, G, out=block[:-1, :])
            else:
                block[:-1, :] = A.T @ G
            np.sum(G, axis=0, out=block[-1, :])
        return total

    def _array(self, shape, dtype):
        for array in self._arrays:
            if array.shape == shape and array.dtype == dtype and getrefcount(array) == UNUSED:
                return array
        array = np.empty(shape, dtype)
        if len(self._arrays) < MOST:
            self._arrays.append(array)
        return array
