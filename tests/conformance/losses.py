"""The battery of a loss: every registered loss, with any number of outputs, must pass every check."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import scipy.optimize

from skcurv.losses.draws import drawn

from ..cases import STEP, assert_close, assert_close_to_difference


class LossCase(NamedTuple):
    """A loss and what its battery needs to know.

    formula(F, Y) -> (n,): the value, written independently; targets(rng, n, k) -> Y in the domain;
    outside: functions of such a Y that leave the domain; inside(P): whether means lie in the domain;
    probability: whether the Fisher is bounded by 1, so that |F| = 1e4 has finite sums.
    """

    loss: Any
    formula: Callable
    targets: Callable
    outside: tuple
    inside: Callable
    outputs: tuple = (1, 2, 5)


def _draw(case, k, n=6, seed=0):
    rng = np.random.default_rng((seed, n, k))
    return 1.5 * rng.normal(size=(n, k)), case.targets(rng, n, k), rng.normal(size=(n, k))


def _by_columns(product, F, Y, k):
    """The matrices (n, k, k) whose columns are products with unit vectors."""
    return np.stack([product(F, Y, np.tile(e, (len(F), 1))) for e in np.eye(k)], axis=2)


def check_value(case, k):
    F, Y, _ = _draw(case, k, n=20)
    value = case.loss.value(F, Y)
    assert value.shape == (20,)
    assert_close(value, case.formula(F, Y), 20 * k)


def check_grad_is_the_difference_of_the_value(case, k):
    F, Y, _ = _draw(case, k)
    grad = case.loss.grad(F, Y)
    assert grad.shape == F.shape
    for c, step in enumerate(STEP * np.eye(k)):
        slope = (case.loss.value(F + step, Y) - case.loss.value(F - step, Y)) / (2 * STEP)
        assert_close_to_difference(grad[:, c], slope)


def check_hessp_is_the_difference_of_the_grad(case, k):
    F, Y, V = _draw(case, k)
    slope = (case.loss.grad(F + STEP * V, Y) - case.loss.grad(F - STEP * V, Y)) / (2 * STEP)
    assert_close_to_difference(case.loss.hessp(F, Y, V), slope)


def check_factor_and_ggnp_are_the_hessian(case, k):
    """For a canonical link S S' is the Hessian itself, not a surrogate."""
    F, Y, V = _draw(case, k)
    S = case.loss.factor(F, Y)
    SS = S @ np.swapaxes(S, 1, 2)
    assert_close(SS, _by_columns(case.loss.hessp, F, Y, k), 20 * k)
    assert_close(np.einsum("nab,nb->na", SS, V), case.loss.ggnp(F, Y, V), 20 * k)


def check_samples_have_mean_zero_and_the_fisher_as_covariance(case, k):
    F, Y, _ = _draw(case, k, n=3)
    draws = 10_000
    s = case.loss.sample(F, draws, np.random.default_rng(1))
    assert s.shape == (3, k, draws)
    products = s[:, :, None, :] * s[:, None, :, :]
    fisher = _by_columns(case.loss.ggnp, F, Y, k)
    for sampled, exact in ((s, np.zeros((3, k))), (products, fisher)):
        error = np.abs(sampled.mean(axis=-1) - exact)
        # at most 75 entries at 5 standard errors: a false alarm in 2 x 10^4 seeds
        assert np.all(error <= 5 * sampled.std(axis=-1) / np.sqrt(draws) + 1e-12)


def check_start_is_the_best_constant(case, k):
    _, Y, _ = _draw(case, k, n=40)
    w = np.random.default_rng(2).uniform(0.2, 3.0, 40)

    def total(f):
        F = np.tile(f, (40, 1))
        return w @ case.loss.value(F, Y), w @ case.loss.grad(F, Y)

    start = case.loss.start(Y, w)
    assert start.shape == (k,)
    assert_close(total(start)[1], np.zeros(k), 40 * k, scale=w.sum())
    best = scipy.optimize.minimize(total, np.zeros(k), jac=True, method="BFGS", options={"gtol": 1e-8})
    assert_close(total(start)[0], best.fun, 40 * k)
    np.testing.assert_allclose(*(case.loss.predict(f[None, :]) for f in (start, best.x)), rtol=0, atol=1e-6)


def check_start_is_finite_where_all_targets_are_equal(case, k):
    Y = np.tile(case.targets(np.random.default_rng(3), 3, k)[1], (8, 1))
    assert np.isfinite(case.loss.start(Y, np.ones(8))).all()


def check_extremes_are_finite_and_silent(case, k):
    """Under warnings as errors."""
    Y = case.targets(np.random.default_rng(4), 4, k).astype(np.float32)
    F = np.full((4, k), 1e4, np.float32) * np.array([[1], [-1], [1], [-1]], np.float32)
    F[2:, ::2] *= -1
    results = _all_arrays(case.loss, F, Y)
    for name, array in results.items():
        assert np.isfinite(array).all(), name
    exact = case.loss.value(F.astype(np.float64), Y.astype(np.float64))
    assert_close(results["value"], exact, 4 * k, np.float32)


def check_dtype_is_kept(case, k):
    F, Y, _ = (array.astype(np.float32) for array in _draw(case, k))
    for name, array in _all_arrays(case.loss, F, Y).items():
        assert array.dtype == np.float32, name


def _all_arrays(loss, F, Y):
    V = np.ones_like(F)
    return {
        "value": loss.value(F, Y),
        "grad": loss.grad(F, Y),
        "hessp": loss.hessp(F, Y, V),
        "ggnp": loss.ggnp(F, Y, V),
        "factor": loss.factor(F, Y),
        "sample": drawn(loss, F, Y, 2, np.random.default_rng(0)),
        "predict": loss.predict(F),
        "start": loss.start(Y, np.ones(len(Y), F.dtype)),
    }


def check_predict_maps_into_the_domain(case, k):
    for scale in (1.0, 30.0, 1e4):
        assert case.inside(case.loss.predict(scale * _draw(case, k)[0]))


def check_targets_in_the_domain_are_accepted(case, k):
    Y = _draw(case, k, n=20)[1]
    assert case.loss.check_targets(Y) is None
    assert case.loss.check_targets(Y.astype(np.float32)) is None


def check_targets_outside_are_rejected_in_three_parts(case, k):
    for leave in case.outside:
        with pytest.raises(ValueError, match="allows") as caught:
            case.loss.check_targets(leave(_draw(case, k)[1]))
        given, allowed, remedy = re.split(r"\.\s+", str(caught.value))
        assert "y" in given.split() or "y " in given
        assert f"loss='{case.loss.name}'" in allowed
        assert remedy.endswith(".")


BATTERY = [function for name, function in list(globals().items()) if name.startswith("check_")]
