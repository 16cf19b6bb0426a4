"""Where data do not determine all parameters: which, in words, and the errors of those that they do determine."""

import re
import warnings

import numpy as np
import pytest

from skcurv import CurvatureRegressor

from .samples import N, X, classifier, counts, labels, positive, regressor, x

D = x[:, None]
y = positive


def product_of_two(X, a, b, c):
    return a * b * X[:, 0] + c


def sum_of_two(X, a, b, c):
    return (a + b) * X[:, 0] + c


def one_unused(X, a, b, c):
    return a * X[:, 0] + c


def array_and_number(X, w, c):
    return (w[0] + 2 * w[1]) * X[:, 0] + w[2] * X[:, 0] ** 2 + c


def small_part(X, a, b, c, d):
    """(1, 1e-4, -1) added to a, b, c changes nothing: b is a small part of an undetermined direction."""
    x = X[:, 0]
    return a * x + b * x**2 + c * (x + 1e-4 * x**2) + d


LOOSE = {  # model, start, who is not determined, who is
    "product": (product_of_two, {"a": 1.0, "b": 2.0, "c": 0.0}, ["a", "b"], "c"),
    "sum": (sum_of_two, {"a": 1.0, "b": 2.0, "c": 0.0}, ["a", "b"], "c"),
    "unused": (one_unused, {"a": 1.0, "b": 2.0, "c": 0.0}, ["b"], "c"),
}


