"""Targets as real matrices (n, k): labels through scikit-learn's binariser, numbers standardised or as they are."""

import numpy as np
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.multiclass import type_of_target


class ClassTargets:
    """Labels as 0/1 matrices: one column for two classes, one per class or label otherwise.

    Parameters
    ----------
    classes : array of labels, or an indicator matrix (n, k) for multilabel targets

    Attributes
    ----------
    classes : (K,) sorted labels; for multilabel targets the column numbers
    n_outputs : int
    multilabel : bool
    exclusive : bool
        Whether the outputs form one distribution (three or more classes).
    """

    def __init__(self, classes):
        self.binarizer = LabelBinarizer().fit(classes)
        self.classes = self.binarizer.classes_
        self.multilabel = type_of_target(classes).startswith("multilabel")
        self.n_outputs = len(self.classes) if self.multilabel or len(self.classes) > 2 else 1
        self.exclusive = not self.multilabel and self.n_outputs > 1

    def encode(self, y, dtype):
        """Y (n, k) for labels y."""
        return np.ascontiguousarray(self.binarizer.transform(y), dtype=dtype)

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
    """

    def __init__(self, shift, scale, one_dimensional):
        self.shift, self.scale, self.one_dimensional = shift, scale, one_dimensional

    @classmethod
    def standardising(cls, y, sample_weight, one_dimensional):
        """Weighted mean and standard deviation of y (n, k); a deviation that is only rounding counts as 1."""
        y, w = y.astype(np.float64, copy=False), sample_weight / np.max(sample_weight)
        w = w / np.sum(w)
        shift = w @ y
        scale = np.sqrt(w @ (y - shift) ** 2)
        constant = scale <= len(y) * np.finfo(np.float64).eps * np.abs(y).max(axis=0)
        return cls(shift, np.where(constant, 1.0, scale), one_dimensional)

    @classmethod
    def unchanged(cls, n_outputs, one_dimensional):
        """Shift 0 and scale 1."""
        return cls(np.zeros(n_outputs), np.ones(n_outputs), one_dimensional)

    def encode(self, y, dtype):
        """Y (n, k) for targets y (n, k)."""
        return np.ascontiguousarray((y - self.shift) / self.scale, dtype=dtype)

    def decode(self, P):
        """Predictions in the target's units for means P (n, k)."""
        y = (P * self.scale + self.shift).astype(P.dtype, copy=False)
        return y[:, 0] if self.one_dimensional else y
