r"""Regularisation that sets itself: precisions of the weights and of the noise by the evidence, during the training.

With E = sum_i w_i l_i the sum of losses under raw weights w_i, W = sum_i w_i, N = W k numbers observed, a_j > 0 the
prior precision of parameter j, the same within a group, A = diag(a), beta the precision of the noise (1 where exp(-l)
is a density), C the curvature of the mean loss,

    Phi = beta E + theta'A theta / 2 = beta W f,      f the objective with alpha = a / beta
    H   = beta W C + A,    g = grad Phi
    log p(Y) = -Phi + g'H^-1 g / 2 + (log|A| - log|H| + N log(beta / 2 pi)) / 2        (Laplace)

(MacKay 1992, eq. 4.6; Bishop 2006, eq. 3.86, 5.175). The second term is what a Newton step would still gain: where
outputs are linear in theta, the evidence is exact at every theta. gamma_k parameters of group k are determined by the
data; of the evidence's stationary points, theta at the mode and H fixed, a fixed-point iteration makes

    gamma_k = n_k - a_k sum_{j in k} (H^-1)_jj
    a_k <- gamma_k / |theta_k|^2,      beta <- (N - sum_k gamma_k) / 2E                 (Foresee & Hagan 1997)

each by a factor of at most `FACTOR` after every step. The model linearised at theta tells, without a refit, how well
each row is predicted by the others. With R_i (k, p) the row's part of C = R'R, Q_i = R_i (C + A / beta W)^-1 R_i'
divided by the row's weight where that is above 1, e_i its residuals,

    p(y_i | others) = N(y_i - F_i; M_i^-1 e_i - e_i, M_i^-1 / beta),     M_i = I - Q_i

(Rasmussen & Williams 2006, eq. 5.12). Its mean logarithm is the score of a step. The run ends at a fixed point, or when
the score has not risen for some steps; there the step of the best score is kept. The evidence itself is no such guide:
early networks, far from any mode, have a higher one than later networks that predict better.
"""

import math
import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator

from ..backend.namespace import finite, total
from ..curvature import ggn
from ..objective import Objective
from .history import History
from .loop import Result, convergence_warning
from .newton_system import chosen, matrix
from .protocol import NAN, POSITIVE

FACTOR = 3.0  # most change of a precision at once
LEAST, MOST = 1e-8, 1e12  # of a precision
SETTLED = 1e-7  # relative change of all precisions, and nats left to the mode, at a fixed point
ROWS = 2**12  # rows, evenly spaced, that are left out one by one
OUTPUT_BIAS = 1.0  # precision of the output biases, of targets of unit variance


@dataclass(eq=False, repr=False)
class Evidence(BaseEstimator):
    """Precisions of the weights that are found while training, for ``alpha`` of `CurvatureMLPRegressor`.

    Parameters
    ----------
    precisions : {"layer", "one", "feature"}, default="layer"
        What has a precision of its own: the weights and the biases of each layer; nothing, all have one; or the weights
        from each input feature, and beyond them as "layer" (automatic relevance determination). Biases of the outputs
        have precision 1 on standardised targets.
    start : float, default=0.1
        Precisions at the start as a part of the number of rows (the sum of their weights), above 0. From strong ones
        the data release what they determine; from too strong ones, about 1, deep networks never start to learn.

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

    def sums(self, x):
        """Sums over groups (m,) of x (p,)."""
        return np.bincount(self.of, x, len(self.a))


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
    C : Factored
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
    beta, D = prior.beta, prior.alpha / weight
    decrement = 0.5 * beta * weight * float(grad @ C.solve(grad, D))
    gamma = prior.sums(1 - D * C.inverse_diag(D))
    squares = prior.sums(theta * theta)
    log_evidence = decrement - beta * losses - 0.5 * float(prior.a @ squares)
    log_evidence += 0.5 * (float(np.sum(np.log(D))) - C.logdet(D) + numbers * math.log(beta / (2 * math.pi)))
    return Terms(gamma, squares, losses, numbers, log_evidence, decrement)


def updated(prior, terms):
    """The prior with new precisions, and the largest change of a logarithm that was asked for."""
    gamma, last = np.maximum(terms.gamma, 0.0), len(prior.a) - 1
    asked = np.divide(gamma, terms.squares, out=np.full(last + 1, MOST), where=terms.squares > 0)
    asked[last] = prior.a[last]
    noise = (terms.numbers - float(np.sum(gamma))) / (2 * terms.losses) if terms.losses > 0 else MOST
    now, asked = np.append(prior.a, prior.beta), np.clip(np.append(asked, noise), LEAST, MOST)
    new = np.clip(asked, now / FACTOR, now * FACTOR)
    return prior._replace(a=new[:-1], beta=float(new[-1])), float(np.max(np.abs(np.log(asked / now))))


def score(here, C, prior):
    """The mean log density of rows given the others, by the model linearised at a Point; half squared error only."""
    weight = here.objective.data.total_weight
    here = here.on(here.batch.part(slice(None, None, -(-here.n // ROWS))))
    S, w, n, k = ggn(here, None), here.batch.weights, here.n, here.k
    rows = [here.pullback(np.sqrt(w)[:, None] * S[:, :, j]).rows() for j in range(k)]
    solve = C.solver(prior.alpha / weight)
    solved = [solve(R.T).T for R in rows]
    Q = np.stack([np.stack([np.sum(R * Z, axis=1) for Z in solved], axis=1) for R in rows], axis=1)
    M = np.eye(k) - Q / np.maximum(w * weight, 1.0)[:, None, None]
    e = here.batch.Y - here.tape.F
    sign, logdet = np.linalg.slogdet(M)
    if not (np.isfinite(logdet).all() and (sign > 0).all()):
        return -math.inf
    misfit = np.sum(e * np.linalg.solve(M, e[:, :, None])[:, :, 0], axis=1)
    density = 0.5 * (logdet + k * math.log(prior.beta / (2 * math.pi)) - prior.beta * misfit)
    return total(np, w * density) / total(np, w) if n else NAN


def _groups(layout, precisions):
    """Names of the groups, biases of the outputs last, and the number of each parameter's group (p,)."""
    blocks, names = [], []
    for layer, (rows, columns) in enumerate(layout.shapes):
        block, first = np.empty((rows, columns), dtype=int), layer == 0 and precisions == "feature"
        own = [f"feature {j}" for j in range(rows - 1)] if first else [f"weights {layer + 1}"]
        block[:-1] = len(names) + (np.arange(rows - 1)[:, None] if first else 0)
        names += own
        block[-1] = len(names)
        names.append(f"biases {layer + 1}")
        blocks.append(block.ravel())
    of = np.concatenate(blocks)
    if precisions == "one":
        of, names = (of == len(names) - 1).astype(int), ["all", names[-1]]
    return tuple(names), of