def fitted(model, start, **options):
    """A fit and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        reg = CurvatureRegressor(model, start, **options).fit(D, y)
    return reg, caught


def closed_form():
    """Errors of slope and constant, in this order, and of the line itself at every x."""
    A = np.column_stack([x, np.ones(N)])
    inverse = np.linalg.inv(A.T @ A)
    r = y - A @ np.linalg.lstsq(A, y, rcond=None)[0]
    cov = inverse * np.sum(r**2) / (N - 3)  # the surplus parameter costs a degree of freedom all the same
    return np.sqrt(np.diag(cov)), np.sqrt(np.einsum("np,pq,nq->n", A, cov, A))


@pytest.mark.parametrize("jac", ["2-point", "3-point", "cs"])
@pytest.mark.parametrize("cov_type", ["model", "hessian"])
@pytest.mark.parametrize("kind", LOOSE)
def test_one_warning_names_what_is_not_determined(kind, cov_type, jac):
    check_named(*LOOSE[kind], cov_type, jac)


@pytest.mark.parametrize("cov_type", ["model", "hessian"])
def test_a_small_part_of_an_undetermined_direction_is_named(cov_type):
    """By exact derivatives: differences leave few digits of a column that is small beside the others."""
    with pytest.warns(UserWarning, match="do not determine a, b, c: "):
        reg = CurvatureRegressor(small_part, dict.fromkeys("abcd", 1.0), cov_type=cov_type, jac="cs").fit(D, y)
    A = np.column_stack([x, x**2, np.ones(N)])
    r = y - A @ np.linalg.lstsq(A, y, rcond=None)[0]
    error = np.sqrt(np.linalg.inv(A.T @ A)[2, 2] * np.sum(r**2) / (N - 4))
    assert reg.stderr_ == {"a": np.inf, "b": np.inf, "c": np.inf, "d": pytest.approx(error, rel=1e-6)}


def check_named(model, start, loose, sound, cov_type, jac):
    reg, caught = fitted(model, start, cov_type=cov_type, jac=jac)
    assert [one.category for one in caught] == [UserWarning]
    assert f"do not determine {', '.join(loose)}: " in str(caught[0].message)
    assert caught[0].filename == __file__
    assert reg.undetermined_ == loose
    assert all(np.isinf(reg.stderr_[name]) for name in loose)
    errors, line = closed_form()
    precise = 2e-3 if (cov_type, jac) == ("hessian", "2-point") else 1e-5
    np.testing.assert_allclose(reg.stderr_[sound], errors[1], rtol=precise)
    assert np.isfinite(reg.theta_).all()
    np.testing.assert_allclose(reg.predict(D, return_std=True)[1], line, rtol=precise)  # the line is determined
    assert reg.summary().count("not determined by the data") == len(loose)
    intervals = reg.conf_interval(method="stderr")
    assert all(intervals[name] == (-np.inf, np.inf) for name in loose)
    assert np.isfinite(intervals[sound]).all()


def test_a_part_of_an_array_is_named_by_its_index():
    reg, caught = fitted(array_and_number, {"w": np.ones(3), "c": 0.0})
    assert len(caught) == 1
    assert reg.undetermined_ == ["w[0]", "w[1]"]
    np.testing.assert_array_equal(np.isinf(reg.stderr_["w"]), [True, True, False])
    A = np.column_stack([x, x**2, np.ones(N)])
    r = y - A @ np.linalg.lstsq(A, y, rcond=None)[0]
    errors = np.sqrt(np.diag(np.linalg.inv(A.T @ A)) * np.sum(r**2) / (N - 4))
    np.testing.assert_allclose([reg.stderr_["w"][2], reg.stderr_["c"]], errors[1:], rtol=1e-5)


def test_a_prediction_that_depends_on_what_is_not_determined_has_an_infinite_error():
    """Fitted where one column is twice the other; asked where it is not."""
    with pytest.warns(UserWarning, match="do not determine"):
        reg = regressor().fit(np.column_stack([x, 2 * x]), y)
    there = np.array([[1.0, 2.0], [1.0, 0.0], [0.0, 0.0]])
    _, std = reg.predict(there, return_std=True)
    slope = np.sqrt(np.sum((y - x * (x @ y) / (x @ x)) ** 2) / (N - 2) / (x @ x))
    np.testing.assert_allclose(std, [slope, np.inf, 0.0], rtol=1e-7)


def test_fixing_one_of_them_determines_the_other():
    reg, caught = fitted(product_of_two, {"a": 1.0, "b": 2.0, "c": 0.0}, fixed=["b"])
    assert caught == []
    assert reg.undetermined_ == []
    assert "fixed" in reg.summary()
    assert np.isnan(reg.stderr_["b"])
    assert np.isfinite(reg.stderr_["a"])


def test_a_penalty_determines_everything():
    reg, caught = fitted(sum_of_two, {"a": 1.0, "b": 2.0, "c": 0.0}, alpha=1.0)
    assert caught == []
    assert np.isfinite(list(reg.stderr_.values())).all()


def test_the_profile_of_an_undetermined_parameter_is_without_ends():
    reg, _ = fitted(one_unused, {"a": 1.0, "b": 2.0, "c": 0.0})
    found = reg.conf_interval()
    assert found["b"] == (-np.inf, np.inf)
    errors, _ = closed_form()
    np.testing.assert_allclose(np.diff(found["a"])[0] / 2 / errors[0], 2.1098155778331806, rtol=1e-5)  # t, 17 degrees


@pytest.mark.parametrize("cov_type", ["model", "hessian", "sandwich"])
def test_a_parameter_at_its_bound_has_no_error_and_leaves_those_of_the_others(cov_type):
    """Those of the model with the parameter fixed there, but for the degrees of freedom."""
    reg = regressor(start=[0.0, 0.5], bounds=([-9, -9], [9, 1]), cov_type=cov_type).fit(X, y)
    still = regressor(start=[0.0, 1.0], fixed=["theta[1]"], cov_type=cov_type).fit(X, y)
    assert reg.held_ == ["theta[1]"]
    assert reg.params_["theta"][1] == 1
    assert np.isnan(reg.stderr_["theta"][1])
    np.testing.assert_allclose(reg.stderr_["theta"][0], still.stderr_["theta"][0] * np.sqrt(19 / 18), rtol=1e-6)
    line = next(line for line in reg.summary().splitlines() if line.startswith("theta[1]"))
    assert line.endswith("at its bound")
    np.testing.assert_allclose(reg.predict(X, return_std=True)[1], np.full(N, reg.stderr_["theta"][0]), rtol=1e-6)
    assert reg.conf_interval("theta[1]")["theta[1]"][1] == 1
    assert reg.conf_interval("theta[1]")["theta[1]"][0] < 1


def test_all_parameters_at_bounds():
    reg = regressor(start=[0.0, 0.0], bounds=([-1, -1], [0.1, 0.1])).fit(X, y)
    assert reg.held_ == reg.labels_
    assert np.isnan(reg.cov_).all()
    np.testing.assert_array_equal(reg.predict(X, return_std=True)[1], np.zeros(N))


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_no_more_targets_than_parameters_are_one_warning_and_no_errors(n, loss):
    with pytest.warns(UserWarning, match=f"{n} targets were given for 2 free parameters") as caught:
        reg = regressor(loss=loss).fit(X[5 : 5 + n], counts[5 : 5 + n] + 1)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert reg.dof_ == n - 2
    assert np.isnan(reg.cov_).all()
    assert np.isnan(reg.stderr_["theta"]).all()
    np.testing.assert_allclose(reg.predict(X[5 : 5 + n]), counts[5 : 5 + n] + 1, rtol=1e-6)
    assert np.isnan(reg.predict(X[5 : 5 + n], return_std=True)[1]).all()
    assert reg.summary().count("no degrees of freedom left") == 2
    with pytest.raises(ValueError, match="degrees of freedom"):
        reg.conf_interval()


def test_offsets_are_no_targets():
    """They ride beside the targets inside; the degrees of freedom count the targets."""
    with pytest.warns(UserWarning, match="2 targets were given for 2 free parameters"):
        reg = regressor(loss="poisson").fit(X[5:7], counts[5:7] + 1, offset=np.array([0.1, 0.2]))
    assert reg.dof_ == 0


def test_one_row_more_than_parameters():
    reg = regressor().fit(X[:3], y[:3])
    r = y[:3] - X[:3] @ np.linalg.lstsq(X[:3], y[:3], rcond=None)[0]
    np.testing.assert_allclose(reg.cov_, np.sum(r**2) * np.linalg.inv(X[:3].T @ X[:3]), rtol=1e-7)


def test_a_parameter_that_only_the_exact_hessian_sees():
    """theta^2 at its minimum 0 has no slope: Gauss-Newton sees next to nothing of it, the Hessian all."""
    data = np.zeros((N, 1)), -1.0 - np.arange(N) % 2
    reg = CurvatureRegressor(square, {"a": 0.5}, cov_type="hessian").fit(*data)
    second = -2 * np.sum(data[1])  # of the halved sum of squares at 0
    np.testing.assert_allclose(reg.stderr_["a"], np.sqrt(np.sum(data[1] ** 2) / (N - 1) / second), rtol=1e-3)
    model = CurvatureRegressor(square, {"a": 0.5}, cov_type="model").fit(*data)
    assert model.stderr_["a"] > 100 * reg.stderr_["a"]


def square(X, a):
    return a**2 + 0 * X[:, 0]


def test_separated_classes_end_finite_with_a_likelihood_of_one():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The data do not determine", UserWarning)
        clf = classifier().fit(X, (x > 0.1).astype(int))
    assert np.isfinite(clf.theta_).all()
    assert np.isfinite(clf.loss_)
    assert clf.score(X, x > 0.1) == 1
    assert clf.log_likelihood_ == pytest.approx(0, abs=1e-6)


def test_labels_of_one_column_twice():
    with pytest.warns(UserWarning, match=r"do not determine theta\[1\], theta\[2\]:") as caught:
        clf = classifier(start=np.zeros(3)).fit(np.column_stack([X, x]), labels)
    assert len(caught) == 1
    np.testing.assert_allclose(clf.stderr_["theta"][0], 0.515492116880727, rtol=1e-6)  # as without the second


def endless(X, a, b, c):
    return np.full((len(X), 3), np.inf)


def test_a_curvature_that_is_not_finite_is_a_warning():
    reg, caught = fitted(one_unused, {"a": 1.0, "b": 2.0, "c": 0.0}, jac=endless, check_jac=False)
    messages = [str(one.message) for one in caught]
    assert len(messages) == 2
    assert re.match(r"solver='lm-newton' failed: the loss is no longer finite.*Remedy", messages[0])
    assert re.match(r"The curvature at the estimates is not finite.* NaN\. .*\. Scale", messages[1])
    assert reg.params_ == {"a": 1.0, "b": 2.0, "c": 0.0}
    assert np.isnan(list(reg.stderr_.values())).all()
    assert reg.summary().count("no finite curvature") == 3
    assert np.isnan(reg.predict(D, return_std=True)[1]).all()
