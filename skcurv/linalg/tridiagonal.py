"""Kronecker blocks with a block-tridiagonal inverse (Martens & Grosse 2015, section 4.3 and appendix B).

Layers form a chain: given layer l + 1 the gradient of layer l depends on no layer beyond. With A_{l,l+1} and G_{l,l+1}
the cross moments of neighbouring layers and (x) in the layout's order,

    Psi_l = Psi_A (x) Psi_G,   Psi_A = A_{l,l+1} A_{l+1}^-1,   Psi_G = G_{l,l+1} G_{l+1}^-1
    Sigma_l = A_l (x) G_l - (Psi_A A_{l+1} Psi_A') (x) (Psi_G G_{l+1} Psi_G'),   Sigma_last = A (x) G
    F = Xi^-1 diag(Sigma) Xi^-T,    F^-1 = Xi' diag(Sigma^-1) Xi,    (Xi v)_l = v_l - Psi_l v_{l+1}

F has the diagonal blocks A_l (x) G_l and the neighbours' blocks A_{l,l+1} (x) G_{l,l+1}. With A = R R', C the
subtrahend, R^-1 C R^-T = E diag(s) E' and K = R^-T E, likewise for G,

    Sigma^-1 v = vec(K_A [(K_A' V K_G) / (1 - s_A s_G')] K_G'),
    log det Sigma = log det A (x) G + sum log(1 - s_A s_G')

where s <= 1, for the joint moments are positive semi-definite; damping of A and G keeps it below 1.
"""

from dataclasses import dataclass
from functools import cached_property

from ..backend.namespace import cholesky, namespace, total
from .kronecker import Kronecker

LEAST = 1e-12  # of 1 - s_A s_G'


