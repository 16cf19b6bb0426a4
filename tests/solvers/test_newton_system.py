"""The matrix of a Newton step: the four curvatures, chunks, memory, and what makes way for what."""

import tracemalloc

import array_api_strict as xp
import numpy as np
import pytest

from skcurv.backend import namespace
from skcurv.curvature.dense_blocks import ROWS
from skcurv.data import Batch
from skcurv.solvers import LMNewton, lm_newton, newton_system
from skcurv.solvers.natural_gradient import NaturalGradient
from skcurv.solvers.newton_system import CURVATURES, matrix, slope_and_bend, with_second_order
from skcurv.solvers.protocol import generator

from .. import oracles
from ..cases import CASES, Case, assert_close, assert_close_to_difference, case, problem

every_case = pytest.mark.parametrize("c", CASES.values(), ids=CASES)
PAIRS = [(s, c) for s in ("dense", "gram", "layer") for c in CURVATURES if s == "dense" or c != "hessian"]


def _matrix(here, structure, curvature, seed=0):
    C = matrix(here, structure, curvature, generator(seed, 1, 2))
    return np.stack([C.mv(e) for e in np.eye(here.theta.size)], axis=1)


def _terms(p):
    return 20 * p.theta.size * p.Y.size


@every_case
def test_the_hessian_equals_differences_of_gradients(c):
    p = problem(c)
    penalty = p.alpha / p.v.sum() * np.diag(oracles.penalised(c))
    C, H = _matrix(p.point(), "dense", "hessian"), oracles.hessian(p)
    assert_close_to_difference(C + penalty, H, scale=1 + np.abs(H).max())


@pytest.mark.parametrize("loss", ["squared_error", "bernoulli", "multinomial"])
def test_the_hessian_is_the_gauss_newton_matrix_without_a_hidden_layer(loss):
    p = problem(case("linear", loss))
    assert_close(_matrix(p.point(), "dense", "hessian"), oracles.ggn(p), _terms(p))


@every_case
def test_the_empirical_fisher_holds_the_squares_of_the_gradients(c):
    p = problem(c)
    expected = np.zeros((p.theta.size,) * 2)
    for i in np.flatnonzero(p.v):
        g = oracles.gradient(p._replace(X=p.X[[i]], Y=p.Y[[i]], v=p.v[[i]], alpha=0.0))
        expected += p.v[i] / p.v.sum() * np.outer(g, g)
    assert_close(_matrix(p.point(), "dense", "empirical-fisher"), expected, _terms(p))


@pytest.mark.parametrize("loss", ["squared_error", "bernoulli", "multinomial"])
def test_the_mean_of_sampled_fishers_tends_to_the_gauss_newton_matrix(loss):
    """Within five standard errors of 400 draws."""
    p = problem(case("one unit", loss))
    draws = np.stack([_matrix(p.point(), "dense", "fisher", seed) for seed in range(400)])
    error = np.abs(draws.mean(axis=0) - oracles.ggn(p))
    assert np.all(error <= 5 * draws.std(axis=0) / 20 + 1e-12)
    assert draws.std(axis=0).max() > 1e-3


@pytest.mark.usefixtures("dense_by")
@pytest.mark.parametrize(("structure", "curvature"), PAIRS)
@pytest.mark.parametrize("loss", ["squared_error", "bernoulli", "multinomial"])
def test_chunks_of_rows_give_what_one_piece_gives(monkeypatch, structure, curvature, loss):
    """For the sampled Fisher matrix too: the draws do not depend on the chunks."""
    p = problem(case("two layers", loss), n=20)
    whole = _matrix(p.point(), structure, curvature)
    monkeypatch.setattr(newton_system, "STRIP", 150)  # 3 rows of 48 numbers
    assert_close(_matrix(p.point(), structure, curvature), whole, _terms(p))


