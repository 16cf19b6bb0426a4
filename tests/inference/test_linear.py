"""Linear models, where everything has a closed form."""

import numpy as np
import pytest
from scipy import stats

from .samples import N, X, offset, positive, regressor, weights, x

y = positive
PRECISE = 1e-8  # differences of a linear model err by eps / h = 4e-11, times a condition number of a few


def closed_form(w, X=X, y=y):
    """Estimates, the inverse information and residuals of weighted least squares."""
    inverse = np.linalg.inv(X.T @ (w[:, None] * X))
    b = inverse @ X.T @ (w * y)
    return b, inverse, y - X @ b


@pytest.mark.parametrize("cov_type", ["model", "hessian", "auto"])
@pytest.mark.parametrize(
    "w", [np.ones(N), weights, np.where(np.arange(N) % 5, weights, 0.0)], ids=["one", "w", "zeros"]
)
def test_estimates_and_covariance_are_those_of_weighted_least_squares(w, cov_type):
    reg = regressor(cov_type=cov_type).fit(X, y, sample_weight=w)
    b, inverse, r = closed_form(w)
    n = np.count_nonzero(w)
    phi = np.sum(w * r**2) / (n - 2)
    np.testing.assert_allclose(reg.theta_, b, rtol=PRECISE)
    np.testing.assert_allclose(reg.dispersion_, phi, rtol=PRECISE)
    precise = 1e-7 if cov_type == "hessian" else PRECISE  # a difference of J'V, where the second derivatives are zero
    np.testing.assert_allclose(reg.cov_, phi * inverse, rtol=precise)
    np.testing.assert_allclose(reg.stderr_["theta"], np.sqrt(phi * np.diag(inverse)), rtol=precise)
    np.testing.assert_allclose(reg.corr_[0, 1], inverse[0, 1] / np.sqrt(inverse[0, 0] * inverse[1, 1]), rtol=precise)
    kept = w > 0
    ll = stats.norm.logpdf(r[kept], scale=np.sqrt(np.sum(w * r**2) / n / w[kept])).sum()
    assert reg.dof_ == n - 2
    np.testing.assert_allclose(
        [reg.log_likelihood_, reg.aic_, reg.bic_], [ll, 6 - 2 * ll, 3 * np.log(n) - 2 * ll], rtol=PRECISE
    )


def test_known_errors_leave_out_the_scale_of_the_residuals():
    """absolute_sigma: cov = (X'WX)^-1, a normal likelihood with these errors, and intervals of the normal quantile."""
    sigma = 0.2 + np.arange(N) % 3
    reg = regressor(absolute_sigma=True).fit(X, y, sample_weight=1 / sigma**2)
    b, inverse, r = closed_form(1 / sigma**2)
    np.testing.assert_allclose(reg.cov_, inverse, rtol=PRECISE)
    assert reg.dispersion_ == 1
    ll = stats.norm.logpdf(r, scale=sigma).sum()
    np.testing.assert_allclose([reg.log_likelihood_, reg.aic_], [ll, 4 - 2 * ll], rtol=PRECISE)
    ends = b[1] + np.sqrt(inverse[1, 1]) * stats.norm.ppf(0.95) * np.array([-1, 1])
    for method in ("stderr", "profile"):
        interval = reg.conf_interval("theta[1]", level=0.9, method=method)
        np.testing.assert_allclose(interval["theta[1]"], ends, rtol=1e-6)


@pytest.mark.parametrize("w", [np.ones(N), weights], ids=["one", "w"])
def test_the_sandwich_is_hc1(w):
    reg = regressor(cov_type="sandwich").fit(X, y, sample_weight=w)
    _, inverse, r = closed_form(w)
    meat = X.T @ ((w * r)[:, None] ** 2 * X)
    np.testing.assert_allclose(reg.cov_, inverse @ meat @ inverse * N / (N - 2), rtol=PRECISE)


def test_the_sandwich_does_not_depend_on_the_scale_of_the_weights_and_the_model_neither():
    for kind in ("sandwich", "model"):
        one, other = (regressor(cov_type=kind).fit(X, y, sample_weight=s * weights) for s in (1, 1e3))
        np.testing.assert_allclose(other.cov_, one.cov_, rtol=PRECISE)


def test_exact_intervals_of_student_by_both_methods():
    reg = regressor().fit(X, y)
    b, inverse, r = closed_form(np.ones(N))
    error = np.sqrt(np.diag(inverse) * np.sum(r**2) / (N - 2))
    for level in (0.5, 0.95, 0.999):
        quantile = stats.t.ppf(0.5 + level / 2, N - 2)
        for method in ("stderr", "profile"):
            found = reg.conf_interval(level=level, method=method)
            for j, label in enumerate(["theta[0]", "theta[1]"]):
                ends = b[j] - quantile * error[j], b[j] + quantile * error[j]
                np.testing.assert_allclose(found[label], ends, rtol=0, atol=2e-6 * quantile * error[j])


