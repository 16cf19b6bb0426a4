"""The loop with a solver that follows a script: when it stops, what it returns, what it says."""

import math
import re
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from skcurv.solvers import SGD
from skcurv.solvers.history import COLUMNS
from skcurv.solvers.loop import Budget, train
from skcurv.solvers.protocol import Report

from ..cases import case, problem


class Scripted:
    """Each step sets every parameter to the next place."""

    name, remedy, double = "scripted", "write a better script", False

    def __init__(self, places, **report):
        self.places, self.report = places, report

    def init(self, here, seed):
        return 0

    def step(self, here, state):
        place = self.places[state]
        report = Report(0.5, damping=2.0, gain_ratio=0.9, **{k: v[state] for k, v in self.report.items()})
        return here.at(np.full_like(here.theta, place)), state + 1, report


class Valley:
    """f(theta) = bias^2 / 2, whatever the batch: a linear model on rows x = 0 with targets 0."""

    def __init__(self, n=1):
        p = problem(case("linear one output", "squared_error"), n=2)
        data = p._replace(X=np.zeros((n, 4)), Y=np.zeros((n, 1)), v=np.ones(n), alpha=0.0).objective()
        self.objective, self.start = data, np.full(5, 1.0)

    def run(self, places, tol=0.0, patience=100, batch_size=100, validate=None, tell=None, resumed=None, **report):
        done = resumed[0] if resumed else 0
        epochs = (len(places) - done) // math.ceil(self.objective.data.n / batch_size)
        budget = Budget(batch_size, epochs, tol, patience)
        return train(Scripted(places, **report), self.objective, self.start, budget, 0, 0.0, resumed, validate, tell)


def failing(run, *arguments, **options):
    """The result and the one warning of a run."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = run(*arguments, **options)
    assert [warning.category for warning in caught] == [ConvergenceWarning]
    return result, str(caught[0].message)


def test_it_stops_after_patience_epochs_without_an_improvement_of_tol():
    """Losses before the steps: 1/2, then place^2 / 2; improvements of 0.1 end with the second step."""
    result = Valley().run([0.5, 0.1, 0.09, 0.08, 0.07, 0.06, 0.05, 0.04], tol=0.1, patience=3)
    losses = [0.5, 0.125, 0.005, 0.00405, 0.0032, 0.00245]
    np.testing.assert_allclose(result.history.column("loss"), losses, rtol=1e-12)
    assert result.theta[0] == 0.06
    assert result.loss == pytest.approx(0.06**2 / 2)


def test_with_tol_zero_it_uses_its_whole_budget_in_silence():
    assert len(Valley().run([0.5, 0.4, 0.3]).history.rows) == 3


def test_with_tol_above_zero_the_end_of_the_budget_is_a_warning_with_a_remedy():
    _, message = failing(Valley().run, [0.5, 0.25], tol=1e-9)
    assert "max_iter=2" in message
    assert "after 2 iterations" in message
    assert "raise max_iter" in message


def test_a_converged_step_ends_the_run():
    result = Valley().run([0.5, 0.25, 0.1], tol=1e-9, converged=[False, True, False])
    assert len(result.history.rows) == 2
    assert result.theta[0] == 0.25


def test_the_best_validated_point_is_restored_and_patience_counts_scores():
    scores = {1.0: 0.0, 0.9: 1.0, 0.8: 3.0, 0.7: 2.0, 0.6: 2.9, 0.5: 9.0}
    result = Valley().run([0.9, 0.8, 0.7, 0.6, 0.5], patience=2, validate=lambda theta: scores[theta[0]])
    assert result.theta[0] == 0.8
    assert result.loss == pytest.approx(0.8**2 / 2)
    assert result.history.column("validation_score") == [1.0, 3.0, 2.0, 2.9]


def test_the_start_is_validated_too():
    assert Valley().run([0.9, 0.8], validate=lambda theta: theta[0]).theta[0] == 1.0


def test_the_best_validated_point_counts_even_where_the_objective_rose():
    scores = {1.0: 0.0, 3.0: 5.0, 2.0: 1.0}
    result, message = failing(Valley().run, [3.0, 2.0], validate=lambda theta: scores[theta[0]])
    assert result.theta[0] == 3.0
    assert "rose from 0.5 to 2 " in message


def test_an_end_above_the_start_returns_the_better_of_start_and_best_epoch():
    """An epoch's loss is taken before its steps and its parameters after them: 4.0 is the epoch of the least loss."""
    result, message = failing(Valley().run, [4.0, 3.0, 2.0])
    np.testing.assert_array_equal(result.theta, Valley().start)
    assert result.loss == 0.5
    assert "rose from 0.5 to 2 by iteration 3" in message
    assert "'scripted'" in message
    assert "write a better script" in message