@pytest.mark.parametrize("hessian", [False, True])
def test_slope_and_bend_are_those_of_the_exact_model(hessian):
    p = problem(case("two layers", "squared_error"))
    d = np.random.default_rng(1).normal(size=p.theta.size)
    H = oracles.ggn(p) + p.alpha / p.v.sum() * np.diag(oracles.penalised(p.case))
    H = oracles.hessian(p) if hessian else H
    slope, bend = slope_and_bend(p.point(), d, matrix(p.point(), "dense", "hessian", None) if hessian else None)
    assert_close(slope, oracles.gradient(p) @ d, _terms(p), scale=np.abs(oracles.gradient(p)) @ np.abs(d))
    assert_close_to_difference(bend, d @ H @ d, scale=np.abs(d) @ np.abs(H) @ np.abs(d))


@pytest.fixture
def in_place(monkeypatch):
    """Every matrix counts as large."""
    monkeypatch.setattr(namespace, "IN_PLACE", 0)


def _peak(here, structure, curvature="ggn"):
    """The bytes held at most while the matrix is made, and until one system is solved."""
    shift = 1e6 + here.objective.shift(here.theta)
    assert np.isfinite(here.grad).all()
    tracemalloc.start()
    try:
        C = matrix(here, structure, curvature, None)
        built = tracemalloc.get_traced_memory()[1]
        d = C.solve(here.grad, shift)
        solved = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.isfinite(d).all()
    return built, solved


def _tanh(sizes, n):
    return problem(Case(sizes, ("tanh",) * (len(sizes) - 2), "squared_error"), n=n).point()


@pytest.mark.parametrize(("sizes", "strip"), [((20, 32, 1), 2**19), ((10, 22, 20, 3), 2**16)])
def test_memory_stays_under_two_matrices_and_one_chunk(monkeypatch, in_place, sizes, strip):
    """At 8 bytes a number, three products of STRIP numbers a chunk and 50 vectors of p for the rest.

    The first is made from its rows, and keeps the matrix of a chunk for the next step: it is smaller than a chunk.
    """
    monkeypatch.setattr(newton_system, "STRIP", strip)
    here = _tanh(sizes, 6000)
    built, solved = _peak(here, "dense")
    p = here.theta.size
    assert p > 700
    assert 8 * p**2 < built <= solved < 8 * (2 * p**2 + 3 * strip + 50 * p)
    assert built < solved or p * sizes[-1] <= ROWS


def test_memory_of_the_hessian_stays_under_what_the_limit_counts(monkeypatch, in_place):
    monkeypatch.setattr(newton_system, "STRIP", 2**16)
    here = _tanh((10, 22, 20, 20, 3), 6000)
    counted = newton_system._numbers(here, "hessian")["dense"]
    _, solved = _peak(here, "dense", "hessian")
    assert 4 * counted < solved < 8 * (counted + 50 * here.theta.size)


def test_memory_of_both_stays_under_what_counts_for_them(monkeypatch, in_place):
    monkeypatch.setattr(newton_system, "STRIP", 2**16)
    here = _tanh((10, 22, 20, 20, 3), 6000)
    p, counted = here.theta.size, newton_system._numbers(here, "hessian")["dense"]
    assert np.isfinite(here.grad).all()
    tracemalloc.start()
    try:
        G = matrix(here, "dense", "ggn", None)
        assert np.isfinite(with_second_order(here, "dense", G).solve(here.grad, 1e6 + np.zeros(p))).all()
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 4 * counted < held < 8 * (counted + p * p + 50 * p)


@pytest.mark.parametrize(("structure", "n"), [("gram", 200), ("layer", 6000)])
def test_memory_of_the_other_forms_stays_under_what_the_limit_counts(monkeypatch, in_place, structure, n):
    monkeypatch.setattr(newton_system, "STRIP", 2**14)
    here = _tanh((10, 22, 20, 3), n)
    counted = newton_system._numbers(here, "ggn")[structure]
    _, solved = _peak(here, structure)
    assert 4 * counted < solved < 8 * (counted + 50 * here.theta.size)


