import numpy as np
import pytest

from skcurv import objective as objective_module
from skcurv.curvature import slopes_and_gram
from skcurv.data import Data
from skcurv.losses.offset import Offset
from skcurv.objective import Objective, outputs
from skcurv.solvers.newton_system import _numbers, chosen, matrix

from . import oracles
from .cases import CASES, LOSSES, STEP, assert_close, assert_close_to_difference, case, problem

every_case = pytest.mark.parametrize("c", CASES.values(), ids=CASES)


def _taped(here):
    """The same point with the forward pass done first, so that no kernel applies."""
    again = here.at(here.theta)
    assert again.tape.F.shape[0] == again.n
    return again


@every_case
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_value_and_gradient_equal_the_oracle(c, sparse):
    p = problem(c)
    terms = 20 * p.theta.size * p.Y.size
    for here in (p.point(sparse), _taped(p.point(sparse))):
        assert_close(here.grad, oracles.gradient(p), terms, scale=1 + np.abs(oracles.gradient(p)).max())
        assert_close(here.value, oracles.value(p), terms)


@every_case
def test_gradient_is_the_central_difference_of_the_value(c):
    p = problem(c)
    here = p.point()
    steps = STEP * np.eye(p.theta.size)
    differences = [(here.moved(s).value - here.moved(-s).value) / (2 * STEP) for s in steps]
    assert_close_to_difference(here.grad, differences, scale=max(1.0, here.value))


@every_case
def test_penalty_skips_the_biases(c):
    p = problem(c, alpha=1e3)
    free = oracles.penalised(c) == 0
    with_penalty, without = p.point().grad, p._replace(alpha=0.0).point().grad
    assert_close(with_penalty[free], without[free], 20 * p.theta.size * p.Y.size, scale=np.abs(without).max())
    expected = p.alpha / p.v.sum() * p.theta[~free]
    assert_close((with_penalty - without)[~free], expected, 100 * p.theta.size)
    np.testing.assert_allclose(p.objective().shift(p.theta), p.alpha / p.v.sum() * oracles.penalised(c), rtol=1e-14)


@every_case
def test_one_alpha_a_parameter_adds_its_diagonal(c):
    p = problem(c, alpha=0.0)
    alpha = np.linspace(0.0, 2.0, p.theta.size)
    here, without = p._replace(alpha=alpha).point(), _taped(p.point())
    l2, terms = alpha / p.v.sum(), 20 * p.theta.size * p.Y.size
    assert_close(here.grad, without.grad + l2 * p.theta, terms)
    assert_close(here.value, without.value + 0.5 * np.sum(l2 * p.theta**2), terms)
    assert_close(here.objective.value(p.theta), here.value, terms)
    b, M = slopes_and_gram(here, [p.theta])
    assert_close(b[0], here.grad @ p.theta, terms, scale=1 + np.abs(here.grad) @ np.abs(p.theta))
    assert_close(M[0, 0] - slopes_and_gram(without, [p.theta])[1][0, 0], np.sum(l2 * p.theta**2), terms, scale=M[0, 0])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("network", ["linear", "deep relu", "tanh"])
