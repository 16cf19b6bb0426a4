"""The thing to minimise, and one parameter vector on one batch.

    f(theta) = sum_i w_i l(F_i(theta), Y_i) / n + l2 / 2 |weights|^2,   l2 = alpha / sum of all raw sample weights,

the weighted mean of the losses plus a penalty that is the same for every batch; biases are free. With one alpha_j a
parameter the penalty is sum_j alpha_j theta_j^2 / 2 over the same weight, biases included.

Parameters may be kept in a box lower <= theta <= upper. Every Point lies in it, for what leaves it is clipped; and at a
Point on its border the parameters that descent would push outwards are held: their derivatives count as zero, so that
gradient, curvature and products are those of the free ones alone (Bertsekas 1982, eq. 32; Kanzow, Yamashita & Fukushima
2004 for Levenberg-Marquardt). A solver needs to know nothing of it to stay inside, and its directions point along the
border.
"""

import math

import numpy as np

from .backend.namespace import dot, namespace, to_numpy, total
from .backend.spare import Spare
from .data import chunks

CHUNK = 2**17  # numbers of a layer held at once where only those of the rows are kept


class Objective:
    """Network + loss + data + penalty.

    Parameters
    ----------
    network : Network
    loss : Loss
    data : Data
    alpha : float or (p,)
        Strength of the penalty on weights, or on each parameter; l2 = alpha / total weight.
    box : Box or None
        Where the parameters are kept.
    """

    def __init__(self, network, loss, data, alpha, box=None):
        self.network, self.loss, self.data, self.box = network, loss, data, box
        self.l2 = alpha / data.total_weight
        self.mean_l2 = float(np.mean(self.l2))
        self.penalises = bool(np.any(self.l2)) if np.ndim(self.l2) else self.l2 != 0
        self._plan = self._shift = None
        self.spare = Spare()

    def point(self, theta, batch=None):
        """theta on a batch (all rows by default)."""
        return Point(self, self.inside(theta), self.data.all() if batch is None else batch)

    def inside(self, theta):
        """The point of the box nearest to theta."""
        return theta if self.box is None else self.box.inside(theta)

    def value(self, theta):
        """f over all rows in chunks, so that memory stays small."""
        loss, network, data = self.loss, self.network, self.data
        losses = 0.0
        for rows in chunks(data.n, chunk_rows(network)):
            values = loss.value(network.output(theta, data.X[rows]), data.Y[rows])
            losses += total(namespace(theta), data.w[rows] * values)
        return _limited(losses / data.n + self.penalty(theta))

    def penalty(self, theta):
        """l2 / 2 |weights|^2."""
        if not self.penalises:
            return 0.0
        return 0.5 * dot(namespace(theta), self.shift(theta) * theta, theta)

    def shift(self, theta):
        """The penalty's Hessian as a diagonal (p,): l2 at weights and 0 at biases, or the l2 of each parameter."""
        if self._shift is None or type(self._shift) is not type(theta) or self._shift.dtype != theta.dtype:
            each = np.ndim(self.l2) > 0
            self._shift = self.l2 + 0 * theta if each else self.l2 * self.network.layout.penalised(theta)
        return self._shift

    def fused(self, theta, batch):
        """The compiled kernels of this fit, or None where they do not apply."""
        if not (batch.owned and theta.dtype == batch.X.dtype):
            return None
        if self._plan is None:
            applies = self.loss.fused and self.network.leaks and np.ndim(self.l2) == 0
            self._plan = _FusedPlan(self.network, self.loss, self.l2, theta.dtype) if applies else False
        return self._plan or None


class _FusedPlan:
    """The kernels of `backend.fused` with the constants and the scratch memory of one fit."""

    def __init__(self, network, loss, l2, dtype):
        from .backend import fused  # compiled code is loaded on first use

        sizes = network.layout.sizes
        self._value_and_grad, self._adam, self._scalar = fused.value_and_grad, fused.adam, dtype.type
        head = getattr(fused, loss.fused)
        self._net = dtype.type(l2), np.asarray(sizes), np.asarray(network.leaks, dtype=dtype), head
        self._entries = sum(sizes[1:]) + 2 * max(sizes[1:])
        self._work = np.empty(0, dtype)

    def value_and_grad(self, theta, batch):
        """The value, and the gradient in a new array."""
        X, Y, w, scale, *_ = batch
        if self._work.size < X.shape[0] * self._entries:
            self._work = np.empty(X.shape[0] * self._entries, theta.dtype)
        grad = np.empty_like(theta)
        return self._value_and_grad(theta, X, Y, w, self._scalar(scale), *self._net, self._work, grad), grad

    def adam(self, theta, grad, m, v, *numbers):
        """One update of theta, m and v in place."""
        self._adam(theta, grad, m, v, *map(self._scalar, numbers))


