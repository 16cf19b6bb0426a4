"""A loss at outputs with fixed numbers added: l(F + O, Y), where the offsets O (n, r) ride as further columns of Y.

Batches, their parts and their order then need to know nothing of offsets. Derivatives in F are those of the loss at
F + O. The best constant c minimises sum_i w_i l(c + O_i, Y_i); Newton's method with the Gauss-Newton matrix
sum_i w_i S_i S_i' (r, r) finds it, from the constant without offsets less their mean, each step halved until it
descends.
"""

from ..backend.namespace import finite, namespace, rounding, total
from ..linalg import Dense

STEPS, HALVINGS = 10, 20


def without_offset(loss, F, Y):
    """The loss proper, and the raw outputs and targets that it takes: F + O and Y without O where there are offsets."""
    return (loss.loss, loss.shifted(F, Y), loss.targets(Y)) if isinstance(loss, Offset) else (loss, F, Y)


class Offset:
    """A loss whose targets carry offsets.

    Parameters
    ----------
    loss : Loss
    k : int
        Columns of the targets proper; those after them are the offsets.
    """

    fused = None

    def __init__(self, loss, k):
        self.loss, self.k = loss, k
        self.name, self.out_activation, self.likelihood = loss.name, loss.out_activation, loss.likelihood
        self.location_scale, self.diagonal = False, getattr(loss, "diagonal", False)

    def raw_outputs(self, k):
        """Those of the loss for its k targets."""
        return self.loss.raw_outputs(self.k)

    def targets(self, Y):
        """The targets proper (n, k)."""
        return Y[:, : self.k]

    def shifted(self, F, Y):
        """F + O (n, r): where the loss is taken, and where `draws.drawn` draws targets."""
        return F + Y[:, self.k :]

    def value(self, F, Y):
        """l(F + O, Y), (n,)."""
        return self.loss.value(self.shifted(F, Y), self.targets(Y))

    def grad(self, F, Y):
        """dl/dF at F + O, (n, r)."""
        return self.loss.grad(self.shifted(F, Y), self.targets(Y))

    def hessp(self, F, Y, V):
        """(d2l/dF2) V at F + O, (n, r)."""
        return self.loss.hessp(self.shifted(F, Y), self.targets(Y), V)

    def ggnp(self, F, Y, V):
        """S S' V at F + O, (n, r)."""
        return self.loss.ggnp(self.shifted(F, Y), self.targets(Y), V)

    def factor(self, F, Y):
        """S at F + O, (n, r, c)."""
        return self.loss.factor(self.shifted(F, Y), self.targets(Y))

    def predict(self, F):
        """The loss's own, for outputs F that have their offsets already."""
        return self.loss.predict(F)

    def check_targets(self, Y):
        """Targets in the loss's domain; offsets are finite."""
        self.loss.check_targets(self.targets(Y))

    def start(self, Y, w):
        """The best constant c (r,)."""
        xp, fixed = namespace(Y), Y[:, self.k :]
        c = self.loss.start(self.targets(Y), w) - xp.sum(w[:, None] * fixed, axis=0) / xp.sum(w)
        for _ in range(STEPS):
            F = xp.zeros_like(fixed) + c
            g, S = xp.sum(w[:, None] * self.grad(F, Y), axis=0), self.factor(F, Y)
            R = xp.reshape(xp.permute_dims(xp.sqrt(w)[:, None, None] * S, (1, 0, 2)), (c.shape[0], -1))
            C = Dense(R @ R.T)
            d = -C.solve(g, rounding(Y) ** 0.5 * float(xp.mean(C.diag())))  # not singular, as a softmax's would be
            there = self._descent(c, d, Y, w)
            if there is None:
                return c
            c = there
        return c

    def _descent(self, c, d, Y, w):
        """The first of c + d, c + d / 2, ... with a lower loss, or None."""
        xp, zeros = namespace(Y), namespace(Y).zeros_like(Y[:, self.k :])
        here = total(xp, w * self.value(zeros + c, Y))
        for halvings in range(HALVINGS if finite(xp, d) else 0):
            there = c + 0.5**halvings * d
            if total(xp, w * self.value(zeros + there, Y)) < here:
                return there
        return None
