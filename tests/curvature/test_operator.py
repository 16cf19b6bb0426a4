"""The public operator: every what x how at a fitted estimator against brute force, and SciPy's methods on it."""

import re

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, cg, eigsh
from sklearn.exceptions import NotFittedError

from skcurv import CurvatureMLPClassifier, CurvatureMLPRegressor
from skcurv.curvature import assemble
from skcurv.curvature.operator import curvature

from .. import oracles
from ..cases import Case, assert_close, assert_close_to_difference, case, problem

NETS = {
    "softmax regression": Case((3, 3), (), "multinomial"),
    "logistic outputs": case("one unit", "bernoulli"),
    "classifier": case("two layers", "multinomial"),
    "regressor": case("tanh", "squared_error"),
}
every_net = pytest.mark.parametrize("name", NETS)
SUMMED = ("dense", "gram", "matrix-free", "layer", "unit", "diag")
FORMS = (*SUMMED, "kron", "ekfac")
SHIFT = 0.3


def _fitted(name, n=7, **options):
    """An estimator at the parameters of a problem, the targets it takes, and the problem with those targets."""
    c = NETS[name]
    p, loss = problem(c, n), c.loss
    if loss == "multinomial":
        y = np.arange(n) // 2 % c.sizes[-1]
        p, model = p._replace(Y=np.eye(c.sizes[-1])[y]), CurvatureMLPClassifier
    else:
        y, model = p.Y, CurvatureMLPRegressor
        options = {"loss": "log_loss" if loss == "bernoulli" else loss, "target_scaling": None, **options}
    options = {"solver": "sgd", "alpha": p.alpha, "max_iter": 1, "tol": 0, "random_state": 0, **options}
    model = model(c.sizes[1:-1], c.activations, **options).fit(p.X, y, p.v)
    model.theta_ = p.theta
    return model, y, p


def _operator(name, what, how, n=7, **options):
    model, y, p = _fitted(name, n)
    return curvature(model, p.X, y, what, how, sample_weight=p.v, **options), p


def _matrix(C):
    return C @ np.eye(C.shape[0])


def _terms(p):
    return 20 * p.theta.size * p.Y.size


def _masked(c, C, how):
    """What of C a form keeps."""
    if how in ("dense", "gram", "matrix-free"):
        return C
    if how == "diag":
        return np.diag(np.diagonal(C))
    if how == "layer":
        return oracles.blocks_only(c, C)
    kept = np.zeros_like(C)
    for layer in range(len(c.sizes) - 1):
        for o in range(c.sizes[layer + 1]):
            unit = [oracles.parameter(c.sizes, layer, i, o) for i in range(c.sizes[layer] + 1)]
            kept[np.ix_(unit, unit)] = C[np.ix_(unit, unit)]
    return kept


def _empirical(p):
    """sum_i v_i g_i g_i' / sum v."""
    rows = [p._replace(X=p.X[[i]], Y=p.Y[[i]], v=np.ones(1), alpha=0.0) for i in range(len(p.v))]
    g = np.stack([oracles.gradient(row) for row in rows])
    return (g * p.v[:, None]).T @ g / p.v.sum()


@every_net
@pytest.mark.parametrize("how", SUMMED)
@pytest.mark.parametrize(("what", "oracle"), [("ggn", oracles.ggn), ("empirical-fisher", _empirical)])
def test_exact_forms_equal_brute_force(name, how, what, oracle):
    C, p = _operator(name, what, how)
    exact = oracle(p)
    assert_close(_matrix(C), _masked(p.case, exact, how), _terms(p), scale=np.abs(exact).max())


@every_net
def test_the_hessian_is_the_difference_of_gradients_without_the_penalty(name):
    C, p = _operator(name, "hessian", "matrix-free")
    H = oracles.hessian(p)
    assert_close_to_difference(_matrix(C) + np.diag(C.penalty), H, 10 * max(1.0, np.abs(H).max()))
    assert_close(C.penalty, p.alpha / p.v.sum() * oracles.penalised(p.case), 10)


@every_net
def test_kronecker_forms_equal_the_loops(name):
    kron, p = _operator(name, "ggn", "kron")
    expected = np.zeros((p.theta.size,) * 2)
    for s, (A, G) in zip(oracles.layer_slices(p.case), oracles.kronecker_factors(p), strict=True):
        expected[s, s] = np.kron(A, G)
    scale = np.abs(expected).max()
    assert_close(_matrix(kron), expected, _terms(p), scale=scale)
    exact = oracles.blocks_only(p.case, oracles.ggn(p))
    ekfac = _matrix(_operator(name, "ggn", "ekfac")[0])
    assert np.linalg.norm(ekfac - exact) <= np.linalg.norm(expected - exact) + 1e-12 * scale  # George et al., theorem 2
    assert_close(np.trace(ekfac), np.trace(exact), _terms(p))


