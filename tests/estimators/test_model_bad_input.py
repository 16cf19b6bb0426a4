"""Misuse of the estimators of a model function is a message: what was given, what is allowed, what to do.

Among them what only a model function can get wrong: signature and start, bounds, shapes, derivatives.
"""

import re

import numpy as np
import pytest
from scipy.optimize import Bounds
from sklearn.exceptions import NotFittedError

from skcurv import CurvatureClassifier, CurvatureRegressor
from skcurv.curvature import curvature
from skcurv.losses import Huber
from skcurv.solvers import KFAC, Adam, available

from .linear_models import decay, line, psychometric

X = np.linspace(0.5, 5, 20)[:, None]
y = decay(X, 2.0, 1.0, 0.5)
labels = np.arange(20) % 3 > 0
START = {"amplitude": 1.0, "rate": 0.5, "floor": 0.0}


def fit(model=decay, start=START, y=y, X=X, data=None, **options):
    return lambda: CurvatureRegressor(model, start, **options).fit(X, y, **(data or {}))


def two(X, a):
    return a * np.ones((len(X), 2))


def logarithm(X, a, b):
    return a * np.log(X[:, 0] - b)


def good_jacobian(X, amplitude, rate, floor):
    e = np.exp(-rate * X[:, 0])
    return np.column_stack([e, -amplitude * X[:, 0] * e, np.ones(len(X))])


def bad_jacobian(X, amplitude, rate, floor):
    return good_jacobian(X, amplitude, rate, floor) * [1, -1, 1]


def wide_jacobian(X, amplitude, rate, floor):
    return good_jacobian(X, amplitude, rate, floor)[:, :2]


def jvp(X, amplitude, rate, floor, u):
    return good_jacobian(X, amplitude, rate, floor) @ u


def bad_vjp(X, amplitude, rate, floor, V):
    return 2 * good_jacobian(X, amplitude, rate, floor).T @ V


NAMES = "amplitude.*rate.*floor"
BAD = {  # a call, and what its message names
    "an unknown name in start": (fit(start={**START, "speed": 1.0}), f"'speed'.*{NAMES}|{NAMES}.*'speed'"),
    "a name missing in start": (fit(start={"amplitude": 1.0, "rate": 1.0}), f"{NAMES}.*without a start.*'floor'"),
    "a misspelt name": (fit(start={"amplitude": 1.0, "rat": 1.0, "floor": 0.0}), r"unknown.*'rat'.*without.*'rate'"),
    "no start": (fit(start=None), NAMES),
    "too few numbers": (fit(start=[1.0, 2.0]), NAMES),
    "too many numbers": (fit(start=[1.0, 2.0, 3.0, 4.0]), NAMES),
    "a start that is no number": (fit(start={**START, "rate": "fast"}), r"start\['rate'\]='fast'"),
    "a start that is not finite": (fit(start={**START, "rate": np.nan}), r"start\['rate'\]=nan"),
    "a complex start": (fit(start={**START, "rate": 1j}), r"start\['rate'\]=1j"),
    "a start without numbers": (
        fit(lambda X, rate: rate.sum() * X[:, 0], {"rate": []}),
        r"start\[.rate.\]=\[\].*one free number",
    ),
    "a start below its bounds": (fit(bounds={"rate": (1, 2)}), r"start of rate is 0\.5.*\(1\.0, 2\.0\)"),
    "a start above its bounds": (fit(bounds={"floor": (None, -1)}), r"start of floor is 0\.0.*\(-inf, -1\.0\)"),
    "bounds of nothing": (fit(bounds={"speed": (0, 1)}), f"'speed'.*{NAMES}"),
    "bounds without room": (fit(bounds={"rate": (0.5, 0.5)}), r"rate are \(0\.5, 0\.5\)"),
    "bounds that are no pair": (fit(bounds=[1, 2, 3]), r"bounds of all parameters are \[1, 2, 3\]"),
    "bounds of another length": (fit(bounds=([0, 0], [1, 1])), "bounds"),
    "bounds of scipy of another length": (fit(bounds=Bounds([0, 0], [1, 1])), "bounds"),
    "one bound for a name": (fit(bounds={"rate": (0,)}), "bounds.*rate"),
    "a bound that is no number": (fit(bounds={"rate": ("low", 1)}), "bounds.*rate"),
    "fixed nothing": (fit(fixed=["speed"]), r"\['speed'\].*amplitude"),
    "all fixed": (fit(fixed=list(START)), "all parameters"),
    "a model without parameters": (fit(lambda X: X[:, 0], None), "arguments are"),
    "a model of any arguments": (fit(lambda X, *args: X[:, 0], None), "arguments are"),
    "a model that is no function": (fit(3), "model=3"),
    "a shape that is no row": (fit(lambda X, a: np.ones(len(X) - 1), 1.0), r"shape \(19,\) for 20 rows"),
    "a scalar": (fit(lambda X, a: a, 1.0), r"shape \(\) for 20 rows"),
    "a cube": (fit(lambda X, a: a * np.ones((20, 2, 2)), 1.0), r"shape \(20, 2, 2\)"),
    "None": (fit(lambda X, a: None, 1.0), r"shape \(\) for 20 rows"),
    "two columns for one target": (fit(two, 1.0), "2 outputs a row.* 1 column"),
    "one column for two targets": (fit(y=np.column_stack([y, y])), "1 outputs a row.* 2 columns"),
    "complex numbers": (fit(lambda X, a: a * X[:, 0] ** 0.5 * 1j, 1.0), "complex.*{'a': 1.0}"),
    "not finite in some rows": (fit(logarithm, {"a": 1.0, "b": 1.0}), r"in 3 of 20 rows: 0, 1, 2\."),
    "a jacobian with a wrong column": (fit(jac=bad_jacobian), "wrong for parameter 'rate'"),
    "a jacobian of another shape": (fit(jac=wide_jacobian), r"\(20, 2\).*\(20, 1, 3\)"),
    "products that disagree": (fit(jac=(jvp, bad_vjp)), "not consistent"),
    "an unknown jacobian": (fit(jac="4-point"), "jac='4-point'"),
    "counts below zero": (fit(y=-y, loss="poisson"), "poisson"),
    "nothing above zero": (fit(y=y - y[3], loss="gamma"), "gamma"),
    "an unknown loss": (fit(loss="mse"), "'mse'.*'huber'"),
    "a loss out of its domain": (fit(loss=Huber(-1.0)), "delta=-1.0"),
    "batches for a solver of the full set": (fit(solver="lbfgs", batch_size=5), "batch_size=5"),
    "offsets of another length": (fit(data={"offset": np.ones(3)}), r"shape \(3,\) was given for 20 rows"),
    "negative weights": (fit(data={"sample_weight": -np.ones(20)}), "negative"),
    "one class": (lambda: CurvatureClassifier(psychometric, [1.0, 1.0]).fit(X, np.ones(20)), "one class"),
    "a column too many for two classes": (lambda: CurvatureClassifier(two, 1.0).fit(X, labels), "2 outputs"),
    "a loss that overflows at the start": (fit(lambda X, a: a * X[:, 0], 1e200), r"loss is inf at the start \{'a': 1e"),
    "three starts no number": (fit(n_starts=0), "n_starts=0"),
    "an unknown covariance": (fit(cov_type="HC3"), "cov_type='HC3'"),
}


