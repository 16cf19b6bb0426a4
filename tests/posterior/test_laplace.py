"""The posterior of parameters: closed forms of a linear model, the function-space form, one form against another."""

import re

import numpy as np
import pytest
from sklearn.linear_model import BayesianRidge

from skcurv import CurvatureMLPClassifier, CurvatureMLPRegressor, CurvatureRegressor
from skcurv.posterior import laplace
from skcurv.posterior.forms import HOWS

from .. import oracles
from ..cases import Case, case, problem

RNG = np.random.default_rng(3)
X = RNG.normal(size=(40, 3))
Y = X @ RNG.normal(size=(3, 2)) + 3 + 0.3 * RNG.normal(size=(40, 2))
W = RNG.integers(1, 4, 40).astype(float)
LINEAR = {"solver": "lm-newton", "max_iter": 20, "tol": 0, "random_state": 0}
NETS = {
    "regressor": case("tanh", "squared_error"),
    "deep regressor": Case((3, 4, 3, 2), ("tanh", "silu"), "squared_error"),
    "labels": case("one unit", "bernoulli"),
}


def _linear(y=Y, alpha=0.7, w=None, **options):
    return CurvatureMLPRegressor((), alpha=alpha, **LINEAR, **options).fit(X, y, w)


def _network(name, n=30, alpha=0.3):
    """A regressor at the parameters of a problem, with its rows, targets and weights."""
    c = NETS[name]
    p = problem(c, n, alpha)
    loss = {"bernoulli": "log_loss"}.get(c.loss, c.loss)
    options = {"loss": loss, "target_scaling": None, "solver": "sgd", "max_iter": 1, "tol": 0, "random_state": 0}
    model = CurvatureMLPRegressor(c.sizes[1:-1], c.activations, alpha=alpha, **options).fit(p.X, p.Y, p.v)
    model.theta_ = p.theta
    return model, p


def _design(X, k):
    """J (n k, p) of a linear model, rows in the order of F's, parameters in that of theta."""
    return np.kron(np.column_stack([X, np.ones(len(X))]), np.eye(k))


def _covariance(posterior):
    return np.stack([posterior.covariance_product(e) for e in np.eye(len(posterior.theta))])


# ---------------------------------------------------------------------------------------------------- linear models


@pytest.mark.parametrize("how", ["dense", "gram", "layer", "last-layer"])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_linear_model_has_the_closed_form(how, weighted):
    w = W if weighted else np.ones(40)
    reg = _linear(w=w)
    posterior = laplace(reg, X, Y, how, sample_weight=w)
    J, scaled = _design(X, 2), (Y - reg.targets_.shift) / reg.targets_.scale
    prior = np.repeat([0.7, 0.0], [6, 2])
    M = J.T @ (np.repeat(w, 2)[:, None] * J)
    gamma = np.trace(M @ np.linalg.inv(M + np.diag(prior)))
    residual = np.sum(w[:, None] * (scaled - (J @ reg.theta_).reshape(-1, 2)) ** 2)
    phi = residual / (2 * w.sum() - gamma)
    np.testing.assert_allclose(posterior.effective_n_parameters, gamma, rtol=1e-7 if how == "gram" else 1e-9)
    np.testing.assert_allclose(posterior.dispersion, phi, rtol=1e-8)
    np.testing.assert_allclose(posterior.noise_variance, phi * reg.targets_.scale**2, rtol=1e-8)
    exact = phi * np.linalg.inv(M + np.diag(prior))
    np.testing.assert_allclose(_covariance(posterior), exact, atol=(1e-6 if how == "gram" else 1e-8) * exact.max())
    mean, std = posterior.predictive(X)
    np.testing.assert_allclose(mean, reg.predict(X), rtol=1e-12)
    variance = phi + np.einsum("ip,pq,iq->i", J, exact, J).reshape(-1, 2)
    np.testing.assert_allclose(std, np.sqrt(variance) * reg.targets_.scale, rtol=1e-8)