def test_the_tridiagonal_form_has_the_kronecker_blocks():
    name = "regressor"
    tridiagonal, p = _operator(name, "ggn", "tridiagonal", n=30)
    kron = _matrix(_operator(name, "ggn", "kron", n=30)[0])
    F, factors = _matrix(tridiagonal), oracles.kronecker_factors(p)
    largest = max(np.linalg.cond(M) for pair in factors for M in pair)
    assert_close(oracles.blocks_only(p.case, F), kron, _terms(p) * largest)
    assert_close(F, F.T, _terms(p) * largest)


@every_net
@pytest.mark.parametrize("what", ["ggn", "fisher", "empirical-fisher"])
@pytest.mark.parametrize("how", [how for how in FORMS if how not in ("gram", "matrix-free")])
def test_rows_in_parts_give_the_whole(name, what, how, monkeypatch):
    whole, p = _operator(name, what, how, random_state=1)
    monkeypatch.setattr(assemble, "STRIP", 1)
    C = _matrix(whole)
    parts = _matrix(_operator(name, what, how, random_state=1)[0])
    if how == "ekfac":  # eigenvectors turn freely where eigenvalues are close: compare what does not
        C, parts = np.trace(C), np.trace(parts)
    assert_close(parts, C, _terms(p))


@every_net
def test_the_draws_are_the_same_for_every_form(name):
    C, p = _operator(name, "fisher", "dense", n_draws=3, random_state=4)
    exact = _matrix(C)
    for how in SUMMED:
        other = _matrix(_operator(name, "fisher", how, n_draws=3, random_state=4)[0])
        assert_close(other, _masked(p.case, exact, how), _terms(p), scale=np.abs(exact).max())
    ekfac = _operator(name, "fisher", "ekfac", n_draws=3, random_state=4)[0]
    assert_close(ekfac.diag().sum(), np.trace(exact), _terms(p))
    again = _matrix(_operator(name, "fisher", "dense", n_draws=3, random_state=5)[0])
    assert np.abs(again - exact).max() > 1e-3 * np.abs(exact).max()


@pytest.mark.parametrize("name", ["softmax regression", "logistic outputs"])
def test_the_sampled_fisher_tends_to_the_exact_one(name):
    model, y, p = _fitted(name)
    draws = [
        curvature(model, p.X, y, "fisher", "dense", sample_weight=p.v, n_draws=100, random_state=seed).form.C
        for seed in range(40)
    ]
    error = np.abs(np.mean(draws, axis=0) - oracles.ggn(p))
    # at most 144 entries at 6 standard errors, themselves known to 11 %: a false alarm in 10^4 draws of the seeds
    assert np.all(error <= 6 * np.std(draws, axis=0, ddof=1) / 40**0.5 + 1e-12)


@pytest.mark.parametrize("how", [*FORMS[:2], *FORMS[3:]])
def test_solves_and_determinants_are_those_of_the_matrix(how):
    C, p = _operator("classifier", "ggn", how)
    shifted = _matrix(C) + SHIFT * np.eye(p.theta.size)
    b = np.random.default_rng(0).normal(size=p.theta.size)
    terms = 10 * p.theta.size * np.linalg.cond(shifted)
    assert_close(C.solve(b, SHIFT), np.linalg.solve(shifted, b), terms)
    B = np.stack([C.sqrt_solve(e, SHIFT) for e in np.eye(p.theta.size)], axis=1)
    assert_close(B @ B.T, np.linalg.inv(shifted), terms)
    assert_close(C.logdet(SHIFT), np.linalg.slogdet(shifted)[1], terms, scale=p.theta.size)
    assert_close(C.diag(), np.diagonal(_matrix(C)), _terms(p), scale=np.abs(shifted).max())


@pytest.mark.parametrize("how", ["dense", "layer", "unit", "diag", "gram"])
def test_the_penalty_can_be_the_shift(how):
    C, p = _operator("regressor", "ggn", how, n=40)
    D = C.penalty + (1e-3 if how == "gram" else 0.0)
    shifted, b = _matrix(C) + np.diag(D), np.ones(p.theta.size)
    assert_close(C.solve(b, D), np.linalg.solve(shifted, b), 10 * p.theta.size * np.linalg.cond(shifted))


def test_nan_where_the_shifted_matrix_is_not_positive_definite():
    C, p = _operator("regressor", "ggn", "gram")
    assert np.isnan(C.solve(np.ones(p.theta.size), 0.0)).any()
    assert np.isnan(C.logdet())


@every_net
@pytest.mark.parametrize("how", FORMS)
def test_scipy_takes_it(name, how):
    C, p = _operator(name, "ggn", how)
    matrix, b = _matrix(C), np.random.default_rng(0).normal(size=p.theta.size)
    top = np.linalg.eigvalsh(matrix)[-1]
    assert isinstance(C, LinearOperator)
    assert (C.dtype, C.shape) == (np.float64, (p.theta.size,) * 2)
    assert_close(eigsh(C, 1, v0=b, return_eigenvectors=False), [top], _terms(p))
    damped = C + LinearOperator(C.shape, matvec=lambda v: SHIFT * top * v, dtype=np.float64)
    x, info = cg(damped, b, rtol=1e-12, maxiter=1000)
    assert info == 0
    residual = matrix @ x + SHIFT * top * x - b
    assert np.linalg.norm(residual) <= 2e-12 * np.linalg.norm(b)
    for product in (C.mv(b), C.rmatvec(b), C.T @ b, C.H @ b, (C @ b[:, None])[:, 0], C.matmat(b[:, None])[:, 0]):
        assert_close(product, matrix @ b, _terms(p), scale=np.abs(matrix).max() * np.abs(b).sum())