def check_three_parts(error, words):
    text = str(error)
    assert re.search(words, text, re.DOTALL), text
    assert re.search("Allowed|allows|needs", text), text
    assert len(re.split(r"\.\s+(?=[A-Z]|loss=)", text)) >= 3, text


@pytest.mark.parametrize("kind", BAD)
def test_misuse_is_a_message_in_three_parts(kind):
    call, words = BAD[kind]
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words are checked below, over all lines
        call()
    check_three_parts(caught.value, words)


@pytest.mark.parametrize("name", [row.name for row in available() if row.layers])
@pytest.mark.parametrize("make", [CurvatureRegressor, CurvatureClassifier])
def test_solvers_of_layers_say_what_to_use_instead(make, name):
    with pytest.raises(ValueError, match=f"^solver='{name}' was given to {make.__name__}") as caught:
        make(line, [1.0, 1.0], solver=name).fit(X, labels)
    check_three_parts(caught.value, "lm-newton")
    others = [row.name for row in available() if not row.layers]
    assert all(repr(other) in str(caught.value) for other in others)
    with pytest.raises(ValueError, match="kfac"):
        make(line, [1.0, 1.0], solver=KFAC()).fit(X, labels)


WORDS = {
    "alpha": [-1e-3, np.nan, "1", None],
    "n_starts": [0, -1, 1.5, None],
    "jac": [3, None, "exact", (good_jacobian,)],
    "cov_type": ["HC0", None, 3],
    "check_jac": ["no", None],
    "batch_size": [0, 1.5, "all"],
    "max_iter": [0, np.inf, None],
    "tol": [-1.0, np.nan],
    "n_iter_no_change": [0, None],
    "verbose": ["no", None],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WORDS.items() for value in values])
@pytest.mark.parametrize("make", [CurvatureRegressor, CurvatureClassifier])
def test_a_parameter_outside_its_domain(make, name, value):
    with pytest.raises(ValueError, match=f"^{name}=") as caught:
        make(line, [1.0, 1.0], **{name: value}).fit(X, labels)
    check_three_parts(caught.value, re.escape(repr(value)))


