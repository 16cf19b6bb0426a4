"""A symmetric matrix held whole: p^2 numbers, as many again and p^3 / 6 multiplications a solve."""

from dataclasses import dataclass
from typing import Any

from ..backend.namespace import cholesky_solve, namespace, shifted_cholesky, solve_triangular, total
from .inverse import inverse


@dataclass(frozen=True)
class Dense:
    """C (p, p)."""

    C: Any

    def __add__(self, other):
        return Dense(self.C + other.C)

    def mv(self, v):
        """C v."""
        return self.C @ v

    def solver(self, shift):
        """b -> (C + diag(shift))^-1 b by one Cholesky factor."""
        L = shifted_cholesky(self.C, shift)
        return lambda b: b * float("nan") if L is None else cholesky_solve(L, b)

    def solve(self, b, shift):
        """(C + diag(shift))^-1 b."""
        return self.solver(shift)(b)

    def sqrt_solve(self, z, shift):
        """L'^-1 z with L L' = C + diag(shift)."""
        L = shifted_cholesky(self.C, shift)
        return z * float("nan") if L is None else solve_triangular(L, z, transposed=True)

    def logdet(self, shift):
        """2 sum log diag L."""
        L = shifted_cholesky(self.C, shift)
        if L is None:
            return float("nan")
        xp = namespace(L)
        return 2 * total(xp, xp.log(xp.linalg.diagonal(L)))

    def inverse_diag(self, shift):
        """The diagonal of (C + diag(shift))^-1: the squares of L^-1 by column."""
        L, xp = shifted_cholesky(self.C, shift), namespace(self.C)
        if L is None:
            return self.diag() * float("nan")
        root = solve_triangular(L, xp.eye(L.shape[0], dtype=L.dtype))
        return xp.sum(root * root, axis=0)

    def diag(self):
        """The diagonal of C."""
        return namespace(self.C).linalg.diagonal(self.C)

    def blend(self, new, decay):
        """Exponential averaging."""
        return Dense(decay * self.C + (1 - decay) * new.C)

    def damped(self, d):
        """C + d I."""
        return Dense(self.C + d * namespace(self.C).eye(self.C.shape[0], dtype=self.C.dtype))

    def inverse(self):
        """C^-1, NaN where C is not positive definite in its precision."""
        return Dense(inverse(self.C))