def test_an_end_at_the_start_is_no_failure():
    assert Valley().run([2.0, 1.0]).loss == 0.5


@pytest.mark.parametrize("trouble", [np.nan, np.inf])
@pytest.mark.parametrize("n", [1, 4])
def test_a_broken_run_ends_at_the_best_epoch(trouble, n):
    """By single rows an epoch is n steps; the broken one is seen at its end."""
    steps = [place for place in (0.5, 0.25, trouble, 0.1) for _ in range(n)]
    result, message = failing(Valley(n).run, steps, batch_size=1)
    assert result.theta[0] in (0.5, 0.25)
    assert result.loss < 0.5
    assert f"iteration {3 * n}" in message
    assert "no longer finite" in message
    assert "write a better script" in message


def test_the_best_epoch_is_kept_as_it_was_when_its_loss_was_measured():
    """One step an epoch: the least loss is that of 0.5, seen before the step to 1e5."""
    assert failing(Valley().run, [0.5, 1e5, np.nan])[0].theta[0] == 0.5


def test_a_run_that_breaks_at_once_returns_the_start():
    result, message = failing(Valley().run, [np.nan, 0.5])
    np.testing.assert_array_equal(result.theta, Valley().start)
    assert "iteration 1" in message


def test_the_history_has_one_row_an_epoch_with_the_mean_loss_of_its_batches():
    result = Valley(3).run([0.6, 0.4, 0.2, 0.8, 0.3, 0.1], batch_size=1)
    arrays = result.history.arrays()
    assert set(arrays) == set(COLUMNS) - {"validation_score", "log_evidence", "leave_one_out"}
    np.testing.assert_array_equal(arrays["iteration"], [3, 6])
    np.testing.assert_array_equal(arrays["epoch"], [1, 2])
    before = np.array([[1.0, 0.6, 0.4], [0.2, 0.8, 0.3]])
    np.testing.assert_allclose(arrays["loss"], (before**2 / 2).mean(axis=1), rtol=1e-12)
    for name, number in (("step_length", 0.5), ("damping", 2.0), ("gain_ratio", 0.9)):
        np.testing.assert_array_equal(arrays[name], [number, number])
    assert np.all(np.diff(arrays["seconds"]) >= 0)
    assert arrays["iteration"].dtype.kind == arrays["epoch"].dtype.kind == "i"


def test_columns_without_numbers_are_left_out():
    p = problem(case("tanh", "squared_error"))
    result = train(SGD(), p.objective(), p.theta, Budget(100, 2, 0.0, 5), 0, 0.0)
    assert list(result.history.arrays()) == ["iteration", "epoch", "seconds", "loss", "step_length"]


def test_troubled_steps_do_not_count_for_the_loss_of_an_epoch():
    """The second, before which the loss was 0.6^2 / 2."""
    result = Valley(2).run([0.6, 0.3], batch_size=1, trouble=["", "no number"])
    assert result.history.column("loss") == [0.5]


def test_it_tells_one_line_an_epoch():
    lines = []
    Valley().run([0.5, 0.25], tell=lines.append, validate=lambda theta: -theta[0])
    assert len(lines) == 2
    assert re.fullmatch(r"epoch 2, loss 0\.125, validation score -0\.25", lines[1])


def test_a_resumed_run_is_held_against_the_start_of_the_first():
    """From 0.3 up to 0.6 is no failure where all began at 1, and up to 2 is one."""
    valley = Valley()
    first = valley.run([0.3])
    valley.start = first.theta
    assert valley.run([0.3, 0.6], resumed=first.resumable).theta[0] == 0.6
    back, message = failing(valley.run, [0.3, 2.0], resumed=first.resumable)
    assert back.theta[0] == 0.3
    assert "rose from 0.5 to 2 by iteration 2" in message


def test_resuming_goes_on_counting_and_changes_neither_state_nor_history():
    valley = Valley()
    first = valley.run([0.9, 0.8])
    second = valley.run([0.9, 0.8, 0.7, 0.6], resumed=first.resumable)
    assert first.history.column("epoch") == [1, 2]
    assert second.history.column("epoch") == [1, 2, 3, 4]
    assert second.history.column("iteration") == [1, 2, 3, 4]
    assert second.theta[0] == 0.6
    assert len(first.history.rows) == 2
    assert first.state == 2


def test_batches_grow_from_the_first_epoch_to_their_size():
    budget = Budget(1000, 9, 0.0, 9, first_batch=128)
    assert [budget.rows(epoch) for epoch in (1, 2, 3, 4, 5, 10**6)] == [128, 256, 512, 1000, 1000, 1000]
    assert Budget(1000, 9, 0.0, 9).rows(1) == 1000
    assert Budget(100, 9, 0.0, 9, first_batch=128).rows(1) == 100
