r"""Cumulative logits for K ordered classes (McCullagh 1980, section 2), which never cross.

Raw outputs F (n, K - 1), targets Y (n, K) one-hot or distributions, s the logistic function:

    eta_1 = F_1,   eta_j = eta_(j-1) + softplus(F_j),   P(y <= j) = s(eta_j),   j = 1 .. K - 1.

A difference of logistic functions is a product, s(b) - s(a) = s(b) s(-a) (1 - e^(a-b)), and 1 - e^(-softplus(F)) =
s(F). So with eta_0 = -inf, eta_K = inf, and the last factor for 1 < j < K only,

    p_j = s(eta_j) s(-eta_(j-1)) s(F_j),
    l = sum_(j<K) Y_j softplus(-eta_j) + Y_(j+1) softplus(eta_j) + sum_(1<j<K) Y_j softplus(-F_j):

no difference is taken, and all digits are kept in both tails. With t_1 = 1, t_i = s(F_i) and
d eta_j / dF_i = t_i [i <= j],

    a_j = (Y_j + Y_(j+1)) s(eta_j) - Y_j,     b_j = (Y_j + Y_(j+1)) s(eta_j) s(-eta_j),
    gradient_i = t_i sum_(j>=i) a_j - [i > 1] Y_i (1 - t_i),
    Hessian = diag(t) (sum_(j>=max(i,m)) b_j)_im diag(t) + diag([i > 1] t_i (1 - t_i) (Y_i + sum_(j>=i) a_j)).

Gradient and Hessian are linear in Y. The Fisher matrix is the Hessian's mean over labels drawn from p: the Hessian at
Y = p, whose last term is then [i > 1] p_i (1 - t_i), since the gradient's mean is 0. It is also sum_j p_j g_j g_j', g_j
the gradient at label j, and its factor needs no inverse:

    S = [sqrt(p_1) g_1 .. sqrt(p_K) g_K],   (n, K - 1, K).

With F_2 .. F_(K-1) constant this is the proportional-odds model, eta_j = theta_j - x'beta with F_1 = theta_1 - x'beta.
"""

from ..backend.namespace import namespace, sigmoid, softplus
from .probabilities import check_simplex, frequencies, one_hot_draws


