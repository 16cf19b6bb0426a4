"""Spectra, traces and the report against dense eigenvalues, formulas and theorems."""

import re

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator
from sklearn.linear_model import Ridge

from skcurv import CurvatureMLPClassifier, CurvatureMLPRegressor
from skcurv.curvature import operator
from skcurv.curvature.operator import curvature
from skcurv.diagnostics import (
    ConditionNumber,
    Estimate,
    condition_number,
    diagnose,
    effective_n_parameters,
    exact,
    extreme_eigenvalues,
    report,
    spectral_density,
    trace,
    traces,
)

from ..cases import assert_close

P = 60
EPS = np.finfo(np.float64).eps


def _spectrum(kind):
    rng = np.random.default_rng(3)
    return {
        "decaying": 2.0 ** -np.arange(P),
        "indefinite": rng.normal(size=P),
        "low rank": np.where(np.arange(P) < 7, 1.0 + np.arange(P), 0.0),
        "zero": np.zeros(P),
    }[kind]


KINDS = ("decaying", "indefinite", "low rank", "zero")


def _matrix(values, seed=0):
    Q = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(values),) * 2))[0]
    C = (Q * values) @ Q.T
    return (C + C.T) / 2


def _products(C):
    return LinearOperator(C.shape, matvec=lambda v: C @ v, dtype=np.float64)


@pytest.fixture
def large(monkeypatch):
    """Every operator without a form counts as large."""
    monkeypatch.setattr(exact, "SMALL", 0)


def _fitted():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 5))
    y = rng.integers(0, 3, 40)
    model = CurvatureMLPClassifier((4,), "tanh", solver="sgd", alpha=0.5, max_iter=3, tol=0, random_state=0)
    return model.fit(X, y), X, y


HOWS = ("dense", "diag", "layer", "unit", "kron", "ekfac", "gram", "matrix-free")


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("alone", [False, True], ids=["small", "by its form alone"])
def test_every_form_has_the_eigenvalues_of_its_matrix(how, alone, monkeypatch):
    model, X, y = _fitted()
    C = curvature(model, X, y, how=how)
    values = np.linalg.eigvalsh(C @ np.eye(C.shape[0]))
    if alone:
        monkeypatch.setattr(exact, "SMALL", 0)
    found = exact.exact_eigenvalues(C)
    if alone and how == "matrix-free":
        assert found is None
    else:
        assert_close(found, values, 10 * C.shape[0])
        assert_close(exact.exact_eigenvalues(C, 0.7), values + 0.7, 10 * C.shape[0])
    extremes = extreme_eigenvalues(C, 3, rng=0, steps=39)
    assert_close(extremes.largest, values[::-1][:3], 10 * C.shape[0])
    few = 1 if alone and how == "matrix-free" else 3  # one start vector sees one of the zeros
    assert_close(extremes.smallest[:few], values[:few], 10 * C.shape[0], scale=values[-1])


def test_few_rows_have_zeros_for_the_other_directions(large):
    model, X, y = _fitted()
    gram, dense = (curvature(model, X[:5], y[:5], how=how) for how in ("gram", "dense"))
    assert gram.form.R.shape[0] < gram.shape[0]
    assert_close(exact.exact_eigenvalues(gram), np.linalg.eigvalsh(dense.form.C), 10 * gram.shape[0])
    assert_close(effective_n_parameters(gram, 0.1).value, effective_n_parameters(dense, 0.1).value, 10_000)


@pytest.mark.parametrize("kind", KINDS)
def test_lanczos_finds_the_ends_of_a_spectrum(kind, large):
    values = np.sort(_spectrum(kind))
    extremes = extreme_eigenvalues(_products(_matrix(values)), 2, rng=1, steps=P)
    scale = max(np.abs(values).max(), 1e-300)
    for found, error in ((extremes.largest, extremes.largest_error), (extremes.smallest, extremes.smallest_error)):
        for t, bound in zip(found, error, strict=True):
            assert np.abs(values - t).min() <= bound + 10 * P * EPS * scale
    assert_close(extremes.largest[0], values[-1], 10 * P, scale=scale)
    assert_close(extremes.smallest[0], values[0], 10 * P, scale=scale)


