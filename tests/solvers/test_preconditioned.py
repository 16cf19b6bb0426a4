"""What K-FAC and the diagonal Fisher share: statistics, refreshes, the damping and its floor, rejections."""

import numpy as np
import pytest

from skcurv import curvature
from skcurv.linalg import Diagonal
from skcurv.losses import SquaredError
from skcurv.objective import Objective
from skcurv.solvers import KFAC, BlockFisher, DiagFisher, diag_fisher, kfac, preconditioned, proposal, quadratic_model
from skcurv.solvers.forms import Averaged, Factored

from .. import oracles
from ..cases import CASES, assert_close, case, mini_batches, problem

EPS = np.finfo(np.float64).eps
both = pytest.mark.parametrize("solver", [KFAC(damping=1.0), DiagFisher(damping=1.0)], ids=lambda solver: solver.name)


def start(p, solver, seed=0):
    here = p.point()
    return here, solver.init(here, seed)


@pytest.mark.parametrize("loss", ["squared_error", "bernoulli"])
@pytest.mark.parametrize("network", ["linear", "tanh", "leaky_relu", "two layers"])
def test_the_undamped_kfac_direction_is_invariant_to_affine_changes_of_the_inputs(network, loss):
    """For inputs [x, 1] T and the first block T^-1 W, the same function, the direction's first block is T^-1 U."""
    p = problem(case(network, loss), n=60, alpha=0.0)._replace(v=np.random.default_rng(4).uniform(1, 2, 60))
    d, layout = p.X.shape[1], p.case.network.layout
    rng = np.random.default_rng(1)
    T = np.eye(d + 1)
    T[:, :d] += rng.normal(size=(d + 1, d))
    first, rest = layout.slices[0], slice(layout.slices[0].stop, None)

    def mapped(theta):
        block = np.linalg.solve(T, theta[first].reshape(d + 1, -1))
        return np.concatenate([block.ravel(), theta[rest]])

    def direction(problem):
        here = problem.point()
        P = curvature.kronecker(here, curvature.ggn(here, None))
        return here, P.inverse().mv(here.grad), max(np.linalg.cond(M) for M in (*P.A, *P.G))

    changed = p._replace(X=(np.hstack([p.X, np.ones((60, 1))]) @ T)[:, :d], theta=mapped(p.theta))
    (here, U, condition), (there, U_changed, other) = direction(p), direction(changed)
    np.testing.assert_allclose(there.tape.F, here.tape.F, rtol=0, atol=1e-12)
    assert max(condition, other) < 1e6
    atol = 100 * EPS * max(condition, other) * np.linalg.cond(T) * np.abs(U).max()
    np.testing.assert_allclose(U_changed, mapped(U), rtol=0, atol=atol)


@pytest.mark.parametrize("c", CASES.values(), ids=CASES)
def test_the_first_kfac_step_is_along_the_damped_natural_gradient(c):
    """A V G with factors and damping by brute force; their length is the model's."""
    p, lam = problem(c, n=20), 0.7
    here, root = p.point(), np.sqrt(lam + p.alpha / p.v.sum())
    g, blocks = oracles.gradient(p), []
    for s, (A, G) in zip(oracles.layer_slices(c), oracles.kronecker_factors(p), strict=True):
        pi = np.sqrt(np.trace(A) / len(A) / (np.trace(G) / len(G)))
        if len(G) == 1:  # takes no damping
            U = np.linalg.solve(A + root**2 / G * np.eye(len(A)), g[s].reshape(len(A), 1)) / G
        else:
            U = np.linalg.solve(A + pi * root * np.eye(len(A)), g[s].reshape(len(A), len(G)))
            U = U @ np.linalg.inv(G + root / pi * np.eye(len(G)))
        blocks.append(U.ravel())
    U, solver = -np.concatenate(blocks), KFAC(damping=lam)
    there, _, report = solver.step(here, solver.init(here, 0))
    assert report.step_length > 0
    d = there.theta - p.theta if report.gain_ratio >= 0 else 0 * g
    np.testing.assert_allclose(d, (report.step_length if d.any() else 0) * U, rtol=0, atol=1e-10 * np.abs(U).max())


