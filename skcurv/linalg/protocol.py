"""What an operator is: a symmetric positive semi-definite matrix C (p, p), known by what it does.

`shift` is a scalar or a vector (p,): C + diag(shift). Where C + diag(shift) is not positive definite in its precision,
`solve` and `sqrt_solve` return NaN and `logdet` returns NaN: failure is a value, and the caller raises its damping.
"""

from collections.abc import Callable
from typing import Any, Protocol


class Operator(Protocol):
    """A symmetric matrix."""

    def mv(self, v) -> Any:
        """C v, (p,)."""


class Factored(Operator, Protocol):
    """An operator that can be inverted after a shift."""

    def solve(self, b, shift) -> Any:
        """(C + diag(shift))^-1 b, (p,)."""

    def sqrt_solve(self, z, shift) -> Any:
        """B z with B B' = (C + diag(shift))^-1: a draw with that covariance when z is standard normal."""

    def logdet(self, shift) -> float:
        """log det(C + diag(shift))."""

    def diag(self) -> Any:
        """The diagonal of C, (p,)."""


class Reusable(Factored, Protocol):
    """A factored operator whose factor serves several right-hand sides."""

    def solver(self, shift) -> Callable:
        """b -> (C + diag(shift))^-1 b."""


class Preconditioner(Factored, Protocol):
    """A factored operator that is averaged over steps and inverted once in a while."""

    def blend(self, new, decay) -> "Preconditioner":
        """decay * self + (1 - decay) * new, part by part."""

    def damped(self, d) -> "Preconditioner":
        """C + d I, or the structure's own approximation of it."""

    def inverse(self) -> "Preconditioner":
        """The inverse, whose `mv` applies it."""
