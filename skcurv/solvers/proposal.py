"""The step that the Fisher solvers and K-FAC propose: directions from the inverse, lengths from the model.

Its symbols and steps 2 and 3 are those of `preconditioned`.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from ..backend.namespace import namespace, total
from ..backend.passes import combined
from ..curvature import Images
from .damping import rounding_floor
from .quadratic_model import lengths, solve, stepped, value_of

FEWEST_ROWS = 128  # for statistics and model
SEARCH = 0.6  # omega of the ratio r: (19/20)^(20/2)
SEARCH_PERIOD = 160  # steps from one search to the next, at least; the first comes in the third step
EFFECTIVE = 16  # rows that slope and curvature of a model hang on
FRESH = 0.1  # weight of a new model in the running mean of the rows that models need
LEAST_RATIO = 0.1  # and its inverse is the most
MOMENTUM = 0.9  # with a fixed rate


class Recipe(NamedTuple):
    """What distinguishes the solvers: the form of P, how often and from what it is made, and how far to go."""

    form: Any
    curvature: str
    statistics_fraction: float
    model_fraction: float
    period: int = 1
    search: bool = False
    rate: float | None = None
    norm_constraint: float | None = None


def rows(here, fraction):
    """How many rows of the batch a part with this fraction has."""
    return here.n if here.whole else min(here.n, max(FEWEST_ROWS, math.ceil(fraction * here.n)))


def model_rows(here, state, recipe):
    """How many rows of the batch the model is made from: with a rate of its own as many as it needs (`_needed`)."""
    least = rows(here, recipe.model_fraction)
    return min(here.n, max(least, math.ceil(state.needed) if recipe.rate is None else 0))


def _needed(here, images, w, v):
    """How many rows a model needs, the whole batch where a model's own rows do not tell.

    A sum over q rows with the terms x_j hangs on

        m = (sum_j x_j)^2 / sum_j x_j^2 <= q

    of them: q where they are equal, 1 where one row is all. It is right to 1 / sqrt(m) of itself, and the slope along
    w and the curvatures along w and v are where q EFFECTIVE / m rows are taken, m the least of the three. Of rare
    classes, sparse columns and heavy tails an eighth of a batch may hold nothing.
    """
    terms = images.slope_terms(w), images.curvature_terms(w), images.curvature_terms(v)
    share = np.min([_effective(x) for x in terms]) / len(terms[0])
    return EFFECTIVE / share if share * here.n > EFFECTIVE else here.n


def _effective(x):
    """(sum x)^2 / sum x^2, the number of terms where all are 0."""
    xp = namespace(x)
    s, squares = total(xp, x), total(xp, x * x)
    return s * s / squares if squares else len(x)


def _inverse(here, state, recipe, ratio):
    d = max(ratio**2 * (state.lam + here.objective.mean_l2), rounding_floor(here, state.mean_curvature))
    return recipe.form.invert(state.statistics, d, here.theta.dtype)


def repeated(here, state, recipe):
    """What `proposed` gives, by the models so far and with no value of one."""
    lazy = recipe.form.lazy
    inverse = state.inverse if lazy else _inverse(here, state, recipe, state.ratio)
    w, v, output = inverse.mv(here.grad), here.restricted(state.v), here.objective.network.layout.output
    c = state.models.c / lengths(here.grad, w, v, output)
    d = _along(w, v, c * [-1, 1, -1][: len(c)], output)
    return (state if lazy else state._replace(inverse=inverse)), float(c[0]), d, 0.0


def _along(w, v, c, output):
    """The step alpha w + mu v, and beta w more in the output layer, for c = (alpha, mu) or (alpha, mu, beta)."""
    alpha, mu, *beta = map(float, c)
    d = combined(alpha, w, mu, v)
    if beta and beta[0]:
        d[output] += beta[0] * w[output]
    return d


def proposed(here, state, recipe, due):
    """The state with its inverse, the step length alpha, the step d and the model's value there."""
    ratios = _ratios(state) if recipe.search and due and state.v is not None else [state.ratio]
    inverses = [state.inverse]
    if due or state.inverse is None or not recipe.form.lazy:
        inverses = [_inverse(here, state, recipe, ratio) for ratio in ratios]
    fresh = [-inverse.mv(here.grad) for inverse in inverses]
    old = [] if state.v is None else [here.restricted(state.v)]
    smooth, output = bool(old) and not here.whole and recipe.rate is None, here.objective.network.layout.output
    ends = fresh if smooth and output else []
    part = here.head(model_rows(here, state, recipe))
    images = Images(part, [*fresh, *old], ends)
    b, M = images.slopes_and_gram(state.lam)
    n, two = len(fresh), len(fresh) + len(old)
    candidates = (_candidate(recipe, i, n, b[:two], M[:two, :two]) for i in range(n))
    chosen, predicted, c = min(candidates, key=lambda found: found[1])
    sought = state.step if n > 1 else state.sought
    state = state._replace(inverse=inverses[chosen], ratio=ratios[chosen], sought=sought)
    if smooth:
        kept = [chosen, n, *([two + chosen] if ends else [])]
        b, M = b[kept], M[np.ix_(kept, kept)]
        s = lengths(here.grad, fresh[chosen], old[0], output)
        weight = FRESH if state.models.seen else 1.0
        needed = (1 - weight) * state.needed + weight * _needed(here, images, chosen, n)
        state = state._replace(models=state.models.taking_in(b, M, s), needed=needed)
        c = state.models.c / s
        predicted = value_of(b, M, c)
    alpha = float(c[0])
    return state, alpha, _along(fresh[chosen], old[0], c, output) if old else alpha * fresh[chosen], predicted


def _ratios(state):
    """The ratios to choose from where the inverse is renewed: the first time from r downward, then both ways."""
    first = state.sought is None
    powers = (2, 1, 0) if first else (1, 0, -1)
    if state.step < (2 if first else state.sought + SEARCH_PERIOD):
        powers = (0,)
    ratios = (SEARCH**power * state.ratio for power in powers)
    return [r for r in ratios if LEAST_RATIO <= r <= 1 / LEAST_RATIO]


def _candidate(recipe, i, n, b, M):
    """(i, m(d), c) of fresh direction i of n and the old one, if there is one; m(d) = inf for no number."""
    kept = [i, *range(n, len(b))]
    b, M = b[kept], M[np.ix_(kept, kept)]
    fixed = recipe.rate is not None
    c, predicted = stepped(b, M, recipe.rate, MOMENTUM, recipe.norm_constraint) if fixed else solve(b, M)
    return i, predicted if math.isfinite(predicted) else math.inf, c
