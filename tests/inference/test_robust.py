"""Standard errors of losses that are no densities: the exact Hessian of the loss, not the bound that solvers use."""

import numpy as np
import pytest
from scipy.stats import norm

from skcurv.losses import AbsoluteError, Huber, Quantile

from .samples import N, X, linear, offset, positive, regressor, weights

y = positive


@pytest.mark.parametrize("w", [np.ones(N), weights], ids=["one", "w"])
@pytest.mark.parametrize("data", [{}, {"offset": offset}], ids=["plain", "offset"])
def test_hubers_sandwich_by_its_formula(w, data):
    """(X'W psi' X)^-1 X' W^2 psi^2 X (X'W psi' X)^-1 n / (n - p) (Huber & Ronchetti 2009, section 7.6)."""
    delta = 0.7
    reg = regressor(loss=Huber(delta)).fit(X, y, sample_weight=w, **data)
    r = y - data.get("offset", 0) - X @ reg.theta_
    inside = np.abs(r) <= delta
    assert 3 < inside.sum() < N
    psi = np.clip(r, -delta, delta)
    np.testing.assert_allclose(X.T @ (w * psi), 0, atol=1e-6)
    bread = np.linalg.inv(X.T @ ((w * inside)[:, None] * X))
    meat = X.T @ ((w * psi)[:, None] ** 2 * X)
    assert reg.cov_type_ == "sandwich"
    np.testing.assert_allclose(reg.cov_, bread @ meat @ bread * N / (N - 2), rtol=1e-6)


def test_profiles_of_losses_that_are_no_densities_are_refused():
    reg = regressor(loss="huber").fit(X, y)
    with pytest.raises(ValueError, match=r"^method='profile' was given .* Allowed is 'stderr'.* Pass method='stderr'"):
        reg.conf_interval()
    assert not hasattr(reg, "log_likelihood_")
    assert np.isfinite(reg.conf_interval(method="stderr")["theta[1]"]).all()


@pytest.mark.parametrize("tau", [0.5, 0.2, 0.9])
def test_the_density_at_a_quantile(tau):
    """Of 40,000 normal residuals: some 3,000 are counted, 2 %; the curve bends by a few percent over them."""
    Y, w = np.random.default_rng(0).normal(size=(40_000, 1)), np.full(40_000, 1 / 40_000)
    F, V = np.full_like(Y, norm.ppf(tau)), np.ones_like(Y)
    loss = Quantile(tau).for_targets(Y, w)
    scale = loss.scale
    density = norm.pdf(norm.ppf(tau))
    np.testing.assert_allclose(loss.for_errors(F, Y, w).hessp(F, Y, V).mean(), density, rtol=0.1)
    assert loss.scale is scale  # the fit's own zone stays narrow
    if tau == 0.5:
        bends = AbsoluteError().for_errors(F, Y, w).hessp(F, Y, V)
        np.testing.assert_allclose(bends.mean(), 2 * density, rtol=0.1)  # the derivative of a sign


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # kinks: the last digits take long
@pytest.mark.parametrize("loss", ["huber", "absolute_error", Quantile(0.7)], ids=str)
def test_errors_are_the_spread_over_simulated_fits(loss):
    """Of 100, whose standard deviation has an error of 7 %; densities from 100 residuals are off by a tenth."""
    rng, found, errors = np.random.default_rng(0), [], []
    for _ in range(100):
        A = np.column_stack([np.ones(100), rng.normal(size=100)])
        reg = regressor(linear, loss=loss, max_iter=50).fit(A, A @ [1.0, 2.0] + rng.standard_t(3, size=100))
        found.append(reg.theta_)
        errors.append(reg.stderr_["theta"])
    np.testing.assert_allclose(np.mean(errors, axis=0), np.std(found, axis=0), rtol=0.25)
