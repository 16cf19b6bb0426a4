"""Random weights by name; biases are zero but for the last layer's, which is the loss's best constant.

With i inputs and o outputs of a layer:

* ``glorot``: uniform on +-sqrt(6 / (i + o)), variance 2 / (i + o) (Glorot & Bengio 2010, eq. 16);
* ``he``: normal with variance 2 / i (He et al. 2015, eq. 10);
* ``orthogonal``: Haar-random orthonormal rows or columns, times max(sqrt(o / i), 1) (Saxe et al. 2014; Mezzadri 2007
  for the sign correction of QR): a layer keeps the mean square of its inputs.
"""

from itertools import pairwise

import numpy as np


def glorot(rng, i, o):
    """Uniform weights (i, o) of variance 2 / (i + o)."""
    bound = np.sqrt(6.0 / (i + o))
    return rng.uniform(-bound, bound, (i, o))


def he(rng, i, o):
    """Normal weights (i, o) of variance 2 / i."""
    return rng.normal(0.0, np.sqrt(2.0 / i), (i, o))


def orthogonal(rng, i, o):
    """A scaled random matrix (i, o) with orthonormal rows (i <= o) or columns."""
    Q, R = np.linalg.qr(rng.normal(size=(max(i, o), min(i, o))))
    Q = Q * np.sign(np.diagonal(R))
    return max(np.sqrt(o / i), 1.0) * (Q if i >= o else Q.T)


INITIALISERS = {"glorot": glorot, "he": he, "orthogonal": orthogonal}


def initialise(layout, name, rng, output_bias):
    """A float64 parameter vector (p,): weights by `name`, the last bias `output_bias` (k,), other biases zero."""
    blocks = [np.vstack([INITIALISERS[name](rng, i, o), np.zeros((1, o))]) for i, o in pairwise(layout.sizes)]
    blocks[-1][-1] = output_bias
    return layout.join(blocks)
