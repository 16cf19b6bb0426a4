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
    outside: functions of such a Y that leave the domain; inside(P): whether means lie in the domain.

    curvature: what S S' is. "hessian": the Hessian itself; "expected": its mean over the model's targets, which
    nodes(F) -> (Y (q, n, k), weights (q, n, k)) gives exactly; "majoriser": the curvature of a parabola above the loss;
    "own": something that the loss's own tests check.
    density(F, Y) -> (n,): the density or mass of the targets, where `likelihood` is "exact"; spread(M) -> (n, k): the
    variance of targets of mean M, where it is "dispersion".
    fisher(F) -> (n, r, r): the second moment of samples, where it is not S S'.
    reach: the largest |F| at which float32 and float64 have the same value.
    steepness: by how much the gradient magnifies a rounding of F at the start value.
    """

    loss: Any
    formula: Callable
    targets: Callable
    outside: tuple
    inside: Callable
    outputs: tuple = (1, 2, 5)
    curvature: str = "hessian"
    nodes: Callable | None = None
    density: Callable | None = None
    spread: Callable | None = None
    fisher: Callable | None = None
    reach: float = 1e4
    steepness: float = 1.0


def _draw(case, k, n=6, seed=0):
    rng, r = np.random.default_rng((seed, n, k)), case.loss.raw_outputs(k)
    return 1.5 * rng.normal(size=(n, r)), case.targets(rng, n, k), rng.normal(size=(n, r))


def _by_columns(product, F, Y):
    """The matrices (n, r, r) whose columns are products with unit vectors."""
    return np.stack([product(F, Y, np.tile(e, (len(F), 1))) for e in np.eye(F.shape[1])], axis=2)


def check_value(case, k):
    F, Y, _ = _draw(case, k, n=20)
    value = case.loss.value(F, Y)
    assert value.shape == (20,)
    assert_close(value, case.formula(F, Y), 20 * k)


def check_grad_is_the_difference_of_the_value(case, k):
    F, Y, _ = _draw(case, k)
    grad = case.loss.grad(F, Y)
    assert grad.shape == F.shape
    for c, step in enumerate(STEP * np.eye(F.shape[1])):
        slope = (case.loss.value(F + step, Y) - case.loss.value(F - step, Y)) / (2 * STEP)
        assert_close_to_difference(grad[:, c], slope, max(1, np.abs(slope).max()))


def check_value_and_grad_together_are_those_apart(case, k):
    """To the last bit: which of them is called must not show."""
    both = getattr(case.loss, "value_and_grad", None)
    for scale in (1, 30) if both else ():
        F, Y, _ = _draw(case, k, n=20)
        for dtype in (np.float32, np.float64):
            F, Y = (scale * F).astype(dtype), Y.astype(dtype)
            for together, apart in zip(both(F, Y), (case.loss.value(F, Y), case.loss.grad(F, Y)), strict=True):
                assert together.dtype == dtype
                np.testing.assert_array_equal(together, apart)


def check_hessp_is_the_difference_of_the_grad(case, k):
    F, Y, V = _draw(case, k)
    slope = (case.loss.grad(F + STEP * V, Y) - case.loss.grad(F - STEP * V, Y)) / (2 * STEP)
    assert_close_to_difference(case.loss.hessp(F, Y, V), slope, max(1, np.abs(slope).max()))


def check_factor_gives_ggnp(case, k):
    """S S' V = ggnp: with it ggnp is positive semi-definite."""
    F, Y, V = _draw(case, k)
    S = case.loss.factor(F, Y)
    assert S.shape[:2] == F.shape
    product = np.einsum("nac,nbc,nb->na", S, S, V)
    assert_close(case.loss.ggnp(F, Y, V), product, 20 * k, scale=np.abs(S).max() ** 2 * np.abs(V).max())


def check_curvature_that_is_said_to_be_diagonal_is(case, k):
    """And the Fisher, which `check_samples_have_mean_zero_and_the_fisher_as_covariance` compares with S S'."""
    if getattr(case.loss, "diagonal", False):
        F, Y, _ = _draw(case, k)
        S = case.loss.factor(F, Y)
        diagonal = case.loss.ggnp(F, Y, np.ones_like(F))[:, :, None] * np.eye(F.shape[1])
        assert_close(S @ np.swapaxes(S, 1, 2), diagonal, 20 * k)
        assert case.fisher is None


def check_curvature_is_what_it_is_said_to_be(case, k):
    F, Y, V = _draw(case, k)
    assert case.curvature in ("hessian", "expected", "majoriser", "own")
    if case.curvature == "hessian":
        assert_close(_by_columns(case.loss.ggnp, F, Y), _by_columns(case.loss.hessp, F, Y), 20 * k)
    if case.curvature == "expected":
        nodes, weights = case.nodes(F)
        repeat = F.shape[1] // k
        terms = [np.repeat(p, repeat, 1) * case.loss.hessp(F, y, V) for y, p in zip(nodes, weights, strict=True)]
        assert_close(np.sum(terms, axis=0), case.loss.ggnp(F, Y, V), 20 * len(nodes), scale=np.abs(terms).max())
    if case.curvature == "majoriser":
        for length in (1e-3, 0.1, 1.0, 10.0):
            d = length * V
            above = case.loss.value(F, Y) + np.sum(d * case.loss.grad(F, Y) + 0.5 * d * case.loss.ggnp(F, Y, d), axis=1)
            assert np.all(case.loss.value(F + d, Y) <= above + 20 * k * np.finfo(float).eps * np.abs(above))
        d = 2 * (Y - F)  # to the mirror image of F in Y, where the parabola touches the loss again
        above = case.loss.value(F, Y) + np.sum(d * case.loss.grad(F, Y) + 0.5 * d * case.loss.ggnp(F, Y, d), axis=1)
        assert_close(case.loss.value(F + d, Y), above, 20 * k)


