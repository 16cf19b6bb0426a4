"""Products in arrays of earlier steps that nothing refers to any more.

A new array of a megabyte costs as much as a quarter of the product that fills it, for the system hands out its pages
one by one. A step makes the same arrays as the one before.
"""

from sys import getrefcount

import numpy as np

LEAST = 2**15  # entries of a product below which a new array is as good
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

    def _array(self, shape, dtype):
        for array in self._arrays:
            if array.shape == shape and array.dtype == dtype and getrefcount(array) == UNUSED:
                return array
        array = np.empty(shape, dtype)
        if len(self._arrays) < MOST:
            self._arrays.append(array)
        return array
