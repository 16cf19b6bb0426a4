"""One Kronecker product A_l (x) G_l a layer: (i + 1)^2 + o^2 numbers for a block of ((i + 1) o)^2.

In the layout's order (rows of a block are inputs, columns outputs), with V the layer's block of v:

    (A (x) G) v          = vec(A V G)
    (A (x) G + d I)^-1 v = vec(Q_A [(Q_A' V Q_G) / (s_A s_G' + d)] Q_G'),     A = Q_A diag(s_A) Q_A', G likewise

Factored Tikhonov damping (Martens & Grosse 2015, section 6.3): A + pi sqrt(d) I and G + sqrt(d) / pi I with
pi^2 = (tr A / dim A) / (tr G / dim G). It exceeds A (x) G + d I by pi sqrt(d) I (x) G + sqrt(d) / pi A (x) I >= 0.
A 1 x 1 factor g takes none of it, for then A (x) g + d I = (A + d / g I) (x) g holds exactly.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..backend.namespace import namespace, positive, total
from ..backend.passes import combined
from .ekfac import EKFAC
from .inverse import inverse


@dataclass(frozen=True)
class Kronecker:
    """Block-diagonal, one Kronecker product a layer.

    Parameters
    ----------
    layout : Layout
    A, G : tuples of (i + 1, i + 1) and (o, o) symmetric positive semi-definite matrices
        (o,) is the diagonal of a G that has nothing else.
    """

    layout: object
    A: tuple
    G: tuple

    def _join(self, v, function):
        """function(A, V, G) of each layer's block V of v, joined."""
        blocks = self.layout.blocks(v)
        return self.layout.join([function(layer, V) for layer, V in enumerate(blocks)])

    def mv(self, v):
        """vec(A V G) by layer, on NumPy with each block made in its place."""
        if namespace(v) is not np:
            return self._join(v, lambda layer, V: _times(self.A[layer] @ V, self.G[layer]))
        out = np.empty(v.shape, np.result_type(v, *self.A, *self.G))
        for A, V, G, block in zip(self.A, self.layout.blocks(v), self.G, self.layout.blocks(out), strict=True):
            _times(A @ V, G, out=block)
        return out

    @cached_property
    def _spectra(self):
        """(s_A, Q_A, s_G, Q_G) by layer, in float64, eigenvalues clipped at zero."""
        spectra = []
        for A, G in zip(self.A, self.G, strict=True):
            xp = namespace(A)
            (a, QA), (g, QG) = (_eigh(xp, xp.astype(M, xp.float64)) for M in (A, G))
            spectra.append((xp.maximum(a, xp.zeros_like(a)), QA, xp.maximum(g, xp.zeros_like(g)), QG))
        return spectra

    def _eigenvalues(self, layer, shift):
        """Eigenvalues (i + 1, o) of one layer after the shift: a scalar, or one scalar a layer; NaN unless positive."""
        a, _, g, _ = self._spectra[layer]
        return positive(a[:, None] * g[None, :] + (shift[layer] if getattr(shift, "ndim", 0) else shift))

    def _filtered(self, v, function):
        """function(eigenvalues) applied in the eigenbasis."""

        def layer_product(layer, V):
            xp, (_, QA, _, QG) = namespace(V), self._spectra[layer]
            inside = function(xp, layer) * (QA.T @ xp.astype(V, xp.float64) @ QG)
            return xp.astype(QA @ inside @ QG.T, V.dtype)

        return self._join(v, layer_product)

    def solve(self, b, shift):
        """(A (x) G + shift I)^-1 b; the shift is one scalar, or one a layer (L,)."""
        return self._filtered(b, lambda xp, layer: 1 / self._eigenvalues(layer, shift))

    def sqrt_solve(self, z, shift):
        """The symmetric square root of the same inverse."""
        return self._filtered(z, lambda xp, layer: 1 / xp.sqrt(self._eigenvalues(layer, shift)))

    def logdet(self, shift):
        """The sum of the logarithms of the shifted eigenvalues."""
        layers = range(len(self.A))
        spectra = [(namespace(self.A[layer]), self._eigenvalues(layer, shift)) for layer in layers]
        return sum(total(xp, xp.log(values)) for xp, values in spectra)

    def in_eigenbasis(self):
        """The same operator by its eigenvectors, in float64."""
        spectra = self._spectra
        L = tuple(a[:, None] * g[None, :] for a, _, g, _ in spectra)
        return EKFAC(self.layout, tuple(Q for _, Q, _, _ in spectra), tuple(Q for *_, Q in spectra), L)

    def diag(self):
        """diag A (x) diag G by layer."""
        products = []
        for A, G in zip(self.A, self.G, strict=True):
            xp = namespace(A)
            products.append(xp.linalg.diagonal(A)[:, None] * _diagonal(xp, G)[None, :])
        return self.layout.join(products)

    def blend(self, new, decay):
        """Exponential averaging of each factor."""
        return self.mixed(decay, new, 1 - decay)

    def mixed(self, a, other, b):
        """The factors times a and those of another times b, added."""

        def mix(ours, theirs):
            return tuple(combined(a, M, b, N) for M, N in zip(ours, theirs, strict=True))

        return Kronecker(self.layout, mix(self.A, other.A), mix(self.G, other.G))

    def damped(self, d):
        """Factored Tikhonov damping by the scalar d, in the factors' precision; with a 1 x 1 factor in float64."""
        pairs = [_damped_pair(A, G, d) for A, G in zip(self.A, self.G, strict=True)]
        return Kronecker(self.layout, *(tuple(side) for side in zip(*pairs, strict=True)))

    def inverse(self):
        """A^-1 (x) G^-1."""
        sides = (tuple(map(_inverse, side)) for side in (self.A, self.G))
        return Kronecker(self.layout, *sides)

    def astype(self, dtype):
        """The same operator in another precision."""
        cast = (tuple(namespace(M).astype(M, dtype, copy=False) for M in side) for side in (self.A, self.G))
        return Kronecker(self.layout, *cast)


def _damped_pair(A, G, d):
    xp = namespace(A)
    a, g = (total(xp, _diagonal(xp, M)) / M.shape[0] for M in (A, G))
    if a == 0 or g == 0:  # a dead layer: d I, split evenly
        return _shifted(xp, 0 * A, d**0.5), _shifted(xp, 0 * G, d**0.5)
    if G.shape[0] == 1:  # d / g can be far below what factored damping would add
        A, G = xp.astype(A, xp.float64), xp.astype(G, xp.float64)
        return _shifted(xp, A, d / g), G
    pi = (a / g) ** 0.5
    return _shifted(xp, A, pi * d**0.5), _shifted(xp, G, d**0.5 / pi)


def _shifted(xp, M, shift):
    """M + shift I."""
    return M + shift * (xp.eye(M.shape[0], dtype=M.dtype) if M.ndim == 2 else xp.ones_like(M))


def _diagonal(xp, M):
    return xp.linalg.diagonal(M) if M.ndim == 2 else M


def _inverse(M):
    return inverse(M) if M.ndim == 2 else 1 / positive(M)


def _eigh(xp, M):
    return xp.linalg.eigh(M) if M.ndim == 2 else (M, xp.eye(M.shape[0], dtype=M.dtype))


def _times(V, G, **where):
    """V G."""
    xp = namespace(V)
    return (xp.matmul if G.ndim == 2 else xp.multiply)(V, G, **where)