def test_weights_equal_repetition(network, loss):
    p = problem(case(network, loss))
    times = np.array([1, 3, 0, 2, 1, 0, 4])
    rows = np.repeat(np.arange(7), times)
    weighted = p._replace(v=times.astype(float)).point()
    repeated = p._replace(X=p.X[rows], Y=p.Y[rows], v=np.ones(len(rows))).point()
    terms = 20 * p.theta.size * p.Y.size
    assert_close(weighted.value, repeated.value, terms)
    assert_close(weighted.grad, repeated.grad, terms)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("network", ["linear", "deep relu", "leaky_relu", "deep linear"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fused_path_equals_tape_path(network, loss, dtype):
    p = problem(case(network, loss))
    here = p.point(dtype=dtype)
    assert here.objective.fused(here.theta, here.batch) is not None
    taped = _taped(here)
    terms = 20 * p.theta.size * p.Y.size
    assert here.grad.dtype == taped.grad.dtype == dtype
    assert_close(here.grad, taped.grad, terms, dtype, scale=1 + np.abs(taped.grad).max())
    assert_close(here.value, taped.value, terms, dtype)


@pytest.mark.parametrize(("network", "sparse"), [("tanh", False), ("deep relu", True)])
def test_no_kernel_for_smooth_networks_or_csr(network, sparse):
    here = problem(case(network, "squared_error")).point(sparse)
    assert here.objective.fused(here.theta, here.batch) is None


@every_case
def test_value_in_chunks_equals_the_value(c, monkeypatch):
    p = problem(c)
    here = p.point()
    monkeypatch.setattr(objective_module, "CHUNK", 2 * max(c.sizes))
    assert objective_module.chunk_rows(c.network) == 2
    assert_close(here.objective.value(p.theta), here.value, 20 * p.theta.size * p.Y.size)
    F = oracles.forward(c, p.theta, p.X)
    assert_close(outputs(c.network, p.theta, p.X), F, 10 * p.theta.size)


@every_case
def test_loss_gradients_in_chunks_with_the_value_or_without_are_the_same_to_the_bit(c, monkeypatch):
    p = problem(c)
    first, second, third = (_taped(p.point()) for _ in range(3))
    assert np.isfinite(first.value)
    whole = first.loss_grad
    monkeypatch.setattr(objective_module, "CHUNK", 2 * second.k)
    np.testing.assert_array_equal(second.loss_grad, whole)
    assert (second.value, third.value) == (first.value, first.value)
    np.testing.assert_array_equal(third.loss_grad, whole)


@pytest.mark.parametrize("network", ["tanh", "deep relu"])
def test_each_quantity_is_computed_once(network, monkeypatch):
    here = problem(case(network, "multinomial")).point()
    calls, network = [], here.objective.network
    forward = network.forward
    monkeypatch.setattr(network, "forward", lambda *arguments: calls.append(1) or forward(*arguments))
    grad = here.grad
    first = len(calls)
    assert here.grad is grad
    assert here.value == here.value
    assert here.tape is here.tape
    assert first == (0 if network.leaks else 1)  # a kernel needs no tape
    assert len(calls) == 1
    here.parts(2), here.head(3).tape, here.tail(3).tape, here.on(here.batch).value
    assert len(calls) == 1
    assert np.isfinite(here.moved(0.1 * grad).value)
    assert len(calls) == 2


def test_value_after_the_kernel_needs_no_tape():
    here = problem(case("deep relu", "multinomial")).point()
    assert here.plan is None
    assert here.grad is not None
    assert np.isfinite(here.value)
    assert here.plan is not None
    assert here._tape is None
    taped = here.at(here.theta)
    assert taped.tape.F.shape[0] == here.n
    assert taped.grad is not None
    assert taped.plan is None


def test_moved_at_and_on():
    p = problem(case("tanh", "squared_error"))
    here, d = p.point(), np.ones_like(p.theta)
    there = here.moved(d)
    np.testing.assert_array_equal(there.theta, p.theta + d)
    assert there.batch is here.batch
    assert here.theta is not there.theta
    assert here.at(there.theta).value == there.value
    batch = here.batch.alone(slice(2))
    assert here.on(here.batch) is here
    assert here.on(batch).theta is here.theta
    assert here.on(batch).n == 2
    assert here.whole
    assert not here.on(batch).whole


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("end", "rows"), [("head", slice(0, 3)), ("tail", slice(2, 5))])
def test_head_and_tail_are_batches_of_their_own(loss, end, rows):
    p = problem(case("two layers", loss))
    here = p.point()
    cut = getattr(here, end)
    assert cut(here.n) is cut(here.n + 1) is here
    part, again = cut(3), here.on(here.batch.alone(rows))
    assert part.n == again.n == 3
    assert_close(part.value, again.value, 20 * p.theta.size)
    assert_close(part.grad, again.grad, 20 * p.theta.size * p.Y.size)
    losses = (here.batch.w * LOSSES[loss].value(here.tape.F, here.batch.Y))[rows]
    assert_close(part.value - here.objective.penalty(p.theta), losses.mean(), 20 * p.theta.size, scale=part.value)


@every_case
def test_parts_add_up(c):
    p = problem(c)
    here = p.point()
    assert here.parts(here.n) == [here]
    parts = here.parts(2)
    assert [part.n for part in parts] == [2, 2, 1]
    penalty = here.objective.penalty(p.theta)
    assert_close(sum(part.value - penalty for part in parts), here.value - penalty, 20 * p.theta.size, scale=here.value)
    ours = sum(part.pullback(part.loss_grad).total() for part in parts)
    assert_close(
        ours, here.pullback(here.loss_grad).total(), 20 * p.theta.size * p.Y.size, scale=1 + np.abs(ours).max()
    )


def test_penalty_is_the_same_for_every_batch():
    p = problem(case("linear", "squared_error"))
    data = Data(p.X, p.Y, p.v)
    f = Objective(p.case.network, LOSSES["squared_error"], data, p.alpha)
    none = Objective(p.case.network, LOSSES["squared_error"], data, 0.0)
    for batch in data.batches(2, 0, 0):
        added = f.point(p.theta, batch).value - none.point(p.theta, batch).value
        assert_close(added, p.alpha / 2 / p.v.sum() * np.sum(oracles.penalised(p.case) * p.theta**2), 100)


def test_raw_outputs_are_counted_by_the_network_not_by_the_targets():
    p = problem(case("tanh", "squared_error"))
    carrying = Data(p.X, np.hstack([p.Y, 0 * p.Y]), p.v)
    here = Objective(p.case.network, Offset(LOSSES["squared_error"], 2), carrying, p.alpha).point(p.theta)
    assert here.batch.Y.shape[1] == 4
    assert here.k == p.point().k == 2
    for structure in ("dense", "gram", "layer"):
        with_offset, plain = (matrix(point, structure, "ggn", None).diag() for point in (here, p.point()))
        np.testing.assert_array_equal(with_offset, plain)
        assert chosen(here, structure, "ggn", 2**30) == structure
    assert _numbers(here, "ggn") == _numbers(p.point(), "ggn")
