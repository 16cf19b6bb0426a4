r"""Is the problem ill-conditioned where it stands, and would a second-order method help?

With C the Gauss-Newton matrix of the mean loss, D the penalty's diagonal, delta = sqrt(eps) tr C / p and g the
gradient, everything is said of the quadratic model g'd + d'H d / 2 with H = C + D + delta I, whose minimum promises the
fall g'H^-1 g / 2. Along the eigenvector u_i of lambda_i, that is (u_i'g)^2 / (2 lambda_i): Lanczos from g gives the
sums over i by Gauss quadrature (Golub & Meurant 2010, chapter 6).

kappa = largest eigenvalue / lambda, lambda the largest such that eigenvalues of at least lambda carry SHARE of the
fall. At the best constant rate for [lambda, lambda_max] gradient descent multiplies the error by
(kappa - 1) / (kappa + 1) a step, with the best momentum by (sqrt(kappa) - 1) / (sqrt(kappa) + 1) (Polyak 1964).

A preconditioner P = B^-2 turns g into B g and H into B H B, promises the same fall, and is judged by its own kappa.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.sparse.linalg import LinearOperator

from ..curvature.assemble import point
from ..curvature.operator import curvature
from ..linalg.lanczos import largest_eigenvalue
from .exact import SMALL, shifted
from .spectrum import NOISE, ConditionNumber, Estimate, condition_number, quadrature
from .traces import effective_n_parameters

SHARE = 0.9  # of the promised fall that the relevant directions carry
STIFF = 0.1  # relative to the largest eigenvalue, from which a direction counts as stiff
STEPS = 100  # of Lanczos from the gradient
TOP_STEPS, PROBES, PROBE_STEPS = 30, 5, 50  # of Lanczos for the largest eigenvalue, and for effective parameters
TENFOLD = math.log(10)
WELL, ILL = 100, 1000  # condition numbers: about as many steps of gradient descent for a digit
FEW = 1000  # parameters for which lm-newton is quick
GAIN = 3  # what a preconditioner must divide the condition number by to be recommended


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` finds; ``print`` says it in sentences.

    Attributes
    ----------
    n_rows, n_parameters : int
    value, gradient_norm : float
        The objective and the norm of its gradient.
    promised_fall : float
        How far the quadratic model says the objective can fall.
    largest_eigenvalue, trace : float
        Of the Gauss-Newton matrix C.
    n_effective : Estimate
        Effective number of parameters, tr C (C + D)^-1; exact up to 2000 parameters.
    whole : ConditionNumber
        Of C + D over the whole spectrum; exact up to 2000 parameters.
    stiff_share : float
        Part of the squared gradient in directions whose eigenvalue is at least a tenth of the largest.
    condition : float
        kappa over the stiffest directions that carry 90 % of the promised fall.
    gradient_descent_steps, momentum_steps : float
        Steps, at the best rates, that divide the error in those directions by ten.
    diagonal_condition, kronecker_condition : float
        kappa after preconditioning by the diagonal of C, and by its Kronecker approximation.
    """

    n_rows: int
    n_parameters: int
    value: float
    gradient_norm: float
    promised_fall: float
    largest_eigenvalue: float
    trace: float
    n_effective: Estimate
    whole: ConditionNumber
    stiff_share: float
    condition: float
    gradient_descent_steps: float
    momentum_steps: float
    diagonal_condition: float
    kronecker_condition: float

    @property
    def converged(self):
        """Whether the promised fall is within the rounding of the objective."""
        return self.promised_fall <= 10 * np.finfo(np.float64).eps * abs(self.value)

    @property
    def verdict(self):
        """What to do, in words."""
        if self.converged:
            return (
                "The model promises no fall beyond rounding: the fit has converged, and no method will do better here."
            )
        if self.condition < WELL:
            return "The problem is well-conditioned here: a first-order method is enough."
        kind = "ill-conditioned" if self.condition > ILL else "moderately conditioned"
        help_ = "a second-order method will help" if self.condition > ILL else "a second-order method saves steps"
        return f"The problem is {kind} here: {help_}. {self._advice()}"

    def _advice(self):
        """Which solver."""
        if self.n_parameters <= FEW:
            return "With so few parameters solver='lm-newton' takes the exact matrix."
        ways = {"kfac": self.kronecker_condition, "diag-fisher": self.diagonal_condition}
        best = min(ways, key=ways.get)
        if ways[best] * GAIN > self.condition:
            return f"No diagonal or Kronecker preconditioner divides it by {GAIN}: use 'lbfgs' or 'hessian-free'."
        return f"solver={best!r} has a preconditioner that takes the condition number to {ways[best]:.2g}."

    def __str__(self):
        n, error = self.n_effective
        determined = f"{n:.0f}" + (f" +- {error:.0f}" if error else "")
        bound = "" if self.whole.exact else "at least "
        return "\n".join(
            (
                f"{self.n_parameters} parameters on {self.n_rows} rows; the objective is {self.value:.4g}, its "
                f"gradient has norm {self.gradient_norm:.2g}, and the quadratic model promises a fall of "
                f"{self.promised_fall:.2g}.",
                f"The largest eigenvalue of the Gauss-Newton matrix is {self.largest_eigenvalue:.3g}, its trace "
                f"{self.trace:.3g}; the data determine {determined} of the parameters.",
                f"The condition number with the penalty is {bound}{self.whole.plain:.2g}, over eigenvalues above "
                f"rounding {bound}{self.whole.effective:.2g}, over directions with {SHARE:.0%} of the promised fall "
                f"{self.condition:.2g}.",
                f"{self.stiff_share:.0%} of the squared gradient lies in stiff directions. To divide the error by ten "
                f"takes about {self.gradient_descent_steps:.2g} steps of gradient descent, "
                f"{self.momentum_steps:.2g} with momentum, at the best rates.",
                f"Preconditioned by the diagonal the condition number is {self.diagonal_condition:.2g}, by Kronecker "
                f"products {self.kronecker_condition:.2g}.",
                self.verdict,
            )
        )


