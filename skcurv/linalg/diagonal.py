"""A diagonal matrix: p numbers."""

from dataclasses import dataclass
from typing import Any

from ..backend.namespace import namespace, positive, total


@dataclass(frozen=True)
class Diagonal:
    """diag(c), c (p,)."""

    c: Any

    def __add__(self, other):
        return Diagonal(self.c + other.c)

    def mv(self, v):
        """c * v."""
        return self.c * v

    def solver(self, shift):
        """b -> b / (c + shift)."""
        c = positive(self.c + shift)
        return lambda b: b / (c if b.ndim == 1 else c[:, None])

    def solve(self, b, shift):
        """b / (c + shift)."""
        return self.solver(shift)(b)

    def sqrt_solve(self, z, shift):
        """z / sqrt(c + shift)."""
        root = namespace(self.c).sqrt(positive(self.c + shift))
        return z / (root if z.ndim == 1 else root[:, None])

    def logdet(self, shift):
        """sum log(c + shift)."""
        xp = namespace(self.c)
        return total(xp, xp.log(positive(self.c + shift)))

    def inverse_diag(self, shift):
        """1 / (c + shift)."""
        return 1 / positive(self.c + shift)

    def diag(self):
        """c."""
        return self.c

    def blend(self, new, decay):
        """Exponential averaging."""
        return Diagonal(decay * self.c + (1 - decay) * new.c)

    def damped(self, d):
        """diag(c + d)."""
        return Diagonal(self.c + d)

    def inverse(self):
        """diag(1 / c)."""
        return Diagonal(1 / self.c)
