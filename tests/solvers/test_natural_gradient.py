"""Natural gradient in sample space: its direction, its limits, its rejections, its draws, its memory."""

import numpy as np
import pytest

from skcurv.curvature import dense, ggn, sampled_fisher
from skcurv.losses import SquaredError
from skcurv.objective import Objective
from skcurv.solvers import LMNewton, natural_gradient
from skcurv.solvers.lm_newton import LMState
from skcurv.solvers.natural_gradient import NaturalGradient
from skcurv.solvers.protocol import generator

from .. import oracles
from ..cases import CASES, case, problem

EPS = np.finfo(np.float64).eps
every_case = pytest.mark.parametrize("c", CASES.values(), ids=CASES)


def _first(solver, here, seed=0):
    return solver.step(here, solver.init(here, seed))


def _batch(p, rows=5):
    """The same parameters on the first rows: a batch that is not the full set."""
    objective = p.objective()
    return objective.point(p.theta, objective.data.all().alone(slice(rows)))


def assert_parallel(d, e, tolerance):
    np.testing.assert_allclose(d / np.linalg.norm(d), e / np.linalg.norm(e), rtol=0, atol=tolerance)


@every_case
@pytest.mark.parametrize("curvature", ["ggn", "fisher"])
def test_the_first_step_on_the_full_set_is_that_of_lm_newton(c, curvature):
    """Both matrices are then exact, and the exact model has the same damping: alpha is 1."""
    p, lam = problem(c), 10.0
    there, _, report = _first(NaturalGradient(lam, curvature), p.point())
    newton = LMNewton("dense", geodesic=False).step(p.point(), LMState(lam, None, 0, 0))[0]
    condition = 1 + (np.linalg.norm(oracles.ggn(p), 2) + p.alpha / p.v.sum()) / lam
    reach = np.linalg.norm(newton.theta - p.theta)
    assert reach > 1e-3
    np.testing.assert_allclose(there.theta, newton.theta, rtol=0, atol=200 * EPS * condition * reach)
    assert report.step_length == pytest.approx(1.0, abs=200 * EPS * condition)


@every_case
@pytest.mark.parametrize("curvature", ["ggn", "fisher"])
def test_a_large_lambda_gives_the_gradient_direction(c, curvature):
    here = _batch(problem(c), 2)
    there, _, _ = _first(NaturalGradient(1e8, curvature), here)
    assert_parallel(there.theta - here.theta, -here.grad, 1e-5)


def test_a_mini_batch_is_preconditioned_by_the_fisher_matrix_of_its_draw():
    p, lam = problem(case("two layers", "multinomial"), n=30), 10.0
    here = _batch(p, 20)
    C = dense(here, sampled_fisher(here, generator(7, 1, natural_gradient.SAMPLE))).C
    D = p.alpha / p.v.sum() * oracles.penalised(p.case)
    there, _, _ = _first(NaturalGradient(lam), here, seed=7)
    expected = -np.linalg.solve(C + np.diag(lam + D), here.grad)
    assert_parallel(there.theta - here.theta, expected, 1e-12)
    other, _, _ = _first(NaturalGradient(lam), here, seed=8)
    assert not np.array_equal(other.theta, there.theta)


def test_least_squares_is_solved_in_one_step_without_damping():
    """The error left is lambda (H + lambda I)^-1 times the first."""
    p, lam = problem(case("linear", "squared_error"), n=12), 1e-9
    H = oracles.ggn(p) + p.alpha / p.v.sum() * np.diag(oracles.penalised(p.case))
    best = p.theta - np.linalg.solve(H, oracles.gradient(p))
    there, state, report = _first(NaturalGradient(lam), p.point())
    left = lam / np.linalg.eigvalsh(H)[0] + 1e-7
    assert np.linalg.norm(there.theta - best) <= left * np.linalg.norm(p.theta - best)
    assert report.gain_ratio == pytest.approx(1.0, abs=1e-6)
    assert state.lam == pytest.approx(np.sqrt(EPS) * np.diagonal(oracles.ggn(p)).mean())


