r"""Regularisation that sets itself: precisions of the weights and of the noise by the evidence.

With E = sum_i w_i l_i the sum of losses under raw weights w_i, W = sum_i w_i, N = W k numbers observed, a_j > 0 the
prior precision of parameter j, the same within a group, A = diag(a), beta the precision of the noise, C the curvature
of the mean loss,

    Phi = beta E + theta'A theta / 2 = beta W f,      f the objective with alpha = a / beta
    H   = beta W C + A,    g = grad Phi
    log p(Y) = -Phi + g'H^-1 g / 2 + (log|A| - log|H| + N log(beta / 2 pi)) / 2        (Laplace)

(MacKay 1992, eq. 4.6; Bishop 2006, eq. 3.86, 5.175). The second term is what a Newton step would still gain: where
outputs are linear in theta, the evidence is exact at every theta. Where exp(-l) is a density, E has its normaliser,
beta = 1, and N = 0 says that there is no noise to find. gamma_k parameters of group k are determined by the data; of
the evidence's stationary points, theta at the mode and H fixed, a fixed-point iteration makes

    gamma_k = n_k - a_k sum_{j in k} (H^-1)_jj
    a_k <- gamma_k / |theta_k|^2,      beta <- (N - sum_k gamma_k) / 2E                 (Foresee & Hagan 1997)

each by a factor of at most `FACTOR` at once; `evidence_runs` has the training. Where C is made of Kronecker products,
which take one number a layer, D = A / beta W is there the mean over the layer's weights.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator

from .protocol import NAN, POSITIVE

FACTOR = 3.0  # most change of a precision at once
LEAST, MOST = 1e-8, 1e12  # of a precision
OUTPUT_BIAS = 1.0  # precision of the output biases, of targets of unit variance


@dataclass(eq=False, repr=False)
class Evidence(BaseEstimator):
    """Precisions of the weights that are found while training, for ``alpha`` of the multilayer perceptrons.

    Parameters
    ----------
    precisions : {"layer", "one", "feature"}, default="layer"
        What has a precision of its own: the weights and the biases of each layer; nothing, all have one; or the weights
        from each input feature, and beyond them as "layer" (automatic relevance determination). Biases of the outputs
        have precision 1, on standardised targets or log-odds.
    start : float, default=0.1
        Precisions at the start as a part of the number of rows (the sum of their weights), above 0. From strong ones
        the data release what they determine. Networks that too strong ones hold at zero train a second time, from a
        hundredth of them.

    References
    ----------
    D. J. C. MacKay, "Bayesian interpolation" and "A practical Bayesian framework for backpropagation networks", Neural
    Computation 4 (1992); F. D. Foresee and M. T. Hagan, "Gauss-Newton approximation to Bayesian learning", IJCNN 1997.

    Examples
    --------
    >>> from skcurv.solvers import Evidence
    >>> Evidence(precisions="feature")
    Evidence(precisions='feature')
    """

    precisions: str = "layer"
    start: float = 0.1

    domains = {
        "precisions": (lambda s: s in ("layer", "one", "feature"), "one of 'layer', 'one', 'feature'"),
        "start": POSITIVE,
    }

    def prior(self, layout, weight):
        """The prior that training starts from, for rows of a total weight."""
        names, of = _groups(layout, self.precisions)
        return Prior(names, of, np.array([self.start * weight] * (len(names) - 1) + [OUTPUT_BIAS]), 1.0)


class Prior(NamedTuple):
    """Groups of parameters by name, the number of each parameter's group (p,), precisions (m,), beta.

    The last group, the biases of the outputs, keeps its precision.
    """

    names: tuple
    of: Any
    a: Any
    beta: float

    @property
    def alpha(self):
        """The penalty's strength on each parameter (p,)."""
        return self.a[self.of] / self.beta

    def shift(self, weight, C):
        """D = A / beta W as C takes it, for rows of a total weight."""
        D = self.alpha / weight
        return C.layout.weight_means(D) if hasattr(C, "quadratic") else D

    def sums(self, x):
        """Sums over groups (m,) of x (p,)."""
        return np.bincount(self.of, x, len(self.a))

    def released(self, factor):
        """The prior with weaker precisions."""
        return self._replace(a=np.append(self.a[:-1] / factor, self.a[-1]))


class Terms(NamedTuple):
    """What is known at one theta: gamma and |theta_k|^2 (m,), E, N, log evidence and g'H^-1 g / 2 in it, the score."""

    gamma: Any
    squares: Any
    losses: float
    numbers: float
    log_evidence: float
    decrement: float
    score: float = NAN


def measured(C, theta, grad, losses, weight, numbers, prior):
    """The terms of the evidence, without a score.

    Parameters
    ----------
    C : Factored or EKFAC
        The curvature of the mean loss.
    theta, grad : (p,)
        Parameters and gradient of f there.
    losses, weight, numbers : float
        E, W and N.
    prior : Prior

    Returns
    -------
    Terms
    """
    beta, D = prior.beta, prior.shift(weight, C)
    decrement = 0.5 * beta * weight * float(grad @ C.solver(D)(grad))
    each = C.layout.repeated(D) if hasattr(C, "quadratic") else D
    gamma = prior.sums(1 - each * C.inverse_diag(D))
    squares = prior.sums(theta * theta)
    log_evidence = decrement - beta * losses - 0.5 * float(prior.a @ squares)
    log_evidence += 0.5 * (float(np.sum(np.log(each))) - C.logdet(D) + numbers * math.log(beta / (2 * math.pi)))
    return Terms(gamma, squares, losses, numbers, log_evidence, decrement)


def updated(prior, terms):
    """The prior with new precisions, and the largest change of a logarithm that was asked for."""
    gamma, last = np.maximum(terms.gamma, 0.0), len(prior.a) - 1
    asked = np.divide(gamma, terms.squares, out=np.full(last + 1, MOST), where=terms.squares > 0)
    asked[last] = prior.a[last]
    noise = prior.beta
    if terms.numbers:
        left = max(terms.numbers - float(np.sum(gamma)), 0.0)
        noise = left / (2 * terms.losses) if terms.losses > 0 else MOST
    now, asked = np.append(prior.a, prior.beta), np.clip(np.append(asked, noise), LEAST, MOST)
    new = np.clip(asked, now / FACTOR, now * FACTOR)
    return prior._replace(a=new[:-1], beta=float(new[-1])), float(np.max(np.abs(np.log(asked / now))))


def _groups(layout, precisions):
    """Names of the groups, biases of the outputs last, and the number of each parameter's group (p,)."""
    blocks, names, last = [], [], len(layout.shapes) - 1
    for layer, (rows, columns) in enumerate(layout.shapes):
        block, by_feature = np.empty((rows, columns), dtype=int), layer == 0 and precisions == "feature"
        first = len(names)
        names += [f"feature {j}" for j in range(rows - 1)] if by_feature else [f"layer {layer + 1}"]
        block[:-1] = first + (np.arange(rows - 1)[:, None] if by_feature else 0)
        if by_feature or layer == last:
            names.append("output biases" if layer == last else "biases 1")
        block[-1] = len(names) - 1
        blocks.append(block.ravel())
    of = np.concatenate(blocks)
    if precisions == "one":
        of, names = (of == len(names) - 1).astype(int), ["all", names[-1]]
    return tuple(names), of
