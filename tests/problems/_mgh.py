"""One problem of Moré, Garbow & Hillstrom (1981)."""

from typing import Any, NamedTuple

import numpy as np

RELATIVE = 1e-4  # the minima are published to six digits; a solver that stops short is off by more
ABSOLUTE = 1e-12  # where the minimum is 0: residuals of 1e-6 and less


class Problem(NamedTuple):
    """r (n,) -> (m,), its Jacobian (m, n), the standard start, and the published local minima of |r|^2, ascending."""

    name: str
    r: Any
    J: Any
    standard: Any
    minima: tuple

    def start(self, factor=1.0):
        """`factor` times the standard start; where that is 0, all `factor` (none else to scale), as in MINPACK."""
        x = np.array(self.standard, dtype=float)
        return factor * x if x.any() or factor == 1 else np.full_like(x, factor)

    def value(self, x):
        """|r(x)|^2; infinite where it is no number."""
        with np.errstate(all="ignore"):
            value = float(np.sum(self.r(x) ** 2))
        return value if np.isfinite(value) else np.inf

    def reached(self, value):
        """The number of the minimum that a value of |r|^2 stands at or, for the least, below; None for no minimum."""
        for number, minimum in enumerate(self.minima):
            high = minimum * (1 + RELATIVE) + ABSOLUTE * (minimum == 0)
            if value <= high and (number == 0 or value >= minimum * (1 - RELATIVE)):
                return number
        return None
