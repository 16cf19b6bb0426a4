import numpy as np
import pytest

from skcurv import curvature
from skcurv.curvature import dense_blocks
from skcurv.network.layout import Layout

from .. import oracles
from ..cases import CASES, assert_close, case, problem

RANDOM = np.random.default_rng(0)
every_case = pytest.mark.parametrize("c", CASES.values(), ids=CASES)


def _terms(p):
    """Roundings on the way to an entry: the sums over rows, columns and two passes through the network."""
    return 20 * p.theta.size * p.Y.size


def _columns(p, sparse=False):
    here = p.point(sparse=sparse)
    return here, curvature.ggn(here, RANDOM)


def _matrix(operator, size):
    return np.stack([operator.mv(e) for e in np.eye(size)], axis=1)


@pytest.mark.usefixtures("dense_by")
@every_case
def test_dense_equals_brute_force(c):
    p = problem(c)
    C = curvature.dense(*_columns(p)).C
    np.testing.assert_array_equal(C, C.T)
    assert_close(C, oracles.ggn(p), _terms(p))


@pytest.mark.usefixtures("dense_by")
@every_case
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_structures_hold_the_same_matrix(c, sparse):
    p = problem(c)
    here, S = _columns(p, sparse)
    C = oracles.ggn(p)
    scale = np.abs(C).max()
    assert_close(curvature.dense(here, S).C, C, _terms(p))
    assert_close(curvature.diagonal(here, S).diag(), np.diagonal(C), _terms(p), scale=scale)
    R = curvature.gram(here, S).R
    assert R.shape == (here.n * S.shape[2], p.theta.size)
    assert_close(R.T @ R, C, _terms(p), scale=scale)
    assert_close(_matrix(curvature.by_layer(here, S), p.theta.size), oracles.blocks_only(c, C), _terms(p), scale=scale)


@every_case
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_kronecker_factors_equal_the_loops(c, sparse):
    p = problem(c)
    operator = curvature.kronecker(*_columns(p, sparse))
    for A, G, (loop_A, loop_G) in zip(operator.A, operator.G, oracles.kronecker_factors(p), strict=True):
        assert_close(A, loop_A, _terms(p))
        assert_close(G, loop_G, _terms(p), scale=max(np.abs(loop_G).max(), 1e-3))


@every_case
def test_kronecker_of_a_part_averages_inputs_over_the_part(c):
    p = problem(c)
    part = p.point().parts(3)[0]
    kept = np.flatnonzero(p.v)[:3]
    alone = p._replace(X=p.X[kept], Y=p.Y[kept], v=p.v[kept])
    share = p.v[kept].sum() / p.v.sum()
    operator = curvature.kronecker(part, curvature.ggn(part, RANDOM))
    for A, G, (loop_A, loop_G) in zip(operator.A, operator.G, oracles.kronecker_factors(alone), strict=True):
        assert_close(A, loop_A, _terms(p))
        assert_close(G, share * loop_G, _terms(p), scale=max(np.abs(loop_G).max(), 1e-3))


@every_case
def test_the_last_factor_has_no_noise_of_draws_where_outputs_are_apart(c):
    p = problem(c)
    here, S = _columns(p)
    drawn, exact = curvature.sampled_fisher(here, RANDOM), curvature.kronecker(here, S)
    plain, known = curvature.kronecker(here, drawn), curvature.with_exact_output(here, drawn)
    for one, other in zip((*plain.A, *plain.G[:-1]), (*known.A, *known.G[:-1]), strict=True):
        np.testing.assert_array_equal(one, other)
    if getattr(here.objective.loss, "diagonal", False):
        assert np.abs(plain.G[-1] - exact.G[-1]).max() > 1e-3 * np.abs(exact.G[-1]).max()
        assert_close(np.diag(known.G[-1]), exact.G[-1], _terms(p))
    else:
        np.testing.assert_array_equal(known.G[-1], plain.G[-1])


def test_few_parameters_times_columns_take_one_sum(monkeypatch):
    p = problem(case("tanh", "multinomial"))
    here, S = _columns(p)
    pairs = {across: set(dense_blocks.layer_sums(here, S, across)) for across in (True, False)}
    assert pairs == {True: {dense_blocks.WHOLE}, False: {(0, 0), (1, 1)}}
    for rows, keys in ((p.theta.size * 2, {dense_blocks.WHOLE}), (p.theta.size * 2 - 1, {(0, 0), (0, 1), (1, 1)})):
        monkeypatch.setattr(dense_blocks, "ROWS", rows)
        assert set(dense_blocks.layer_sums(here, S, True)) == keys


