"""The step that the Fisher solvers and K-FAC propose: the searched ratio, steps between models, rows of a part."""

from types import SimpleNamespace

import numpy as np
import pytest

from skcurv.curvature import Images
from skcurv.linalg import Diagonal
from skcurv.network import Box
from skcurv.objective import Objective
from skcurv.solvers import KFAC, kfac, preconditioned, proposal, quadratic_model
from skcurv.solvers.forms import Averaged
from skcurv.solvers.quadratic_model import NOTHING

from .. import oracles
from ..cases import assert_close, case, mini_batches, problem, two_steps


@pytest.mark.parametrize("structure", ["kron", "kron-exact", "ekfac", "tridiagonal"])
def test_a_searched_ratio_is_no_worse_by_the_model(structure):
    p = problem(case("two layers", "multinomial"), n=30)
    solver = KFAC(damping=0.7, structure=structure, refresh_period=1)
    here, state, ratios = p.point(), None, []
    for _ in range(6):
        state = solver.init(here, 0) if state is None else state
        recipe = proposal.Recipe(kfac.FORMS[structure], "fisher", 1.0, 1.0, search=True)
        if state.v is not None:
            searching = state._replace(step=proposal.SEARCH_PERIOD, sought=0)
            found = proposal.proposed(here, searching, recipe, True)
            fixed = proposal.proposed(here, searching, recipe._replace(search=False), True)
            assert found[3] <= fixed[3] + 1e-12 * abs(fixed[3])
            ratios.append(found[0].ratio)
        here, state, _ = solver.step(here, state)
    assert any(ratio != 1 for ratio in ratios)
    assert all(proposal.LEAST_RATIO <= ratio <= 1 / proposal.LEAST_RATIO for ratio in ratios)


def test_the_ratio_is_searched_downward_in_the_third_step_and_then_both_ways_every_160_steps():
    state = preconditioned.init(problem(case("tanh", "squared_error")).point(), 0, 1.0)
    later = state._replace(sought=2)
    assert [proposal._ratios(state._replace(step=t)) for t in (0, 1)] == [[1], [1]]
    assert [proposal._ratios(state._replace(step=t)) for t in (2, 40)] == [pytest.approx([0.36, 0.6, 1])] * 2
    assert [proposal._ratios(later._replace(step=t)) for t in (3, 161)] == [[1], [1]]
    assert [proposal._ratios(later._replace(step=t)) for t in (162, 999)] == [pytest.approx([0.6, 1, 1 / 0.6])] * 2
    edges = [proposal._ratios(later._replace(step=200, ratio=r)) for r in (0.1, 10.0)]
    assert edges == [pytest.approx([0.1, 0.1 / 0.6]), pytest.approx([6, 10])]


@pytest.mark.parametrize(("period", "searched"), [(1, [2, 162, 322]), (20, [2, 180, 340]), (300, [2, 300])])
def test_searches_wait_for_the_next_inverse(monkeypatch, period, searched):
    """A rejection leaves no last update, and the search to a later step; here there is none."""
    found, ratios = [], proposal._ratios

    def searching(state):
        chosen = ratios(state)
        if len(chosen) > 1:
            found.append(state.step)
        return chosen

    monkeypatch.setattr(proposal, "_ratios", searching)
    objective = problem(case("linear one output", "squared_error"), n=64, alpha=0.0).objective()
    solver = KFAC(damping=1.0, refresh_period=period)
    batch = next(objective.data.batches(32, 0, 1))
    here = objective.point(np.zeros(objective.network.layout.size), batch)
    state = solver.init(here, 0)
    while state.step < 400:
        here, state, _ = solver.step(here, state)
    assert found == searched


def test_a_step_between_models_leaves_what_a_box_holds_where_it_is(monkeypatch):
    """Neither the step nor the length of the last one has an entry there."""
    monkeypatch.setattr(quadratic_model, "OWN", 1)
    p = problem(case("tanh", "squared_error"))
    plain, g = p.objective(), oracles.gradient(p)
    held = (np.arange(g.size) % 3 == 0) & (g > 0)
    box = Box(np.where(held, p.theta, p.theta - 9), p.theta + 9)
    here = Objective(plain.network, plain.loss, plain.data, p.alpha, box).point(p.theta)
    v, P = np.random.default_rng(0).normal(size=g.size), Diagonal(np.linspace(1, 2, g.size))
    assert held.any()
    assert (v[held] != 0).all()
    models = NOTHING.taking_in(np.array([-1.0, -2.0, -1.0]), np.eye(3) + 0.25, np.ones(3))
    state = preconditioned.init(here, 0, 1.0)._replace(v=v, inverse=P, models=models)
    recipe = proposal.Recipe(Averaged(None), "fisher", 1.0, 1.0)
    _, alpha, d, _ = proposal.repeated(here, state, recipe)
    w, u = P.mv(here.grad), np.where(held, 0, v)
    np.testing.assert_array_equal(d[held], 0)
    assert alpha == pytest.approx(models.c[0] / np.sqrt(here.grad @ w))
    e = np.where(np.arange(g.size) >= plain.network.layout.slices[-1].start, w, 0)
    assert models.c[2] > 0
    assert_close(d, models.c[1] / np.linalg.norm(u) * u - alpha * w - models.c[2] / np.sqrt(here.grad @ e) * e, 20)