def test_predictions_and_evidence_equal_those_of_bayesian_ridge():
    y = Y[:, 0]
    ridge = BayesianRidge(compute_score=True, tol=1e-14, max_iter=2000).fit(X, y)
    reg = _linear(y, ridge.lambda_ / ridge.alpha_, target_scaling=None)
    posterior = laplace(reg, X, y, noise_variance=1 / ridge.alpha_)
    mean, std = posterior.predictive(X)
    ridge_mean, ridge_std = ridge.predict(X, return_std=True)
    np.testing.assert_allclose(mean, ridge_mean, rtol=1e-8)
    intercept = 1 / ridge.alpha_ / len(y)  # its variance, which scikit-learn leaves out
    np.testing.assert_allclose(std**2, ridge_std**2 + intercept, rtol=1e-8)
    np.testing.assert_allclose(_covariance(posterior)[:3, :3], ridge.sigma_, atol=1e-8 * ridge.sigma_.max())
    integral = 0.5 * np.log(2 * np.pi * intercept)  # over the intercept, of density 1
    a, b, hyper = ridge.lambda_, ridge.alpha_, 1e-6
    prior = hyper * (np.log(a) - a + np.log(b) - b)  # scikit-learn's score counts the Gamma priors of both precisions
    np.testing.assert_allclose(posterior.log_evidence, ridge.scores_[-1] - prior + integral, rtol=1e-8)


def test_a_prior_of_ones_own_is_in_the_units_of_a_precision():
    ridge = BayesianRidge(tol=1e-14, max_iter=2000, alpha_1=0, alpha_2=0, lambda_1=0, lambda_2=0).fit(X, Y[:, 0])
    reg = _linear(Y[:, 0], ridge.lambda_ / ridge.alpha_, target_scaling=None)
    own = laplace(reg, X, Y[:, 0], prior_precision=[ridge.lambda_] * 3 + [0.0])
    # scikit-learn does not count the intercept as a parameter: N - gamma is one more there
    exact = np.sum((Y[:, 0] - reg.predict(X)) ** 2) / (40 - own.effective_n_parameters)
    np.testing.assert_allclose(own.dispersion, exact, rtol=1e-10)
    again = laplace(reg, X, Y[:, 0], prior_precision=[ridge.lambda_] * 3 + [0.0], noise_variance=own.noise_variance)
    np.testing.assert_allclose(_covariance(own), _covariance(again), rtol=1e-8)
    np.testing.assert_allclose(own.dispersion, 1 / ridge.alpha_, rtol=0.05)


@pytest.mark.parametrize("scaling", ["auto", None])
def test_the_evidence_is_the_density_of_the_targets(scaling):
    reg = _linear(Y[:, 0] * 5, target_scaling=scaling)
    a, scale, shift = 1.3, reg.targets_.scale[0], reg.targets_.shift[0]
    posterior = laplace(reg, X, Y[:, 0] * 5, prior_precision=a, noise_variance=2.0)
    J, phi = _design(X, 1), 2.0 / scale**2
    S = scale**2 * (phi * np.eye(40) + J @ J.T / a)
    r = Y[:, 0] * 5 - shift
    exact = -0.5 * (r @ np.linalg.solve(S, r) + np.linalg.slogdet(2 * np.pi * S)[1])
    np.testing.assert_allclose(posterior.log_evidence, exact, rtol=1e-10)
    reg.theta_ = reg.theta_ + 0.1 * np.arange(4)  # a quadratic knows its integral from anywhere
    np.testing.assert_allclose(
        laplace(reg, X, Y[:, 0] * 5, prior_precision=a, noise_variance=2.0).log_evidence, exact, rtol=1e-10
    )


