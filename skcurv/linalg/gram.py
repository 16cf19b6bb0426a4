"""C = R'R held by its rows R (m, p), for m < p: the Woodbury identity works in sample space.

With D = diag(shift) > 0, M = R D^-1/2 and M M' = Q diag(s) Q' (m, m):

    (R'R + D)^-1 b    = D^-1 b - D^-1 R' (I + M M')^-1 R D^-1 b
    its diagonal      = (1 - diag M'(I + M M')^-1 M) / D
    (I + M'M)^-1/2 z  = z + M' Q diag(((1 + s)^-1/2 - 1) / s) Q' M z
    log det(R'R + D)  = log det D + log det(I + M M')
"""

from dataclasses import dataclass
from typing import Any

from ..backend.namespace import cholesky_solve, namespace, shifted_cholesky, solve_triangular, total


@dataclass(frozen=True)
class Gram:
    """R'R, R (m, p)."""

    R: Any

    def mv(self, v):
        """R'(R v)."""
        return self.R.T @ (self.R @ v)

    def _scaled(self, shift):
        """M = R D^-1/2 and the vector D^1/2 (p,)."""
        xp = namespace(self.R)
        root = xp.sqrt(shift * xp.ones(self.R.shape[1], dtype=self.R.dtype))
        return self.R / root, root

    def solver(self, shift):
        """b -> (R'R + D)^-1 b by one factor of the kernel; every entry of the shift must be positive."""
        M, root = self._scaled(shift)
        L = shifted_cholesky(M @ M.T, 1.0)

        def solve(b):
            column = root if b.ndim == 1 else root[:, None]
            scaled = b / column
            return b * float("nan") if L is None else (scaled - M.T @ cholesky_solve(L, M @ scaled)) / column

        return solve

    def solve(self, b, shift):
        """By the Woodbury identity."""
        return self.solver(shift)(b)

    def sqrt_solve(self, z, shift):
        """D^-1/2 (I + M'M)^-1/2 z."""
        M, root = self._scaled(shift)
        xp = namespace(M)
        s, Q = xp.linalg.eigh(M @ M.T)
        s = xp.where(s > 0, s, xp.zeros_like(s))
        lift = 1 + xp.sqrt(1 + s)  # ((1 + s)^-1/2 - 1) / s without the cancellation at s = 0
        coefficients = -1 / (xp.sqrt(1 + s) * lift)
        column = (..., None)[: z.ndim]  # numbers of rows beside vectors, or beside columns of z
        return (z + M.T @ (Q @ (coefficients[column] * (Q.T @ (M @ z))))) / root[column]

    def logdet(self, shift):
        """log det D + log det(I + M M')."""
        M, root = self._scaled(shift)
        xp, L = namespace(M), shifted_cholesky(M @ M.T, 1.0)
        if L is None:
            return float("nan")
        return 2 * (total(xp, xp.log(root)) + total(xp, xp.log(xp.linalg.diagonal(L))))

    def inverse_diag(self, shift):
        """The diagonal of (R'R + D)^-1."""
        M, root = self._scaled(shift)
        L, xp = shifted_cholesky(M @ M.T, 1.0), namespace(M)
        if L is None:
            return root * float("nan")
        half = solve_triangular(L, M)
        return (1 - xp.sum(half * half, axis=0)) / root**2

    def diag(self):
        """Column sums of squares."""
        return namespace(self.R).sum(self.R * self.R, axis=0)
