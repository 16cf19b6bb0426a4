"""Eigenvalue-corrected Kronecker blocks (George et al. 2018): K-FAC's eigenbasis with the true second moments in it.

    C_l = (Q_A (x) Q_G) diag(vec Lambda) (Q_A (x) Q_G)',    Lambda (i + 1, o)

With Lambda the diagonal of the true block in that basis, C_l is the nearest to it in Frobenius norm of all matrices
with these eigenvectors; A (x) G is one of them (George et al. 2018, theorem 2).
"""

from dataclasses import dataclass

from ..backend.namespace import namespace, positive, total


@dataclass(frozen=True)
class EKFAC:
    """Block-diagonal, eigenvectors from a Kronecker product, eigenvalues free.

    Parameters
    ----------
    layout : Layout
    Q_A, Q_G : tuples of orthogonal matrices (i + 1, i + 1) and (o, o)
    L : tuple of (i + 1, o)
        Eigenvalues, at least 0.
    """

    layout: object
    Q_A: tuple
    Q_G: tuple
    L: tuple

    def _filtered(self, v, function):
        """function(eigenvalues) in the eigenbasis, by layer."""
        parts = []
        for Q_A, Q_G, L, V in zip(self.Q_A, self.Q_G, self.L, self.layout.blocks(v), strict=True):
            xp = namespace(L)
            inside = function(xp, L) * (Q_A.T @ xp.astype(V, L.dtype, copy=False) @ Q_G)
            parts.append(xp.astype(Q_A @ inside @ Q_G.T, V.dtype, copy=False))
        return self.layout.join(parts)

    def mv(self, v):
        """C v."""
        return self._filtered(v, lambda xp, L: L)

    def solve(self, b, shift):
        """(C + shift I)^-1 b, the shift a scalar."""
        return self._filtered(b, lambda xp, L: 1 / positive(L + shift))

    def sqrt_solve(self, z, shift):
        """The symmetric square root of the same inverse."""
        return self._filtered(z, lambda xp, L: 1 / xp.sqrt(positive(L + shift)))

    def logdet(self, shift):
        """The sum of the logarithms of the shifted eigenvalues."""
        return sum(total(namespace(L), namespace(L).log(positive(L + shift))) for L in self.L)

    def diag(self):
        """sum_ab Q_A[., a]^2 Lambda_ab Q_G[., b]^2."""
        triples = zip(self.Q_A, self.Q_G, self.L, strict=True)
        return self.layout.join([(Q_A * Q_A) @ L @ (Q_G * Q_G).T for Q_A, Q_G, L in triples])

    def __add__(self, other):
        """The sum of two with the same eigenvectors."""
        return EKFAC(self.layout, self.Q_A, self.Q_G, tuple(K + L for K, L in zip(self.L, other.L, strict=True)))

    def blend(self, new, decay):
        """Exponential averaging of the eigenvalues, the eigenvectors staying as they are."""
        L = tuple(decay * L + (1 - decay) * N for L, N in zip(self.L, new.L, strict=True))
        return EKFAC(self.layout, self.Q_A, self.Q_G, L)

    def damped(self, d):
        """C + d I."""
        return EKFAC(self.layout, self.Q_A, self.Q_G, tuple(L + d for L in self.L))

    def inverse(self):
        """C^-1."""
        return EKFAC(self.layout, self.Q_A, self.Q_G, tuple(1 / positive(L) for L in self.L))

    def astype(self, dtype):
        """The same operator in another precision."""
        sides = (self.Q_A, self.Q_G, self.L)
        cast = (tuple(namespace(M).astype(M, dtype, copy=False) for M in side) for side in sides)
        return EKFAC(self.layout, *cast)