def test_few_lanczos_steps_bound_their_own_error(large):
    values = np.linspace(1, 2, P)
    extremes = extreme_eigenvalues(_products(_matrix(values)), 1, rng=0, steps=5)
    (top,), (bound,) = extremes.largest, extremes.largest_error
    assert 2 - top > 1e-6
    assert np.abs(values - top).min() <= bound < 0.5


@pytest.mark.parametrize("steps", [None, P], ids=["exact", "lanczos"])
def test_condition_numbers(steps, monkeypatch):
    if steps:
        monkeypatch.setattr(exact, "SMALL", 0)
    options = {"rng": 0, "steps": steps or 100}
    plain = condition_number(_products(_matrix(np.linspace(1.0, 8.0, P))), **options)
    assert plain.exact is (steps is None)
    assert_close([plain.plain, plain.effective, plain.largest, plain.smallest], [8, 8, 8, 1], 100 * P, scale=1.0)
    singular = condition_number(_products(_matrix(np.where(np.arange(P) < 50, np.linspace(2.0, 9, P), 0.0))), **options)
    assert singular.plain == np.inf
    assert_close(singular.effective, (2 + 49 * 7 / 59) / 2, 100 * P)
    tiny = condition_number(_products(_matrix(np.r_[np.ones(P - 1), 1e-9])), **options)
    assert tiny.effective < 1 + 1e-12
    assert_close(1 / tiny.plain, 1e-9, 10 * P, scale=1.0)
    shifted = condition_number(_products(_matrix(_spectrum("low rank"))), 0.5, **options)
    assert_close([shifted.plain, shifted.effective], [15.0, 15.0], 100 * P)
    indefinite = condition_number(_products(_matrix(np.linspace(-4.0, 2.0, P))), **options)
    assert_close(indefinite.effective, 4 / np.abs(np.linspace(-4, 2, P)).min(), 1000 * P)
    assert condition_number(_products(np.zeros((P, P))), **options).plain == np.inf


def test_a_vector_is_a_shift_too():
    C, D = _matrix(_spectrum("low rank")), np.linspace(0.5, 1.5, P)
    assert_close(condition_number(C, D).plain, np.linalg.cond(C + np.diag(D)), 1000 * P)


def test_an_operator_with_a_diagonal_has_its_trace():
    model, X, y = _fitted()
    for how in HOWS:
        C = curvature(model, X, y, how=how)
        t = trace(C, rng=0, n_products=12)
        assert (t.standard_error == 0) == (how != "matrix-free")
        if t.standard_error == 0:
            assert_close(t.value, np.trace(C @ np.eye(C.shape[0])), 10 * C.shape[0])


@pytest.mark.parametrize("kind", KINDS)
def test_hutch_is_unbiased_and_knows_its_error(kind):
    """50 estimates: their mean, and each within the spread that Hutchinson's rest has given Q."""
    values = _spectrum(kind)
    C = _products(_matrix(values))
    estimates = [trace(C, rng=seed, n_products=30) for seed in range(50)]
    t, s = (np.array(column) for column in zip(*estimates, strict=True))
    scale = max(np.abs(values).max(), 1e-300)
    assert abs(t.mean() - values.sum()) <= 5 * t.std(ddof=1) / 50**0.5 + 100 * P * EPS * scale
    assert abs(np.mean(s**2) ** 0.5 - t.std(ddof=1)) <= 0.5 * t.std(ddof=1) + 100 * P * EPS * scale
    if kind == "low rank":  # 10 columns hold 7 directions: nothing is left to sample
        assert_close(t, np.full(50, values.sum()), 1000 * P)


def test_hutch_with_enough_products_is_exact():
    values = _spectrum("indefinite")
    t = trace(_products(_matrix(values)), rng=0, n_products=3 * P)
    assert t.standard_error == 0
    assert_close(t.value, values.sum(), 100 * P, scale=np.abs(values).sum())