class Ordinal:
    r"""Log-loss of K ordered classes by cumulative logits, the proportional-odds model and its extension.

    The raw outputs are the first cumulative logit and, through a softplus, the increments to the next:
    :math:`\eta_1 = F_1`, :math:`\eta_j = \eta_{j-1} + \log(1 + e^{F_j})`, :math:`P(y \le j) = 1 / (1 + e^{-\eta_j})`.

    References
    ----------
    P. McCullagh, "Regression models for ordinal data", Journal of the Royal Statistical Society B 42 (1980).

    Examples
    --------
    >>> import numpy as np
    >>> from skcurv.losses import Ordinal
    >>> Y = np.eye(3)[[0, 0, 1, 2]]
    >>> loss = Ordinal()
    >>> loss.predict(loss.start(Y, np.ones(4))[None, :]).round(3)
    array([[0.5 , 0.25, 0.25]])
    """

    name = "ordinal"
    out_activation = "cumulative_logistic"
    location_scale = False
    fused = None
    likelihood = "exact"

    def raw_outputs(self, k):
        """K - 1 for K classes."""
        return k - 1

    def value(self, F, Y):
        """-log p at the labels, (n,)."""
        xp, eta = namespace(F), _logits(F)
        ends = xp.sum(Y[:, :-1] * softplus(-eta) + Y[:, 1:] * softplus(eta), axis=1)
        return ends + xp.sum(Y[:, 1:-1] * softplus(-F[:, 1:]), axis=1)

    def grad(self, F, Y):
        """dl/dF, (n, K - 1)."""
        eta, (t, u) = _logits(F), _slopes(F)
        return t * _from_the_end((Y[:, :-1] + Y[:, 1:]) * sigmoid(eta) - Y[:, :-1]) - Y[:, :-1] * u

    def hessp(self, F, Y, V):
        """The Hessian times V, (n, K - 1)."""
        eta, (t, u) = _logits(F), _slopes(F)
        after = _from_the_end((Y[:, :-1] + Y[:, 1:]) * sigmoid(eta) - Y[:, :-1])
        return _curved(eta, t, Y, V) + t * u * (Y[:, :-1] + after) * V

    def ggnp(self, F, Y, V):
        """The Fisher matrix times V, (n, K - 1)."""
        P, (t, u) = self.predict(F), _slopes(F)
        return _curved(_logits(F), t, P, V) + P[:, :-1] * u * V

    def _gradients(self, F):
        """The gradients at the K labels as columns, (n, K - 1, K)."""
        xp, eta, (t, u) = namespace(F), _logits(F), _slopes(F)
        edge, r = xp.zeros_like(F[:, :1]), F.shape[1]
        below = xp.concat([edge, sigmoid(eta)], axis=1)[:, None, :]  # s(eta_(j-1))
        above = xp.concat([sigmoid(-eta), edge], axis=1)[:, None, :]  # s(-eta_j)
        ones = xp.ones((r, r + 1), dtype=F.dtype)
        within, before = xp.triu(ones)[None, :, :], xp.triu(ones, k=1)[None, :, :]
        return t[:, :, None] * (before * below - within * above) - u[:, :, None] * (within - before)

    def factor(self, F, Y):
        """Gradients at the labels times the roots of their probabilities, (n, K - 1, K)."""
        return self._gradients(F) * namespace(F).sqrt(self.predict(F))[:, None, :]

    def sample(self, F, m, rng):
        """Gradients at labels drawn from p, (n, K - 1, m)."""
        return self._gradients(F) @ one_hot_draws(self.predict(F), m, rng)

    def predict(self, F):
        """p, (n, K)."""
        xp, eta = namespace(F), _logits(F)
        one = xp.ones_like(F[:, :1])
        inner = xp.concat([one, sigmoid(F[:, 1:]), one], axis=1)
        return xp.concat([sigmoid(eta), one], axis=1) * xp.concat([one, sigmoid(-eta)], axis=1) * inner

    def log_predict(self, F):
        """log p, (n, K), finite where p underflows."""
        xp, eta = namespace(F), _logits(F)
        zero = xp.zeros_like(F[:, :1])
        inner = xp.concat([zero, softplus(-F[:, 1:]), zero], axis=1)
        return -xp.concat([softplus(-eta), zero], axis=1) - xp.concat([zero, softplus(eta)], axis=1) - inner

    def start(self, Y, w):
        """F_j = log(p_j / (P(y < j) P(y > j))) for the weighted frequencies p, P(y < 1) read as 1, (K - 1,)."""
        xp = namespace(Y)
        p = frequencies(Y, w)[None, :]
        p = p / xp.sum(p)
        below = xp.concat([xp.ones_like(p[:, :1]), xp.cumulative_sum(p, axis=1)[:, :-2]], axis=1)
        return (xp.log(p[:, :-1]) - xp.log(below) - xp.log(_from_the_end(p)[:, 1:]))[0, :]

    def check_targets(self, Y):
        """Rows must be distributions over two classes or more."""
        if Y.shape[1] < 2:
            raise ValueError(
                f"y of {Y.shape[1]} column was given. loss='ordinal' allows one column a class, two or more. Encode "
                "the classes one-hot."
            )
        check_simplex(Y, self.name)

    def log_normaliser(self, Y):
        """0."""
        return namespace(Y).zeros_like(Y[:, 0])


def _logits(F):
    """eta, (n, K - 1)."""
    xp = namespace(F)
    return xp.cumulative_sum(xp.concat([F[:, :1], softplus(F[:, 1:])], axis=1), axis=1)


def _slopes(F):
    """t and 1 - t, (n, K - 1)."""
    xp = namespace(F)
    one = xp.ones_like(F[:, :1])
    return (
        xp.concat([one, sigmoid(F[:, 1:])], axis=1),
        xp.concat([xp.zeros_like(one), sigmoid(-F[:, 1:])], axis=1),
    )


def _from_the_end(a):
    """sum_(j>=i) a_j, (n, K - 1)."""
    xp = namespace(a)
    return xp.flip(xp.cumulative_sum(xp.flip(a, axis=1), axis=1), axis=1)


def _curved(eta, t, Y, V):
    """diag(t) (sum_(j>=max(i,m)) b_j) diag(t) V, (n, K - 1)."""
    b = (Y[:, :-1] + Y[:, 1:]) * sigmoid(eta) * sigmoid(-eta)
    return t * _from_the_end(b * namespace(t).cumulative_sum(t * V, axis=1))