def diagnose(estimator, X, y, *, sample_weight=None, rng=0):
    r"""Say whether a fitted estimator's problem is ill-conditioned, and whether a second-order method would help.

    Everything holds at `theta_` and in the quadratic model there, on the rows given: about 800 products with the
    Gauss-Newton matrix, each the cost of two gradients. Up to 2000 parameters the matrix is formed and the eigenvalues
    are exact.

    Parameters
    ----------
    estimator : fitted CurvatureMLPClassifier or CurvatureMLPRegressor
        Possibly after few epochs: conditioning changes along a fit.
    X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
        Rows of the fit, or a sample of them.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Their targets.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights.
    rng : int, Generator or None, default=0
        Determines the start vectors.

    Returns
    -------
    Diagnosis

    References
    ----------
    B. T. Polyak, "Some methods of speeding up the convergence of iteration methods", USSR Computational Mathematics and
    Mathematical Physics 4 (1964); G. H. Golub and G. Meurant, "Matrices, moments and quadrature with applications",
    Princeton 2010.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skcurv import CurvatureMLPRegressor
    >>> from skcurv.diagnostics import diagnose
    >>> X, y = load_diabetes(return_X_y=True)
    >>> reg = CurvatureMLPRegressor((4,), "tanh", solver="sgd", max_iter=2, tol=0, random_state=0).fit(X, y)
    >>> diagnosis = diagnose(reg, X, y)
    >>> diagnosis.n_parameters, diagnosis.condition > 1
    (49, True)
    """
    rng = np.random.default_rng(rng)
    here = point(estimator, X, y, sample_weight)
    p, g, value = here.theta.shape[0], here.grad, here.value

    def form(how):
        return curvature(estimator, X, y, "ggn", how, sample_weight=sample_weight)

    C, diagonal, kronecker = form("dense" if p <= SMALL else "matrix-free"), form("diag"), form("kron")
    D, c = C.penalty, diagonal.diag()
    floor = NOISE * (float(c.mean()) or 1.0)
    H = shifted(C, D + floor)
    plain, fall, stiff = _kappa(H, g, rng)
    roots = (lambda z: z / np.sqrt(c + D + floor), lambda z: kronecker.sqrt_solve(z, float(D.max()) + floor))
    by_diagonal, by_kronecker = (_kappa(_preconditioned(H, B), B(g), rng)[0] for B in roots)
    return Diagnosis(
        n_rows=here.n,
        n_parameters=p,
        value=value,
        gradient_norm=float(np.linalg.norm(g)),
        promised_fall=fall,
        largest_eigenvalue=largest_eigenvalue(C.mv, g, rng, TOP_STEPS).value,
        trace=float(c.sum()),
        n_effective=effective_n_parameters(C, D + floor, rng, PROBES, PROBE_STEPS),
        whole=condition_number(C, D, rng, STEPS),
        stiff_share=stiff,
        condition=plain,
        gradient_descent_steps=_steps(plain),
        momentum_steps=_steps(plain**0.5),
        diagonal_condition=by_diagonal,
        kronecker_condition=by_kronecker,
    )


def _preconditioned(H, B):
    """B H B for a symmetric B."""
    return LinearOperator(H.shape, matvec=lambda z: B(H.matvec(B(z.reshape(-1)))), dtype=np.float64)


def _kappa(H, g, rng):
    """kappa, the promised fall and the share of |g|^2 in stiff directions."""
    top = largest_eigenvalue(H.matvec, g, rng, TOP_STEPS).value
    squared = float(g @ g)
    if not squared > 0:
        return 1.0, 0.0, 0.0
    nodes, weights = quadrature(H.matvec, g, STEPS)
    nodes, weights = nodes[::-1], weights[::-1]
    falls = np.cumsum(weights / (2 * np.maximum(nodes, NOISE**2 * top)))
    place = int(np.searchsorted(falls, SHARE * falls[-1]))
    return max(1.0, top / float(nodes[place])), squared * float(falls[-1]), float(weights[nodes >= STIFF * top].sum())


def _steps(ratio):
    """Steps that divide an error by ten when each multiplies it by (ratio - 1) / (ratio + 1)."""
    return TENFOLD / (2 * math.atanh(1 / ratio)) if ratio > 1 else 1.0