def test_rows_count_among_the_numbers_held():
    """Of 861 parameters; without rows the products of 21 inputs are the most."""
    layout = Layout((20, 20, 20, 1))
    assert curvature.entries_per_row(layout, 1) == curvature.entries_per_row(layout, 2) == layout.size == 861
    assert curvature.entries_per_row(Layout((20, 20, 20, 20, 1)), 1) == 441


@every_case
def test_kronecker_is_exact_for_one_sample(c):
    p = problem(c, n=1)
    exact = oracles.blocks_only(c, oracles.ggn(p))
    assert_close(_matrix(curvature.kronecker(*_columns(p)), p.theta.size), exact, _terms(p))


@pytest.mark.parametrize("network", ["linear", "linear one output", "deep linear"])
def test_kronecker_is_exact_for_linear_networks_with_squared_error(network):
    c = case(network, "squared_error")
    p = problem(c)
    exact = oracles.blocks_only(c, oracles.ggn(p))
    assert_close(_matrix(curvature.kronecker(*_columns(p)), p.theta.size), exact, _terms(p))


def test_kronecker_is_an_approximation_otherwise():
    c = case("tanh", "multinomial")
    p = problem(c)
    exact = oracles.blocks_only(c, oracles.ggn(p))
    gap = np.abs(_matrix(curvature.kronecker(*_columns(p)), p.theta.size) - exact).max()
    assert gap > 1e-3 * np.abs(exact).max()


@pytest.mark.parametrize("network", ["linear", "deep relu", "one unit"])
@pytest.mark.parametrize("vector", [False, True], ids=["scalar shift", "vector shift"])
def test_sample_space_and_parameter_space_solve_alike(network, vector):
    p = problem(case(network, "multinomial"), n=4)
    here, S = _columns(p)
    b, shift = RANDOM.normal(size=p.theta.size), 0.3
    shift = shift + RANDOM.random(p.theta.size) if vector else shift
    ours, theirs = curvature.gram(here, S), curvature.dense(here, S)
    terms = _terms(p) * (1 + np.trace(theirs.C) / 0.3)  # the condition number
    assert_close(ours.solve(b, shift), theirs.solve(b, shift), terms)
    assert_close(ours.logdet(shift), theirs.logdet(shift), terms, scale=p.theta.size)


@pytest.mark.usefixtures("dense_by")
@every_case
def test_curvatures_of_parts_add_up(c):
    p = problem(c)
    whole, S = _columns(p)
    parts = [(part, curvature.ggn(part, RANDOM)) for part in whole.parts(2)]
    assert len(parts) == 3
    for structure in (curvature.dense, curvature.diagonal, curvature.by_layer):
        added = [structure(*part) for part in parts]
        one = added[0] + added[1] + added[2]
        matrix = _matrix(structure(whole, S), p.theta.size)
        assert_close(_matrix(one, p.theta.size), matrix, _terms(p))


@pytest.mark.parametrize("loss", ["squared_error", "bernoulli", "multinomial"])
def test_the_mean_of_ten_thousand_sampled_fishers_is_within_its_bound_of_the_exact_one(loss):
    """A hundred means of a hundred draws: 11 x 11 entries at 6 standard errors, with 99 degrees of freedom."""
    p = problem(case("one unit", loss))
    here, rng, m = p.point(), np.random.default_rng(3), 100
    draws = [here.objective.loss.sample(here.tape.F, m, rng) / m**0.5 for _ in range(100)]
    C = np.stack([curvature.dense(here, S).C for S in draws])
    error = np.abs(C.mean(axis=0) - oracles.ggn(p))
    assert np.all(error <= 6 * C.std(axis=0, ddof=1) / 10 + 1e-12)
    one = curvature.dense(here, curvature.sampled_fisher(here, rng)).C
    assert np.abs(one - oracles.ggn(p)).max() > error.max()


def test_empirical_fisher_is_another_matrix_where_the_model_is_wrong():
    p = problem(case("one output", "squared_error"))
    F = oracles.forward(p.case, p.theta, p.X)
    exact = oracles.ggn(p)
    for residual in (1.0, 3.0):  # gradients of +-r: r^2 times the Fisher, right at r = 1 only
        signs = np.where(np.arange(len(F)) % 2, residual, -residual)[:, None]
        here = p._replace(Y=F + signs).point()
        empirical = curvature.dense(here, curvature.empirical_fisher(here, RANDOM)).C
        assert_close(empirical, residual**2 * exact, _terms(p))