def test_weights_are_repetitions():
    reg, rows = _linear(w=W), np.repeat(np.arange(40), W.astype(int))
    weighted = laplace(reg, X, Y, sample_weight=W)
    repeated = laplace(reg, X[rows], Y[rows])
    np.testing.assert_allclose(_covariance(weighted), _covariance(repeated), atol=1e-12)
    for name in ("dispersion", "effective_n_parameters", "log_evidence"):
        np.testing.assert_allclose(getattr(weighted, name), getattr(repeated, name), rtol=1e-10)


# --------------------------------------------------------------------------------------------------------- networks


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("how", ["dense", "gram"])
def test_a_network_has_the_function_space_form(name, how):
    """Var F* = K** - K*(K + N)^-1 K*', kernels from J and the prior (Khan and others 2019; Immer and others 2021)."""
    reg, p = _network(name)
    a, phi = np.linspace(0.5, 2.0, p.theta.size), 1.0 if name == "labels" else 0.4
    noise = {} if name == "labels" else {"noise_variance": phi}
    posterior = laplace(reg, p.X, p.Y, how, sample_weight=p.v, prior_precision=a, **noise)
    kept = p.v > 0
    k, J = p.Y.shape[1], oracles.jacobian(p.case, p.theta, p.X[kept])
    J = J.reshape(-1, p.theta.size)
    H = oracles.loss_hessian(p.case.loss, oracles.forward(p.case, p.theta, p.X))[kept]
    H = np.einsum("ncc->nc", H).ravel() * np.repeat(p.v[kept], k) / phi
    new = RNG.normal(size=(5, p.X.shape[1]))
    Js = oracles.jacobian(p.case, p.theta, new).reshape(-1, p.theta.size)
    prior, cross = Js / a @ Js.T, Js / a @ J.T
    exact = prior - cross @ np.linalg.solve(J / a @ J.T + np.diag(1 / H), cross.T)
    F, S = posterior.latent(new)
    np.testing.assert_allclose(F, oracles.forward(p.case, p.theta, new), rtol=1e-10)
    for i in range(5):
        block = slice(k * i, k * i + k)
        np.testing.assert_allclose(S[i], exact[block, block], atol=1e-9 * np.abs(exact).max())


@pytest.mark.parametrize("how", HOWS)
def test_every_form_is_the_inverse_of_what_it_holds(how):
    reg, p = _network("deep regressor")
    posterior = laplace(reg, p.X, p.Y, how, sample_weight=p.v, prior_precision=0.8)
    n = p.theta.size
    D = 0.8 * posterior.dispersion / p.v.sum()
    C = np.stack([posterior.form.mv(e) for e in np.eye(n)])
    exact = posterior.dispersion / p.v.sum() * np.linalg.inv(C + D * np.eye(n))
    free = np.zeros(n) if how == "last-layer" else np.ones(n)
    free[-8:] = 1
    exact = free[:, None] * exact * free
    np.testing.assert_allclose(_covariance(posterior), exact, atol=1e-10 * exact.max())
    gamma = np.sum(free * (1 - D * np.diagonal(np.linalg.inv(C + D * np.eye(n)))))
    np.testing.assert_allclose(posterior.effective_n_parameters, gamma, rtol=1e-10)
    J = oracles.jacobian(p.case, p.theta, p.X[:4])
    np.testing.assert_allclose(posterior.latent(p.X[:4])[1], J @ exact @ np.swapaxes(J, 1, 2), atol=1e-9 * exact.max())
    np.testing.assert_allclose(posterior.variance_of(J[:, 0]), np.einsum("np,pq,nq->n", J[:, 0], exact, J[:, 0]))
    draws = posterior.sample(4000, random_state=0)
    error = np.cov(draws.T) - exact
    assert np.abs(error).max() < 5 * np.abs(exact).max() * (2 / 4000) ** 0.5
    assert np.array_equal(draws.std(axis=0) > 1e-9, free > 0)


