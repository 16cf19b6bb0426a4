"""Negative log-likelihoods of a Bernoulli per output and of one multinomial over the outputs.

Bernoulli (binary, multilabel, or means in [0, 1]), s = 1 / (1 + exp(-F)), summed over outputs:
    l = sum_c log(1 + exp(F_c)) - Y_c F_c,   gradient s - Y,   Hessian = GGN = Fisher = diag(s (1 - s)).
Multinomial, p = softmax(F), Y on the simplex:
    l = log sum_c exp(F_c) - Y . F,          gradient p - Y,   Hessian = GGN = Fisher = diag(p) - p p',
    factor S = diag(sqrt p) - p sqrt(p)':    S S' = diag(p) - 2 p p' + p p' = diag(p) - p p'.
"""

from ..backend.namespace import namespace, sigmoid, softplus, to_numpy


def _domain(xp, Y, allowed):
    if not bool(xp.all((Y >= 0) & (Y <= 1))):  # NaN fails both comparisons
        raise ValueError(
            f"y ranges from {float(xp.min(Y)):.6g} to {float(xp.max(Y)):.6g}. loss='log_loss' allows {allowed}. "
            "Rescale the targets, or use loss='squared_error'."
        )


def _clipped(xp, mean):
    """Frequencies kept away from 0 and 1, where the best constant output is infinite."""
    return xp.clip(mean, 1e-3, 1 - 1e-3)


class LogLoss:
    """Log-loss of labels, or of means in [0, 1]: the form depends on the targets."""

    name = "log_loss"

    def for_outputs(self, exclusive):
        """One multinomial over the outputs, or a Bernoulli for each."""
        return MultinomialLogLoss() if exclusive else BernoulliLogLoss()


class BernoulliLogLoss:
    """Log-loss of independent outputs in [0, 1], summed over outputs."""

    name = "log_loss"
    out_activation = "logistic"
    location_scale = False
    fused = "LOGISTIC"
    likelihood = "exact"

    def raw_outputs(self, k):
        """k."""
        return k

    def value(self, F, Y):
        """sum_c log(1 + exp(F_c)) - Y_c F_c, (n,)."""
        return namespace(F).sum(softplus(F) - Y * F, axis=1)

    def grad(self, F, Y):
        """s - Y, (n, k)."""
        return sigmoid(F) - Y

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
        return xp.where(uniform < s, s - 1, s + xp.zeros_like(uniform))

    def predict(self, F):
        """s, (n, k)."""
        return sigmoid(F)

    def start(self, Y, w):
        """The logit of the weighted mean, (k,)."""
        xp = namespace(Y)
        s = _clipped(xp, xp.sum(w[:, None] * Y, axis=0) / xp.sum(w))
        return xp.log(s / (1 - s))

    def check_targets(self, Y):
        """Any number in [0, 1] is allowed."""
        _domain(namespace(Y), Y, "numbers in [0, 1]")

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
        xp = namespace(F)
        shifted = F - xp.max(F, axis=1, keepdims=True)
        return xp.log(xp.sum(xp.exp(shifted), axis=1)) - xp.sum(Y * shifted, axis=1)

    def log_predict(self, F):
        """log p, (n, k), finite where p underflows."""
        xp = namespace(F)
        shifted = F - xp.max(F, axis=1, keepdims=True)
        return shifted - xp.log(xp.sum(xp.exp(shifted), axis=1, keepdims=True))

    def grad(self, F, Y):
        """p - Y, (n, k)."""
        return self.predict(F) - Y

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
        xp, P = namespace(F), self.predict(F)
        edges = xp.cumulative_sum(P, axis=1)[:, :, None]
        uniform = xp.asarray(rng.random((F.shape[0], 1, m)), dtype=F.dtype)
        below = xp.astype(uniform < edges[:, :-1, :], F.dtype)  # the last edge is 1 but for rounding
        first, last = xp.zeros_like(below[:, :1, :]), xp.ones_like(below[:, :1, :])
        steps = xp.concat([first, below, last], axis=1)
        return P[:, :, None] - (steps[:, 1:, :] - steps[:, :-1, :])

    def predict(self, F):
        """p, (n, k)."""
        xp = namespace(F)
        E = xp.exp(F - xp.max(F, axis=1, keepdims=True))
        return E / xp.sum(E, axis=1, keepdims=True)

    def start(self, Y, w):
        """The logarithms of the weighted class frequencies, (k,)."""
        xp = namespace(Y)
        return xp.log(_clipped(xp, xp.sum(w[:, None] * Y, axis=0) / xp.sum(w)))

    def check_targets(self, Y):
        """Rows must be distributions: non-negative, summing to one."""
        xp = namespace(Y)
        _domain(xp, Y, "rows of non-negative numbers that sum to one")
        sums = to_numpy(xp.sum(Y, axis=1))
        if abs(sums - 1).max() > 1e-4:
            raise ValueError(
                f"Rows of y sum to between {sums.min():.6g} and {sums.max():.6g}. loss='log_loss' with several "
                "classes allows rows of non-negative numbers that sum to one. Normalise each row."
            )

    def log_normaliser(self, Y):
        """0."""
        return namespace(Y).zeros_like(Y[:, 0])
