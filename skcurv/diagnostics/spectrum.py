r"""Eigenvalues of a symmetric operator from its products: extremes, condition numbers, the density of the spectrum.

All eigenvalues are computed where the operator is held dense, diagonal, by its rows, by blocks or as Kronecker
products, or has at most 2000 parameters. Elsewhere T (m, m) = V C V' of m Lanczos steps stands for C:

* a Ritz pair (theta, y) has an eigenvalue within |C y - theta y| of theta (Parlett 1998, theorem 4.5.1);
* for |v| = 1 and T = Q diag(theta) Q', v'f(C)v = sum_i Q_1i^2 f(theta_i), exactly for polynomials of degree 2m - 1
  (Golub & Meurant 2010, chapter 6);
* for v uniform on the sphere E v'f(C)v = tr f(C) / p, so that the mean over probes of sum_i Q_1i^2 N(t; theta_i, s^2)
  is the density of the eigenvalues, smoothed by a Gaussian of width s (Lin, Saad & Yang 2016; Ubaru, Chen & Saad 2017).
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import eigh_tridiagonal
from scipy.sparse.linalg import aslinearoperator

from ..linalg.lanczos import lanczos
from .exact import check_finite, exact_eigenvalues, shifted

NOISE = np.finfo(np.float64).eps ** 0.5  # relative size below which an eigenvalue counts as zero
TAIL = 6  # widths of the smoothing Gaussian beyond the last node: 2e-9 of the mass


class Estimate(NamedTuple):
    """A number with its uncertainty.

    Attributes
    ----------
    value : float
    standard_error : float
        0 where the value is exact.
    """

    value: float
    standard_error: float


class Extremes(NamedTuple):
    """Both ends of a spectrum.

    Attributes
    ----------
    largest, smallest : ndarray (k,)
        The k largest eigenvalues, descending, and the k smallest, ascending.
    largest_error, smallest_error : ndarray (k,)
        Bounds: an eigenvalue lies that close to each; 0 where all eigenvalues were computed.
    """

    largest: Any
    smallest: Any
    largest_error: Any
    smallest_error: Any


class ConditionNumber(NamedTuple):
    """The condition number, plain and effective, and the eigenvalues it is made of.

    Attributes
    ----------
    plain : float
        Largest over least magnitude of an eigenvalue, infinite where the least is within rounding of zero.
    effective : float
        The same over the eigenvalues above sqrt(eps) times the largest; at most 1 / sqrt(eps) = 6.7e7.
    largest, smallest : float
        The magnitudes whose ratio is `effective`.
    exact : bool
        Whether all eigenvalues were computed; otherwise both numbers are lower bounds.
    """

    plain: float
    effective: float
    largest: float
    smallest: float
    exact: bool


@dataclass(frozen=True)
class SpectralDensity:
    """The density of the eigenvalues by stochastic Lanczos quadrature.

    Attributes
    ----------
    grid, density : ndarray
        Its values on an even grid; it integrates to 1.
    nodes, weights : tuple of ndarray
        For each probe the nodes and weights of its quadrature; the weights of a probe sum to 1.
    """

    grid: Any
    density: Any
    nodes: tuple
    weights: tuple

    def mean(self, function):
        """The mean of a function over the eigenvalues, tr f(C) / p.

        Parameters
        ----------
        function : callable of an array of eigenvalues

        Returns
        -------
        Estimate
            With the standard error over probes, NaN for one probe.
        """
        values = [w @ function(t) for t, w in zip(self.nodes, self.weights, strict=True)]
        return mean_of(values)


def mean_of(values):
    """The mean of independent values with its standard error."""
    n = len(values)
    return Estimate(float(np.mean(values)), float(np.std(values, ddof=1) / n**0.5) if n > 1 else float("nan"))


def extreme_eigenvalues(op, k=1, rng=None, steps=100):
    """The k largest and the k smallest eigenvalues.

    Parameters
    ----------
    op : Curvature, LinearOperator or symmetric matrix of shape (p, p)
    k : int, default=1
        At least 1; fewer come back when there are fewer.
    rng : int, Generator or None, default=None
        Determines the start of Lanczos.
    steps : int, default=100
        Lanczos steps, which is products and vectors held. Small eigenvalues close to one another need many, and one
        start vector finds a multiple eigenvalue once.

    Returns
    -------
    Extremes

    References
    ----------
    B. N. Parlett, "The symmetric eigenvalue problem", SIAM 1998, chapters 4 and 13.

    Examples
    --------
    >>> import numpy as np
    >>> from skcurv.diagnostics import extreme_eigenvalues
    >>> extremes = extreme_eigenvalues(np.diag([4.0, 1.0, 9.0]))
    >>> extremes.largest, extremes.smallest
    (array([9.]), array([1.]))
    """
    op = aslinearoperator(op)
    values = exact_eigenvalues(op)
    if values is not None:
        top, bottom = values[::-1][:k], values[:k]
        return Extremes(top, bottom, 0 * top, 0 * bottom)
    theta, Q, V = _ritz(op.matvec, np.random.default_rng(rng).standard_normal(op.shape[0]), steps)
    errors = [
        np.array([np.linalg.norm(op.matvec(y) - t * y) for t, y in zip(ends, (V.T @ vectors).T, strict=True)])
        for ends, vectors in ((theta[::-1][:k], Q[:, ::-1][:, :k]), (theta[:k], Q[:, :k]))
    ]
    return Extremes(theta[::-1][:k], theta[:k], *errors)


def condition_number(op, shift=0.0, rng=None, steps=100):
    """The plain and the effective condition number of C + diag(shift).

    The plain one of a network's curvature is often infinite, and then says nothing: directions that no row sees do not
    move in gradient descent or conjugate gradients, which converge at the rate of the nonzero eigenvalues. Zero is here
    what lies below sqrt(eps) times the largest magnitude.

    Parameters
    ----------
    op : Curvature, LinearOperator or symmetric matrix of shape (p, p)
    shift : float or array-like (p,), default=0.0
        Penalty or damping, such as ``C.penalty``.
    rng : int, Generator or None, default=None
        Determines the start of Lanczos.
    steps : int, default=100
        Lanczos steps.

    Returns
    -------
    ConditionNumber

    References
    ----------
    E. F. Kaasschieter, "Preconditioned conjugate gradients for solving singular systems", Journal of Computational and
    Applied Mathematics 24 (1988).

    Examples
    --------
    >>> import numpy as np
    >>> from skcurv.diagnostics import condition_number
    >>> kappa = condition_number(np.diag([4.0, 1.0, 0.0]))
    >>> kappa.plain, kappa.effective
    (inf, 4.0)
    """
    op = aslinearoperator(op)
    values = exact_eigenvalues(op, shift)
    exact = values is not None
    if not exact:
        start = np.random.default_rng(rng).standard_normal(op.shape[0])
        values, _, _ = _ritz(shifted(op, shift).matvec, start, steps)
    sizes = np.sort(np.abs(values))
    largest, least = float(sizes[-1]), float(sizes[0])
    if not largest > 0:
        return ConditionNumber(float("inf"), float("nan"), largest, largest, exact)
    plain = largest / least if least > op.shape[0] * np.finfo(np.float64).eps * largest else float("inf")
    smallest = float(sizes[sizes > NOISE * largest][0])
    return ConditionNumber(plain, largest / smallest, largest, smallest, exact)


def spectral_density(op, n_probes=10, steps=50, width=0.01, rng=None):
    """The density of the eigenvalues by stochastic Lanczos quadrature.

    Parameters
    ----------
    op : Curvature, LinearOperator or symmetric matrix of shape (p, p)
    n_probes : int, default=10
        Random vectors; the error falls with their root, and with the root of p.
    steps : int, default=50
        Lanczos steps for each, which is products.
    width : float, default=0.01
        Standard deviation of the smoothing Gaussian, relative to the range of the nodes.
    rng : int, Generator or None, default=None
        Determines the probes.

    Returns
    -------
    SpectralDensity

    References
    ----------
    L. Lin, Y. Saad and C. Yang, "Approximating spectral densities of large matrices", SIAM Review 58 (2016); S. Ubaru,
    J. Chen and Y. Saad, "Fast estimation of tr(f(A)) via stochastic Lanczos quadrature", SIAM Journal on Matrix
    Analysis and Applications 38 (2017); B. Ghorbani, S. Krishnan and Y. Xiao, "An investigation into neural net
    optimization via Hessian eigenvalue density", ICML 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from skcurv.diagnostics import spectral_density
    >>> spectrum = spectral_density(np.diag(np.arange(50.0)), rng=0)
    >>> round(float(np.trapezoid(spectrum.density, spectrum.grid)), 6)
    1.0
    """
    op, rng = aslinearoperator(op), np.random.default_rng(rng)
    rules = [quadrature(op.matvec, rng.standard_normal(op.shape[0]), steps) for _ in range(n_probes)]
    nodes, weights = zip(*rules, strict=True)
    t, w = np.concatenate(nodes), np.concatenate(weights) / n_probes
    s = width * (np.ptp(t) or np.abs(t).max() or 1.0)
    points = 2 * int(np.ceil(np.ptp(t) / s + 2 * TAIL)) + 1  # two a width: the trapezoidal rule is then exact
    grid = np.linspace(t.min() - TAIL * s, t.max() + TAIL * s, points)
    density = np.exp(-0.5 * ((grid[:, None] - t) / s) ** 2) @ w / (s * (2 * np.pi) ** 0.5)
    return SpectralDensity(grid, density, nodes, weights)


def quadrature(mv, v, steps):
    """Nodes theta and weights Q_1i^2 with v'f(C)v / v'v ~ sum_i Q_1i^2 f(theta_i)."""
    theta, Q, _ = _ritz(mv, v, steps)
    return theta, Q[0] ** 2


def _ritz(mv, v, steps):
    """Eigenvalues and eigenvectors of T, and V."""
    alpha, beta, V = lanczos(mv, v, steps)
    check_finite(len(alpha))
    return *eigh_tridiagonal(alpha, beta), V
