"""The multilayer perceptron and the four products that every solver is built from.

Symbols: theta one flat vector (p,); W_l, b_l the weights (i, o) and bias (o,) of layer l; A_l (n, i) its inputs,
A_0 = X; Z_l = A_l W_l + b_l; A_{l+1} = phi_l(Z_l); F = Z of the last layer (n, k), the raw output.

* forward:       theta, X -> the tape of all Z_l and A_l
* pullback:      V (n, k) -> J'V not yet contracted: pairs (A_l, G_l) with
                 G_last = V,  G_{l-1} = (G_l W_l') * phi'(Z_{l-1})
* pushforward:   u (p,)   -> J u (n, k):  R{Z_l} = R{A_l} W_l + A_l U_l + u_l,  R{A_{l+1}} = phi'(Z_l) * R{Z_l}
* derivatives:   u (p,)   -> F' = J u and F'' (n, k), the first two derivatives of F along u:
                 R2{Z_l} = R2{A_l} W_l + 2 R{A_l} U_l,  R2{A_{l+1}} = phi'(Z_l) * R2{Z_l} + phi''(Z_l) * R{Z_l}^2
* second_order:  V, u     -> (sum_i V_i . d2 F_i) u, the R-operator (Pearlmutter 1994, eq. 3) applied to the pullback
"""

from typing import Any, NamedTuple

import numpy as np

from ..backend.namespace import dot, inner, issparse, namespace, squared
from ..backend.spare import Spare
from .activations import ACTIVATIONS
from .layout import Layout

CACHED = 2**15  # entries of a layer that stay in a processor's cache from one operation to the next


class Tape(NamedTuple):
    """What a forward pass leaves behind: parameters, layer inputs A_l, pre-activations Z_l, and arrays to use again."""

    theta: Any
    A: list
    Z: list
    spare: Any

    @property
    def F(self):
        """The raw output (n, k)."""
        return self.Z[-1]

    def part(self, rows):
        """The tape of a slice of rows, as views."""
        return Tape(self.theta, [A[rows, ...] for A in self.A], [Z[rows, ...] for Z in self.Z], self.spare)


class LayerPairs(NamedTuple):
    """J'V by layer and row: row i of layer l is vec([A_l[i], 1] G_l[i]').

    Attributes
    ----------
    pairs : list of (A, G)
        Layer inputs (n, i), dense or CSR, and output cotangents (n, o).
    spare : Spare
    """

    pairs: list
    spare: Any

    def total(self):
        """The sum over rows (p,): J'V, the gradient when V holds weighted loss gradients."""
        xp, parts = self.namespace, []
        if xp is np:
            return self.spare.total(self.pairs)
        for A, G in self.pairs:
            parts += [xp.reshape(A.T @ G, (-1,)), xp.sum(G, axis=0)]
        return xp.concat(parts)

    def squares(self):
        """The sum over rows of squared entries (p,)."""
        return LayerPairs([(squared(A), G * G) for A, G in self.pairs], self.spare).total()

    def squared_norms(self):
        """The squared norm of every row (n,): over layers the sum of |[A_l[i], 1]|^2 |G_l[i]|^2."""
        xp, norms = self.namespace, 0.0
        for A, G in self.pairs:
            A2 = squared(A)  # its sums not by BLAS, whose last digit depends on where an array lies in memory
            lengths = A2 @ xp.ones(A.shape[1], dtype=G.dtype) if issparse(A) else xp.sum(A2, axis=1)
            norms = norms + (lengths + 1) * xp.sum(G * G, axis=1)
        return norms

    def rows(self):
        """Every row (n, p)."""
        xp, n = self.namespace, self.pairs[0][1].shape[0]
        if xp is np:
            return self.spare.rows(self.pairs)
        parts = []
        for A, G in self.pairs:
            parts += [xp.reshape(A[:, :, None] * G[:, None, :], (n, -1)), G]
        return xp.concat(parts, axis=1)

    @property
    def namespace(self):
        """The namespace of the cotangents."""
        return namespace(self.pairs[0][1])


