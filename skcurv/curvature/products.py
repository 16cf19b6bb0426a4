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
    bend = here.objective.network.second_order(here.tape, here.loss_grad, u)
    return here.pullback(V).total() + bend + here.objective.shift(here.theta) * u


def ggn_gram(here, directions):
    """The float64 matrix of u_i' GGN u_j for a few directions u_i (p,), by forward products alone."""
    xp, ggnp = namespace(here.theta), here.objective.loss.ggnp
    images = [here.pushforward(u) for u in directions]
    weights = here.batch.weights[:, None]
    halves = [weights * ggnp(here.tape.F, here.batch.Y, Ju) for Ju in images]
    l2, layout = here.objective.l2, here.objective.network.layout
    M = np.empty((len(directions), len(directions)))
    for i, u in enumerate(directions):
        for j, v in enumerate(directions[: i + 1]):
            M[i, j] = M[j, i] = dot(xp, images[i], halves[j])
            if l2:
                pairs = zip(layout.blocks(u), layout.blocks(v), strict=True)
                M[i, j] = M[j, i] = M[i, j] + l2 * sum(dot(xp, U[:-1, :], W[:-1, :]) for U, W in pairs)
    return M
