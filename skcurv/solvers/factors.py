"""Running means of Kronecker factors, whose products are put off until an inverse needs them or many are together.

With decays b_t, observations N_t = R_t'R_t and the product B_t of the decays since the mean C_0 was made,

    C_t = b_t C_(t-1) + (1 - b_t) N_t = B_t (C_0 + sum_s (1 - b_s) / B_s N_s),

and the sum is one product of the rows of all R_s times the roots of (1 - b_s) / B_s, below one another.
"""

from typing import Any, NamedTuple

from ..curvature import rows_with_exact_output
from ..curvature.factors import MANY

FADED = 1e-2  # B_t at which the rows go into the mean, lest their factors grow without end


class Factors(NamedTuple):
    """The running mean of Kronecker factors, and the rows of newer ones not yet in it.

    Attributes
    ----------
    mean : Kronecker
        C_0.
    scale : float
        B_t.
    rows : FactorRows or None
        Those of the sum.
    """

    mean: Any
    scale: float = 1.0
    rows: Any = None

    def taking_in(self, part, S, b):
        """With an observation after the decay b."""
        scale = b * self.scale
        rows = rows_with_exact_output(part, S, (1 - b) / scale)
        rows = rows if self.rows is None else self.rows.with_more(rows)
        after = Factors(self.mean, scale, rows)
        return after if rows.n < MANY and scale > FADED else after.settled()

    def settled(self):
        """With all rows in the mean."""
        if self.rows is None:
            return self
        return Factors(self.mean.mixed(self.scale, self.rows.factors(), self.scale))

    def diag(self):
        """The diagonal of the mean."""
        return self.mean.diag()