class Point:
    """One parameter vector on one batch; each quantity is computed at most once and kept.

    Attributes
    ----------
    theta : (p,)
    tape : the forward pass
    value : float, f on this batch
    grad : (p,), its gradient
    full_grad : (p,), the gradient with the entries of held parameters
    penalty_grad : (p,), the penalty's share of it
    plan : the compiled kernels that gave the gradient, or None; with them a step may work in place
    """

    __slots__ = ("_free", "_full_grad", "_grad", "_pull", "_tape", "_value", "batch", "objective", "plan", "theta")

    def __init__(self, objective, theta, batch, tape=None):
        self.objective, self.theta, self.batch = objective, theta, batch
        self._tape = tape
        self._value = self._grad = self._full_grad = self._pull = self._free = self.plan = None

    def moved(self, d):
        """The candidate theta + d on the same batch."""
        return Point(self.objective, self.objective.inside(self.theta + d), self.batch)

    def at(self, theta):
        """Other parameters on the same batch."""
        return Point(self.objective, self.objective.inside(theta), self.batch)

    def on(self, batch):
        """The same parameters on another batch."""
        return self if batch is self.batch else Point(self.objective, self.theta, batch)

    def head(self, n):
        """The same parameters on the batch's first n rows, sharing the forward pass."""
        return self if n >= self.n else self._part(self.batch.alone, slice(n))

    def tail(self, n):
        """The same parameters on the batch's last n rows, sharing the forward pass."""
        return self if n >= self.n else self._part(self.batch.alone, slice(self.n - n, self.n))

    def parts(self, rows):
        """The batch in consecutive parts whose curvatures add up to the whole's."""
        return [self] if rows >= self.n else [self._part(self.batch.part, s) for s in chunks(self.n, rows)]

    def _part(self, take, rows):
        """A slice of the rows, with the same parameters held."""
        part = Point(self.objective, self.theta, take(rows), self.tape.part(rows))
        part._pull = self._pull
        part._free = None if self.objective.box is None else self.free
        return part

    @property
    def n(self):
        """Rows of the batch."""
        return self.batch.X.shape[0]

    @property
    def k(self):
        """Raw outputs of a row; targets may have fewer columns, or more."""
        return self.tape.F.shape[1]

    @property
    def whole(self):
        """Whether the batch is the full set."""
        return self.batch.whole

    @property
    def tape(self):
        if self._tape is None:
            self._tape = self.objective.network.forward(self.theta, self.batch.X, self.objective.spare)
        return self._tape

    @property
    def value(self):
        if self._value is None:
            self._value = self._mean(self.objective.loss.value(self.tape.F, self.batch.Y))
        return self._value

    def _mean(self, losses):
        """The value from the rows' losses."""
        xp = namespace(losses)
        mean = total(xp, self.batch.weights * losses)
        return _limited(mean + 0.5 * dot(xp, self.penalty_grad, self.theta) if self.objective.penalises else mean)

    @property
    def penalty_grad(self):
        if self._pull is None:
            self._pull = self.objective.shift(self.theta) * self.theta
        return self._pull

    @property
    def grad(self):
        if self._grad is None:
            self.plan = self.objective.fused(self.theta, self.batch) if self._tape is None else None
            if self.plan:
                self._value, self._grad = self.plan.value_and_grad(self.theta, self.batch)
            else:
                self._grad = self.restricted(self.full_grad)
        return self._grad

    @property
    def full_grad(self):
        if self._full_grad is None:
            total = self.objective.network.pullback(self.tape, self.loss_grad).total()
            if self.objective.penalises:
                total += self.penalty_grad
            self._full_grad = total
        return self._full_grad

    @property
    def free(self):
        """A mask (p,): 0 at the parameters that the box holds, else 1."""
        if self._free is None:
            self._free = self.objective.box.free(self.theta, self.full_grad)
        return self._free

    def restricted(self, u):
        """A tangent or a gradient (p,) without its entries at held parameters."""
        return u if self.objective.box is None else self.free * u

    @property
    def loss_grad(self):
        """The weighted loss gradients in output space, (n, k); with them the value, where the loss gives both."""
        F, Y, w, loss = self.tape.F, self.batch.Y, self.batch.weights, self.objective.loss
        both = getattr(loss, "value_and_grad", None) if self._value is None else None
        if not both:
            return w[:, None] * loss.grad(F, Y)
        losses, slopes = both(F, Y)
        self._value = self._mean(losses)
        slopes *= w[:, None]
        return slopes

    def pullback(self, V):
        """J'V by layer and row."""
        cotangents = self.objective.network.pullback(self.tape, V)
        return cotangents if self.objective.box is None else cotangents.restricted(self.free)

    def pushforward(self, u):
        """J u (n, k)."""
        return self.objective.network.pushforward(self.tape, self.restricted(u))

    def pushforward_output(self, u):
        """J u (n, k) with the entries of u (p,) in the output layer alone."""
        return self.objective.network.pushforward_output(self.tape, self.restricted(u))

    def second_order(self, V, u):
        """(sum_i V_i . d2 F_i / d theta^2) u (p,)."""
        return self.restricted(self.objective.network.second_order(self.tape, V, self.restricted(u)))


def _limited(value):
    """The value, inf in place of -inf: where a function falls below all numbers there is nothing to return."""
    return math.inf if value == -math.inf else value


def chunk_rows(network):
    """How many rows fit in one chunk of a forward pass."""
    return max(1, CHUNK // max(network.layout.sizes))


def outputs(network, theta, X):
    """The raw outputs (n, k) as a host array, in chunks of rows."""
    rows = chunk_rows(network)
    return np.concatenate([to_numpy(network.output(theta, X[part])) for part in chunks(X.shape[0], rows)])
