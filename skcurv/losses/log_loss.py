"""Negative log-likelihoods of a Bernoulli per output and of one multinomial over the outputs.

Bernoulli (binary, multilabel, or means in [0, 1]), s = 1 / (1 + exp(-F)), summed over outputs:
    l = sum_c log(1 + exp(F_c)) - Y_c F_c,   gradient s - Y,   Hessian = GGN = Fisher = diag(s (1 - s)).
Multinomial, p = softmax(F), Y on the simplex:
    l = log sum_c exp(F_c) - Y . F,          gradient p - Y,   Hessian = GGN = Fisher = diag(p) - p p',
    factor S = diag(sqrt p) - p sqrt(p)':    S S' = diag(p) - 2 p p' + p p' = diag(p) - p p'.
"""

from dataclasses import dataclass
from numbers import Real

from sklearn.base import BaseEstimator

from ..backend.namespace import by_columns, namespace, sigmoid, softplus
from ..backend.passes import logistic
from .probabilities import check_simplex, check_unit, frequencies, one_hot_draws


@dataclass(eq=False, repr=False)
class LogLoss(BaseEstimator):
    r"""Log-loss of labels, or of means in [0, 1]: the form depends on the targets.

    With two classes, several labels or means there is a Bernoulli for each output, with three classes or more one
    multinomial over the outputs. With smoothing :math:`s` the targets are

    .. math:: Y_s = (1 - s)\, Y + s / K,

    K being the number of classes, 2 for a Bernoulli: no logit is driven to infinity.

    Parameters
    ----------
    label_smoothing : float, default=0.0
        :math:`s`, in [0, 1).

    References
    ----------
    C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens and Z. Wojna, "Rethinking the Inception architecture for computer
    vision", CVPR 2016, section 7.

    Examples
    --------
    >>> import numpy as np
    >>> from skcurv.losses import LogLoss
    >>> loss = LogLoss(label_smoothing=0.1).for_outputs(exclusive=True)
    >>> loss.predict(loss.start(np.array([[1.0, 0.0]]), np.ones(1))[None, :]).round(3)
    array([[0.95, 0.05]])
    """

    label_smoothing: float = 0.0

    name = "log_loss"
    domains = {"label_smoothing": (lambda s: isinstance(s, Real) and 0 <= s < 1, "a number in [0, 1)")}

    def for_outputs(self, exclusive):
        """One multinomial over the outputs, or a Bernoulli for each."""
        loss = MultinomialLogLoss() if exclusive else BernoulliLogLoss()
        return SmoothedLogLoss(loss, self.label_smoothing) if self.label_smoothing else loss


class BernoulliLogLoss:
    """Log-loss of independent outputs in [0, 1], summed over outputs."""

    name = "log_loss"
    out_activation = "logistic"
    location_scale = False
    fused = "LOGISTIC"
    likelihood = "exact"
    diagonal = True

    def raw_outputs(self, k):
        """k."""
        return k

    def value(self, F, Y):
        """sum_c log(1 + exp(F_c)) - Y_c F_c, (n,)."""
        return namespace(F).sum(softplus(F) - Y * F, axis=1)

    def grad(self, F, Y):
        """s - Y, (n, k)."""
        return sigmoid(F) - Y

    def value_and_grad(self, F, Y):
        """Both, with `softplus` and `sigmoid` of one exponential."""
        return logistic(F, Y)

    def hessp(self, F, Y, V):
        """s (1 - s) V, (n, k)."""
        s = sigmoid(F)
        return s * (1 - s) * V

    ggnp = hessp

    def factor(self, F, Y):
        """diag(sqrt(s (1 - s))), (n, k, k)."""
        xp, s = namespace(F), sigmoid(F)
        return xp.sqrt(s * (1 - s))[:, :, None] * xp.eye(F.shape[1], dtype=F.dtype)[None, :, :]

    def sample(self, F, m, rng):
        """s - y with y ~ Bernoulli(s), (n, k, m)."""
        xp, s = namespace(F), sigmoid(F)[:, :, None]
        uniform = xp.asarray(rng.random((*F.shape, m)), dtype=F.dtype)
        return s - xp.astype(uniform < s, F.dtype)

    def predict(self, F):
        """s, (n, k)."""
        return sigmoid(F)

    def log_predict(self, F):
        """log s, (n, k), finite where s underflows."""
        return -softplus(-F)

    def start(self, Y, w):
        """The logit of the weighted mean, (k,)."""
        s = frequencies(Y, w)
        return namespace(Y).log(s / (1 - s))

    def check_targets(self, Y):
        """Any number in [0, 1] is allowed."""
        check_unit(Y, self.name)

    def log_normaliser(self, Y):
        """0."""
        return namespace(Y).zeros_like(Y[:, 0])


