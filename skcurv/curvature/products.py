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


def slopes_and_gram(here, directions, lam=0.0, ends=()):
    """The float64 vector g'u_i and matrix u_i' (GGN + lam I) u_j by forward products alone.

    The u_i are the directions (p,), and then the parts of `ends` (p,) that are in the output layer.
    """
    xp, loss, batch, F = namespace(here.theta), here.objective.loss, here.batch, here.tape.F
    images = [*map(here.pushforward, directions), *map(here.pushforward_output, ends)]
    halves = [batch.weights[:, None] * loss.ggnp(F, batch.Y, Ju) for Ju in images]
    drive, weights = here.loss_grad, here.objective.shift(here.theta) + lam
    vectors, spans = [*directions, *ends], [slice(None)] * len(directions)
    spans += [here.objective.network.layout.output] * len(ends)
    b, M = np.empty(len(images)), np.empty((len(images), len(images)))
    for i, (span, Ju) in enumerate(zip(spans, images, strict=True)):
        u = vectors[i][span]
        b[i] = dot(xp, drive, Ju) + dot(xp, here.penalty_grad[span], u)
        weighted = weights[span] * u
        for j, half in enumerate(halves[: i + 1]):
            M[i, j] = M[j, i] = dot(xp, Ju, half) + dot(xp, weighted, vectors[j][span])
    return b, M
