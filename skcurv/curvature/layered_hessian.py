"""What the Hessian of the mean loss has beyond the Gauss-Newton matrix, as sums over rows like those of `dense_blocks`.

Symbols, for one row: z_l the pre-activations of layer l, a_l = [A_l, 1] its inputs, W_l its weights without the bias,
g_l the weighted loss's gradient in z_l, B_l = diag phi'(z_l). A parameter (a, r) of layer l moves z_l[r] by a_l[a], so
that a row enters through its second derivatives in pre-activations (Botev, Ritter & Barber, ICML 2017, for own blocks):

    own block   S[(l, a, r), (l, b, t)] = sum_i a_l[a] a_l[b] H_l[r, t]
    l < m       S[(l, a, r), (m, b, t)] = sum_i a_l[a] (a_m[b] Q_lm[r, t] + P_lm[r, b] g_m[t])

    H_l  = B_l W_{l+1} H_{l+1} W_{l+1}' B_l + diag(phi''(z_l) * (W_{l+1} g_{l+1}))        d2 / dz_l dz_l
    Q_lm = B_l W_{l+1} Q_{l+1,m},  Q_mm = H_m                                             d2 / dz_l dz_m
    P_lm = B_l W_{l+1} P_{l+1,m},  P_{m-1,m} = B_{m-1}, 0 for the bias                    dA_m / dz_l

from the outputs' H = w_i (H_i - S_i S_i'), the loss Hessian beyond its positive semi-definite part, which is zero for
most losses. It costs about as much as the Gauss-Newton matrix; p products with unit vectors take 15 to 60 times that.

Diagonal matrices are held by their diagonals (n, o), others as (n, o, c), zero ones as None.
"""

from ..backend.namespace import namespace
from .dense_blocks import cross_sum, own_sum, upper, with_ones


def second_order_sums(here):
    """The sums {(l, m): K}, l <= m, laid out as those of `layer_sums`."""
    network, xp = here.objective.network, namespace(here.theta)
    pairs, bends = here.pullback(here.loss_grad).pairs, network.bends(here.tape)
    inputs, last = [with_ones(A) for A, _ in pairs], len(pairs) - 1
    Q, P = {last: _beyond(here)}, {}
    sums = {(last, last): _own(xp, inputs[last], here.k, Q[last])}
    for layer in range(last - 1, -1, -1):
        W, (slope, bend) = network.layout.block(here.theta, layer + 1)[:-1, :], bends[layer]
        Q = {m: _below(xp, slope, W, U) for m, U in Q.items()}
        P = {m: _below(xp, slope, W, U) for m, U in P.items()}
        P[layer + 1] = slope
        for m in P:
            sums[layer, m] = _moved(xp, inputs[layer], pairs[m][1], P[m])
            if Q[m] is not None:
                sums[layer, m] += cross_sum(xp, inputs[layer], inputs[m], Q[m])
        above = None if Q[layer + 1] is None else xp.permute_dims(Q[layer + 1], (0, 2, 1))
        Q[layer] = _with_diagonal(xp, _below(xp, slope, W, above), (pairs[layer + 1][1] @ W.T) * bend)
        sums[layer, layer] = _own(xp, inputs[layer], W.shape[0], Q[layer])
    return sums


def _beyond(here):
    """w_i (H_i - S_i S_i') (n, k, k), None where it is zero."""
    loss, F, Y, xp = here.objective.loss, here.tape.F, here.batch.Y, namespace(here.tape.F)
    columns = []
    for j in range(F.shape[1]):
        unit = xp.zeros_like(F)
        unit[:, j] = 1.0
        columns.append(loss.hessp(F, Y, unit) - loss.ggnp(F, Y, unit))
    rest = here.batch.weights[:, None, None] * xp.stack(columns, axis=2)
    return rest if bool(xp.any(rest != 0)) else None


def _below(xp, slope, W, U):
    """B W U."""
    if U is None:
        return None
    if U.ndim == 2:
        return slope[:, :, None] * W * U[:, None, :]
    return slope[:, :, None] * (W @ U)


def _with_diagonal(xp, U, d):
    """U + diag(d)."""
    return d if U is None else U + d[:, :, None] * xp.eye(d.shape[1], dtype=d.dtype)


def _own(xp, A, o, H):
    """K of one layer with o units."""
    row, column, _ = upper(xp, o)
    if H is None:
        return xp.zeros((A.shape[1] * (A.shape[1] + 1) // 2, row.shape[0]), dtype=A.dtype)
    if H.ndim == 3:
        return own_sum(xp, A, xp.take(xp.reshape(H, (-1, o * o)), row * o + column, axis=1))
    sums = _weighted(xp, A, H)
    padded = xp.concat([sums, xp.zeros((sums.shape[0], 1), dtype=sums.dtype)], axis=1)
    return xp.take(padded, xp.where(row == column, row, xp.full_like(row, o)), axis=1)


def _weighted(xp, A, d):
    """sum_i A_i[a] A_i[b] d_i for pairs a <= b (pairs, o), by the fewer products of two columns."""
    (n, i), o, (first, second, _) = A.shape, d.shape[1], upper(xp, A.shape[1])
    if i + 1 <= 2 * o:
        return own_sum(xp, A, d)
    products = xp.reshape(d.T[:, None, :] * A.T[None, :, :], (o * i, n)) @ A
    return xp.take(xp.reshape(products, (o, i * i)), first * i + second, axis=1).T


def _moved(xp, A, g, P):
    """The share (i j, o t) of P and g in the block of two layers; the bias, last of the j, has none."""
    (n, i), (_, t), o = A.shape, g.shape, P.shape[1]
    pairs = xp.reshape(A[:, :, None] * g[:, None, :], (n, -1))
    if P.ndim == 2:
        sums = xp.permute_dims(xp.reshape(pairs.T @ P, (i, t, o)), (0, 2, 1))
        sums = sums[:, None, :, :] * xp.eye(o, dtype=sums.dtype)[None, :, :, None]
    else:
        sums = xp.permute_dims(xp.reshape(pairs.T @ xp.reshape(P, (n, -1)), (i, t, o, -1)), (0, 3, 2, 1))
    return xp.reshape(xp.concat([sums, xp.zeros((i, 1, o, t), dtype=sums.dtype)], axis=1), (-1, o * t))
