"""Eigenvalue-corrected Kronecker blocks (George et al. 2018): K-FAC's eigenbasis with the true second moments in it.

    C_l = (Q_A (x) Q_G) diag(vec Lambda) (Q_A (x) Q_G)',    Lambda (i + 1, o)

With Lambda the diagonal of the true block in that basis, C_l is the nearest to it in Frobenius norm of all matrices
with these eigenvectors; A (x) G is one of them (George et al. 2018, theorem 2). A shift d_l of each layer is added to
its eigenvalues. For cotangents g of several outputs at an input a_bar = [a, 1], with h = Q_G'g,

    vec(a_bar g')' (C_l + d I)^-1 vec(a_bar g'') = sum_b h_b h''_b sum_a (Q_A' a_bar)_a^2 / (Lambda_ab + d).
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

    def mv(self, v):
        """C v."""
        parts = []
        for Q_A, Q_G, L, V in zip(self.Q_A, self.Q_G, self.L, self.layout.blocks(v), strict=True):
            xp = namespace(L)
            inside = L * (Q_A.T @ xp.astype(V, L.dtype, copy=False) @ Q_G)
            parts.append(xp.astype(Q_A @ inside @ Q_G.T, V.dtype, copy=False))
        return self.layout.join(parts)

    def _shifted(self, shift):
        """Eigenvalues by layer after the shift, a scalar or one scalar a layer; NaN unless positive."""
        each = getattr(shift, "ndim", 0)
        return tuple(positive(L + (shift[layer] if each else shift)) for layer, L in enumerate(self.L))

    def _inverted(self, shift, function):
        """The same eigenvectors with a function of the shifted eigenvalues."""
        return EKFAC(self.layout, self.Q_A, self.Q_G, tuple(function(namespace(L), L) for L in self._shifted(shift)))

    def solver(self, shift):
        """b -> (C + shift)^-1 b."""
        return self._inverted(shift, lambda xp, L: 1 / L).mv

    def solve(self, b, shift):
        """(C + shift)^-1 b; the shift is one scalar, or one a layer (L,)."""
        return self.solver(shift)(b)

    def sqrt_solve(self, z, shift):
        """The symmetric square root of the same inverse."""
        return self._inverted(shift, lambda xp, L: 1 / xp.sqrt(L)).mv(z)

    def logdet(self, shift):
        """The sum of the logarithms of the shifted eigenvalues."""
        return sum(total(namespace(L), namespace(L).log(L)) for L in self._shifted(shift))

    def inverse_diag(self, shift):
        """The diagonal of (C + shift)^-1."""
        return self._inverted(shift, lambda xp, L: 1 / L).diag()

    def quadratic(self, columns, shift):
        """J_i (C + shift)^-1 J_i' (n, k, k) for rows J_i (k, p) of outer products.

        Parameters
        ----------
        columns : k lists of pairs (A, G), one a layer
            Inputs (n, i), dense or CSR, the same for all outputs; cotangents (n, o) of each output.
        shift : as for `solve`
        """
        found = 0.0
        for layer, L in enumerate(self._shifted(shift)):
            xp, Q_A, Q_G = namespace(L), self.Q_A[layer], self.Q_G[layer]
            B = (columns[0][layer][0] @ Q_A[:-1, :] + Q_A[-1, :]) ** 2 @ (1 / L)
            H = xp.stack([pairs[layer][1] @ Q_G for pairs in columns], axis=1)
            found = found + (H * B[:, None, :]) @ xp.permute_dims(H, (0, 2, 1))
        return found

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
