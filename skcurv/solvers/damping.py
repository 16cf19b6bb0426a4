"""How the damping lambda follows the gain ratio rho = actual / predicted decrease.

For full batches, after r rejections in a row (r = 0 for the first):

    nielsen     rho > 0:  lambda * max(1/3, 1 - (2 rho - 1)^3)      else  lambda * 2^(r + 1)
    classical   rho > 0:  lambda / 10                               else  lambda * 10

(Madsen, Nielsen & Tingleff 2004, algorithm 3.16, eq. 2.21; Marquardt 1963 with nu = 10). `martens` is the rule
of Martens & Grosse (2015, section 6.5), which nudges lambda once in a while.

On mini-batches rho is noisy, and does not see a step that fits the noise of its batch: there lambda has a floor in
proportion to the dispersion (`floor`).
"""

import math

from ..backend.namespace import namespace, rounding, total

ROUNDINGS = 10  # of the value, below which a decrease is convergence
NU = 10  # Marquardt's factor


def gain_ratio(actual, predicted):
    """rho of a change `actual` of the value where `predicted` < 0 was hoped for; -inf when it is no number."""
    rho = actual / predicted if predicted < 0 else -math.inf
    return rho if math.isfinite(rho) else -math.inf


def negligible(here, there, predicted):
    """Whether the predicted decrease, and any rise there is, are within rounding of the value: convergence."""
    unit = ROUNDINGS * rounding(here.theta) * abs(here.value)
    return abs(predicted) <= unit and there.value - here.value <= unit


def rounding_floor(here, mean_curvature):
    """The least lambda that inverts the curvature with half the digits of the parameters."""
    return math.sqrt(rounding(here.theta)) * mean_curvature


def dispersion(here):
    """How much noise a row's gradient has for its curvature, in output space: with e_i the slopes and H_i the curvature

        phi = |e|^2 / (e'H e / |e|^2),    |e|^2 = sum_i w_i |e_i|^2,    e'H e = sum_i w_i e_i'H_i e_i

    Of the squared error it is the mean squared residual, of any loss its like: it grows by the factors of the loss, has
    nothing of its constants, and falls as more rows have their best outputs. inf where there is no curvature.
    """
    F, Y, w, loss = here.tape.F, here.batch.Y, here.batch.weights, here.objective.loss
    xp, e = namespace(F), loss.grad(F, Y)
    squares, bend = (total(xp, w * xp.sum(e * v, axis=1)) for v in (e, loss.ggnp(F, Y, e)))
    return squares * squares / bend if bend > 0 else math.inf


def floor(here, mean_curvature, noise, start):
    """The least lambda: that of rounding, and on mini-batches `noise` times the fall of the dispersion from `start`.

    A step (C + lambda I)^-1 g from a gradient with noise phi C / n is nearest to the minimum for lambda = phi / (n t^2)
    where parameters are about t away from it.
    """
    least = rounding_floor(here, mean_curvature)
    return least if here.whole else max(least, noise * min(1.0, dispersion(here) / (start or 1.0)))


def nielsen(lam, rho, rejections):
    """lambda * max(1/3, 1 - (2 rho - 1)^3) after an acceptance; lambda * 2, 4, 8, ... for repeated rejections."""
    if rho > 0:
        return lam * max(1 / 3, 1 - (2 * min(rho, 1.0) - 1) ** 3)
    return lam * 2.0 ** (rejections + 1)


def classical(lam, rho, rejections):
    """lambda / 10 after an acceptance, lambda * 10 after a rejection."""
    return lam / NU if rho > 0 else lam * NU


def martens(lam, rho, omega):
    """lambda * omega when rho > 3/4, lambda / omega when rho < 1/4, for omega < 1."""
    if rho > 0.75:
        return lam * omega
    return lam / omega if rho < 0.25 else lam


RULES = {"nielsen": nielsen, "classical": classical}
