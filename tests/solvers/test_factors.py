"""Running means of Kronecker factors with products put off: the recursion, and inverses with nothing left out."""

import numpy as np
import pytest

from skcurv import curvature
from skcurv.curvature import factors as products
from skcurv.solvers import KFAC, factors, proposal, quadratic_model
from skcurv.solvers.factors import Factors
from skcurv.solvers.forms import decay

from ..cases import CASES, assert_close, case, problem

ROWS = 5


def observations(p, count, sparse=False):
    """Parts of a batch with their columns: other rows each time."""
    here, rng = p.point(sparse=sparse), np.random.default_rng(0)
    return [(part, curvature.sampled_fisher(part, rng)) for part in here.parts(ROWS)[:count]]


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("c", CASES.values(), ids=CASES)
def test_the_mean_is_the_recursion_whenever_its_products_are_made(c, sparse):
    """b_t C_(t-1) + (1 - b_t) N_t; all C_t, or only every third, or by the limit on the rows."""
    seen = observations(problem(c, n=50), 8, sparse)
    assert len(seen) == 8
    expected = first = curvature.with_exact_output(*seen[0])
    held, eager, rare = Factors(first), Factors(first), Factors(first)
    for t, observation in enumerate(seen[1:], start=2):
        expected = expected.blend(curvature.with_exact_output(*observation), decay(t))
        held, eager = held.taking_in(*observation, decay(t)), eager.taking_in(*observation, decay(t)).settled()
        rare = rare.taking_in(*observation, decay(t))
        rare = rare if t % 3 else rare.settled()
        for mean in (held.settled(), eager, rare.settled()):
            assert mean.rows is None
            for one, other in zip((*mean.mean.A, *mean.mean.G), (*expected.A, *expected.G), strict=True):
                assert_close(one, other, 100 * ROWS, scale=max(np.abs(other).max(), 1e-3))
    assert held.rows.n > ROWS


@pytest.mark.parametrize("limit", ["rows", "faded"])
def test_rows_go_into_the_mean_when_they_are_many_or_the_mean_has_faded(monkeypatch, limit):
    monkeypatch.setattr(factors, "MANY", 3 * ROWS if limit == "rows" else 10**6)
    seen, pending = observations(problem(case("tanh", "multinomial"), n=60), 9), []
    mean = Factors(curvature.with_exact_output(*seen[0]))
    for observation in seen[1:]:
        mean = mean.taking_in(*observation, 0.3)
        pending.append(mean.rows.n if mean.rows else 0)
        assert mean.scale > factors.FADED
    if limit == "rows":
        assert pending == [5, 10, 0] * 2 + [5, 10]
    else:  # 0.3^4 < 0.01 < 0.3^3
        assert pending == [5, 10, 15, 0] * 2


def test_products_are_the_same_one_by_one_and_joined(monkeypatch):
    seen = observations(problem(case("two layers", "squared_error"), n=50), 4)
    rows = [curvature.rows_with_exact_output(*observation) for observation in seen]
    joined = rows[0].with_more(rows[1]).with_more(rows[2])
    at_once = joined.factors()
    monkeypatch.setattr(products, "MANY", ROWS)
    apart = joined.factors()
    assert joined.n == 3 * ROWS
    for one, other in zip((*at_once.A, *at_once.G), (*apart.A, *apart.G), strict=True):
        assert_close(one, other, 20 * ROWS, scale=np.abs(other).max())


def test_a_share_is_that_of_all_factors():
    observation = observations(problem(case("tanh", "bernoulli"), n=50), 1)[0]
    whole, share = (curvature.rows_with_exact_output(*observation, s).factors() for s in (1.0, 0.3))
    for one, other in zip((*share.A, *share.G), (*whole.A, *whole.G), strict=True):
        assert_close(one, 0.3 * other, 20 * ROWS, scale=np.abs(other).max())


def test_the_inverse_after_a_rejection_has_all_rows(monkeypatch):
    """Between refreshes, when the rows of four steps are yet to be multiplied."""
    monkeypatch.setattr(proposal, "FEWEST_ROWS", 8)
    p = problem(case("tanh", "squared_error"), n=400)
    objective, solver = p.objective(), KFAC(damping=1.0, statistics_fraction=0.1)
    batches = [next(objective.data.batches(200, 0, epoch)) for epoch in range(1, 5)]
    here = objective.point(p.theta, batches[0])
    state = solver.init(here, 0)
    for t in range(6):
        here, state, _ = solver.step(here.on(batches[t % 4]), state)
    before, d = here.on(batches[2]), state.ratio**2 * (state.lam + objective.mean_l2)
    assert state.statistics.rows.n == 60
    _, after, _ = solver.step(before, state._replace(inverse=None, models=quadratic_model.NOTHING, v=None))
    expected = after.statistics.mean.damped(d).inverse().mv(before.grad)
    assert after.statistics.rows is None
    assert after.updates == state.updates + 1
    np.testing.assert_array_equal(after.inverse.mv(before.grad), expected)