@pytest.mark.parametrize("what", ["ggn", "fisher", "empirical-fisher", "hessian"])
def test_csr_rows_give_the_same_products(what):
    model, y, p = _fitted("classifier")
    X = scipy.sparse.csr_matrix(p.X)
    for how in ("matrix-free",) if what == "hessian" else ("dense", "kron", "ekfac", "matrix-free", "tridiagonal"):
        dense, sparse = (curvature(model, rows, y, what, how, sample_weight=p.v, random_state=0) for rows in (p.X, X))
        if how != "tridiagonal":
            C = _matrix(dense)
            assert_close(np.trace(_matrix(sparse)), np.trace(C), 100 * _terms(p), scale=np.abs(C).max())
        else:
            assert_close(sparse.diag(), dense.diag(), _terms(p))


def test_class_weights_count():
    model, y, p = _fitted("softmax regression", class_weight={0: 3.0, 1: 0.5})
    plain, *_ = _fitted("softmax regression")
    weighted = curvature(model, p.X, y, sample_weight=p.v)
    counted = curvature(plain, p.X, y, sample_weight=p.v * np.choose(y, [3.0, 0.5, 1.0]))
    assert_close(_matrix(weighted), _matrix(counted), _terms(p))
    assert_close(weighted.penalty, counted.penalty, 10)


def test_targets_are_scaled_as_in_the_fit():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 2)), rng.normal(100, 50, 20)
    model = CurvatureMLPRegressor((), solver="sgd", max_iter=1, tol=0, random_state=0).fit(X, y)
    scaled = (y - y.mean()) / y.std()
    A = np.column_stack([X, np.ones(20)])
    rows = (A @ model.theta_ - scaled)[:, None] * A
    C = curvature(model, X, y, "empirical-fisher", "dense")
    assert_close(_matrix(C), rows.T @ rows / 20, 1000)


def test_the_estimator_stays_as_it_is_and_single_precision_is_raised():
    model, y, p = _fitted("regressor")
    model.theta_ = p.theta.astype(np.float32)
    before = dict(vars(model))
    C = curvature(model, p.X.astype(np.float32).tolist(), y, "ggn", "dense", sample_weight=p.v)
    assert C.form.C.dtype == C.penalty.dtype == np.float64
    assert vars(model) == before
    assert repr(C) == f"Curvature(what='ggn', how='dense', shape=({p.theta.size}, {p.theta.size}))"


def assert_complains(call, error):
    with pytest.raises(error) as caught:
        call()
    parts = re.split(r"(?<=[a-z)'\]0-9])\.\s+", str(caught.value))
    assert len(parts) == 3
    assert parts[1].startswith("Allowed")
    return parts[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"what": "newton"},
        {"how": "triangular"},
        {"what": "hessian", "how": "dense"},
        {"n_draws": 0},
        {"n_draws": 1.5},
        {"sample_weight": [1.0, 2.0]},
        {"sample_weight": [-1.0] * 7},
        {"sample_weight": [0.0] * 7},
    ],
)
def test_misuse_is_told_in_three_parts(wrong):
    model, y, p = _fitted("classifier")
    given = assert_complains(lambda: curvature(model, p.X, y, **wrong), ValueError)
    assert next(iter(wrong)) in given or "how" in given


def test_data_are_validated_as_in_predict():
    model, y, p = _fitted("classifier")
    with pytest.raises(ValueError, match="features"):
        curvature(model, p.X[:, :1], y)
    with pytest.raises(ValueError, match="classes"):
        curvature(model, p.X, np.full(7, 9))
    with pytest.raises(NotFittedError):
        curvature(CurvatureMLPClassifier(), p.X, y)


def test_what_a_form_has_not_is_told_in_three_parts():
    free, _ = _operator("regressor", "ggn", "matrix-free")
    b = np.ones(free.shape[0])
    for call in (lambda: free.solve(b, 1.0), lambda: free.sqrt_solve(b, 1.0), lambda: free.logdet(1.0), free.diag):
        assert "how='matrix-free'" in assert_complains(call, TypeError)
    for how in ("kron", "ekfac", "tridiagonal"):
        form, _ = _operator("regressor", "ggn", how)
        assert "shift of shape" in assert_complains(lambda form=form: form.solve(b, form.penalty), ValueError)
    kron, _ = _operator("regressor", "ggn", "kron")
    assert_close(kron.solve(b, [0.3, 0.3]), kron.solve(b, 0.3), 10)