@every_case
def test_empirical_fisher_is_the_sum_of_squared_gradients(c):
    p = problem(c)
    here = p.point()
    expected = np.zeros((p.theta.size,) * 2)
    for i in np.flatnonzero(p.v):
        alone = p._replace(X=p.X[[i]], Y=p.Y[[i]], v=p.v[[i]], alpha=0.0)
        g = oracles.gradient(alone)
        expected += p.v[i] / p.v.sum() * np.outer(g, g)
    assert_close(curvature.dense(here, curvature.empirical_fisher(here, RANDOM)).C, expected, _terms(p))


@every_case
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_blocks_by_unit_are_those_of_the_exact_matrix(c, sparse):
    p = problem(c)
    C = oracles.ggn(p)
    unit = np.concatenate(
        [
            100 * layer + np.tile(np.arange(o), i + 1)
            for layer, (i, o) in enumerate(zip(c.sizes, c.sizes[1:], strict=False))
        ]
    )
    exact = np.where(unit[:, None] == unit, C, 0)
    operator = curvature.by_unit(*_columns(p, sparse))
    assert_close(_matrix(operator, p.theta.size), exact, _terms(p), scale=np.abs(C).max())


@every_case
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_ekfac_has_the_exact_second_moments_in_the_basis_of_kfac(c, sparse):
    """Lambda is the diagonal of Q' C Q: no other eigenvalues come nearer, K-FAC's among them."""
    p = problem(c)
    blocks, size = oracles.blocks_only(c, oracles.ggn(p)), p.theta.size
    here, S = _columns(p, sparse)
    ekfac, kfac = curvature.ekfac(here, S), _matrix(curvature.kronecker(here, S), size)
    for s, Q_A, Q_G, L in zip(ekfac.layout.slices, ekfac.Q_A, ekfac.Q_G, ekfac.L, strict=True):
        Q = np.kron(Q_A, Q_G)
        assert_close(L.ravel(), np.diagonal(Q.T @ blocks[s, s] @ Q), _terms(p), scale=np.abs(blocks).max())
    gap, kfac_gap = (np.linalg.norm(blocks - M) for M in (_matrix(ekfac, size), kfac))
    assert gap <= kfac_gap + _terms(p) * np.finfo(float).eps * np.linalg.norm(blocks)


def test_ekfac_is_nearer_than_kfac_on_a_plain_network():
    p = problem(case("tanh", "multinomial"))
    blocks, (here, S) = oracles.blocks_only(p.case, oracles.ggn(p)), _columns(p)
    gap, kfac_gap = (
        np.linalg.norm(blocks - _matrix(structure(here, S), p.theta.size))
        for structure in (curvature.ekfac, curvature.kronecker)
    )
    assert gap < 0.99 * kfac_gap


def test_second_moments_in_a_given_basis_add_up_over_parts():
    p = problem(case("two layers", "multinomial"))
    here, S = _columns(p)
    basis = curvature.kronecker(here, S).in_eigenbasis()
    parts = [curvature.in_basis(part, curvature.ggn(part, RANDOM), basis) for part in here.parts(2)]
    whole = curvature.in_basis(here, S, basis)
    added = parts[0] + parts[1] + parts[2]
    assert_close(_matrix(added, p.theta.size), _matrix(whole, p.theta.size), _terms(p))


@pytest.mark.parametrize("network", ["deep linear", "two layers", "tanh"])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_tridiagonal_moments_are_exact_for_one_sample(network, sparse):
    """With one row every block of the curvature is a Kronecker product, those of neighbouring layers too."""
    p = problem(case(network, "squared_error"), n=1)
    exact, here = oracles.ggn(p), p.point(sparse=sparse)
    operator = curvature.tridiagonal(here, curvature.ggn(here, RANDOM))
    slices, own = operator.layout.slices, operator.own
    for layer in range(len(slices)):
        block = np.kron(own.A[layer], own.G[layer])
        assert_close(block, exact[slices[layer], slices[layer]], _terms(p), scale=np.abs(exact).max())
    for layer in range(len(slices) - 1):
        block = np.kron(operator.A_next[layer], operator.G_next[layer])
        assert_close(block, exact[slices[layer], slices[layer + 1]], _terms(p), scale=np.abs(exact).max())


def test_tridiagonal_moments_are_weighted_means():
    p = problem(case("two layers", "multinomial"))
    operator = curvature.tridiagonal(*_columns(p))
    v = p.v / p.v.sum()
    ones = [
        [np.append(np.array(a, dtype=float), 1.0) for a in oracles.layers(p.case.sizes, p.case.activations, p.theta, x)]
        for x in p.X
    ]
    for layer in range(2):
        expected = sum(v[i] * np.outer(ones[i][layer], ones[i][layer + 1]) for i in range(len(v)))
        assert_close(operator.A_next[layer], expected, _terms(p))