def test_the_standard_error_of_a_prediction():
    reg = regressor().fit(X, y, sample_weight=weights)
    _, inverse, r = closed_form(weights)
    there = np.array([[1.0, -3.0], [1.0, 0.3]])
    mean, std = reg.predict(there, return_std=True)
    expected = np.sqrt(np.sum(weights * r**2) / (N - 2) * np.einsum("np,pq,nq->n", there, inverse, there))
    np.testing.assert_allclose(std, expected, rtol=PRECISE)
    np.testing.assert_array_equal(mean, reg.predict(there))


def test_several_outputs_share_the_residual_variance():
    Y = np.column_stack([y, np.sqrt(y)])
    reg = regressor(both, np.zeros(4)).fit(X, Y)
    each = [closed_form(np.ones(N), y=column) for column in Y.T]
    phi = sum(np.sum(r**2) for *_, r in each) / (2 * N - 4)
    np.testing.assert_allclose(reg.theta_, np.concatenate([b for b, *_ in each]), rtol=1e-7)
    np.testing.assert_allclose(reg.cov_, phi * np.kron(np.eye(2), each[0][1]), rtol=PRECISE, atol=1e-10)
    assert reg.dof_ == 2 * N - 4
    _, std = reg.predict(X[:3], return_std=True)
    rows = np.einsum("np,pq,nq->n", X[:3], each[0][1], X[:3])
    np.testing.assert_allclose(std, np.sqrt(phi * rows)[:, None] * np.ones(2), rtol=PRECISE)


def both(X, theta):
    return X @ theta.reshape(2, 2).T


@pytest.mark.parametrize("w", [np.ones(N), weights], ids=["one", "w"])
def test_a_penalty_is_information(w):
    """alpha = phi / prior variance: estimates of ridge regression, covariance phi (X'WX + alpha I)^-1."""
    alpha = 7.0
    reg = regressor(alpha=alpha).fit(X, y, sample_weight=w)
    H = X.T @ (w[:, None] * X) + alpha * np.eye(2)
    b = np.linalg.solve(H, X.T @ (w * y))
    phi = np.sum(w * (y - X @ b) ** 2) / (N - 2)
    np.testing.assert_allclose(reg.theta_, b, rtol=PRECISE)
    np.testing.assert_allclose(reg.cov_, phi * np.linalg.inv(H), rtol=PRECISE)
    objective = 0.5 * (np.sum(w * (y - X @ b) ** 2) + alpha * b @ b) / w.sum()
    np.testing.assert_allclose(reg.loss_, objective, rtol=1e-12)
    n_ll = stats.norm.logpdf(y - X @ b, scale=np.sqrt(np.sum(w * (y - X @ b) ** 2) / N / w)).sum()
    np.testing.assert_allclose(reg.log_likelihood_, n_ll, rtol=PRECISE)  # without the penalty
    quantile, error = stats.t.ppf(0.975, N - 2), np.sqrt(phi * np.linalg.inv(H)[1, 1])
    ends = reg.conf_interval("theta[1]")["theta[1]"]  # the profile of a quadratic is one, whatever the penalty
    np.testing.assert_allclose(ends, b[1] + quantile * error * np.array([-1, 1]), rtol=0, atol=1e-5 * error)


def test_a_fixed_parameter_takes_part_with_its_value():
    reg = regressor(start=[0.5, 1.0], fixed=["theta[0]"]).fit(X, y)
    b, inverse, r = closed_form(np.ones(N), x[:, None], y - 0.5)
    np.testing.assert_allclose(reg.params_["theta"], [0.5, b[0]], rtol=PRECISE)
    np.testing.assert_allclose(reg.cov_, np.sum(r**2) / (N - 1) * inverse, rtol=PRECISE)
    assert np.isnan(reg.stderr_["theta"][0])
    assert reg.labels_ == ["theta[1]"]


def test_an_offset_shifts_the_targets():
    plain = regressor().fit(X, y - offset)
    shifted = regressor().fit(X, y, offset=offset)
    np.testing.assert_array_equal(shifted.theta_, plain.theta_)
    np.testing.assert_array_equal(shifted.cov_, plain.cov_)
    np.testing.assert_allclose(shifted.predict(X, offset=offset), plain.predict(X) + offset, rtol=1e-15)


def test_the_covariance_follows_the_units_of_the_columns():
    """X D has the estimates D^-1 b and the covariance D^-1 cov D^-1, for units from 1e-8 to 1e8."""
    D = np.array([1e-8, 1e8])
    one, other = regressor().fit(X, y), regressor(start=1 / D).fit(X * D, y)
    np.testing.assert_allclose(other.theta_ * D, one.theta_, rtol=1e-7)
    np.testing.assert_allclose(other.cov_ * np.outer(D, D), one.cov_, rtol=1e-7)