@pytest.mark.parametrize("kind", KINDS)
def test_the_density_integrates_to_one_and_is_not_negative(kind):
    d = spectral_density(_products(_matrix(_spectrum(kind))), n_probes=3, steps=20, rng=0)
    assert (d.density >= 0).all()
    assert abs(np.trapezoid(d.density, d.grid) - 1) < 1e-8  # tails beyond 6 widths hold 2e-9
    for nodes, weights in zip(d.nodes, d.weights, strict=True):
        assert_close(weights.sum(), 1.0, P)
        assert len(nodes) <= 20


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("power", [1, 2, 5])
def test_moments_of_the_density_are_traces(kind, power):
    """v'Bv for v uniform on the sphere has variance 2 (tr B^2 / p - (tr B / p)^2) / (p + 2), B = C^power."""
    values, probes = _spectrum(kind), 40
    B = values**power
    found = spectral_density(_products(_matrix(values)), probes, 10, rng=0).mean(lambda t: t**power)
    error = (2 * (np.mean(B**2) - np.mean(B) ** 2) / (P + 2) / probes) ** 0.5
    assert abs(found.value - B.mean()) <= 5 * error + 100 * P * EPS * max(np.abs(B).max(), 1e-300)
    assert 0.5 * error <= found.standard_error <= 2 * error + 100 * P * EPS


def test_quadrature_is_exact_up_to_its_degree():
    """m Lanczos steps integrate polynomials of degree 2 m - 1 (Golub & Meurant 2010, theorem 6.3)."""
    values, m = np.linspace(0.1, 1.0, P), 4
    C, rng = _matrix(values), np.random.default_rng(5)
    v = rng.standard_normal(P)
    d = spectral_density(_products(C), 1, m, rng=5)
    for degree in range(2 * m + 1):
        true = v @ np.linalg.matrix_power(C, degree) @ v / (v @ v)
        gap = abs(d.mean(lambda t, degree=degree: t**degree).value - true)
        assert (gap < 100 * P * EPS) == (degree < 2 * m)
    assert np.isnan(d.mean(np.abs).standard_error)


def test_the_smoothed_density_is_the_gaussian_mixture_of_the_nodes():
    d = spectral_density(np.diag([1.0, 3.0]), n_probes=2, steps=2, width=0.1, rng=0)
    s = 0.2
    expected = sum(
        w * np.exp(-0.5 * ((d.grid - t) / s) ** 2) / (s * np.sqrt(2 * np.pi)) / 2
        for nodes, weights in zip(d.nodes, d.weights, strict=True)
        for t, w in zip(nodes, weights, strict=True)
    )
    assert_close(d.density, expected, 1000)


# ------------------------------------------------------------------------------------------ effective parameters


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("vector", [False, True], ids=["scalar", "vector"])
def test_effective_parameters_are_the_trace(how, vector):
    model, X, y = _fitted()
    C = curvature(model, X, y, how=how)
    M, p = C @ np.eye(C.shape[0]), C.shape[0]
    shift = np.linspace(0.01, 0.3, p) if vector else 0.05
    found = effective_n_parameters(C, shift)
    assert found.standard_error == 0
    assert_close(found.value, np.trace(M @ np.linalg.inv(M + shift * np.eye(p))), 100 * p * 50)


def test_effective_parameters_of_ridge_are_the_trace_of_its_hat_matrix():
    rng = np.random.default_rng(2)
    X, y, alpha = rng.normal(size=(25, 4)) + 1, rng.normal(size=25), 3.0
    model = CurvatureMLPRegressor((), solver="lm-newton", alpha=alpha, tol=0, max_iter=3, random_state=0).fit(X, y)
    hat = np.stack([Ridge(alpha=alpha).fit(X, e).predict(X) for e in np.eye(25)], axis=1)
    for how in ("dense", "layer", "unit", "gram", "matrix-free"):
        C = curvature(model, X, y, how=how)
        assert_close(effective_n_parameters(C, C.penalty).value, np.trace(hat), 10_000)


