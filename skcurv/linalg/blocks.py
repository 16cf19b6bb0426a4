"""Operators on consecutive slices of the parameter vector."""

from dataclasses import dataclass

from ..backend.namespace import namespace


@dataclass(frozen=True)
class BlockDiagonal:
    """One operator a slice.

    Parameters
    ----------
    slices : tuple of slice
        Consecutive, covering (p,).
    blocks : tuple of Factored
    """

    slices: tuple
    blocks: tuple

    def __add__(self, other):
        return BlockDiagonal(self.slices, tuple(a + b for a, b in zip(self.blocks, other.blocks, strict=True)))

    def _map(self, method, v, *shift):
        parts = []
        for block, s in zip(self.blocks, self.slices, strict=True):
            parts.append(getattr(block, method)(v[s, ...], *(_part(one, s) for one in shift)))
        return namespace(v).concat(parts)

    def mv(self, v):
        """Block by block."""
        return self._map("mv", v)

    def solver(self, shift):
        """b -> (C + diag(shift))^-1 b, each block factored once."""
        solvers = [block.solver(_part(shift, s)) for block, s in zip(self.blocks, self.slices, strict=True)]

        def solve(b):
            return namespace(b).concat([one(b[s, ...]) for one, s in zip(solvers, self.slices, strict=True)])

        return solve

    def solve(self, b, shift):
        """Block by block."""
        return self._map("solve", b, shift)

    def sqrt_solve(self, z, shift):
        """Block by block."""
        return self._map("sqrt_solve", z, shift)

    def logdet(self, shift):
        """The sum over blocks."""
        return sum(block.logdet(_part(shift, s)) for block, s in zip(self.blocks, self.slices, strict=True))

    def inverse_diag(self, shift):
        """The diagonals of the inverses, joined."""
        parts = [b.inverse_diag(_part(shift, s)) for b, s in zip(self.blocks, self.slices, strict=True)]
        return namespace(parts[0]).concat(parts)

    def diag(self):
        """The diagonals, joined."""
        parts = [block.diag() for block in self.blocks]
        return namespace(parts[0]).concat(parts)

    def blend(self, new, decay):
        """Exponential averaging, block by block."""
        pairs = zip(self.blocks, new.blocks, strict=True)
        return BlockDiagonal(self.slices, tuple(a.blend(b, decay) for a, b in pairs))

    def damped(self, d):
        """Block by block."""
        return BlockDiagonal(self.slices, tuple(block.damped(d) for block in self.blocks))

    def inverse(self):
        """Block by block."""
        return BlockDiagonal(self.slices, tuple(block.inverse() for block in self.blocks))


def _part(shift, s):
    """The slice of a shift vector, or the scalar itself."""
    return shift[s] if getattr(shift, "ndim", 0) else shift