class MLP:
    """A multilayer perceptron with any widths; no hidden layer makes it linear.

    Parameters
    ----------
    sizes : sequence of int
        Widths (d, h_1, ..., k).
    activations : sequence of str
        One name of `ACTIVATIONS` for each hidden layer.
    """

    def __init__(self, sizes, activations):
        self.layout = Layout(sizes)
        self.activations = tuple(activations)

    @property
    def _phi(self):
        return tuple(ACTIVATIONS[name] for name in self.activations)

    @property
    def leaks(self):
        """Slopes below zero of all layers when every activation is piecewise linear, else None."""
        leaks = tuple(phi.leak for phi in self._phi)
        return None if None in leaks else (*leaks, 1.0)

    @property
    def smooth(self):
        """Whether the outputs bend with the parameters, and have second derivatives everywhere."""
        return bool(self._phi) and all(phi.leak in (None, 1.0) for phi in self._phi)

    def forward(self, theta, X, spare=None):
        """The tape at theta (p,) for X (n, d), dense or CSR, in spare arrays where there are any."""
        phi, A, Z, spare = self._phi, [X], [], spare or Spare()
        for layer in range(len(self.layout.shapes)):
            block = self.layout.block(theta, layer)
            z = spare.product(A[-1], block[:-1, :])
            if layer < len(phi):
                z, a = phi[layer].layer(z, block[-1, :])
                A.append(a)
            else:
                z += block[-1, :]
            Z.append(z)
        return Tape(theta, A, Z, spare)

    def output(self, theta, X):
        """The raw output (n, k) alone."""
        phi, A = self._phi, X
        for layer in range(len(phi)):
            block = self.layout.block(theta, layer)
            A = phi[layer].layer(A @ block[:-1, :], block[-1, :])[1]
        block = self.layout.block(theta, len(phi))
        return A @ block[:-1, :] + block[-1, :]

    def pullback(self, tape, V):
        """The pairs (A_l, G_l) of J'V for output cotangents V (n, k)."""
        phi, G, pairs = self._phi, V, [(tape.A[-1], V)]
        for layer in range(len(phi) - 1, -1, -1):
            W = self.layout.block(tape.theta, layer + 1)[:-1, :]
            G = phi[layer].chain(tape.spare.product(G, W.T), tape.Z[layer], tape.A[layer + 1])
            pairs.append((tape.A[layer], G))
        return LayerPairs(pairs[::-1], tape.spare)

    def pushforward(self, tape, u):
        """J u (n, k) for a parameter tangent u (p,)."""
        phi, RA = self._phi, None
        for layer in range(len(self.layout.shapes)):
            tangent = self._tangent(tape, u, layer, RA)
            if layer < len(phi):
                RA = phi[layer].chain(tangent, tape.Z[layer], tape.A[layer + 1])
        return tangent

    def pushforward_output(self, tape, u):
        """J u (n, k) with the entries of u (p,) in the output layer alone."""
        return self._tangent(tape, u, len(self._phi), None)

    def _tangent(self, tape, u, layer, RA):
        """R{Z_l} from R{A_l}, which is None for the inputs."""
        U = self.layout.block(u, layer)
        tangent = tape.spare.product(tape.A[layer], U[:-1, :])
        tangent += U[-1, :]
        if RA is not None:
            tangent += tape.spare.product(RA, self.layout.block(tape.theta, layer)[:-1, :])
        return tangent

    def derivatives(self, tape, u):
        """F' and F'' (n, k) along a parameter tangent u (p,), some rows at a time."""
        xp, n, step = namespace(u), tape.F.shape[0], max(1, CACHED // max(self.layout.sizes))
        parts = [self._derivatives(tape.part(slice(s, min(s + step, n))), u) for s in range(0, n, step)]
        return tuple(xp.concat(side, axis=0) for side in zip(*parts, strict=True))

    def _derivatives(self, tape, u):
        last, RA, RRA = len(self._phi), None, None
        for layer in range(last + 1):
            RZ, RRZ = self._tangent(tape, u, layer, RA), None
            if layer:
                W, U = (self.layout.block(v, layer)[:-1, :] for v in (tape.theta, u))
                RRZ = tape.spare.product(RRA, W) + tape.spare.product(2 * RA, U)
            if layer < last:
                phi, z, a = self._phi[layer], tape.Z[layer], tape.A[layer + 1]
                RA, RRA = phi.slope(z, a), phi.curvature(z, a) * RZ * RZ
                if layer:
                    RRA += RA * RRZ
                RA = RA * RZ
        return RZ, namespace(RZ).zeros_like(RZ) if RRZ is None else RRZ

    def scale(self, theta):
        """The size of the parameters, one for all: (1 + |theta|^2)^(1/2)."""
        return (1 + dot(namespace(theta), theta, theta)) ** 0.5

    def bends(self, tape):
        """phi'(z) and phi''(z) (n, o) of each hidden layer."""
        layers = zip(self._phi, tape.Z[:-1], tape.A[1:], strict=True)
        return [(phi.slope(z, a), phi.curvature(z, a)) for phi, z, a in layers]

    def second_order(self, tape, V, u):
        """(sum_i V_i . d2 F_i / d theta^2) u (p,): the Hessian is the GGN plus this."""
        xp, phi, RA, RZ = namespace(V), self._phi, [None], []
        for layer in range(len(phi)):
            RZ.append(self._tangent(tape, u, layer, RA[-1]))
            RA.append(phi[layer].slope(tape.Z[layer], tape.A[layer + 1]) * RZ[-1])
        G, RG = V, xp.zeros_like(V)
        parts = []
        for layer in range(len(phi), -1, -1):
            weights = inner(tape.A[layer], RG)
            if layer:
                weights = weights + inner(RA[layer], G)
            parts.append(xp.concat([weights, xp.sum(RG, axis=0)[None, :]], axis=0))
            if layer:
                W, U = self.layout.block(tape.theta, layer)[:-1, :], self.layout.block(u, layer)[:-1, :]
                z, a = tape.Z[layer - 1], tape.A[layer]
                above, slope = G @ W.T, phi[layer - 1].slope(z, a)
                RG = (RG @ W.T + G @ U.T) * slope + above * phi[layer - 1].curvature(z, a) * RZ[layer - 1]
                G = above * slope
        return self.layout.join(parts[::-1])