def test_forms_agree_where_their_structure_is_exact():
    one = _linear(Y[:, 0], target_scaling=None)
    forms = {how: laplace(one, X, Y[:, 0], how, prior_precision=0.5, noise_variance=1.0) for how in HOWS}
    dense = forms.pop("dense")
    forms.pop("diag")
    for other in forms.values():  # one layer, one output
        np.testing.assert_allclose(_covariance(other), _covariance(dense), atol=1e-12)
        np.testing.assert_allclose(other.log_evidence, dense.log_evidence, rtol=1e-10)
    orthogonal = np.linalg.qr(np.column_stack([np.ones(40), X]))[0][:, 1:]
    found = [_covariance(laplace(one, orthogonal, Y[:, 0], how, noise_variance=1.0)) for how in ("diag", "dense")]
    np.testing.assert_allclose(*found, atol=1e-12 * found[0].max())


@pytest.mark.parametrize("how", ["kron", "ekfac"])
def test_kronecker_forms_are_exact_for_one_row(how):
    reg, p = _network("regressor")
    row = {"X": p.X[:1], "y": p.Y[:1], "prior_precision": 0.5, "noise_variance": 0.3}
    by_layer, kronecker = laplace(reg, how="layer", **row), laplace(reg, how=how, **row)
    np.testing.assert_allclose(_covariance(kronecker), _covariance(by_layer), atol=1e-12)


def test_the_variance_of_predictions_is_that_of_draws():
    reg, p = _network("regressor")
    posterior = laplace(reg, p.X, p.Y, sample_weight=p.v)
    std = posterior.predictive(p.X[:3], noise=False)[1]
    J = oracles.jacobian(p.case, p.theta, p.X[:3])
    images = np.einsum("nkp,mp->mnk", J, posterior.sample(100_000, random_state=1) - p.theta)
    np.testing.assert_allclose(images.std(axis=0), std, rtol=5 / (2 * 100_000) ** 0.5)
    y = posterior.sample_y(p.X[:3], 20_000, random_state=2)
    assert y.shape == (3, 2, 20_000)
    np.testing.assert_allclose(y.std(axis=2), posterior.predictive(p.X[:3])[1], rtol=5 / (2 * 20_000) ** 0.5)


# ------------------------------------------------------------------------------------------------- model functions


def test_a_model_function_has_the_covariance_of_its_estimator():
    x = np.linspace(0, 4, 30)[:, None]
    y = 2 * np.exp(-1.3 * x[:, 0]) + 0.5 + 0.05 * np.random.default_rng(0).normal(size=30)
    w = np.linspace(0.5, 2, 30)
    reg = CurvatureRegressor(lambda X, a, b, c: c + a * np.exp(-b * X[:, 0]), {"a": 1, "b": 1, "c": 0}).fit(x, y, w)
    posterior = laplace(reg, x, y, sample_weight=w)
    np.testing.assert_allclose(posterior.dispersion, reg.dispersion_, rtol=1e-10)
    np.testing.assert_allclose(_covariance(posterior), reg.cov_, rtol=1e-6)
    phi, residual = posterior.dispersion, y - reg.predict(x)
    J = reg.objective_.point(reg.theta_).tape.J[:, 0]
    H = J.T @ (w[:, None] * J) / phi
    density = -0.5 * np.sum(w * residual**2 / phi + np.log(2 * np.pi * phi / w))
    evidence = density + 0.5 * (3 * np.log(2 * np.pi) - np.linalg.slogdet(H)[1])
    np.testing.assert_allclose(posterior.log_evidence, evidence, rtol=1e-6)
    std = reg.predict(x, return_std=True)[1]
    np.testing.assert_allclose(posterior.predictive(x, noise=False)[1], std, rtol=1e-6)
    exact = J @ reg.cov_ @ J.T + phi * np.eye(30)
    np.testing.assert_allclose(posterior.joint_covariance(x), exact, atol=1e-6 * phi)