def test_statistics_weigh_their_first_observations_like_the_cube_and_fade_by_a_twentieth_later(monkeypatch):
    """Weights s (s + 1) (s + 2) until the newest has no more than 1/20 of the sum, in observation 77."""
    p, solver = problem(case("two layers", "squared_error")), DiagFisher()
    rng, drawn = np.random.default_rng(0), []

    def structure(here, S):
        drawn.append(rng.uniform(1, 2, p.theta.size))
        return Diagonal(drawn[-1])

    monkeypatch.setattr(diag_fisher, "diagonal", structure)
    (here, state), expected = start(p, solver), None
    for t in range(1, 91):
        here, state, _ = solver.step(here, state)
        s = np.arange(1.0, t + 1)
        weights = s * (s + 1) * (s + 2)
        expected = weights @ drawn / weights.sum() if t <= 77 else 0.95 * expected + 0.05 * drawn[-1]
        assert len(drawn) == t
        np.testing.assert_allclose(state.statistics.diag(), expected, rtol=1e-12)


@both
@pytest.mark.parametrize("loss", ["squared_error", "multinomial"])
def test_on_the_full_set_nothing_is_drawn(solver, loss):
    """Two seeds take the same steps bit for bit there, and different ones on a mini-batch."""
    p = problem(case("tanh", loss), n=20)
    for whole in (True, False):
        ends = []
        for seed in (0, 1):
            objective = p.objective()
            batch = objective.data.all() if whole else next(objective.data.batches(10, 0, 1))
            here = objective.point(p.theta, batch)
            state = solver.init(here, seed)
            for _ in range(4):
                here, state, _ = solver.step(here, state)
            ends.append(here.theta)
        assert np.array_equal(*ends) == whole


@pytest.mark.parametrize(("period", "due"), [(5, [0, 1, 2, 5, 10, 15]), (1, range(18)), (20, [0, 1, 2])])
def test_inverses_are_refreshed_in_the_first_three_steps_and_every_period(monkeypatch, period, due):
    p, now, made = problem(case("tanh", "squared_error"), n=30), [0], []
    solver, invert = KFAC(damping=1.0, refresh_period=period), Factored.invert
    monkeypatch.setattr(Factored, "invert", lambda *arguments: made.append(now[0]) or invert(*arguments))
    here, state = start(p, solver)
    for now[0] in range(18):
        here, state, _ = solver.step(here, state)
    assert sorted(set(made)) == list(due)


@both
def test_lambda_has_a_floor(solver):
    """The root of rounding times the mean curvature, from a start far below."""
    p = problem(case("linear", "squared_error"), n=30)
    here, state = start(p, solver.__class__(damping=1e-300))
    for _ in range(5):
        here, state, report = solver.step(here, state)
        least = np.sqrt(EPS) * state.statistics.diag().mean()
        if not report.converged:
            assert state.lam >= least > 1e-10


@both
def test_lambda_falls_where_the_model_is_right_and_no_step_is_rejected(solver):
    """On least squares the model is the function: rho = 1 but for the damping."""
    p = problem(case("linear", "squared_error"), n=30)
    here, state = start(p, solver)
    lams = [state.lam]
    for _ in range(5):
        before = here.value
        here, state, report = solver.step(here, state)
        assert here.value < before
        assert report.gain_ratio >= 1 - 1e-6
        lams.append(state.lam)
    assert np.all(np.diff(lams) < 0)


class _UphillSquaredError(SquaredError):
    """A gradient of the wrong sign: every step rises."""

    def grad(self, F, Y):
        return Y - F


@both
def test_a_rejected_step_leaves_theta_and_raises_lambda(solver):
    p = problem(case("tanh", "squared_error"))
    here = Objective(p.case.network, _UphillSquaredError(), p.objective().data, p.alpha).point(p.theta)
    state = solver.init(here, 0)
    for _ in range(3):
        there, after, report = solver.step(here, state)
        np.testing.assert_array_equal(there.theta, p.theta)
        assert after.lam > state.lam
        assert report.step_length == 0
        assert report.gain_ratio < 0
        here, state = there, after


