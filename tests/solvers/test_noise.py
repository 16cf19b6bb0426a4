"""Rows at which the squared error of a batch's gradient is the square of the gradient."""

import numpy as np
import pytest

from skcurv.solvers.loop import Budget
from skcurv.solvers.noise import SAMPLE, noise_rows

from ..cases import case, problem


def _row_gradients(p):
    """The gradient of each row's loss, one fit of that row alone, for rows of positive weight."""
    kept = np.flatnonzero(p.v > 0)
    rows = [p._replace(X=p.X[[i]], Y=p.Y[[i]], v=p.v[[i]], alpha=0.0).point().grad for i in kept]
    return np.array(rows) * (p.v[kept] / p.v[kept].mean())[:, None]


@pytest.mark.parametrize("loss", ["squared_error", "multinomial"])
def test_against_gradients_of_single_rows(loss):
    p = problem(case("tanh", loss), n=60)
    G = _row_gradients(p)
    n, mean = len(G), G.mean(axis=0)
    scatter = np.mean(np.sum((G - mean) ** 2, axis=1))
    exact = scatter / ((mean @ mean - np.mean(np.sum(G**2, axis=1)) / n) / (1 - 1 / n))
    assert noise_rows(p.objective(), p.theta, 0) == pytest.approx(min(exact, n), rel=1e-10)


def test_equal_rows_have_no_noise_and_rows_that_cancel_nothing_else():
    p = problem(case("linear one output", "squared_error"), n=60)
    same = p._replace(X=np.tile(p.X[:1], (60, 1)), Y=np.tile(p.Y[:1], (60, 1)), v=np.ones(60))
    assert noise_rows(same.objective(), p.theta, 0) == pytest.approx(0, abs=1e-12)
    theta = np.zeros_like(p.theta)
    cancel = same._replace(Y=np.where(np.arange(60) % 2, 1.0, -1.0)[:, None], theta=theta)
    assert noise_rows(cancel.objective(), theta, 0) == 60


def test_a_sample_stands_for_many_rows():
    p = problem(case("linear one output", "squared_error"), n=3 * SAMPLE)
    p = p._replace(v=np.ones(3 * SAMPLE))
    G = _row_gradients(p)
    mean = G.mean(axis=0)
    exact = np.mean(np.sum((G - mean) ** 2, axis=1)) / (mean @ mean)
    assert exact < 100  # so that the sample's own error, of about sqrt(exact / SAMPLE), is small
    assert noise_rows(p.objective(), p.theta, 0) == pytest.approx(exact, rel=5 * (exact / SAMPLE) ** 0.5)


def test_rare_events_are_noise_to_rows_without_one():
    """From 512 rows, most of which have none of the 3 events in 3000, the gradients would seem to agree."""
    p = problem(case("linear one output", "bernoulli"), n=3000, alpha=0.0)
    event = np.isin(np.arange(3000), (700, 1500, 2900))
    p = p._replace(Y=event[:, None].astype(float), v=np.ones(3000), theta=np.zeros_like(p.theta))
    p.theta[-1] = np.log(event.mean() / (1 - event.mean()))  # the best constant, where a fit starts
    assert noise_rows(p.objective(), p.theta, 0) > 1000


def test_batches_that_grow_start_with_as_many_rows():
    budget = Budget(1024, 9, 0.0, 9, first_batch=128)
    assert [budget.rows(1, least) for least in (0, 128, 129, 700, 3000)] == [128, 128, 256, 1024, 4096]
    assert [budget.rows(epoch, 300) for epoch in (1, 2, 9)] == [512, 1024, 1024]
    assert budget.rows(9, 3000) == 4096
    assert Budget(64, 9, 0.0, 9).rows(1, 3000) == 64
