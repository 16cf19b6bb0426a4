"""How a curvature approximation is kept from step to step: collected from batches, made anew, inverted.

* `Averaged`: the running mean of a structure, inverted as a whole with the structure's own damping; the inverse is kept
  until it is made anew
* `Factored`: the same for Kronecker factors, whose products are put off
* `ExactlyDamped`: the running mean of Kronecker factors; now and then their eigenvectors Q and eigenvalues s, and in
  every step (A (x) G + d I)^-1 = Q diag(1 / (s_A s_G' + d)) Q' with the d of that step
* `Corrected`: the same eigenvectors with the running mean of the true second moments Lambda in their basis in place of
  s_A s_G', which counts as the first observation after each change of basis (George et al. 2018, algorithm 1)
"""

from typing import Any, NamedTuple

from ..curvature import in_basis, with_exact_output
from .factors import Factors

DECAY = 0.95  # of running means, once they have seen enough
RECENT = 3  # weights of the first observations grow like this power


def decay(t):
    """min((t - 1) / (t + RECENT), 0.95) for observation t.

    Martens & Grosse (2015, section 5) have RECENT = 0, a flat mean at first; the network moves fastest there.
    """
    return min((t - 1) / (t + RECENT), DECAY)


class Averaged(NamedTuple):
    """The running mean of a structure (Point, S) -> Preconditioner."""

    structure: Any
    lazy = True  # whether the inverse is kept between refreshes

    def collect(self, old, updates, part, S):
        """The statistics after observation `updates`, the first of which has no `old`."""
        new = self.structure(part, S)
        return old.blend(new, decay(updates)) if updates > 1 else new

    def renew(self, statistics, dtype):
        """The statistics made ready for inversion."""
        return statistics

    def invert(self, statistics, d, dtype):
        """The inverse of the statistics with damping d, in the precision of the parameters."""
        inverse = statistics.damped(d).inverse()
        return inverse.astype(dtype) if hasattr(inverse, "astype") else inverse


class Factored(NamedTuple):
    """K-FAC with factored Tikhonov damping."""

    lazy = True

    def collect(self, old, updates, part, S):
        """The factors' running means."""
        return old.taking_in(part, S, decay(updates)) if updates > 1 else Factors(with_exact_output(part, S))

    def renew(self, statistics, dtype):
        """All rows in the mean."""
        return statistics.settled()

    def invert(self, statistics, d, dtype):
        """(A + pi d^(1/2) I)^-1 (x) (G + d^(1/2) / pi I)^-1."""
        return statistics.mean.damped(d).inverse().astype(dtype)


class Eigen(NamedTuple):
    """`Factors`, their eigenvectors with eigenvalues, and the observations in the eigenvalues."""

    factors: Any
    basis: Any = None
    seen: int = 1

    def diag(self):
        """The diagonal of the Kronecker approximation."""
        return self.factors.diag()


class ExactlyDamped(NamedTuple):
    """K-FAC with exact Tikhonov damping."""

    lazy = False

    def collect(self, old, updates, part, S):
        """The factors' running means."""
        factors = Factored().collect(old and old.factors, updates, part, S)
        return old._replace(factors=factors) if updates > 1 else Eigen(factors)

    def renew(self, statistics, dtype):
        """New eigenvectors."""
        factors = statistics.factors.settled()
        return Eigen(factors, factors.mean.in_eigenbasis().astype(dtype))

    def invert(self, statistics, d, dtype):
        """Q diag(1 / (L + d)) Q'."""
        return statistics.basis.damped(d).inverse()


class Corrected(NamedTuple):
    """EKFAC."""

    lazy = False
    renew = ExactlyDamped.renew
    invert = ExactlyDamped.invert

    def collect(self, old, updates, part, S):
        """The factors' running means, and that of the second moments in the present basis."""
        new = ExactlyDamped().collect(old, updates, part, S)
        if new.basis is None:
            return new
        seen = new.seen + 1
        return Eigen(new.factors, new.basis.blend(in_basis(part, S, new.basis), decay(seen)), seen)