@pytest.mark.parametrize(
    ("n", "limit", "structure"),
    [(7, 18_000, "gram"), (7, 17_999, "layer"), (10, 34_816, "dense"), (10, 34_815, "gram"), (60, 75_808, "layer")],
)
def test_what_would_pass_the_memory_limit_makes_way(monkeypatch, n, limit, structure):
    """40 parameters, n - 2 rows of 3 outputs, 48 numbers a row and chunk: in bytes

    n = 7: 31,360 dense, 18,000 Gram, 14,752 layer; n = 10: 34,816 and 32,256; n = 60: 92,416, 651,456 and 75,808.
    """
    used = []
    monkeypatch.setattr(lm_newton, "matrix", lambda here, s, *rest: used.append(s) or matrix(here, s, *rest))
    here, solver = problem(case("two layers", "multinomial"), n=n).point(), LMNewton(memory_limit=limit)
    assert solver.step(here, solver.init(here, 0))[0].value < here.value
    assert used == [structure]


@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.parametrize("structure", ["auto", "dense", "gram", "layer"])
def test_too_little_memory_or_no_such_form_is_a_clear_error_at_the_start(structure, curvature):
    here = problem(case("two layers", "multinomial"), n=60).point()
    words = r"40 parameters .* Allowed are .* Use fewer units"
    if curvature == "hessian" and structure in ("gram", "layer"):
        words = r"structure='\w+' with curvature='hessian' was given .* Allowed is .* Set structure='dense'"
    with pytest.raises(ValueError, match=words):
        LMNewton(structure, curvature, memory_limit=1000).init(here, 0)


def test_fisher_rows_need_no_column_for_each_output():
    """A Gram matrix of n rows, not n k, fits where the other does not."""
    here = problem(case("two layers", "multinomial"), n=7).point()
    assert LMNewton("gram", "fisher", memory_limit=6000).init(here, 0).lam is None
    with pytest.raises(ValueError, match="gram"):
        LMNewton("gram", "ggn", memory_limit=6000).init(here, 0)


@pytest.mark.usefixtures("dense_by")
def test_layers_of_unequal_width_are_put_together_in_order():
    """Four layers of 2, 5, 1, 3 and 2 units against brute force."""
    sizes = (2, 5, 1, 3, 2)
    p = problem(Case(sizes, ("tanh", "silu", "softplus"), "multinomial"))
    assert_close(_matrix(p.point(), "dense", "ggn"), oracles.ggn(p), _terms(p))
    assert_close(_matrix(p.point(), "layer", "ggn"), oracles.blocks_only(p.case, oracles.ggn(p)), _terms(p))


OPTIONS = (
    {"structure": "dense", "scaling": "diagonal"},
    {"structure": "gram", "geodesic": True},
    {"structure": "layer", "curvature": "empirical-fisher"},
    {"curvature": "fisher", "rule": "classical"},
    {"curvature": "hessian", "scaling": "diagonal"},
)


@pytest.mark.parametrize("solver", [*(LMNewton(**options) for options in OPTIONS), NaturalGradient()], ids=repr)
def test_steps_on_strict_arrays_are_those_on_numpy(solver):
    """Two steps, of which the second has a state of the namespace's arrays."""
    p = problem(case("two layers", "multinomial"), n=12)
    here = p.point()
    theta, *rows = (xp.asarray(a.copy()) for a in (here.theta, *here.batch[:3]))
    strict = here.objective.point(theta, Batch(*rows, here.batch.scale, whole=True))
    ends = []
    for point in (here, strict):
        state = solver.init(point, 0)
        for _ in range(2):
            point, state, _ = solver.step(point, state)
        ends.append(np.asarray(point.theta))
    assert type(point.theta).__module__.startswith("array_api_strict")
    np.testing.assert_allclose(ends[1], ends[0], rtol=0, atol=1e-7 * np.abs(ends[0] - p.theta).max())
    assert not np.array_equal(ends[0], p.theta)