@pytest.mark.parametrize(("n", "fraction", "rows"), [(400, 0.5, 200), (400, 0.125, 128), (100, 0.125, 100)])
def test_a_part_of_a_mini_batch_has_at_least_128_rows(n, fraction, rows):
    objective = problem(case("tanh", "squared_error"), n=2 * n + 2).objective()
    here = objective.point(np.zeros(objective.network.layout.size), next(objective.data.batches(n, 0, 1)))
    assert here.n == n
    assert proposal.rows(here, fraction) == rows
    assert proposal.rows(here.on(objective.data.all()), fraction) == 2 * n


def test_a_model_is_made_from_so_many_rows_that_it_hangs_on_sixteen(monkeypatch):
    """q rows of which the least of three sums hangs on m want 16 q / m, in the running mean; a batch has 128 to n."""
    seen = []

    class Listening(Images):
        def __init__(self, part, directions, ends):
            super().__init__(part, directions, ends)
            slopes = self.drive * self.J[0]
            bends = [J * HJ for J, HJ in zip(self.J[:2], self.HJ[:2], strict=True)]
            m = min(x.sum() ** 2 / (x.sum(axis=1) ** 2).sum() for x in (slopes, *bends))
            seen.append((part.n, 16 * part.n / m))

    monkeypatch.setattr(proposal, "Images", Listening)
    monkeypatch.setattr(proposal, "_ratios", lambda state: [state.ratio])  # no search: directions are w and v
    objective, batches = mini_batches()
    here, solver = objective.point(problem(case("tanh", "squared_error")).theta, batches[0]), KFAC(damping=1.0)
    state, taken = solver.init(here, 0), []
    assert state.needed == here.n
    for step in range(200):
        before, old = here.on(batches[step % 4]), state
        here, state, _ = solver.step(before, old)
        if state.models.seen == old.models.seen:
            assert state.needed == old.needed
            continue
        rows, needed = seen[-1]
        assert rows == min(before.n, max(128, np.ceil(old.needed)))
        fresh = 0.1 if old.models.seen else 1
        assert state.needed == pytest.approx((1 - fresh) * old.needed + fresh * min(needed, before.n), rel=1e-9)
        taken.append(rows / before.n)
    assert max(taken) == 1
    assert min(taken) < 1


@pytest.mark.parametrize("learning_rate", [None, 0.1])
def test_equal_rows_all_count(learning_rate):
    """So that models have the part they were given from the third on; with a fixed rate from the start."""
    objective, batches = mini_batches()
    X, Y, w = (np.repeat(values[:1], 200, axis=0) for values in batches[0][:3])
    batch = batches[0]._replace(X=X, Y=Y, w=w, scale=1 / 200)
    here = objective.point(problem(case("tanh", "squared_error")).theta, batch)
    solver = KFAC(damping=1.0, learning_rate=learning_rate)
    recipe = proposal.Recipe(None, "fisher", 0.125, 0.125, rate=learning_rate)
    state, rows = solver.init(here, 0), []
    for _ in range(20):
        rows.append(proposal.model_rows(here, state, recipe))
        there, state, _ = solver.step(here, state)
        here = here.at(there.theta)
    assert rows[:2] == [200 if learning_rate is None else 128] * 2
    assert set(rows[2:]) == {128}


@pytest.mark.parametrize(
    ("terms", "m"), [([2, 2, 2], 3), ([3, 0, 0], 1), ([1, -1], 0), ([0, 0], 2), ([1, 2, 3], 36 / 14)]
)
def test_a_sum_hangs_on_so_many_of_its_terms(terms, m):
    """Cauchy and Schwarz: at most all, where they are equal."""
    assert proposal._effective(np.array(terms, float)) == pytest.approx(m)


@pytest.mark.parametrize("term", [np.nan, np.inf, 1e200])
def test_where_terms_are_no_numbers_the_whole_batch_is_needed(term):
    (here, _, _), images = two_steps(KFAC(damping=1.0)), SimpleNamespace()
    images.slope_terms = images.curvature_terms = lambda i: np.array([term] + [1.0] * 199)
    with np.errstate(over="ignore", invalid="ignore"):
        assert proposal._needed(here, images, 0, 1) == here.n