def check_samples_have_mean_zero_and_the_fisher_as_covariance(case, k):
    F, Y, _ = _draw(case, k, n=3)
    F, draws, r = F / 2, 10_000, F.shape[1]
    s = drawn(case.loss, F, Y, draws, np.random.default_rng(1))
    assert s.shape == (3, r, draws)
    assert hasattr(case.loss, "sample") or case.loss.likelihood == "none"
    products = s[:, :, None, :] * s[:, None, :, :]
    fisher = case.fisher(F) if case.fisher else _by_columns(case.loss.ggnp, F, Y)
    for sampled, exact in ((s, np.zeros((3, r))), (products, fisher)):
        error = np.abs(sampled.mean(axis=-1) - exact)
        # at most 700 entries at 6 standard errors: a false alarm in 10^6 seeds, more where tails are heavy
        assert np.all(error <= 6 * sampled.std(axis=-1) / np.sqrt(draws) + 1e-12)


def check_density(case, k):
    """l + c = -log p where the loss has a density, V(mean) where it has a dispersion."""
    F, Y, _ = _draw(case, k, n=20)
    assert hasattr(case.loss, "log_normaliser") or case.loss.likelihood != "exact"
    assert hasattr(case.loss, "variance") == (case.loss.likelihood == "dispersion")
    if case.loss.likelihood == "exact":
        log_p = np.log(case.density(F, Y))
        scale = np.abs(case.loss.value(F, Y)).max() + np.abs(log_p).max()
        assert_close(case.loss.value(F, Y) + case.loss.log_normaliser(Y), -log_p, 50 * k, scale=scale)
    if case.loss.likelihood == "dispersion":
        M = case.loss.predict(F)
        assert_close(case.loss.variance(M), case.spread(M), 4)


def check_start_is_the_best_constant(case, k):
    _, Y, _ = _draw(case, k, n=40)
    w = np.random.default_rng(2).uniform(0.2, 3.0, 40)
    r = case.loss.raw_outputs(k)

    def total(f):
        F = np.tile(f, (40, 1))
        return w @ case.loss.value(F, Y), w @ case.loss.grad(F, Y)

    start = case.loss.start(Y, w)
    assert start.shape == (r,)
    assert_close(total(start)[1], np.zeros(r), 40 * k, scale=case.steepness * w.sum())
    best = scipy.optimize.minimize(total, np.zeros(r), jac=True, method="BFGS", options={"gtol": 1e-8})
    assert total(start)[0] <= best.fun + 160 * k * np.finfo(float).eps * abs(best.fun)
    if case.steepness == 1:
        assert_close(total(start)[0], best.fun, 40 * k)
        np.testing.assert_allclose(*(case.loss.predict(f[None, :]) for f in (start, best.x)), rtol=0, atol=1e-6)


def check_start_is_finite_where_all_targets_are_equal(case, k):
    Y = np.tile(case.targets(np.random.default_rng(3), 3, k)[1], (8, 1))
    assert np.isfinite(case.loss.start(Y, np.ones(8))).all()


def _extremes(case, k, size):
    F = np.full((4, case.loss.raw_outputs(k)), size, np.float32) * np.array([[1], [-1], [1], [-1]], np.float32)
    F[2:, ::2] *= -1
    return F


def check_extremes_are_finite_and_silent(case, k):
    """Under warnings as errors."""
    Y = case.targets(np.random.default_rng(4), 4, k).astype(np.float32)
    F = _extremes(case, k, 1e4)
    for dtype in (np.float32, np.float64):
        for name, array in _all_arrays(case.loss, F.astype(dtype), Y.astype(dtype)).items():
            assert np.isfinite(array).all(), name
    F = _extremes(case, k, case.reach)
    exact = case.loss.value(F.astype(np.float64), Y.astype(np.float64))
    assert_close(case.loss.value(F, Y), exact, 4 * k, np.float32)


def check_value_goes_on_with_its_gradient(case, k):
    """Beyond the reach of exponentials too, the value changes by the mean of the gradients."""
    Y = case.targets(np.random.default_rng(4), 4, k)
    F = _extremes(case, k, 1e4).astype(np.float64)
    F = F / (1 + np.arange(F.shape[1]) / 7)  # no two outputs alike, and no sum of some of them zero
    scale = np.maximum(np.abs(case.loss.value(F, Y)), 1e4)[:, None]
    for step in np.eye(F.shape[1])[:2]:
        change = case.loss.value(F + step, Y) - case.loss.value(F - step, Y)
        slope = np.sum(step * (case.loss.grad(F + step, Y) + case.loss.grad(F - step, Y)), axis=1)
        assert_close(change[:, None] / scale, slope[:, None] / scale, 100, scale=1)


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
