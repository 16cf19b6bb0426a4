"""A symmetric matrix held whole: p^2 numbers, p^3 / 3 multiplications a solve."""

from dataclasses import dataclass
from typing import Any

from ..backend.namespace import cholesky, cholesky_solve, namespace, solve_triangular, total


@dataclass(frozen=True)
class Dense:
    """C (p, p)."""

    C: Any

    def __add__(self, other):
        return Dense(self.C + other.C)

    def mv(self, v):
        """C v."""
        return self.C @ v

    def _factor(self, shift):
        xp = namespace(self.C)
        ones = xp.ones(self.C.shape[0], dtype=self.C.dtype)
        return cholesky(self.C + xp.eye(self.C.shape[0], dtype=self.C.dtype) * (shift * ones)[:, None])

    def solve(self, b, shift):
        """(C + diag(shift))^-1 b by Cholesky."""
        L = self._factor(shift)
        return b * float("nan") if L is None else cholesky_solve(L, b)

    def sqrt_solve(self, z, shift):
        """L'^-1 z with L L' = C + diag(shift)."""
        L = self._factor(shift)
        return z * float("nan") if L is None else solve_triangular(L, z, transposed=True)

    def logdet(self, shift):
        """2 sum log diag L."""
        L = self._factor(shift)
        if L is None:
            return float("nan")
        xp = namespace(L)
        return 2 * total(xp, xp.log(xp.linalg.diagonal(L)))

    def diag(self):
        """The diagonal of C."""
        return namespace(self.C).linalg.diagonal(self.C)