@pytest.mark.parametrize("value", ["yes", None, 1])
def test_absolute_sigma_is_a_flag(value):
    with pytest.raises(ValueError, match=r"^absolute_sigma="):
        fit(absolute_sigma=value)()


@pytest.mark.parametrize("trouble", [np.nan, np.inf])
def test_numbers_that_are_not_finite(trouble):
    """By scikit-learn's own messages."""
    broken = np.where(np.arange(20) == 3, trouble, 1.0)
    for call, words in [
        (fit(X=broken[:, None]), "Input X contains"),
        (fit(y=broken), "Input y contains|infinity"),
        (fit(data={"sample_weight": broken}), "sample_weight contains"),
        (fit(data={"offset": broken}), "offset contains"),
    ]:
        with pytest.raises(ValueError, match=words):
            call()


def test_methods_before_fit_and_other_columns():
    reg, clf = CurvatureRegressor(line, [1.0, 1.0]), CurvatureClassifier(line, [1.0, 1.0])
    calls = [(reg, m) for m in ("predict", "conf_interval", "summary")]
    calls += [(clf, m) for m in ("predict", "predict_proba", "predict_log_proba", "decision_function", "summary")]
    for model, method in calls:
        with pytest.raises(NotFittedError):
            getattr(model, method)(*(() if method in ("conf_interval", "summary") else (X,)))
    with pytest.raises(ValueError, match=r"2 features, but .* 1 features"):
        reg.fit(X, y).predict(np.ones((3, 2)))


INTERVALS = {
    "an unknown name": ({"names": "speed"}, r"\['speed'\].*amplitude.*rate"),
    "a fixed one": ({"names": ["floor"]}, r"\['floor'\].*amplitude.*rate"),
    "a level of one": ({"level": 1}, "level=1"),
    "a level of 95": ({"level": 95}, "level=95"),
    "an unknown method": ({"method": "bootstrap"}, "method='bootstrap'"),
}


@pytest.mark.parametrize("kind", INTERVALS)
def test_misuse_of_intervals(kind):
    options, words = INTERVALS[kind]
    reg = fit(fixed=["floor"], y=y + 0.01 * np.sin(np.arange(20)))()
    with pytest.raises(ValueError, match="Allowed") as caught:
        reg.conf_interval(**options)
    check_three_parts(caught.value, words)


def test_what_is_no_solver_and_what_is_no_loss():
    for thing in (3, None, Adam, object()):
        for name in ("solver", "loss"):
            with pytest.raises((TypeError, ValueError), match=f"^{name}=.*was given") as caught:
                fit(**{name: thing})()
            check_three_parts(caught.value, "Pass|Use")


def test_scalars_defaults_pairs_and_scipy_bounds_are_fine():
    """One number for one parameter; defaults of the signature; both ways to give bounds to all."""
    assert fit(lambda X, a: a * X[:, 0], 2.0)().labels_ == ["a"]

    def defaulted(X, amplitude, rate=0.5, floor=0.0):
        return decay(X, amplitude, rate, floor)

    plain = fit()()
    np.testing.assert_allclose(fit(defaulted, {"amplitude": 1.0})().theta_, plain.theta_, rtol=1e-7)
    pair, scipy = ([0, 0, -1], [5, 5, 5]), Bounds([0, 0, -1], [5, 5, 5])
    np.testing.assert_array_equal(fit(bounds=pair)().theta_, fit(bounds=scipy)().theta_)
    np.testing.assert_allclose(fit(bounds=pair)().theta_, plain.theta_, rtol=1e-6)


def test_complex_steps_through_a_model_that_is_not_analytic():
    """|a| of a + ih is sqrt(a^2 + h^2), whose imaginary part is 0."""

    def model(X, a, b):
        return np.abs(a) * X[:, 0] + b

    start = {"a": 2.0, "b": 1.0}
    with pytest.raises(ValueError, match="jac is wrong for parameter 'a'"):
        fit(model, start, jac="cs")()
    with pytest.warns(UserWarning, match="do not determine a"):
        ended = fit(model, start, jac="cs", check_jac=False)().theta_
    assert ended[0] == 2.0


def test_values_in_fixed_and_layers_of_a_model_without_any():
    with pytest.raises(ValueError, match="Put the values into start") as caught:
        fit(fixed={"floor": 0.5})()
    check_three_parts(caught.value, "floor")
    model = fit()()
    for how in ("kron", "layer", "unit", "ekfac", "tridiagonal"):
        with pytest.raises(ValueError, match="without layers") as caught:
            curvature(model, X, y, how=how)
        check_three_parts(caught.value, how)
    assert curvature(model, X, y, how="dense").shape == (3, 3)
