"""Targets as real matrices (n, k): labels through scikit-learn's binariser, numbers standardised or as they are."""

import numpy as np
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.multiclass import type_of_target


class ClassTargets:
    """Labels as 0/1 matrices: one column for two classes, one per class or label otherwise.

    Parameters
    ----------
    classes : array of labels, or an indicator matrix (n, k) for multilabel targets
    one_hot : bool
        Whether two classes have two columns as well.

    Attributes
    ----------
    classes : (K,) sorted labels; for multilabel targets the column numbers
    n_outputs : int
    multilabel : bool
    exclusive : bool
        Whether the columns form one distribution (three or more classes, or one-hot).
    """

    scaled = False

    def __init__(self, classes, one_hot=False):
        self.binarizer = LabelBinarizer().fit(classes)
        self.classes = self.binarizer.classes_
        self.multilabel = type_of_target(classes).startswith("multilabel")
        several = one_hot or self.multilabel or len(self.classes) > 2
        self.n_outputs = len(self.classes) if several else 1
        self.exclusive = not self.multilabel and self.n_outputs > 1

    def encode(self, y, dtype):
        """Y (n, k) for labels y."""
        Y = self.binarizer.transform(y)
        Y = np.hstack([1 - Y, Y]) if Y.shape[1] == 1 < self.n_outputs else Y
        return np.ascontiguousarray(Y, dtype=dtype)

    def decode(self, P):
        """Labels for predicted means P (n, k)."""
        if self.exclusive:
            return self.classes[np.argmax(P, axis=1)]
        if self.multilabel:
            return (P > 0.5).astype(int)
        return self.classes[(P[:, 0] > 0.5).astype(int)]


class RealTargets:
    """Real targets, shifted and scaled by output: y = shift + scale * Y.

    Parameters
    ----------
    shift, scale : (k,)
    one_dimensional : bool
        Whether predictions are handed back as (n,).

    Attributes
    ----------
    n_outputs : int
    scaled : bool
        Whether shift and scale do anything.
    """

    exclusive = False

    def __init__(self, shift, scale, one_dimensional):
        self.shift, self.scale, self.one_dimensional = shift, scale, one_dimensional
        self.n_outputs = len(shift)
        self.scaled = bool(np.any(shift != 0) or np.any(scale != 1))

    @classmethod
    def standardising(cls, y, sample_weight, one_dimensional):
        """Weighted mean and standard deviation of y (n, k); a deviation that is only rounding counts as 1.

        Powers of two are taken out first, so that squares of large and of small targets are numbers.
        """
        y, w = y.astype(np.float64, copy=False), sample_weight / np.max(sample_weight)
        w = w / np.sum(w)
        exponents = np.frexp(np.abs(y).max(axis=0))[1]
        y = np.ldexp(y, -exponents)
        shift = w @ y
        scale = np.sqrt(w @ (y - shift) ** 2)
        constant = scale <= len(y) * np.finfo(np.float64).eps * np.abs(y).max(axis=0)
        shift, scale = np.ldexp(shift, exponents), np.ldexp(scale, exponents)
        return cls(shift, np.where(constant, 1.0, scale), one_dimensional)

    @classmethod
    def unchanged(cls, n_outputs, one_dimensional):
        """Shift 0 and scale 1."""
        return cls(np.zeros(n_outputs), np.ones(n_outputs), one_dimensional)

    def encode(self, y, dtype):
        """Y (n, k), an array of its own, for targets y (n,) or (n, k)."""
        y = y[:, None] if y.ndim == 1 else y
        return np.array((y - self.shift) / self.scale if self.scaled else y, dtype=dtype, order="C")

    def decode(self, P):
        """Predictions in the target's units for means P (n, k), or for m numbers a target P (n, k m).

        Returns
        -------
        (n, k), (n, k, m), or (n, k') as it is where k' is no multiple of k; without the axis k for y (n,)
        """
        if P.shape[1] % self.n_outputs:
            return P[:, 0] if P.shape[1] == 1 else P
        y = P.reshape(len(P), self.n_outputs, -1) * self.scale[:, None] + self.shift[:, None]
        return self._shaped(y.astype(P.dtype, copy=False))

    def deviations(self, S):
        """Standard deviations in the target's units for those of the means S (n, k)."""
        return self._shaped((S * self.scale).astype(S.dtype, copy=False)[:, :, None])

    def _shaped(self, y):
        """(n, k, m) without axes of length one that the targets do not have."""
        y = y[:, :, 0] if y.shape[2] == 1 else y
        return y[:, 0] if self.one_dimensional else y
