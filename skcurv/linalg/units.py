"""One symmetric matrix a unit: the incoming weights and the bias of one output of a layer.

Block-diagonal with blocks C_r (i + 1, i + 1), r = 1..o, of each layer: sum of o (i + 1)^2 numbers. In a layer's block V
(i + 1, o) of a vector, unit r owns column r.
"""

from dataclasses import dataclass

from ..backend.namespace import inverses, namespace, positive, total


@dataclass(frozen=True)
class UnitBlocks:
    """Block-diagonal by unit.

    Parameters
    ----------
    layout : Layout
    blocks : tuple of (o, i + 1, i + 1), one a layer
    """

    layout: object
    blocks: tuple

    def __add__(self, other):
        return UnitBlocks(self.layout, tuple(C + D for C, D in zip(self.blocks, other.blocks, strict=True)))

    def _join(self, v, function):
        """function(C, columns) of each layer, with the columns of v's block as (o, i + 1, 1), joined."""
        parts = []
        for C, V in zip(self.blocks, self.layout.blocks(v), strict=True):
            xp = namespace(C)
            parts.append(xp.permute_dims(function(C, xp.permute_dims(V, (1, 0))[:, :, None])[:, :, 0], (1, 0)))
        return self.layout.join(parts)

    def _shifted(self, shift):
        """The operator with the shift added to the diagonals."""
        like = self.blocks[0]
        xp = namespace(like)
        vector = shift * xp.ones(self.layout.size, dtype=like.dtype)
        blocks = []
        for C, V in zip(self.blocks, self.layout.blocks(vector), strict=True):
            blocks.append(C + xp.permute_dims(V, (1, 0))[:, :, None] * xp.eye(C.shape[1], dtype=C.dtype))
        return UnitBlocks(self.layout, tuple(blocks))

    def _spectra(self):
        """(s, Q) of each layer's blocks, NaN where an eigenvalue is not positive."""
        pairs = [namespace(C).linalg.eigh(C) for C in self.blocks]
        return [(positive(s), Q) for s, Q in pairs]

    def _filtered(self, v, shift, function):
        """function(eigenvalues) of the shifted blocks applied to v."""
        spectra = iter(self._shifted(shift)._spectra())

        def product(C, columns):
            s, Q = next(spectra)
            xp = namespace(Q)
            return Q @ (function(xp, s)[:, :, None] * (xp.permute_dims(Q, (0, 2, 1)) @ columns))

        return self._join(v, product)

    def mv(self, v):
        """C_r times column r."""
        return self._join(v, lambda C, columns: C @ columns)

    def solve(self, b, shift):
        """(C + diag(shift))^-1 b."""
        return self._filtered(b, shift, lambda xp, s: 1 / s)

    def sqrt_solve(self, z, shift):
        """The symmetric square root of the same inverse."""
        return self._filtered(z, shift, lambda xp, s: 1 / xp.sqrt(s))

    def logdet(self, shift):
        """The sum of the logarithms of all shifted eigenvalues."""
        return sum(total(namespace(s), namespace(s).log(s)) for s, _ in self._shifted(shift)._spectra())

    def diag(self):
        """The diagonals."""
        parts = []
        for C in self.blocks:
            xp = namespace(C)
            parts.append(xp.permute_dims(xp.linalg.diagonal(C), (1, 0)))
        return self.layout.join(parts)

    def blend(self, new, decay):
        """Exponential averaging."""
        pairs = zip(self.blocks, new.blocks, strict=True)
        return UnitBlocks(self.layout, tuple(decay * C + (1 - decay) * D for C, D in pairs))

    def damped(self, d):
        """C + d I."""
        return self._shifted(d)

    def inverse(self):
        """The inverses of the blocks, NaN where there is none."""
        return UnitBlocks(self.layout, tuple(inverses(C) for C in self.blocks))
