"""Every loss with every solver on data that go wrong easily: finite, no worse than the start, documented warnings."""

import re
import warnings
from typing import NamedTuple

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skcurv import CurvatureClassifier, CurvatureRegressor
from skcurv.losses import registry
from skcurv.solvers import available

SOLVERS = [row.name for row in available() if not row.layers]
WIDTHS = {"gaussian_nll": 2, "negative_binomial": 2}  # raw outputs of one target; 1 otherwise
EPOCHS = 4
DOCUMENTED = (  # what `fit` may warn of, by category
    (ConvergenceWarning, r"solver='[\w-]+' used up max_iter=\d+ before the loss settled"),
    (ConvergenceWarning, r"solver='[\w-]+' failed: .* Remedy: "),
    (UserWarning, r"\d+ targets were given for \d+ free parameters"),
    (UserWarning, r"The data do not determine "),
    (UserWarning, r"The curvature at the estimates is not finite"),
)


class Shape(NamedTuple):
    """Inputs and targets by a generator; a model of theta (p,), and the size of each entry of the start."""

    inputs: object
    targets: object
    model: str = "affine"
    n: int = 8
    start: float = 0.3


def affine(X, theta, r):
    theta = theta.reshape(r, X.shape[1] + 1)
    return X @ theta[:, :-1].T + theta[:, -1]


MODELS = {
    "affine": affine,
    "exponential": lambda X, theta, r: np.exp(affine(X, theta, r)),  # overflows
    "saturated": lambda X, theta, r: np.tanh(1e3 * affine(X, theta, r)),
    "product": lambda X, theta, r: theta[0] * affine(X, theta, r),
    "unused": lambda X, theta, r: affine(X, theta * (np.arange(len(theta)) > 0), r),
    "steep": lambda X, theta, r: affine(X, theta, r) ** 3,
    "reciprocal": lambda X, theta, r: 1 / affine(X, theta, r),  # a pole between the start and elsewhere
}


def normal(rng, n):
    return rng.normal(size=(n, 2))


def reals(rng, n):
    return rng.normal(size=n)


SHAPES = {
    "plain": Shape(normal, reals),
    "one row": Shape(normal, reals, n=1),
    "two rows": Shape(normal, reals, n=2),
    "constant columns": Shape(lambda rng, n: np.ones((n, 2)), reals),
    "zero columns": Shape(lambda rng, n: np.zeros((n, 2)), reals),
    "duplicate rows": Shape(lambda rng, n: np.tile(rng.normal(size=2), (n, 1)), reals),
    "unlike columns": Shape(lambda rng, n: rng.normal(size=(n, 2)) * [1e-6, 1e6], reals, start=1e-8),
    "targets of 1e6": Shape(normal, lambda rng, n: 1e6 * rng.normal(size=n)),
    "targets of 1e-6": Shape(normal, lambda rng, n: 1e-6 * rng.normal(size=n)),
    "constant target": Shape(normal, lambda rng, n: np.full(n, 3.0)),
    "outlier": Shape(normal, lambda rng, n: np.where(np.arange(n), rng.normal(size=n), 1e4)),
    "exponential": Shape(lambda rng, n: 50 * rng.normal(size=(n, 2)), reals, "exponential", start=0.01),
    "saturated": Shape(normal, reals, "saturated", start=1.0),
    "product": Shape(normal, reals, "product"),
    "unused": Shape(normal, reals, "unused"),
    "steep": Shape(lambda rng, n: 10 * rng.normal(size=(n, 2)), reals, "steep"),
    "reciprocal": Shape(lambda rng, n: np.abs(rng.normal(size=(n, 2))), reals, "reciprocal"),
}


def inside(loss, y):
    """The targets moved into the loss's domain."""
    if loss == "log_loss":
        return 1 / (1 + np.exp(-np.clip(y, -30, 30)))
    if loss in ("poisson", "negative_binomial"):
        return np.floor(np.abs(y))
    return np.abs(y) + 1e-9 if loss in ("gamma", "tweedie") else y


def model_of(name, r):
    def model(X, theta):
        return MODELS[name](X, theta, r)

    return model


def check_fit(estimator, X, y, start):
    """Everything a fit promises, whatever the data."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = estimator.fit(X, y)
    check_warnings(caught)
    assert np.isfinite(model.theta_).all()
    before = model.objective_.value(start)
    assert np.isfinite(model.loss_)
    assert model.loss_ <= before + 1e-12 * abs(before)
    assert model.loss_ == model.objective_.value(model.theta_)
    assert not np.isneginf(model.cov_).any()
    assert len(model.summary().splitlines()) >= len(model.theta_)
    assert model.predict(X).shape == y.shape
    return model


def check_warnings(caught):
    """At most one of each category, in the documented words."""
    assert all(
        any(one.category is kind and re.match(words, str(one.message)) for kind, words in DOCUMENTED) for one in caught
    ), [str(one.message) for one in caught]
    assert len({one.category for one in caught}) == len(caught)


@pytest.mark.parametrize("loss", registry.REGRESSION)
@pytest.mark.parametrize("solver", SOLVERS)
def test_regressors(solver, loss):
    for turn, (name, shape) in enumerate(SHAPES.items()):
        rng, r = np.random.default_rng(0), WIDTHS.get(loss, 1)
        X, y = shape.inputs(rng, shape.n), inside(loss, shape.targets(rng, shape.n))
        start = shape.start * (1 + np.arange(3 * r) % 2)
        for bounds in [None, (-10.0, 10.0)][: 1 + turn % 2]:
            reg = CurvatureRegressor(
                model_of(shape.model, r),
                start,
                bounds=bounds,
                loss=loss,
                solver=solver,
                max_iter=EPOCHS,
                random_state=0,
            )
            model = check_fit(reg, X, y, start)
            assert np.isfinite(model.predict(X)).all(), name
            assert bounds is None or np.abs(model.theta_).max() <= 10


LABELS = {
    "two": np.arange(8) % 2,
    "three": np.arange(8) % 3,
    "one against the rest": (np.arange(8) > 0).astype(int),
    "one of two classes": np.minimum(np.arange(8), 2),
    "labels": np.stack([np.arange(8) % 2, np.ones(8, int), np.zeros(8, int)], axis=1),
}


@pytest.mark.parametrize("loss", registry.CLASSIFICATION)
@pytest.mark.parametrize("solver", SOLVERS)
def test_classifiers(solver, loss):
    for name, y in LABELS.items():
        if loss == "ordinal" and y.ndim == 2:
            continue
        classes = len(np.unique(y)) if y.ndim == 1 else 3
        r = classes - 1 if loss == "ordinal" or (classes == 2 and y.ndim == 1) else classes
        for shape in (s for s in SHAPES.values() if s.n == 8 and s.targets is reals):
            X, start = shape.inputs(np.random.default_rng(0), 8), shape.start * (1 + np.arange(3 * r) % 2)
            clf = CurvatureClassifier(
                model_of(shape.model, r), start, loss=loss, solver=solver, max_iter=EPOCHS, random_state=0
            )
            model = check_fit(clf, X, y, start)
            P = model.predict_proba(X)
            assert np.isfinite(model.predict_log_proba(X)).all(), name
            assert y.ndim == 2 or np.allclose(P.sum(axis=1), 1, rtol=1e-12)
            assert np.isin(model.predict(X), y).all()
