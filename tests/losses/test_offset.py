"""A loss with offsets is the loss at shifted outputs; its best constant takes them into account."""

import array_api_strict as strict
import numpy as np
import pytest
from scipy.special import logit

from skcurv.losses.offset import Offset

from ..cases import LOSSES, STEP, assert_close, assert_close_to_difference, targets

every_loss = pytest.mark.parametrize("name", LOSSES)


def _draw(name, n=8, k=3):
    rng = np.random.default_rng(k)
    F, fixed, V = rng.normal(size=(3, n, k))
    return F, targets(name, rng, n, k), fixed, V, Offset(LOSSES[name], k)


@every_loss
def test_every_part_is_that_of_the_loss_at_shifted_outputs(name):
    F, Y, fixed, V, loss = _draw(name)
    inner, both = LOSSES[name], np.hstack([Y, fixed])
    for part in ("value", "grad", "factor"):
        np.testing.assert_array_equal(getattr(loss, part)(F, both), getattr(inner, part)(F + fixed, Y))
    for part in ("hessp", "ggnp"):
        np.testing.assert_array_equal(getattr(loss, part)(F, both, V), getattr(inner, part)(F + fixed, Y, V))
    assert loss.raw_outputs(6) == 3


@every_loss
def test_gradient_is_the_difference_of_the_value(name):
    F, Y, fixed, V, loss = _draw(name)
    both = np.hstack([Y, fixed])
    slope = (loss.value(F + STEP * V, both) - loss.value(F - STEP * V, both)) / (2 * STEP)
    assert_close_to_difference((loss.grad(F, both) * V).sum(axis=1), slope, scale=10)


@every_loss
def test_start_is_the_best_constant(name):
    """As well as values can tell: within their rounding the gradient is below the root of it."""
    _, Y, fixed, _, loss = _draw(name, n=40)
    both, w = np.hstack([Y, 3 * fixed]), np.random.default_rng(1).uniform(0.2, 3, 40)
    g = w @ loss.grad(np.tile(loss.start(both, w), (40, 1)), both)
    assert np.abs(g).max() < np.finfo(float).eps ** 0.5 * w.sum()


def test_start_without_offsets_is_that_of_the_loss():
    _, Y, fixed, _, loss = _draw("bernoulli")
    w = np.ones(8)
    assert_close(loss.start(np.hstack([Y, 0 * fixed]), w), logit(Y.mean(axis=0)), 100)
    assert_close(loss.start(np.hstack([Y, 0 * fixed + 5]), w), logit(Y.mean(axis=0)) - 5, 100)


def test_start_is_finite_where_the_best_constant_is_not():
    _, _, fixed, _, loss = _draw("bernoulli")
    start = loss.start(np.hstack([np.ones((8, 3)), fixed]), np.ones(8))
    assert np.isfinite(start).all()
    assert start.min() > 1


@every_loss
def test_strict_arrays(name):
    F, Y, fixed, V, loss = _draw(name)
    both, w = np.hstack([Y, fixed]), np.linspace(0.5, 2, 8)
    xF, xboth, xV, xw = (strict.asarray(array) for array in (F, both, V, w))
    assert_close(np.asarray(loss.value(xF, xboth)), loss.value(F, both), 30)
    assert_close(np.asarray(loss.grad(xF, xboth)), loss.grad(F, both), 30)
    assert_close(np.asarray(loss.ggnp(xF, xboth, xV)), loss.ggnp(F, both, V), 30)
    starts = (np.asarray(start)[None, :] for start in (loss.start(xboth, xw), loss.start(both, w)))
    np.testing.assert_allclose(*map(loss.predict, starts), rtol=1e-7)  # a softmax does not see a common shift


@every_loss
def test_targets_are_checked_without_their_offsets(name):
    _, Y, fixed, _, loss = _draw(name)
    assert loss.check_targets(np.hstack([Y, 100 * fixed])) is None
    with pytest.raises(ValueError, match="allows"):
        loss.check_targets(np.hstack([Y * np.nan, fixed]))
