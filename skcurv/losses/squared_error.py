"""Half squared error: l = 1/2 |F - Y|^2, the negative log-likelihood of N(F, I) up to a constant.

Gradient F - Y; Hessian = GGN = Fisher = I; inverse link the identity.
"""

from ..backend.namespace import finite, namespace


class SquaredError:
    """Half squared error, summed over outputs."""

    name = "squared_error"
    out_activation = "identity"
    location_scale = True
    fused = "SQUARED_ERROR"
    likelihood = "dispersion"
    diagonal = True

    def raw_outputs(self, k):
        """k."""
        return k

    def value(self, F, Y):
        """1/2 |F_i - Y_i|^2, (n,)."""
        R = F - Y
        return 0.5 * namespace(F).sum(R * R, axis=1)

    def grad(self, F, Y):
        """F - Y, (n, k)."""
        return F - Y

    def hessp(self, F, Y, V):
        """V: the Hessian is the identity."""
        return V

    ggnp = hessp

    def factor(self, F, Y):
        """The identity for each row, (n, k, k)."""
        xp, (n, k) = namespace(F), F.shape
        return xp.broadcast_to(xp.eye(k, dtype=F.dtype)[None, :, :], (n, k, k))

    def sample(self, F, m, rng):
        """F - y with y ~ N(F, I), (n, k, m)."""
        xp = namespace(F)
        return xp.asarray(rng.standard_normal((*F.shape, m)), dtype=F.dtype)

    def predict(self, F):
        """F."""
        return F

    def start(self, Y, w):
        """The weighted mean of the targets, (k,)."""
        xp = namespace(Y)
        return xp.sum(w[:, None] * Y, axis=0) / xp.sum(w)

    def check_targets(self, Y):
        """Any finite number is allowed."""
        if not finite(namespace(Y), Y):
            raise ValueError(
                "y contains NaN or infinity. loss='squared_error' allows any finite number. "
                "Remove or impute those rows before the fit."
            )

    def variance(self, M):
        """1."""
        return namespace(M).ones_like(M)
