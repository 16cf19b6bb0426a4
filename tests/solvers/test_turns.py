"""Levenberg-Marquardt's choice between the Gauss-Newton matrix and the Hessian."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.base import clone

from skcurv import CurvatureMLPRegressor, CurvatureRegressor
from skcurv.solvers import LMNewton, lm_newton
from skcurv.solvers.lm_newton import LMState
from skcurv.solvers.newton_system import by_turns, with_second_order
from skcurv.solvers.turns import Turn

from .. import oracles
from ..cases import CASES, STEP, Case, case, problem

HIDDEN = {name: c for name, c in CASES.items() if c.activations}
hidden_case = pytest.mark.parametrize("c", HIDDEN.values(), ids=HIDDEN)


def _ggn(p):
    return oracles.ggn(p) + p.alpha / p.v.sum() * np.diag(oracles.penalised(p.case))


def _run(curvature, here, steps):
    """The Points of a run, the first included, and whether the Hessian was closer before each."""
    solver = LMNewton("dense", curvature)
    state, points, taken = solver.init(here, 0), [here], [False]
    for _ in range(steps):
        here, state, report = solver.step(here, state)
        points.append(here)
        taken.append(state.turn.closer)
        if report.converged:
            break
    return points, taken


@hidden_case
def test_it_takes_the_model_that_was_closer_to_the_change(c):
    """Both models' errors by oracles, the Hessian's bend along the step by a difference of gradients.

    Where they differ by less than that difference's error either will do.
    """
    p = problem(c, n=20)
    points, taken = _run("auto", p.point(), 6)
    for (before, after), closer in zip(pairwise(points), taken[1:], strict=True):
        at, d = p._replace(theta=before.theta), after.theta - before.theta
        left, way = after.value - before.value - before.grad @ d, STEP * d / np.linalg.norm(d)
        change = oracles.gradient(at, at.theta + way) - oracles.gradient(at, at.theta - way)
        by_ggn, by_hessian = abs(left - d @ _ggn(at) @ d / 2), abs(left - d @ change * np.linalg.norm(d) / STEP / 4)
        unsure = 1e-6 * (d @ d) * (1 + np.abs(_ggn(at)).max()) + 1e-12
        assert closer == (by_hessian < by_ggn) or abs(by_ggn - by_hessian) <= unsure


@pytest.mark.parametrize("loss", ["squared_error", "multinomial"])
def test_the_step_is_that_of_the_matrix_taken(loss):
    """The Hessian's with enough damping, up to rounding; the Gauss-Newton matrix's where the Hessian is indefinite."""
    p, steps = problem(case("tanh", loss), n=30), {}
    shifted = np.linalg.eigvalsh(oracles.hessian(p))
    assert shifted[0] < -1e-3
    for lam in (1e-4, 2 * abs(shifted[0])):
        for curvature in ("auto", "hessian", "ggn"):
            state = LMState(lam, None, 0, 0, Turn(closer=True))
            steps[curvature] = LMNewton("dense", curvature, geodesic=False).step(p.point(), state)[0].theta
        same = "ggn" if lam == 1e-4 else "hessian"
        np.testing.assert_allclose(steps["auto"], steps[same], rtol=0, atol=1e-13)
        assert np.abs(steps["ggn"] - steps["hessian"]).max() > 1e-4


def test_large_residuals_slow_the_gauss_newton_matrix_alone():
    """|e'| <= K |e|^2 at the end by "auto", and |e'| > |e| / 3 throughout by the Gauss-Newton matrix.

    K from L, the largest change of the Hessian a unit of length found on random ways near the minimum, over its least
    eigenvalue there; 4 for what random ways miss.
    """
    p = problem(Case((2, 3, 1), ("tanh",), "squared_error"), n=30, alpha=0.3)
    points, _ = _run("auto", p.point(), 200)
    best, rng = points[-1].theta, np.random.default_rng(0)
    H = oracles.hessian(p._replace(theta=best))
    least = np.linalg.eigvalsh(H)[0]
    assert least > 0
    ways = [0.01 * w / np.linalg.norm(w) for w in rng.normal(size=(20, best.size))]
    L = max(np.linalg.norm(oracles.hessian(p._replace(theta=best + w)) - H, 2) / 0.01 for w in ways)
    errors = {}
    for curvature in ("auto", "ggn"):
        points, _ = _run(curvature, p.objective().point(best + 0.1 * ways[0]), 30)
        errors[curvature] = [np.linalg.norm(h.theta - best) for h in points]
    late = [e for e in errors["auto"] if e > 1e-6]
    assert late[-1] <= 4 * L / least * late[-2] ** 2 + 1e-6 * late[-2]
    assert errors["auto"][-1] < 1e-9 < errors["ggn"][-1]
    assert len(errors["auto"]) < len(errors["ggn"]) / 2
    assert all(after > before / 3 for before, after in pairwise(errors["ggn"]))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_hessian_is_made_for_networks_on_the_full_set_alone(monkeypatch):
    def fail(*args):
        raise AssertionError("a Hessian was made")

    def fit(hidden, solver="lm-newton", **parameters):
        CurvatureMLPRegressor(hidden, "tanh", solver=solver, max_iter=20, tol=0, random_state=0, **parameters).fit(X, y)

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.normal(size=60)
    monkeypatch.setattr(lm_newton, "with_second_order", fail)
    fit((4,), batch_size=20)
    fit(())
    fit((4,), LMNewton(curvature="ggn"))
    fit((30,))  # more parameters than twice the rows
    fit((4,), LMNewton("gram"))
    CurvatureRegressor(lambda X, theta: np.tanh(X @ theta), [0.1, 0.2, 0.3], max_iter=20).fit(X, y)
    with pytest.raises(AssertionError, match="a Hessian was made"):
        fit((4,))


def test_it_wants_memory_for_both():
    here = problem(case("two layers", "multinomial"), n=30).point()
    p, rows = here.theta.size, 30 - 2
    needed = 8 * (3 * p * p + 3 * 3 * 48 * rows)
    assert not by_turns(here, needed - 1)
    assert by_turns(here, needed)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_weights_do_what_repetition_does_whatever_form_the_rows_ask_for(monkeypatch):
    """Ten rows six times each are made dense, and with weights of six taken by their rows."""
    made = []
    monkeypatch.setattr(lm_newton, "with_second_order", lambda *args: made.append(args[1]) or with_second_order(*args))
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(10, 2)), rng.normal(size=10)
    model = CurvatureMLPRegressor((6,), "tanh", solver="lm-newton", alpha=1.0, max_iter=15, tol=0, random_state=0)
    weighted = clone(model).fit(X, y, sample_weight=np.full(10, 6.0))
    repeated = clone(model).fit(np.repeat(X, 6, axis=0), np.repeat(y, 6))
    assert set(made) == {"gram", "dense"}
    np.testing.assert_allclose(weighted.theta_, repeated.theta_, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("definite", "expected"), [((), [0, 2, 6, 14]), ((2, 3), [0, 2, 3, 4, 6, 10, 18])])
def test_an_indefinite_hessian_is_left_aside_for_ever_more_steps(definite, expected):
    """For 1, 3, 7 steps after failures in a row; after a success for 1 again."""
    here, turn, tried = object(), Turn(closer=True), []
    for step in range(20):
        if turn.hessian:
            tried.append(step)
        turn = turn.after(here, here, "hessian" if step in definite else "ggn")
    assert tried == expected
    assert not Turn(closer=False).hessian