@pytest.mark.parametrize("vector", [False, True], ids=["scalar", "vector"])
def test_effective_parameters_by_quadrature(vector, large):
    C = _matrix(_spectrum("decaying"))
    shift = np.linspace(0.5, 2, P) * 1e-3 if vector else 1e-3
    true = np.trace(C @ np.linalg.inv(C + shift * np.eye(P)))
    found = effective_n_parameters(_products(C), shift, rng=0, n_probes=60, steps=40)
    assert 0 < found.standard_error < 1
    assert abs(found.value - true) <= 5 * found.standard_error


def test_the_error_of_the_quadrature_counts(large):
    """Few steps on a spectrum of 18 decades: the bounds lie far apart, and the error says so."""
    C = _matrix(_spectrum("decaying"))
    true = np.sum(_spectrum("decaying") / (_spectrum("decaying") + 1e-9))
    for steps in (4, 8, 16, P):
        found = effective_n_parameters(_products(C), 1e-9, rng=0, n_probes=60, steps=steps)
        low, high = zip(*(traces._bounds(lambda v: 1e9 * (C @ v), e, steps) for e in np.eye(P)), strict=True)
        assert np.sum(low) <= true + 1e-3 * P  # of every unit vector: together bounds of the trace
        assert np.sum(high) >= true - 1e-3 * P
        assert abs(found.value - true) <= 5 * found.standard_error


def test_limits_of_the_effective_parameters():
    C = _matrix(_spectrum("low rank"))
    assert abs(effective_n_parameters(C, 1e-6).value - 7) < 7e-6 + P * P * EPS * 7 / 1e-6
    assert effective_n_parameters(C, 1e9).value < 1e-6
    assert effective_n_parameters(np.zeros((P, P)), 1.0).value == 0
    assert np.isnan(effective_n_parameters(-np.eye(2), np.full(2, 0.5)).value)


def assert_complains(call):
    with pytest.raises(ValueError, match="Allowed") as caught:
        call()
    assert len(re.split(r"\.\s+", str(caught.value))) == 3


def test_a_large_operator_needs_a_positive_shift(large):
    assert_complains(lambda: effective_n_parameters(_products(np.eye(P)), np.arange(P)))


@pytest.mark.parametrize("small", [False, True])
def test_an_operator_without_finite_products_is_refused(small, monkeypatch):
    if not small:
        monkeypatch.setattr(exact, "SMALL", 0)
    nan = _products(np.full((3, 3), np.nan))
    for call in (extreme_eigenvalues, condition_number, spectral_density):
        assert_complains(lambda call=call: call(nan))


# ----------------------------------------------------------------------------------------------------- diagnosis


def _kappa(H, g):
    """The definition: stiffest directions with 90 % of the promised fall."""
    values, Q = np.linalg.eigh(H)
    falls = ((Q.T @ g) ** 2 / (2 * values))[::-1]
    place = int(np.argmax(np.cumsum(falls) >= 0.9 * falls.sum()))
    return values[-1] / values[::-1][place], falls.sum()