@pytest.mark.parametrize("own", [1, quadratic_model.OWN])
@pytest.mark.parametrize("structure", ["kron", "ekfac"])
def test_on_mini_batches_models_and_statistics_are_made_ever_more_rarely(monkeypatch, structure, own):
    """And every step is what the models so far say, from the `own`-th on with a length of its own for the output."""
    (objective, batches), asked, beta = mini_batches(), [], []
    monkeypatch.setattr(quadratic_model, "OWN", own)
    output = np.arange(objective.network.layout.size) >= objective.network.layout.slices[-1].start
    theta = problem(case("tanh", "squared_error")).theta
    model = proposal.Images
    monkeypatch.setattr(preconditioned, "SETTLING", 2)
    monkeypatch.setattr(preconditioned, "MODEL_PERIOD", 3)
    monkeypatch.setattr(preconditioned, "STATISTICS_PERIOD", 2)
    monkeypatch.setattr(proposal, "Images", lambda here, *more: asked.append(t) or model(here, *more))
    solver = KFAC(damping=1.0, structure=structure)
    here = objective.point(theta, batches[0])
    state, models, updates = solver.init(here, 0), [], []
    for t in range(11):
        before, v = here.on(batches[t % 4]), state.v
        here, state, report = solver.step(before, state)
        models.append(state.models)
        updates.append(state.updates)
        if t:
            w, c = state.inverse.mv(before.grad), state.models.c
            alpha, mu = c[0] / np.sqrt(before.grad @ w), c[1] / np.linalg.norm(v)
            beta.append(c[2] / np.sqrt(before.grad @ (output * w)))
            assert report.step_length == pytest.approx(alpha, rel=1e-12)
            assert_close(state.v, mu * v - (alpha + beta[-1] * output) * w, 10)
    assert sorted(set(asked)) == [0, 1, 2, 3, 4, 6, 9]
    assert [t for t in range(1, 11) if models[t] is not models[t - 1]] == [1, 2, 3, 4, 6, 9]
    assert [model.seen for model in models] == [0, 1, 2, 3, 4, 4, 5, 5, 5, 6, 6]
    assert updates == [1, 2, 3, 4, 5, 5, 6, 6, 7, 7, 8]
    assert min(beta) >= 0
    assert (max(beta) > 0) == (own == 1)


@pytest.mark.parametrize("start", [5.0, 0.01], ids=["above the floor", "below the floor"])
@pytest.mark.parametrize("noise", [0.03, 1.0], ids=["mean curvature", "noise"])
def test_the_first_lambda_is_not_searched_below_its_floor_and_its_inverse_is_used(monkeypatch, noise, start):
    """On this batch rho is above 3/4 for each, so that the search goes down to the floor."""
    objective, batches = mini_batches()
    tried, inverted, propose, invert = [], [], preconditioned.proposed, Averaged.invert

    def proposing(here, state, recipe, due):
        tried.append(state.lam)
        return propose(here, state, recipe, due)

    def inverting(form, statistics, d, dtype):
        inverted.append(d)
        return invert(form, statistics, d, dtype)

    monkeypatch.setattr(preconditioned, "NOISE", noise)
    monkeypatch.setattr(preconditioned, "START", start)
    monkeypatch.setattr(preconditioned, "proposed", proposing)
    monkeypatch.setattr(Averaged, "invert", inverting)
    here, solver = objective.point(problem(case("tanh", "squared_error")).theta, batches[0]), DiagFisher()
    _, state, _ = solver.step(here, solver.init(here, 0))
    floor = max(noise, state.mean_curvature)
    trials = [start, *([start / preconditioned.LEAP] * (floor < start / preconditioned.LEAP)), floor]
    trials = trials if start > floor else [floor]
    assert tried == [*trials, floor]
    assert len(inverted) == len(trials)