def test_held_parameters_are_known():
    x = np.linspace(0, 4, 30)[:, None]
    y = 2 * np.exp(-1.3 * x[:, 0]) - 0.1 + 0.05 * np.random.default_rng(0).normal(size=30)
    start, bounds = {"a": 1, "b": 1, "c": 0.1}, {"c": (0, None)}
    reg = CurvatureRegressor(lambda X, a, b, c: c + a * np.exp(-b * X[:, 0]), start, bounds=bounds).fit(x, y)
    posterior = laplace(reg, x, y)
    np.testing.assert_allclose(
        _covariance(posterior)[:2, :2], reg.cov_[:2, :2] * 27 / 28, rtol=1e-6
    )  # two in gamma, three in dof_
    assert not _covariance(posterior)[2].any()


# ------------------------------------------------------------------------------------------------------- edges


@pytest.mark.parametrize("how", [how for how in HOWS if how != "diag"])
def test_single_precision_constant_columns_and_more_parameters_than_rows_are_finite(how):
    rows = np.column_stack([X[:8], np.full(8, 2.0), np.zeros(8)]).astype(np.float32)
    reg = CurvatureMLPRegressor((6,), alpha=0.5, **LINEAR).fit(rows, Y[:8].astype(np.float32))
    posterior = laplace(reg, rows, Y[:8], how)
    mean, std = posterior.predictive(rows)
    assert np.isfinite(mean).all()
    assert (std > 0).all()
    assert np.isfinite(posterior.log_evidence)
    assert 0 < posterior.effective_n_parameters < 16


def _complaint(call):
    with pytest.raises(ValueError, match="Allowed") as caught:
        call()
    parts = re.split(r"(?<=[a-z)'\]0-9])\.\s+", str(caught.value))
    assert len(parts) == 3
    assert parts[1].startswith("Allowed")
    return parts[0]


def test_what_is_not_determined_is_named():
    doubled = np.column_stack([X, X[:, 1]])
    reg = CurvatureMLPRegressor((), alpha=0, **LINEAR).fit(doubled, Y)
    for how in ("dense", "layer", "kron", "gram"):
        said = _complaint(lambda how=how: laplace(reg, doubled, Y, how))
        assert re.search(r"from input [13] to unit \d of layer 1", said)


def test_misuse_is_told_in_three_parts():
    reg = _linear()
    assert "how='full'" in _complaint(lambda: laplace(reg, X, Y, "full"))
    assert "prior_precision" in _complaint(lambda: laplace(reg, X, Y, prior_precision=[1.0, 2.0]))
    assert "prior_precision" in _complaint(lambda: laplace(reg, X, Y, prior_precision=-1.0))
    assert "noise_variance=-1" in _complaint(lambda: laplace(reg, X, Y, noise_variance=-1))
    assert "different scales" in _complaint(lambda: laplace(reg, X, Y, noise_variance=1.0))
    robust = _linear(Y[:, 0], loss="huber")
    assert "'huber'" in _complaint(lambda: laplace(robust, X, Y[:, 0]))
    exact = CurvatureMLPRegressor((), alpha=0, **LINEAR).fit(X[:3], X[:3, 0])
    small = CurvatureMLPRegressor((6,), alpha=1e-3, **LINEAR).fit(X[:8], Y[:8])
    assert "no residuals" in _complaint(lambda: laplace(small, X[:8], Y[:8], "diag"))  # its trace knows no limit
    assert "goes through" in _complaint(lambda: laplace(exact, X[:3], exact.predict(X[:3]), prior_precision=1.0))
    clf = CurvatureMLPClassifier((), **LINEAR).fit(X, Y[:, 0] > 3)
    assert "noise_variance" in _complaint(lambda: laplace(clf, X, Y[:, 0] > 3, noise_variance=1.0))
    assert "q=1.5" in _complaint(lambda: laplace(reg, X, Y).quantiles(X, 1.5))
