"""The linearised model's predictions: raw outputs are Gaussian, and so are targets by the link's slopes.

With J_i (k, p) the Jacobian of the raw outputs at row i, G_i the slopes of the inverse link M(F) there,

    F_i ~ N(F(x_i, theta_), S_i),     S_i = J_i H^-1 J_i'
    Var y_i = G_i S_i G_i' + noise    (delta method; exact for an identity link)
    Cov(y_ic, y_jc) = g_ic J_i H^-1 J_j' g_jc' + [i = j] noise,     g_ic the row of G_i for target c

with noise phi V(M_i), or the variance that the loss predicts (MacKay 1992; Immer, Korzepa & Bauer 2021). Over rows this
is the covariance of a Gaussian process with kernel J_i A^-1 J_j', A the prior's precision, given the data (Khan and
others 2019).
Rows are taken in chunks; with Kronecker factors S_i needs no row of length p.
"""

import numpy as np
from scipy.stats import norm
from sklearn.utils.validation import validate_data

from ..curvature.assemble import STRIP
from ..curvature.outputs import output_covariance
from ..data import chunks
from ..inference.delta import slopes


def rows(posterior, X):
    """X validated as in `predict`, in float64."""
    return validate_data(posterior.estimator, X, accept_sparse="csr", dtype=np.float64, reset=False)


def latent(posterior, X):
    """Raw outputs F (n, k) and their covariances (n, k, k)."""
    network, k = posterior.network, posterior.network.layout.sizes[-1]
    entries = k * (sum(network.layout.sizes) if posterior.how == "kron" else posterior.theta.shape[0])
    outputs, covariances = [], []
    for part in chunks(X.shape[0], max(1, STRIP // entries)):
        tape = network.forward(posterior.theta, X[part])
        outputs.append(tape.F)
        covariances.append(_covariance(posterior, tape, k))
    return np.concatenate(outputs), np.concatenate(covariances)


def _covariance(posterior, tape, k):
    """J H^-1 J' (n, k, k) of a tape's rows."""

    def pullback(V):
        return posterior.network.pullback(tape, V)

    def solve(B):
        return posterior.solved(B.T).T

    form, shift = posterior.form, posterior.shift
    return posterior.scale * output_covariance(pullback, len(tape.F), k, form, shift, solve, posterior.free)


def moments(posterior, X, noise, offset=0.0):
    """Means (n, k) and covariances (n, k, k) of targets, in the units of training."""
    F, S = latent(posterior, rows(posterior, X))
    F = F + offset
    mean = posterior.loss.predict(F)
    if mean is not F:
        G = slopes(posterior.loss, F)
        S = G @ S @ G.transpose(0, 2, 1)
    if noise:
        S = S + noise_of(posterior, F, mean)[:, :, None] * np.eye(mean.shape[1])
    return mean, S


def joint_covariance(posterior, X, noise, offset=0.0):
    """Covariances (n, n, k) of each target over rows, in the units of training, symmetric to the bit."""
    X, network, loss = rows(posterior, X), posterior.network, posterior.loss
    F = network.forward(posterior.theta, X).F + offset
    mean = loss.predict(F)
    own, (n, k) = noise_of(posterior, F, mean) if noise else 0.0, mean.shape
    G = np.broadcast_to(np.eye(k), (n, k, k)) if mean is F else slopes(loss, F)
    K, parts = np.empty((n, n, k)), chunks(n, max(1, STRIP // posterior.theta.shape[0]))

    def gradients(part, c):
        """g_ic J_i (rows, p)."""
        return posterior.free * network.pullback(network.forward(posterior.theta, X[part]), G[part, c]).rows()

    for c in range(k):
        for number, here in enumerate(parts):
            R = gradients(here, c)
            Z = posterior.scale * posterior.solved(R)
            B = Z @ R.T
            K[here, here, c] = 0.5 * (B + B.T)
            for before in parts[:number]:
                K[here, before, c] = Z @ gradients(before, c).T
                K[before, here, c] = K[here, before, c].T
    K[np.arange(n), np.arange(n)] += own
    return K


def checked_levels(q):
    """Levels q, () or (m,), as an array.

    Raises
    ------
    ValueError
        For levels that are not between 0 and 1.
    """
    levels = np.asarray(q, dtype=np.float64)
    if not ((levels > 0) & (levels < 1)).all():
        raise ValueError(
            f"q={q!r} was given. Allowed are levels between 0 and 1, ends excluded. Pass for example [0.05, 0.95]."
        )
    return levels


def normal_quantiles(mean, std, q):
    """Quantiles of normal distributions at levels q, () or (m,), on a last axis of their own."""
    levels = checked_levels(q)
    axes = (..., *(None,) * levels.ndim)
    return mean[axes] + std[axes] * norm.ppf(levels)


def noise_of(posterior, F, mean):
    """Variances (n, k) of single targets around their mean."""
    loss = posterior.loss
    if hasattr(loss, "scale"):
        return loss.scale(F) ** 2
    if loss.likelihood == "dispersion":
        return posterior.dispersion * loss.variance(mean)
    raise ValueError(
        f"noise=True was given for loss={loss.name!r}, which does not say how targets scatter. Allowed is noise=False. "
        "Pass that, and take the scatter from the distribution that the loss stands for."
    )


def draws(posterior, X, n_draws, rng, noise):
    """Targets (n, m) or (n, k, m) in their units, for parameters drawn from the posterior."""
    X, loss = rows(posterior, X), posterior.loss
    if noise and not loss.location_scale:
        raise ValueError(
            f"noise=True was given to sample_y for loss={loss.name!r}, whose noise is not normal. Allowed is "
            "noise=False. Pass that, and draw targets around the means that come back."
        )
    thetas, found = posterior.sample(n_draws, rng), []
    for part in chunks(X.shape[0], max(1, STRIP // (n_draws + sum(posterior.network.layout.sizes)))):
        tape = posterior.network.forward(posterior.theta, X[part])
        F = np.stack([tape.F + posterior.network.pushforward(tape, t - posterior.theta) for t in thetas], axis=2)
        means = [loss.predict(F[:, :, j]) for j in range(n_draws)]
        if noise:
            spread = [np.sqrt(noise_of(posterior, F[:, :, j], means[j])) for j in range(n_draws)]
            means = [m + s * rng.standard_normal(m.shape) for m, s in zip(means, spread, strict=True)]
        found.append(np.stack(means, axis=2))
    y = np.concatenate(found)
    scale, shift = (v[:, None] for v in (posterior.estimator.targets_.scale, posterior.estimator.targets_.shift))
    y = y * scale + shift
    return y[:, 0] if posterior.estimator.targets_.one_dimensional else y
