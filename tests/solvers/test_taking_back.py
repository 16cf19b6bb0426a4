"""Steps of K-FAC and the diagonal Fisher that the next batch judges: which of them are taken back."""

from types import SimpleNamespace

import numpy as np
import pytest

from skcurv import CurvatureMLPRegressor
from skcurv.losses import SquaredError
from skcurv.objective import Objective
from skcurv.solvers import KFAC, BlockFisher, DiagFisher, NaturalGradient, preconditioned

from ..cases import mini_batches, two_steps

both = pytest.mark.parametrize("solver", [KFAC(damping=1.0), DiagFisher(damping=1.0)], ids=lambda solver: solver.name)


@both
def test_an_untested_step_that_the_next_batch_shows_to_be_bad_is_taken_back(solver):
    good, state, batches = two_steps(solver)
    trusted, average, lam = state.safe, state.average, state.lam
    bad = good.at(50 * good.theta).on(batches[2])
    assert bad.value > state.level + preconditioned.FAR * state.spread
    there, after, report = solver.step(bad, state)
    np.testing.assert_array_equal(there.theta, trusted)
    np.testing.assert_array_equal(report.average, average)
    assert report.trouble
    assert report.step_length == 0
    assert after.lam > lam
    resumed, after, report = solver.step(there.on(batches[3]), after)
    assert after.rejections == 1
    assert not report.trouble
    assert resumed.value < there.on(batches[3]).value


@both
def test_a_tested_step_is_kept_where_the_loss_falls_against_what_the_model_of_its_rows_says(solver, monkeypatch):
    """The means of the models chose it, and were right; lambda rises, for this model was not."""
    objective, batches = mini_batches()
    here = objective.point(np.random.default_rng(0).normal(size=objective.network.layout.size), batches[0])
    before, proposed = solver.init(here, 0), preconditioned.proposed
    monkeypatch.setattr(preconditioned, "proposed", lambda *asked: (*proposed(*asked)[:3], 1.0))
    there, after, report = solver.step(here, before)
    assert there.on(batches[0]).value < here.value
    assert report.gain_ratio == -np.inf
    assert after.rejections == 0
    assert after.lam > before.lam


@both
def test_a_batch_that_is_as_bad_for_the_trusted_parameters_rejects_nothing(solver):
    here, state, batches = two_steps(solver)
    high = here.on(batches[2]._replace(Y=batches[2].Y + 100))
    assert high.value > state.level + preconditioned.FAR * state.spread
    assert not preconditioned._exploded(high.at(state.safe + 0).on(high.batch), state)
    assert preconditioned._exploded(high.at(100 * state.safe), state)


@pytest.mark.parametrize("constant", [-1000.0, -1.0, 1000.0])
def test_a_constant_in_the_loss_changes_nothing_about_which_steps_are_taken_back(constant):
    """One batch in twenty is hard, and one step in fifty goes far up."""

    def decisions(constant):
        state = preconditioned.State(0, 1.0, 1.0, np.zeros(1), 1, step=10, level=1.0 + constant, spread=0.25)
        rng, taken = np.random.default_rng(0), []
        for t in range(300):
            theta, own = np.full(1, t + 1.0), rng.integers(512, 1536) / 1024 + 3 * (t % 20 == 7)  # hard
            value = own + rng.integers(-50, 50) / 1024 + 3 * (t % 50 == 31)  # far up
            trusted = SimpleNamespace(theta=state.safe, value=own + constant)
            here = SimpleNamespace(theta=theta, value=value + constant, at=lambda safe, trusted=trusted: trusted)
            taken.append(preconditioned._exploded(here, state))
            state = preconditioned._trusted(trusted if taken[-1] else here, state)
        return taken

    assert decisions(0.0) == [t % 50 == 31 for t in range(300)]
    assert decisions(constant) == decisions(0.0)


class _ShiftedSquaredError(SquaredError):
    """With a constant."""

    fused = None

    def __init__(self, constant):
        self.constant = constant

    def value(self, F, Y):
        return super().value(F, Y) + self.constant


@pytest.mark.parametrize(
    "solver", [kind(damping=1e-3) for kind in (KFAC, DiagFisher, BlockFisher, NaturalGradient)], ids=lambda s: s.name
)
def test_a_constant_in_the_loss_changes_no_step(solver):
    """To the last digit, for values enter decisions alone; lambda starts below its floor."""
    plain, batches = mini_batches()
    theta = np.random.default_rng(0).normal(size=plain.network.layout.size)

    def path(constant):
        objective = Objective(plain.network, _ShiftedSquaredError(constant), plain.data, 0.0)
        here, ends = objective.point(theta, batches[0]), []
        state = solver.init(here, 0)
        for t in range(80):
            here, state, _ = solver.step(here.on(batches[t % 4]), state)
            ends.append(here.theta)
        return ends

    for constant in (-1024.0, -0.5, 1024.0):
        np.testing.assert_array_equal(path(constant), path(0.0))


def test_the_running_means_start_as_means():
    """Of the losses since the first step, and of how far off each was from the mean before it; no first guess."""
    losses = np.random.default_rng(0).uniform(1, 2, 10)
    state = preconditioned.State(0, 1.0, 1.0, np.zeros(1), 1, level=7.0)
    for t, value in enumerate([7.0, *losses]):
        state = preconditioned._trusted(SimpleNamespace(theta=np.full(1, float(t)), value=value), state)
        state = state._replace(step=t + 1)
    before = [7.0, *np.cumsum(losses)[:-1] / np.arange(1, 10)]
    np.testing.assert_allclose(state.level, losses.mean(), rtol=1e-14)
    np.testing.assert_allclose(state.spread, np.abs(losses - before).mean(), rtol=1e-14)


@pytest.mark.parametrize("solver", ["kfac", "diag-fisher"])
def test_a_loss_below_zero_is_no_cause_for_damping(solver):
    """Poisson's, mu - y log mu, is so for counts of 20."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 3))
    y = rng.poisson(20 * np.exp(0.5 * np.sin(2 * X[:, 0])))
    model = CurvatureMLPRegressor((8,), "tanh", solver=solver, loss="poisson", max_iter=20, tol=0, random_state=0)
    damping = model.fit(X, y).history_["damping"]
    assert model.loss_ < -30
    assert max(damping) <= 2 * damping[0]
