r"""The temperature of a classifier's posterior: a factor on its covariance, by rows that refits have not seen.

A posterior to the power 1 / T keeps its top, and its covariance becomes T H^-1. T = 0 is the network alone, T = 1 is
Bayes' rule, which is right where the model and its prior are. A network that goes through its rows under a weak penalty
has neither: its Gauss-Newton matrix is all but zero at rows of which it is sure, and its Gaussian mostly too wide. Its
own rows cannot tell by how much, nor can what one Newton step makes of leaving one of them out, for the network has
learnt its features from them. So rows are dealt into folds, class by class, equal rows into the same; for a fold the
estimator is fitted anew to the other rows, has a Gaussian N(theta^-, T H^-1) of its own, and forecasts the raw outputs
of the fold's rows,

    F_i ~ N(m_i, T S_i),    m_i = F(x_i, theta^-),    S_i = J_i H^-1 J_i',    T = argmax sum_i w_i log E p(y_i | F_i)

over all rows held out, with the expectation of `posterior/classification.py`. `FOLDS` folds are dealt; as many of them
are used as hold out `ROWS` rows. The power of a posterior by how well rows are forecast is Grünwald's (Grünwald & van
Ommen 2017); powers of networks' posteriors: Wenzel and others (2020); one number, on rows held out, for the calibration
of a network: Guo and others (2017).
"""

import hashlib
import math
import warnings

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from ..backend.namespace import dense, is_number
from ..curvature.assemble import STRIP, point
from ..data import chunks
from .classification import log_density

HELD_OUT = "held-out"
FOLDS, ROWS = 5, 2000
GRID = np.append(0.0, np.logspace(-4, 2, 25))  # of T: finer steps than folds agree on, coarser than rounding


def check(temperature, estimator):
    """Raise ValueError unless it is a finite number of at least 0, or "held-out" for a classifier."""
    asked = isinstance(temperature, str) and temperature == HELD_OUT and hasattr(estimator, "classes_")
    if asked or (is_number(temperature) and temperature >= 0):
        return
    raise ValueError(
        f"temperature={temperature!r} was given for {type(estimator).__name__}. Allowed is a finite number of at least "
        f"0, and for classifiers {HELD_OUT!r}. Pass 1.0 for the posterior as it is."
    )


def held_out(estimator, here, posterior_of):
    """T (float) of the highest mean log density of rows held out; 1 where no class has rows to spare.

    Parameters
    ----------
    estimator : fitted classifier
    here : Point
        Its parameters on the rows of the fit.
    posterior_of : callable
        (refitted estimator, its Point) -> its posterior, of temperature 1.
    """
    data, seed, found = here.objective.data, getattr(estimator, "seed_", 0), []
    X, y = data.X.astype(estimator.theta_.dtype, copy=False), estimator.targets_.decode(data.Y)
    v = np.asarray(data.w * (data.total_weight / data.n), dtype=np.float64)
    for train, test in folds(*groups(X, _codes(data.Y, estimator.targets_), seed)):
        refit = _again(estimator, seed, X[train], y[train], v[train])
        posterior = posterior_of(refit, point(refit, X[train], y[train], v[train]))
        found.append((*posterior.latent(X[test]), data.Y[test], v[test]))
    if not found:
        return 1.0
    m, S, Y, w = (np.concatenate(column) for column in zip(*found, strict=True))
    scores = [float(w @ log_density(posterior, m, T * S, Y)) for T in GRID]
    return float(GRID[np.argmax(np.nan_to_num(scores, nan=-np.inf))])


def groups(X, codes, seed):
    """Equal rows of equal codes as one group: the group of each row (n,), and the code of each group.

    Groups are in the order of a hash of theirs: any order, but the same whatever the order of the rows.
    """
    start, keys = hashlib.blake2b(str(seed).encode(), digest_size=8), np.empty(len(codes), dtype=np.uint64)
    for part in chunks(len(codes), max(1, STRIP // X.shape[1])):
        rows = np.column_stack([dense(X[part]), codes[part]]) + 0.0  # no -0
        for i, row in zip(range(part.start, part.stop), rows, strict=True):
            one = start.copy()
            one.update(row.tobytes())
            keys[i] = int.from_bytes(one.digest(), "little")
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    return group, codes[first]


def folds(group, codes):
    """Rows (train, test) of the folds used, from the group of each row and the code of each group.

    Groups of each code are dealt out in turn; the only one of a code is never held out.
    """
    order, fold = np.argsort(codes, kind="stable"), np.empty(len(codes), dtype=int)
    fold[order] = np.arange(len(codes)) % FOLDS
    fold[np.bincount(codes)[codes] == 1] = -1
    fold = fold[group]
    for f in range(min(FOLDS, math.ceil(ROWS * FOLDS / len(codes)))):
        if (fold == f).any():
            yield np.flatnonzero(fold != f), np.flatnonzero(fold == f)


def _codes(Y, targets):
    """The class (n,) of each row as a whole number; one for all where labels do not exclude one another."""
    if targets.multilabel:
        return np.zeros(len(Y), dtype=int)
    return np.argmax(Y, axis=1) if targets.exclusive else Y[:, 0].astype(int)


def _again(estimator, seed, X, y, v):
    """The estimator fitted to some of its rows, whose weights have those of their classes in them."""
    new, own = {"posterior": None, "class_weight": None, "verbose": False, "random_state": seed}, estimator.get_params()
    refit = clone(estimator).set_params(**{name: value for name, value in new.items() if name in own})
    with warnings.catch_warnings():  # the fit to all rows has warned already
        warnings.simplefilter("ignore", ConvergenceWarning)
        return refit.fit(X, y, v)