@dataclass(frozen=True)
class KroneckerTridiagonal:
    """Kronecker products of neighbouring layers.

    Parameters
    ----------
    own : Kronecker
        A_l and G_l of each layer.
    A_next, G_next : tuples, one shorter
        A_{l,l+1} (i_l + 1, i_{l+1} + 1) and G_{l,l+1} (o_l, o_{l+1}).
    """

    own: Kronecker
    A_next: tuple
    G_next: tuple

    @property
    def layout(self):
        """How the parameters lie."""
        return self.own.layout

    def blend(self, new, decay):
        """Exponential averaging of all moments."""

        def mix(old, fresh):
            return tuple(decay * M + (1 - decay) * N for M, N in zip(old, fresh, strict=True))

        own = self.own.blend(new.own, decay)
        return KroneckerTridiagonal(own, mix(self.A_next, new.A_next), mix(self.G_next, new.G_next))

    def damped(self, d):
        """Factored Tikhonov damping of the diagonal factors."""
        own = self.own.astype(namespace(self.own.A[0]).float64).damped(d)
        return KroneckerTridiagonal(own, *(tuple(_double(M) for M in side) for side in (self.A_next, self.G_next)))

    @cached_property
    def _parts(self):
        """By layer, what `_side` gives for A and for G; None where a factor is singular."""
        sides = (self._side(self.own.A, self.A_next), self._side(self.own.G, self.G_next))
        return None if None in sides else tuple(zip(*sides, strict=True))

    def _side(self, moments, crosses):
        """Psi, K, s and log det M of one side, by layer."""
        rows = []
        for layer, M in enumerate(moments):
            xp, M, Psi, C = namespace(M), _double(M), None, 0 * _double(M)
            R = cholesky(M)
            if R is None:
                return None
            if layer < len(crosses):
                below = _double(moments[layer + 1])
                Psi = xp.linalg.solve(below, _double(crosses[layer]).T).T
                C = Psi @ below @ Psi.T
            S = xp.linalg.solve(R, xp.linalg.solve(R, C).T)
            s, E = xp.linalg.eigh(0.5 * (S + S.T))
            K = xp.linalg.solve(R.T, E)
            rows.append((Psi, K, s, 2 * total(xp, xp.log(xp.linalg.diagonal(R)))))
        return rows

    def _gaps(self, layer):
        """1 - s_A s_G', at least LEAST."""
        (_, _, s, _), (_, _, t, _) = self._parts[layer]
        xp = namespace(s)
        gaps = 1 - s[:, None] * t[None, :]
        return xp.where(gaps > LEAST, gaps, xp.full_like(gaps, LEAST))

    def _up(self, W, layer):
        """Psi_l W, from layer l + 1 to layer l."""
        (P, *_), (Q, *_) = self._parts[layer]
        return P @ W @ Q.T

    def _down(self, W, layer):
        """Psi_l' W, from layer l to layer l + 1."""
        (P, *_), (Q, *_) = self._parts[layer]
        return P.T @ W @ Q

    def _sigma_inverse(self, V, layer, half=False):
        """Sigma_l^-1 V, or with `half` B V with B B' = Sigma_l^-1."""
        (_, K, _, _), (_, H, _, _) = self._parts[layer]
        gaps = self._gaps(layer)
        inside = V / gaps**0.5 if half else (K.T @ V @ H) / gaps
        return K @ inside @ H.T

    def _inverse_times(self, v):
        """F^-1 v."""
        xp, V = namespace(v), [_double(block) for block in self.layout.blocks(v)]
        last = len(V) - 1
        U = [V[layer] - self._up(V[layer + 1], layer) for layer in range(last)] + V[last:]
        W = [self._sigma_inverse(block, layer) for layer, block in enumerate(U)]
        return xp.astype(self._adjoint(W), v.dtype)

    def _adjoint(self, W):
        """Xi' W, joined."""
        return self.layout.join(W[:1] + [W[layer] - self._down(W[layer - 1], layer - 1) for layer in range(1, len(W))])

    def mv(self, v):
        """F v = Xi^-1 diag(Sigma) Xi^-T v."""
        if self._parts is None:
            return v * float("nan")
        xp, V = namespace(v), [_double(block) for block in self.layout.blocks(v)]
        for layer in range(1, len(V)):
            V[layer] = V[layer] + self._down(V[layer - 1], layer - 1)
        W = [self._sigma_times(block, layer) for layer, block in enumerate(V)]
        for layer in range(len(W) - 2, -1, -1):
            W[layer] = W[layer] + self._up(W[layer + 1], layer)
        return xp.astype(self.layout.join(W), v.dtype)

    def _sigma_times(self, V, layer):
        (P, *_), (Q, *_) = self._parts[layer]
        A, G = _double(self.own.A[layer]), _double(self.own.G[layer])
        AVG = A @ V @ G
        if P is None:
            return AVG
        below, under = _double(self.own.A[layer + 1]), _double(self.own.G[layer + 1])
        return AVG - (P @ below @ P.T) @ V @ (Q @ under @ Q.T)

    def solve(self, b, shift):
        """F^-1 b after factored damping of the diagonal factors by the scalar shift: not exactly (F + shift I)^-1 b."""
        damped = self.damped(shift)
        return b * float("nan") if damped._parts is None else damped._inverse_times(b)

    def sqrt_solve(self, z, shift):
        """B z with B B' the inverse that `solve` applies."""
        damped = self.damped(shift)
        if damped._parts is None:
            return z * float("nan")
        Z = [_double(block) for block in self.layout.blocks(z)]
        return damped._adjoint([damped._sigma_inverse(block, layer, half=True) for layer, block in enumerate(Z)])

    def logdet(self, shift):
        """log det of the damped F."""
        damped = self.damped(shift)
        if damped._parts is None:
            return float("nan")
        value = 0.0
        for layer, ((_, K, _, a), (_, H, _, g)) in enumerate(damped._parts):
            xp = namespace(K)
            value += H.shape[0] * a + K.shape[0] * g + total(xp, xp.log(damped._gaps(layer)))
        return value

    def diag(self):
        """diag A (x) diag G by layer: F has these blocks."""
        return self.own.diag()

    def inverse(self):
        """F^-1 as an operator."""
        return _Inverse(self)


@dataclass(frozen=True)
class _Inverse:
    """F^-1, known by its product."""

    F: KroneckerTridiagonal

    def mv(self, v):
        """F^-1 v, NaN where a factor is singular."""
        return v * float("nan") if self.F._parts is None else self.F._inverse_times(v)

    def astype(self, dtype):
        """Itself: the products are taken in float64."""
        return self


def _double(M):
    xp = namespace(M)
    return xp.astype(M, xp.float64, copy=False)
