"""The exact quadratic model on a few directions (Martens & Grosse 2015, section 7).

With directions w_1, ..., w_r (p,), M_ij = w_i' (GGN + lambda I) w_j and b_i = g' w_i, the model's minimum over
d = sum_i c_i w_i is

    M c = -b,    m(d) = g'd + d'(GGN + lambda I) d / 2 = b'c / 2.

For the preconditioned gradient and the last update, c = (alpha, mu) is the step length and the momentum; on a quadratic
they make preconditioned conjugate gradients. Slopes b and curvature M come from the same rows: with the gradient of a
batch and the curvature of a part of it, rows that drive the one can be missing in the other, and the step explodes.

On few rows b and M are noisy, and what they say changes slowly once directions have a length s_i of one: `Smoothed` has
the running means of b_i / s_i and M_ij / (s_i s_j) over the models so far and the minimum c_hat of their model; any
directions of lengths s then take c_i = c_hat_i / s_i, whether they have been in a model or not.

A third direction there is e, the preconditioned gradient in the output layer alone. A preconditioner that takes layers
for independent makes steps of many hidden layers too long together, and one length for all has to pay for it in the
output layer too. With d = alpha w + mu v + beta e,

    beta = SHARE max(0, minimum over the three) from the OWN-th model on, else 0.

With few outputs e and the rest of w move the same numbers, and the minimum mostly has a beta below 0, with which nets
on tables learn worse. Where beta is 0, alpha and mu are those of the two.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from ..backend.namespace import dot, namespace
from ..curvature import slopes_and_gram

MEMORY = 0.5  # decay of the means, which span some 20 steps late in a fit
OWN = 25  # models from which the output layer may have a length of its own: sooner, nets on tables learn worse
SHARE = 1 / 2  # of what the model says it should be longer


def solve(b, M):
    """The coefficients c (r,) of the minimum and its value, at most 0; NaN when the model is not finite or bends down.

    Curvature lost in rounding, as of a saturated softmax, can come out below zero.
    """
    if not (np.isfinite(M).all() and np.isfinite(b).all() and (np.diagonal(M) >= 0).all()):
        return np.full(len(b), np.nan), np.nan
    scale = np.sqrt(np.diagonal(M))
    scale[scale == 0] = 1.0  # a zero direction, for which b_i = 0 too
    c = np.linalg.lstsq(M / np.outer(scale, scale), -b / scale)[0] / scale
    return c, 0.5 * float(b @ c)


def value_of(b, M, c):
    """m(d) for coefficients c (r,)."""
    return float(b @ c + 0.5 * c @ M @ c)


def stepped(b, M, rate, mu, norm_constraint):
    """The coefficients (rate, mu) in the place of the model's, and its value there.

    Cut so that rate^2 (-b_1), about the squared length of the step in the Fisher metric, keeps the norm constraint.
    """
    if norm_constraint is not None and b[0] < 0:
        rate *= min(1.0, math.sqrt(norm_constraint / (-b[0] * rate**2)))
    c = np.array([rate, mu][: len(b)])
    return c, value_of(b, M, c)


def lengths(g, w, v, output=None):
    """|w| = |g'w|^(1/2) for w = -P^-1 g in the metric of P, |v|, and |w| in the output layer; 1 where it is 0."""
    pairs = [(g, w), (v, v)] + ([] if output is None else [(g[output], w[output])])
    return np.array([math.sqrt(abs(dot(namespace(g), x, y))) or 1.0 for x, y in pairs])


class Smoothed(NamedTuple):
    """Running means of b (r,) and M (r, r) in directions of length one, the step c (r,) in them, how many are in them.

    The directions are w and v, or w, v and e.
    """

    b: Any
    M: Any
    c: Any
    seen: int

    def taking_in(self, b, M, s):
        """The means with the model of directions of lengths s (r,) in them."""
        b, M = b / s, M / np.outer(s, s)
        seen = self.seen + 1
        share = max(1 - MEMORY, 1 / seen)
        b, M = self.b + share * (b - self.b), self.M + share * (M - self.M)
        return Smoothed(b, M, _step(b, M, seen), seen)


def _step(b, M, seen):
    """The coefficients of w and v, and where there is an e, SHARE of its own unless that is below 0 or too early."""
    c = solve(b, M)[0]
    if len(b) == 2:
        return c
    if seen >= OWN and c[2] > 0:
        return c * [1, 1, SHARE]
    return np.append(solve(b[:2], M[:2, :2])[0], 0.0)


NOTHING = Smoothed(0.0, 0.0, None, 0)


def minimise(here, directions, lam):
    """`solve` of the model on these directions: coefficients c (r,) of the minimum and its value."""
    return solve(*slopes_and_gram(here, directions, lam))