@pytest.mark.parametrize("whole", [False, True])
def test_the_second_step_moves_within_the_gradient_and_the_last_update(whole):
    """Where the rows make the model's own matrix the preconditioned gradient is its minimum: no momentum is left."""
    p = problem(case("two layers", "multinomial"), n=30)
    solver, here = NaturalGradient(1.0), p.point() if whole else _batch(p, 20)
    one, state, _ = _first(solver, here)
    two, after, _ = solver.step(one, state)
    columns = ggn if whole else sampled_fisher
    C = dense(one, columns(one, generator(0, 2, natural_gradient.SAMPLE))).C
    D = p.alpha / p.v.sum() * oracles.penalised(p.case)
    w = -np.linalg.solve(C + np.diag(state.lam + D), one.grad)
    c, *_ = np.linalg.lstsq(np.stack([w, state.v], axis=1), after.v)
    np.testing.assert_allclose(c[0] * w + c[1] * state.v, after.v, rtol=0, atol=1e-10 * np.linalg.norm(after.v))
    np.testing.assert_array_equal(two.theta, one.theta + after.v)
    assert abs(c[1]) < 1e-10 if whole else abs(c[1]) > 0.01


class _RisingSquaredError(SquaredError):
    """Higher beyond the first outputs."""

    def __init__(self, F, rise):
        self.F, self.rise = F, rise

    def value(self, F, Y):
        return super().value(F, Y) + np.where(np.abs(F - self.F).max() > 0, self.rise, 0.0)


@pytest.mark.parametrize("rise", [np.nan, np.inf, 10.0])
def test_a_rejected_step_leaves_theta_and_raises_lambda_ever_faster(rise):
    p = problem(case("two layers", "squared_error"))
    loss = _RisingSquaredError(p.point().tape.F, rise)
    here = Objective(p.case.network, loss, p.objective().data, p.alpha).point(p.theta)
    solver, lams = NaturalGradient(), [1.0]
    state = solver.init(here, 0)
    for _ in range(3):
        there, state, report = solver.step(here, state)
        assert there is here
        assert report.step_length == 0
        assert state.v is None
        lams.append(state.lam)
    np.testing.assert_allclose(np.diff(np.log(lams)) / np.log(1.5), [1, 2, 4])


def test_what_is_not_finite_is_a_rejection_with_its_trouble():
    p = problem(case("tanh", "squared_error"))
    for theta in (np.full_like(p.theta, np.nan), 1e200 * p.theta):
        with np.errstate(all="ignore"):
            here = p.objective().point(theta)
            there, state, report = _first(NaturalGradient(), here)
        assert there is here
        assert report.trouble == "the loss or its gradient is not finite"
        assert state.lam > 1.0


def test_its_batches_and_the_rows_of_the_full_set():
    solver = NaturalGradient()
    assert [solver.batch_size(n) for n in (10, 256, 10**6)] == [10, 256, 256]


@pytest.mark.parametrize(("curvature", "allowed"), [("ggn", False), ("fisher", True)])
def test_too_many_rows_are_a_clear_error_at_the_start(monkeypatch, curvature, allowed):
    """40 parameters, 20 rows of 3 outputs: 86,400 bytes with all columns, 25,600 with one a row."""
    monkeypatch.setattr(natural_gradient, "MEMORY_LIMIT", 50_000)
    here = _batch(problem(case("two layers", "multinomial"), n=30), 20)
    if allowed:
        assert NaturalGradient(1.0, curvature).init(here, 0).lam == 1.0
    else:
        with pytest.raises(ValueError, match=r"20 rows .* were given .* Allowed are .* Lower batch_size"):
            NaturalGradient(1.0, curvature).init(here, 0)


def test_a_full_set_of_many_rows_is_sampled(monkeypatch):
    p = problem(case("two layers", "multinomial"), n=30)
    exact = [_first(NaturalGradient(), p.point(), seed)[0].theta for seed in (0, 1)]
    np.testing.assert_array_equal(*exact)
    monkeypatch.setattr(natural_gradient, "EXACT", 83)  # of 28 rows with 3 outputs
    sampled = [_first(NaturalGradient(), p.point(), seed)[0].theta for seed in (0, 1)]
    assert not np.array_equal(*sampled)


@pytest.mark.parametrize("loss", ["squared_error", "bernoulli", "multinomial"])
@pytest.mark.parametrize("curvature", ["ggn", "fisher"])
def test_mini_batches_lower_the_whole_objective(loss, curvature):
    p = problem(case("two layers", loss), n=120)
    objective = p.objective()
    solver, here, state = NaturalGradient(1.0, curvature), None, None
    for epoch in range(1, 11):
        for batch in objective.data.batches(30, 0, epoch):
            before = objective.point(p.theta, batch) if here is None else here.on(batch)
            state = solver.init(before, 0) if state is None else state
            here, state, _ = solver.step(before, state)
    assert objective.value(here.theta) < 0.9 * objective.value(p.theta)
    assert state.step == 40
