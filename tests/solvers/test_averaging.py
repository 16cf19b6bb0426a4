"""The average of the iterates: its weights, and when it is returned."""

import numpy as np
import pytest

from skcurv.solvers import KFAC, NaturalGradient, averaging
from skcurv.solvers.loop import Budget, train

from ..cases import case, problem


@pytest.mark.parametrize("kind", [KFAC, NaturalGradient])
def test_on_mini_batches_the_average_with_weights_like_a_power_of_the_step_is_returned(kind):
    """Weights of the theta that step t starts from: products of (t - 1) / (t + TAIL), that is t ... (t + TAIL - 1)."""
    p, kept, ends = problem(case("tanh", "squared_error"), n=60), [], []

    class Kept(kind):
        def step(self, here, state):
            there, state, report = super().step(here, state)
            kept.append(here.theta + 0)
            ends.append(there.theta + 0)
            return there, state, report

    solver = Kept(damping=0.7)
    result = train(solver, p.objective(), p.theta, Budget(10, 4, 0.0, 100), 0, 0.0)
    weights = np.array([np.prod(t + np.arange(float(averaging.TAIL))) for t in range(1, len(kept) + 1)])
    np.testing.assert_allclose(result.theta, weights @ kept / weights.sum(), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(result.last, ends[-1])
    whole = train(solver, p.objective(), p.theta, Budget(60, 4, 0.0, 100), 0, 0.0)
    np.testing.assert_array_equal(whole.theta, ends[-1])
    grown = train(solver, p.objective(), p.theta, Budget(60, 6, 0.0, 100, first_batch=10), 0, 0.0)
    np.testing.assert_array_equal(grown.theta, ends[-1])