@pytest.mark.parametrize("dense", [True, False])
def test_a_diagnosis_says_what_the_matrices_say(dense, monkeypatch):
    model, X, y = _fitted()
    if not dense:
        for module in (exact, report):
            monkeypatch.setattr(module, "SMALL", 0)
    d = diagnose(model, X, y)
    C, K = (curvature(model, X, y, how=how) for how in ("dense", "kron"))
    M, p = C.form.C, C.shape[0]
    g = operator.point(model, X, y).grad
    floor = EPS**0.5 * np.trace(M) / p
    H = M + np.diag(C.penalty + floor)
    values, Q = np.linalg.eigh(H)
    kappa, fall = _kappa(H, g)
    tolerance = {"rtol": 1e-6}
    np.testing.assert_allclose(d.condition, kappa, **tolerance)
    np.testing.assert_allclose(d.promised_fall, fall, **tolerance)
    np.testing.assert_allclose(fall, g @ np.linalg.solve(H, g) / 2, **tolerance)
    np.testing.assert_allclose(d.gradient_norm, np.linalg.norm(g), **tolerance)
    np.testing.assert_allclose(d.trace, np.trace(M), **tolerance)
    np.testing.assert_allclose(d.largest_eigenvalue, np.linalg.eigvalsh(M)[-1], **tolerance)
    sizes = np.abs(np.linalg.eigvalsh(M + np.diag(C.penalty)))
    np.testing.assert_allclose(d.whole.effective, sizes.max() / sizes[sizes > EPS**0.5 * sizes.max()].min(), rtol=1e-4)
    assert d.whole.plain == np.inf  # a constant added to all biases of a softmax changes nothing
    stiff = values >= 0.1 * values[-1]
    np.testing.assert_allclose(d.stiff_share, np.sum((Q.T @ g)[stiff] ** 2) / (g @ g), **tolerance)
    n_effective = np.trace(M @ np.linalg.inv(H))
    if dense:
        np.testing.assert_allclose(d.n_effective.value, n_effective, **tolerance)
    else:
        assert abs(d.n_effective.value - n_effective) <= 5 * d.n_effective.standard_error
        assert "at least" in str(d)
        assert "+-" in str(d)
    for found, root in (
        (d.diagonal_condition, np.diag((np.diag(M) + C.penalty + floor) ** -0.5)),
        (d.kronecker_condition, np.stack([K.sqrt_solve(e, C.penalty.max() + floor) for e in np.eye(p)])),
    ):
        np.testing.assert_allclose(found, _kappa(root @ H @ root, root @ g)[0], **tolerance)
    assert (d.n_rows, d.n_parameters, d.value) == (40, p, operator.point(model, X, y).value)


def test_steps_to_divide_an_error_by_ten():
    for kappa in (3.0, 100.0, 1e6):
        rate = (kappa - 1) / (kappa + 1)
        np.testing.assert_allclose(rate ** report._steps(kappa), 0.1, rtol=1e-8)
    assert report._steps(1.0) == 1


def test_a_stretched_input_is_found_and_cured_by_kronecker_products():
    """K-FAC does not feel the scale of inputs (Martens & Grosse 2015, theorem 1); gradient descent does."""
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(200, 3)), rng.normal(size=200)
    stretched = X * [1.0, 1.0, 300.0]
    y = y + X[:, 0] + X[:, 1]
    found = []
    for rows in (X, stretched):
        model = CurvatureMLPRegressor((), solver="lm-newton", alpha=1e-3, max_iter=1, tol=0, random_state=0)
        model.fit(rows, y).theta_ = np.zeros(4)
        found.append(diagnose(model, rows, y))
    plain, bad = found
    assert plain.condition < 3
    assert bad.condition > 1e4
    assert max(plain.kronecker_condition, bad.kronecker_condition) < 1.1
    assert "well-conditioned" in plain.verdict
    assert "ill-conditioned" in bad.verdict
    assert "second-order method will help" in str(bad)
    assert "lm-newton" in str(bad)


def test_a_converged_fit_is_called_so():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(50, 2)), rng.normal(size=50)
    model = CurvatureMLPRegressor((), solver="lm-newton", max_iter=50, tol=0, random_state=0).fit(X, y)
    d = diagnose(model, X, y)
    assert d.converged
    assert "converged" in d.verdict
    model.theta_ = model.theta_ + 0.1
    assert not diagnose(model, X, y).converged


@pytest.mark.parametrize(
    ("kronecker", "diagonal", "advice"), [(10, 1e4, "'kfac'"), (1e4, 10, "'diag-fisher'"), (1e4, 1e4, "'lbfgs'")]
)
def test_the_advice_follows_the_better_preconditioner(kronecker, diagonal, advice):
    whole, n = ConditionNumber(1e9, 1e6, 1.0, 1e-6, True), Estimate(9.0, 0.0)
    d = report.Diagnosis(9, 5000, 1.0, 1.0, 1.0, 1.0, 1.0, n, whole, 0.5, 2e4, 1e4, 1e2, diagonal, kronecker)
    assert advice in d.verdict
    assert str(d).endswith(d.verdict)
    assert all(line.endswith(".") for line in str(d).split("\n"))
