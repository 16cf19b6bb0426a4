import numpy as np
import pytest
import scipy.sparse

from skcurv.network import MLP, mlp
from skcurv.network.layout import Layout

from .. import oracles
from ..cases import ACTIVATIONS, NETWORKS, STEP, assert_close, assert_close_to_difference, case, problem

pytestmark = pytest.mark.parametrize("name", NETWORKS)


def _setting(name, sparse=False):
    p = problem(case(name, "squared_error"))
    rng = np.random.default_rng(1)
    X = scipy.sparse.csr_matrix(p.X) if sparse else p.X
    network = p.case.network
    V, u = rng.normal(size=p.Y.shape), rng.normal(size=p.theta.size)
    return p, network, network.forward(p.theta, X), V, u


def test_forward_equals_the_loops(name):
    p, network, tape, _, _ = _setting(name)
    F = oracles.forward(p.case, p.theta, p.X)
    assert_close(tape.F, F, 10 * p.theta.size)
    np.testing.assert_array_equal(network.output(p.theta, p.X), tape.F)
    assert len(tape.A) == len(tape.Z) == len(p.case.sizes) - 1


def test_pullback_and_pushforward_are_adjoint(name):
    p, network, tape, V, u = _setting(name)
    forward, back = np.sum(V * network.pushforward(tape, u)), network.pullback(tape, V).total() @ u
    assert_close(back, forward, 10 * p.theta.size, scale=np.abs(V).sum() * np.abs(p.X).max() * 10)


def test_pushforward_is_the_directional_derivative(name):
    p, network, tape, _, u = _setting(name)
    exact = oracles.jacobian(p.case, p.theta, p.X) @ u
    assert_close(network.pushforward(tape, u), exact, 30 * p.theta.size)
    ahead, behind = (network.output(p.theta + h * u, p.X) for h in (STEP, -STEP))
    assert_close_to_difference((ahead - behind) / (2 * STEP), exact, scale=10 * np.abs(exact).max())


def test_pushforward_of_the_output_layer_leaves_the_others_out(name):
    p, network, tape, _, u = _setting(name)
    last = np.where(np.arange(p.theta.size) >= network.layout.slices[-1].start, u, 0)
    assert_close(network.pushforward_output(tape, u), network.pushforward(tape, last), 30 * p.theta.size)
    assert network.layout.output == (network.layout.slices[-1] if len(p.case.sizes) > 2 else None)


def test_pullback_rows_squares_norms_and_total(name):
    p, network, tape, V, _ = _setting(name)
    rows = np.einsum("nk,nkp->np", V, oracles.jacobian(p.case, p.theta, p.X))
    pairs = network.pullback(tape, V)
    assert_close(pairs.rows(), rows, 30 * p.theta.size)
    assert_close(pairs.total(), rows.sum(axis=0), 30 * p.theta.size, scale=np.abs(rows).sum())
    assert_close(pairs.squares(), (rows**2).sum(axis=0), 30 * p.theta.size)
    assert_close(pairs.squared_norms(), (rows**2).sum(axis=1), 30 * p.theta.size)


def test_second_order_is_the_derivative_of_the_pullback(name):
    p, network, tape, V, u = _setting(name)
    ahead, behind = (np.einsum("nk,nkp->p", V, oracles.jacobian(p.case, p.theta + h * u, p.X)) for h in (STEP, -STEP))
    desired = (ahead - behind) / (2 * STEP)
    scale = max(1.0, np.abs(ahead).max())
    assert_close_to_difference(network.second_order(tape, V, u), desired, scale=10 * scale)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_derivatives_are_those_of_the_outputs_along_a_line(monkeypatch, name, sparse):
    """F' = J u and V . F'' = u' (sum_i V_i . d2 F_i) u, in one piece and two rows at a time."""
    p, network, tape, V, u = _setting(name, sparse)
    for cached in (2**15, 2 * max(p.case.sizes)):
        monkeypatch.setattr(mlp, "CACHED", cached)
        first, second = network.derivatives(tape, u)
        assert_close(first, network.pushforward(tape, u), 30 * p.theta.size)
        for one in (V, *(V * (np.arange(len(V)) == i)[:, None] for i in range(len(V)))):
            bend = network.second_order(tape, one, u)
            assert_close(np.sum(one * second), u @ bend, 30 * p.theta.size, scale=1 + np.abs(u) @ np.abs(bend))


def test_csr_equals_dense(name):
    p, network, tape, V, u = _setting(name)
    sparse = _setting(name, sparse=True)[2]
    ours, theirs = network.pullback(tape, V), network.pullback(sparse, V)
    for a, b in (
        (tape.F, sparse.F),
        (network.output(p.theta, p.X), network.output(p.theta, scipy.sparse.csr_matrix(p.X))),
        (ours.total(), theirs.total()),
        (ours.squares(), theirs.squares()),
        (ours.squared_norms(), theirs.squared_norms()),
        (ours.rows(), theirs.rows()),
        (network.pushforward(tape, u), network.pushforward(sparse, u)),
        (network.second_order(tape, V, u), network.second_order(sparse, V, u)),
    ):
        assert_close(b, a, 30 * p.theta.size, scale=max(1.0, np.abs(a).max()))


def test_part_of_a_tape_is_the_tape_of_the_rows(name):
    p, network, tape, V, _ = _setting(name)
    part = tape.part(slice(2, 5))
    again = network.forward(p.theta, p.X[2:5])
    assert_close(part.F, again.F, p.theta.size, scale=np.abs(tape.F).max())
    assert_close(network.pullback(part, V[2:5]).rows(), network.pullback(tape, V).rows()[2:5], p.theta.size)


def test_layout_round_trip_and_order(name):
    sizes = NETWORKS[name][0]
    layout = Layout(sizes)
    theta = np.arange(float(layout.size))
    np.testing.assert_array_equal(layout.join(layout.blocks(theta)), theta)
    for layer, block in enumerate(layout.blocks(theta)):
        i, o = sizes[layer], sizes[layer + 1]
        assert block.shape == layout.shapes[layer] == (i + 1, o)
        assert block[i, o - 1] == oracles.parameter(sizes, layer, i, o - 1) == layout.slices[layer].stop - 1
        assert block[0, o - 1] == oracles.parameter(sizes, layer, 0, o - 1)
        assert np.shares_memory(block, theta)
    expected = oracles.penalised(case(name, "squared_error"))
    np.testing.assert_array_equal(layout.penalised(theta.astype(np.float32)), expected.astype(np.float32))
    assert layout.penalised(theta.astype(np.float32)).dtype == np.float32


def test_leaks_are_slopes_below_zero(name):
    sizes, activations = NETWORKS[name]
    slopes = {"identity": 1.0, "relu": 0.0, "leaky_relu": 0.01}
    expected = (*(slopes[a] for a in activations), 1.0) if set(activations) <= set(slopes) else None
    assert MLP(sizes, activations).leaks == expected
    assert set(activations) <= set(ACTIVATIONS)
