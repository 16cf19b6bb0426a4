"""Exact curvature by products with directions: no matrix is formed.

With H_i the loss Hessian in output space, S_i S_i' its positive semi-definite surrogate and D = l2 on weights:

    GGN u     = sum_i w_i J_i' S_i S_i' J_i u + D u
    Hessian u = sum_i w_i J_i' H_i J_i u + (sum_i w_i grad_i . d2 F_i) u + D u
"""

import numpy as np

from ..backend.namespace import dot, namespace


def _output_product(here, product, u):
    """w_i (loss curvature)_i J_i u, (n, k)."""
    return here.batch.weights[:, None] * product(here.tape.F, here.batch.Y, here.pushforward(u))


def ggn_product(here, u):
    """GGN u, (p,)."""
    V = _output_product(here, here.objective.loss.ggnp, u)
    return here.pullback(V).total() + here.objective.shift(here.theta) * u


def hessian_product(here, u):
    """Hessian u, (p,)."""
    V = _output_product(here, here.objective.loss.hessp, u)
    bend = here.second_order(here.loss_grad, u)
    return here.pullback(V).total() + bend + here.objective.shift(here.theta) * u


class Images:
    """J u_i (n, k) of directions u_i (p,), and what the model g'd + d'(GGN + lam I)d / 2 has along them.

    Behind the directions come the parts of `ends` (p,) that are in the output layer.
    """

    def __init__(self, here, directions, ends=()):
        loss, batch, F = here.objective.loss, here.batch, here.tape.F
        self.here, self.vectors = here, [*directions, *ends]
        self.spans = [slice(None)] * len(directions) + [here.objective.network.layout.output] * len(ends)
        self.J = [*map(here.pushforward, directions), *map(here.pushforward_output, ends)]
        self.HJ = [batch.weights[:, None] * loss.ggnp(F, batch.Y, Ju) for Ju in self.J]
        self.drive = here.loss_grad

    def slopes_and_gram(self, lam=0.0):
        """The float64 vector g'u_i and matrix u_i' (GGN + lam I) u_j."""
        here, xp, r = self.here, namespace(self.here.theta), len(self.J)
        weights, b, M = here.objective.shift(here.theta) + lam, np.empty(r), np.empty((r, r))
        for i, (span, Ju) in enumerate(zip(self.spans, self.J, strict=True)):
            u = self.vectors[i][span]
            b[i] = dot(xp, self.drive, Ju) + dot(xp, here.penalty_grad[span], u)
            weighted = weights[span] * u
            for j, half in enumerate(self.HJ[: i + 1]):
                M[i, j] = M[j, i] = dot(xp, Ju, half) + dot(xp, weighted, self.vectors[j][span])
        return b, M

    def slope_terms(self, i):
        """The terms of the rows in the loss's part of g'u_i, (n,)."""
        return namespace(self.drive).sum(self.drive * self.J[i], axis=1)

    def curvature_terms(self, i):
        """The terms of the rows in the loss's part of u_i'GGN u_i, (n,)."""
        return namespace(self.drive).sum(self.J[i] * self.HJ[i], axis=1)


def slopes_and_gram(here, directions, lam=0.0, ends=()):
    """g'u_i and u_i' (GGN + lam I) u_j by forward products alone (`Images`)."""
    return Images(here, directions, ends).slopes_and_gram(lam)