class Found(NamedTuple):
    """A trained network: its prior and its terms."""

    prior: Prior
    terms: Terms


def train_by_evidence(solver, objective, theta, prior, budget, seed, started, tell=None):
    """Steps of lm-newton, each followed by an update of the precisions.

    Parameters
    ----------
    solver : LMNewton
    objective : Objective
        Its own alpha is not used.
    theta : (p,) start
    prior : Prior
    budget : Budget
        max_iter steps; `patience` of them without a rise of the score by more than tol end the run.
    seed, started, tell
        As for `train`.

    Returns
    -------
    result : Result
    found : Found

    Warns
    -----
    ConvergenceWarning
        When the numbers were no longer finite, or `max_iter` was used up with tol above 0.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        run = _Run(solver, objective, budget, started, tell)
        ended = run(theta + 0, prior, seed)
    if ended == "budget" and budget.tol > 0:
        convergence_warning(
            f"alpha='evidence' used up max_iter={budget.max_iter} before the score of rows left out settled. Remedy: "
            "raise max_iter, or set tol=0 if this budget is what you want."
        )
    elif ended == "trouble":
        convergence_warning(
            f"alpha='evidence' failed: the evidence is no longer finite. The best step is kept. {_REMEDY}"
        )
    theta, loss, found = run.best
    return Result(theta, loss, None, run.history, theta, ended in ("fixed", "settled")), found


_REMEDY = "Remedy: scale the inputs, or raise the start of Evidence(start=...)."


class _Run:
    """The alternation, its history, and its best step."""

    def __init__(self, solver, objective, budget, started, tell):
        self.solver, self.objective, self.budget, self.started, self.tell = solver, objective, budget, started, tell
        self.history, self.best = None, None

    def __call__(self, theta, prior, seed):
        """Run: why it ended, "fixed", "settled", "trouble" or "budget"."""
        here = self._point(theta, prior)
        state, self.history = self.solver.init(here, seed), History(here.value)
        top, reference, stale, C = -math.inf, -math.inf, 0, self._curvature(here)
        self.best = theta, here.value, Found(prior, self._terms(here, C, prior))
        for step in range(1, self.budget.max_iter + 1):
            before = here.value
            here, state, report = self.solver.step_by(here, state, C)
            C = self._curvature(here)  # of the loss alone: the next step's too, whatever the precisions
            terms = self._terms(here, C, prior)
            self._record(step, before, report, terms)
            sound = math.isfinite(terms.log_evidence) and finite(np, here.theta) and not report.trouble
            if not sound:
                return "trouble"
            new, change = updated(prior, terms)
            fixed = change <= SETTLED and terms.decrement <= SETTLED
            if terms.score > top or fixed:
                top, self.best = terms.score, (here.theta, here.value, Found(prior, terms))
            released = change < math.log(FACTOR)
            risen = terms.score > reference + self.budget.tol
            reference, stale = (terms.score, 0) if risen else (reference, stale + released)
            if fixed or stale >= self.budget.patience:
                return "fixed" if fixed else "settled"
            prior, here = new, self._point(here.theta, new)
        return "budget"

    def _point(self, theta, prior):
        full = self.objective
        return Objective(full.network, full.loss, full.data, prior.alpha, full.box).point(theta)

    def _terms(self, here, C, prior):
        """All terms at a Point of the full set."""
        data = here.objective.data
        losses = data.total_weight * (here.value - here.objective.penalty(here.theta))
        terms = measured(C, here.theta, here.grad, losses, data.total_weight, data.total_weight * here.k, prior)
        return terms._replace(score=score(here, C, prior))

    def _curvature(self, here):
        structure = chosen(here, self.solver.structure, "ggn", self.solver.memory_limit)
        return matrix(here, structure, "ggn", None)

    def _record(self, step, value, report, terms):
        seconds = time.perf_counter() - self.started
        numbers = report.step_length, report.damping, report.gain_ratio
        self.history.add(step, step, seconds, value, NAN, *numbers, terms.log_evidence, terms.score)
        if self.tell:
            self.tell(f"step {step}, log evidence {terms.log_evidence:.8g}, score {terms.score:.6g}")
