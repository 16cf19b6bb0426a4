"""The test problems of Moré, Garbow & Hillstrom (1981), all 35, as sums of squares.

References
----------
J. J. Moré, B. S. Garbow and K. E. Hillstrom, "Testing unconstrained optimization software", ACM Transactions on
Mathematical Software 7 (1981), 17-41. Minima are those of its section 3; where a problem has several sizes, those that
it gives a minimum for.
"""

from ._mgh import Problem
from ._mgh_fixed import FIXED
from ._mgh_scalable import SCALABLE

PROBLEMS = {problem.name: problem for problem in (*FIXED, *SCALABLE)}

__all__ = ["PROBLEMS", "Problem"]