class MultinomialLogLoss:
    """Log-loss of one distribution over the outputs."""

    name = "log_loss"
    out_activation = "softmax"
    location_scale = False
    fused = "SOFTMAX"
    likelihood = "exact"

    def raw_outputs(self, k):
        """k."""
        return k

    def value(self, F, Y):
        """log sum_c exp(F_c) - Y . F for rows of Y that sum to one, (n,)."""
        xp, F, Y = namespace(F), by_columns(F), by_columns(Y)
        shifted = F - xp.max(F, axis=1, keepdims=True)
        return xp.log(xp.sum(xp.exp(shifted), axis=1)) - xp.sum(Y * shifted, axis=1)

    def log_predict(self, F):
        """log p, (n, k), finite where p underflows."""
        xp, F = namespace(F), by_columns(F)
        shifted = F - xp.max(F, axis=1, keepdims=True)
        return shifted - xp.log(xp.sum(xp.exp(shifted), axis=1, keepdims=True))

    def grad(self, F, Y):
        """p - Y, (n, k)."""
        return self.predict(F) - Y

    def value_and_grad(self, F, Y):
        """Both, with the same exponentials."""
        xp, F = namespace(F), by_columns(F)
        shifted = F - xp.max(F, axis=1, keepdims=True)
        E = xp.exp(shifted)
        sums = xp.sum(E, axis=1, keepdims=True)
        return xp.log(sums[:, 0]) - xp.sum(by_columns(Y) * shifted, axis=1), E / sums - Y

    def hessp(self, F, Y, V):
        """p V - p (p . V), (n, k)."""
        xp, P = namespace(F), self.predict(F)
        PV = P * V
        return PV - P * xp.sum(PV, axis=1, keepdims=True)

    ggnp = hessp

    def factor(self, F, Y):
        """diag(sqrt p) - p sqrt(p)', (n, k, k)."""
        xp, P = namespace(F), self.predict(F)
        root = xp.sqrt(P)
        return root[:, :, None] * xp.eye(F.shape[1], dtype=F.dtype)[None, :, :] - P[:, :, None] * root[:, None, :]

    def sample(self, F, m, rng):
        """p - y with y one-hot, drawn from p, (n, k, m)."""
        P = self.predict(F)
        return P[:, :, None] - one_hot_draws(P, m, rng)

    def predict(self, F):
        """p, (n, k)."""
        xp, F = namespace(F), by_columns(F)
        E = xp.exp(F - xp.max(F, axis=1, keepdims=True))
        return E / xp.sum(E, axis=1, keepdims=True)

    def start(self, Y, w):
        """The logarithms of the weighted class frequencies, (k,)."""
        return namespace(Y).log(frequencies(Y, w))

    def check_targets(self, Y):
        """Rows must be distributions: non-negative, summing to one."""
        check_simplex(Y, self.name)

    def log_normaliser(self, Y):
        """0."""
        return namespace(Y).zeros_like(Y[:, 0])


class SmoothedLogLoss:
    """Log-loss on targets mixed with the uniform distribution; no density of the labels themselves.

    Parameters
    ----------
    loss : BernoulliLogLoss or MultinomialLogLoss
    smoothing : float
        The uniform distribution's share.
    """

    name = "log_loss"
    location_scale = False
    fused = None  # the compiled heads see the targets as they are
    likelihood = "none"

    def __init__(self, loss, smoothing):
        self.loss, self.smoothing = loss, smoothing
        self.out_activation = loss.out_activation
        self.diagonal = getattr(loss, "diagonal", False)

    def smoothed(self, Y):
        """Y_s = (1 - s) Y + s / K, (n, k)."""
        classes = Y.shape[1] if self.out_activation == "softmax" else 2
        return (1 - self.smoothing) * Y + self.smoothing / classes

    def raw_outputs(self, k):
        """k."""
        return k

    def value(self, F, Y):
        """l(F, Y_s), (n,)."""
        return self.loss.value(F, self.smoothed(Y))

    def grad(self, F, Y):
        """p - Y_s, (n, k)."""
        return self.loss.grad(F, self.smoothed(Y))

    def hessp(self, F, Y, V):
        """As without smoothing: the Hessian does not depend on targets."""
        return self.loss.hessp(F, Y, V)

    ggnp = hessp

    def factor(self, F, Y):
        """As without smoothing, (n, k, k)."""
        return self.loss.factor(F, Y)

    def sample(self, F, m, rng):
        """p - y with labels y drawn from p, (n, k, m)."""
        return self.loss.sample(F, m, rng)

    def predict(self, F):
        """p, (n, k)."""
        return self.loss.predict(F)

    def log_predict(self, F):
        """log p, (n, k)."""
        return self.loss.log_predict(F)

    def start(self, Y, w):
        """The best constant output for the smoothed frequencies, (k,)."""
        return self.loss.start(self.smoothed(Y), w)

    def check_targets(self, Y):
        """As without smoothing."""
        self.loss.check_targets(Y)
