"""Preconditioned conjugate gradients for A x = b, A positive definite, by products alone.

    phi(x) = x'A x / 2 - b'x,   r = b - A x,   y = M^-1 r,   p = y at first

    alpha = r'y / p'A p,   x <- x + alpha p,   r <- r - alpha A p,   phi <- phi - alpha r'y / 2
    p <- y + (r'y / previous r'y) p

(Nocedal & Wright 2006, algorithm 5.3). Three things end it before the budget does:

* residual: |r| <= residual |b|;
* progress (Martens 2010, section 4.4): phi_i < 0 and (phi_i - phi_{i-k}) / phi_i < k progress with k = max(10, 0.1 i);
* curvature: p'A p or alpha is not a positive number. The iterate before is the answer.

Residuals are orthogonal in M^-1, and are made so again against those of earlier iterations as long as these fit into
HELD numbers: without it rounding grows tenfold or so in a truncated solution, and a fit that is made of hundreds of
them follows another path for the least change in its data.

Iterates are kept at i = 5 and then with 1.3 times the spacing, for a caller that looks for the best along the path
(Martens 2010, section 4.6).
"""

import math
from typing import Any, NamedTuple

from ..backend.namespace import dot, namespace

FIRST_KEPT, SPACING = 5, 1.3
HELD = 2**24  # numbers
WINDOW, SHARE = 10, 0.1  # k = max(WINDOW, SHARE i)


class Solution(NamedTuple):
    """Where conjugate gradients ended.

    Attributes
    ----------
    x : (p,)
    iterates : tuple of (p,)
        Kept iterates in order, x the last.
    phi : float
        The quadratic at x.
    iterations : int
    ended : {"residual", "progress", "curvature", "budget"}
    """

    x: Any
    iterates: tuple
    phi: float
    iterations: int
    ended: str


def cg(mv, b, x, precondition, steps, progress=0.0, residual=0.0):
    """Solve A x = b, or stop on the way.

    Parameters
    ----------
    mv : callable (p,) -> (p,)
        v to A v.
    b : (p,)
    x : (p,) or None
        The start; None is 0 and saves a product.
    precondition : callable (p,) -> (p,)
        r to M^-1 r, M positive definite.
    steps : int
        The most iterations.
    progress : float, default=0.0
        Relative decrease of phi an iteration below which to stop; 0 never does.
    residual : float, default=0.0
        |r| / |b| at which to stop.

    Returns
    -------
    Solution
    """
    xp = namespace(b)
    x, r = (0 * b, b) if x is None else (x, b - mv(x))
    phi, kept, due = [-0.5 * dot(xp, r + b, x)], [], FIRST_KEPT
    p, passed = precondition(r), ()
    y = p
    ry, least, ended = dot(xp, r, y), residual * dot(xp, b, b) ** 0.5, "budget"
    for i in range(1, steps + 1):
        if dot(xp, r, r) ** 0.5 <= least:
            ended = "residual"
            break
        Ap = mv(p)
        curvature = dot(xp, p, Ap)
        if not (0 < curvature < math.inf and 0 < ry / curvature < math.inf):
            ended = "curvature"
            break
        alpha = ry / curvature
        x, passed = x + alpha * p, _with(passed, r, y, ry)
        r = _reorthogonalised(r - alpha * Ap, passed)
        phi.append(phi[-1] - 0.5 * alpha * ry)
        if i == math.ceil(due):
            kept, due = [*kept, x], SPACING * due
        if _stalled(phi, progress):
            ended = "progress"
            break
        y = precondition(r)
        ry, old = dot(xp, r, y), ry
        p = y + ry / old * p
    iterates = kept if kept and kept[-1] is x else [*kept, x]
    return Solution(x, tuple(iterates), phi[-1], len(phi) - 1, ended)


def _with(passed, r, y, ry):
    """The residuals r and y so far with r'y = 1, and these, as long as they fit."""
    if 2 * (len(passed) + 1) * r.shape[0] > HELD:
        return passed
    root = ry**0.5
    return (*passed, (r / root, y / root))


def _reorthogonalised(r, passed):
    """r without its parts along earlier residuals, which in exact arithmetic are zero."""
    xp = namespace(r)
    for old, y in passed:
        r = r - dot(xp, r, y) * old
    return r


def _stalled(phi, progress):
    """Whether the last k iterations lowered phi by less than k progress |phi|."""
    i = len(phi) - 1
    k = max(WINDOW, math.ceil(SHARE * i))
    return i > k and phi[-1] < 0 and phi[-1 - k] - phi[-1] < -k * progress * phi[-1]