@pytest.mark.parametrize("solver", [KFAC(), DiagFisher()], ids=lambda solver: solver.name)
def test_the_first_lambda_is_not_searched_above_the_trace_of_the_curvature(solver):
    """The rows that judge say the opposite of those that the gradient is from, which no damping mends."""
    objective, batches = mini_batches()
    here = objective.point(problem(case("tanh", "squared_error")).theta, batches[0])
    away = np.where(np.arange(here.n) < here.n // 2, 100.0, -99.0)[:, None]
    here = here.on(batches[0]._replace(Y=here.tape.F + away))
    _, state, report = solver.step(here, solver.init(here, 0))
    trace = state.mean_curvature * here.theta.size
    growth = preconditioned.OMEGA**-preconditioned.TEST_PERIOD
    assert report.step_length == 0
    assert state.lam == pytest.approx(growth * trace)
    assert trace > preconditioned.START


def test_every_step_that_is_tested_has_a_model_of_its_own():
    """Without one there is no predicted decrease that the actual one could be compared with."""
    objective, batches = mini_batches()
    here = objective.point(problem(case("tanh", "squared_error")).theta, batches[0])
    state = preconditioned.init(here, 0, 1.0)
    for t in range(0, 1000, preconditioned.TEST_PERIOD):
        assert preconditioned._in_turn(here, state._replace(step=t), preconditioned.MODEL_PERIOD)


@both
@pytest.mark.parametrize("trouble", [np.nan, np.inf])
def test_from_a_point_that_is_not_finite_it_retreats_to_the_last_tested_one(solver, trouble):
    p = problem(case("tanh", "squared_error"))
    here, state = start(p, solver)
    safe, state, _ = solver.step(here, state)
    broken = safe.at(np.full_like(p.theta, trouble))
    with np.errstate(invalid="ignore", over="ignore"):
        there, after, report = solver.step(broken, state)
    np.testing.assert_array_equal(there.theta, safe.theta)
    assert after.lam > state.lam
    assert report.trouble
    resumed, _, report = solver.step(there, after)
    assert resumed.value < safe.value
    assert not report.trouble


@pytest.mark.parametrize("structure", kfac.FORMS)
def test_after_a_retreat_statistics_and_inverse_start_anew(structure):
    """In the first step after it, though neither would be due there."""
    objective, batches = mini_batches()
    solver = KFAC(damping=1.0, structure=structure)
    here = objective.point(problem(case("tanh", "squared_error")).theta, batches[0])
    state = solver.init(here, 0)
    for t in range(11):
        here, state, _ = solver.step(here.on(batches[t % 4]), state)
    assert not preconditioned._in_turn(here, state, preconditioned.STATISTICS_PERIOD)
    with np.errstate(invalid="ignore", over="ignore"):
        here, state, report = solver.step(here.at(np.full_like(here.theta, np.inf)), state)
    assert report.trouble
    for updates in (1, 2):
        old = state.inverse
        here, state, report = solver.step(here, state)
        assert not report.trouble
        assert state.updates == updates
        assert (state.inverse is not old) == (updates == 1 or not kfac.FORMS[structure].lazy)


@both
def test_a_model_that_is_not_finite_is_a_retreat_too(solver):
    p = problem(case("tanh", "squared_error"))
    here, state = start(p, solver)
    here, state, _ = solver.step(here, state)
    with np.errstate(invalid="ignore", over="ignore"):
        there, after, report = solver.step(here, state._replace(v=np.full_like(p.theta, np.inf)))
    np.testing.assert_array_equal(there.theta, here.theta)
    assert report.trouble
    assert after.lam > state.lam


def test_kfac_names_a_layer_too_wide_for_its_memory(monkeypatch):
    monkeypatch.setattr(kfac, "MEMORY_LIMIT", 100)
    with pytest.raises(ValueError, match=r"Layers of \(3, 3, 2\) .* Allowed are .* Reduce"):
        start(problem(case("tanh", "squared_error")), KFAC())


@pytest.mark.parametrize("solver", [KFAC(), DiagFisher(), BlockFisher()], ids=lambda solver: solver.name)
def test_batches_end_with_512_rows_or_the_full_set_of_1024(solver):
    sizes = [(n, solver.first_batch(n), solver.batch_size(n)) for n in (5, 512, 513, 1024, 1025, 10**6)]
    assert [first for _, first, _ in sizes] == [5, 512, 128, 128, 128, 128]
    assert [last for *_, last in sizes] == [5, 512, 513, 1024, 512, 512]
