"""Traces: of a symmetric operator, and of C (C + D)^-1, the effective number of parameters.

* Hutch++ (Meyer, Musco, Musco & Woodruff 2021, algorithm 1): with Q an orthonormal basis of C S for random signs S and
  random signs g, tr C = tr(Q'C Q) + E g'(I - Q Q') C (I - Q Q') g; what Q holds is exact, the rest is sampled.
* effective parameters: tr C (C + D)^-1 = sum_i mu_i / (1 + mu_i) over the eigenvalues mu of D^-1/2 C D^-1/2; for a
  linear model with squared error it is the trace of the hat matrix (Hastie, Tibshirani & Friedman 2009, section 7.6).
  Large operators: p times the mean of v'f(.)v over probes by Lanczos, f(mu) = mu / (1 + mu). The even derivatives of f
  are negative, the odd ones positive: m Gauss nodes give an upper bound of v'f(.)v, m - 1 of them with one more at 0
  (Gauss-Radau) a lower bound (Golub & Meurant 2010, theorems 6.3 and 6.4).
"""

import numpy as np
from scipy.linalg import eigh_tridiagonal, solve_banded
from scipy.sparse.linalg import aslinearoperator

from ..linalg.lanczos import lanczos
from .exact import check_finite, exact_effective, share
from .spectrum import Estimate, mean_of


def trace(op, rng=None, n_products=90):
    """The trace: exact where the operator has a diagonal, else by Hutch++.

    Parameters
    ----------
    op : Curvature, LinearOperator or symmetric matrix of shape (p, p)
    rng : int, Generator or None, default=None
        Determines the random signs.
    n_products : int, default=90
        Products with the operator, at least 6; a third each for the basis, its trace and the rest.

    Returns
    -------
    Estimate

    References
    ----------
    R. A. Meyer, C. Musco, C. Musco and D. P. Woodruff, "Hutch++: optimal stochastic trace estimation", SOSA 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from skcurv.diagnostics import trace
    >>> trace(np.diag([1.0, 2.0, 4.0]))
    Estimate(value=7.0, standard_error=0.0)
    """
    form = getattr(op, "form", None)
    if hasattr(form, "diag") or hasattr(op, "diagonal"):
        return Estimate(float(np.sum(form.diag() if hasattr(form, "diag") else op.diagonal())), 0.0)
    op, rng, third = aslinearoperator(op), np.random.default_rng(rng), n_products // 3
    p = op.shape[0]
    Q = np.linalg.qr(op.matmat(rng.choice([-1.0, 1.0], (p, third))))[0]
    inside = float(np.sum(Q * op.matmat(Q)))
    if Q.shape[1] == p:
        return Estimate(inside, 0.0)
    g = rng.choice([-1.0, 1.0], (p, third))
    g = g - Q @ (Q.T @ g)
    rest = mean_of(np.sum(g * op.matmat(g), axis=0))
    return Estimate(inside + rest.value, rest.standard_error)


def effective_n_parameters(op, shift, rng=None, n_probes=10, steps=100):
    """The effective number of parameters, tr C (C + diag(shift))^-1: how many the data determine.

    Parameters
    ----------
    op : Curvature, LinearOperator or symmetric matrix of shape (p, p)
        Positive semi-definite.
    shift : float or array-like (p,)
        Penalty, prior precision or damping, in the units of C: ``C.penalty`` for that of the fit. It may be 0 at some
        parameters of a small operator, when C + diag(shift) is positive definite; a large one needs it above 0.
    rng : int, Generator or None, default=None
        Determines the probes of the quadrature.
    n_probes, steps : int, default=10, 100
        Of the stochastic Lanczos quadrature that large operators without a form take.

    Returns
    -------
    Estimate
        Exact up to 2000 parameters, NaN where C + diag(shift) is not positive definite. By quadrature the middle of
        two bounds; half their distance is part of the standard error, and falls with `steps`.

    Raises
    ------
    ValueError
        For a large operator when the shift has entries that are not above 0.

    References
    ----------
    D. J. C. MacKay, "Bayesian interpolation", Neural Computation 4 (1992), section 4; J. E. Moody, "The effective
    number of parameters", NeurIPS 1992.

    Examples
    --------
    >>> import numpy as np
    >>> from skcurv.diagnostics import effective_n_parameters
    >>> effective_n_parameters(np.diag([1.0, 3.0, 0.0]), shift=1.0)
    Estimate(value=1.25, standard_error=0.0)
    """
    op, shift = aslinearoperator(op), np.asarray(shift, dtype=np.float64)
    value = exact_effective(op, shift)
    if value is not None:
        return Estimate(value, 0.0)
    if not (shift > 0).all():
        raise ValueError(
            f"A shift with {int(np.sum(~(shift > 0)))} entries not above 0 was given for {op.shape[0]} parameters. "
            "Allowed are numbers above 0. Add a small damping to the shift, or hold the curvature as how='dense'."
        )
    root = np.sqrt(shift * np.ones(op.shape[0]))
    rng, bounds = np.random.default_rng(rng), []
    for _ in range(n_probes):
        v = rng.standard_normal(op.shape[0])
        bounds.append(_bounds(lambda u: op.matvec(u / root) / root, v, steps))
    low, high = (mean_of(side) for side in zip(*bounds, strict=True))
    value, gap = (low.value + high.value) / 2, (high.value - low.value) / 2
    sampling = max(low.standard_error, high.standard_error)
    return Estimate(op.shape[0] * value, op.shape[0] * float(np.hypot(gap, sampling)))


def _bounds(mv, v, steps):
    """Gauss-Radau's and Gauss's value of v'f(C)v / v'v."""
    alpha, beta, _ = lanczos(mv, v, steps)
    check_finite(len(alpha))
    return _rule(_with_node_at_zero(alpha, beta), beta), _rule(alpha, beta)


def _rule(alpha, beta):
    theta, Q = eigh_tridiagonal(alpha, beta)
    return float(Q[0] ** 2 @ share(theta, 1.0))


def _with_node_at_zero(alpha, beta):
    """The last alpha changed so that T has an eigenvalue at 0 (Golub & Meurant 2010, section 6.2.1), or just below."""
    if not len(beta):
        return alpha
    zero = -len(alpha) * np.finfo(np.float64).eps * np.abs(alpha).max()
    bands = np.stack([np.append(0.0, beta[:-1]), alpha[:-1] - zero, np.append(beta[:-1], 0.0)])
    last = np.zeros(len(beta))
    last[-1] = beta[-1] ** 2
    return np.append(alpha[:-1], zero + solve_banded((1, 1), bands, last)[-1])
