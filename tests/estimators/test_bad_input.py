"""Misuse is a message of what was given, allowed and to do; failure is a warning; neither loses anything."""

import pickle
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from skcurv import CurvatureMLPClassifier, CurvatureMLPRegressor
from skcurv.solvers import KFAC, SGD, SOLVERS, Adam, LMNewton, Momentum, Nesterov, RMSProp

from .test_mlp import classifier, diabetes, every_solver, iris, regressor

X, y = iris()
XR, yr = diabetes()
DIVERGING = [SGD(1e6), Momentum(1e6), Nesterov(1e6), RMSProp(1e6), Adam(1e6)]


def three_parts(error):
    """The sentences of a message: at least what was given, what is allowed, what to do."""
    parts = re.split(r"\.\s+", str(error))
    assert len(parts) == 3, parts
    assert re.search("Allowed|allows|Known are|needs", parts[1])
    return parts


@pytest.mark.parametrize(
    ("parameter", "known"),
    [
        ("solver", list(SOLVERS)),
        ("activation", ["identity", "logistic", "tanh", "relu", "leaky_relu", "softplus", "silu"]),
        ("loss", ["squared_error", "log_loss"]),
        ("init", ["glorot", "he", "orthogonal"]),
    ],
)
def test_an_unknown_name_lists_the_known_ones(parameter, known):
    with pytest.raises(ValueError, match="'nonsense'") as caught:
        regressor().set_params(**{parameter: "nonsense"}).fit(XR, yr)
    parts = three_parts(caught.value)
    assert all(repr(name) in parts[1] for name in known)


BAD = {
    "hidden_layer_sizes": [0, (5, 0), (5, -1), (2.5,), "10", None],
    "activation": [None, 3, ("tanh", "nonsense"), ("tanh", "relu")],
    "alpha": [-1e-3, np.nan, np.inf, "1", None],
    "batch_size": [0, -5, 1.5, np.nan, "all", None],
    "max_iter": [0, -1, 2.5, np.inf, None],
    "tol": [-1e-4, np.nan, None],
    "early_stopping": [1, "yes", None],
    "validation_fraction": [0, 1, -0.1, 1.5, np.nan],
    "n_iter_no_change": [0, -1, 1.5, None],
    "scoring": [3, None],
    "warm_start": ["no", None],
    "verbose": ["no", None],
    "loss": ["mse"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
@pytest.mark.parametrize("make", [classifier, regressor])
def test_a_parameter_outside_its_domain(make, name, value):
    data = (X, y) if make is classifier else (XR, yr)
    with pytest.raises(ValueError, match=f"^{name}=") as caught:
        make().set_params(**{name: value}).fit(*data)
    assert repr(value) in three_parts(caught.value)[0]


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [(classifier, "class_weight", "heavy"), (classifier, "class_weight", 3), (regressor, "target_scaling", "minmax")],
)
def test_a_parameter_of_one_estimator_outside_its_domain(make, name, value):
    with pytest.raises(ValueError, match=f"^{name}=") as caught:
        make(**{name: value}).fit(X, y)
    three_parts(caught.value)


SOLVER_FIELDS = [(kind, field) for kind in SOLVERS.values() for field in kind.domains]


@pytest.mark.parametrize(
    ("kind", "field"), SOLVER_FIELDS, ids=[f"{kind.name} {field}" for kind, field in SOLVER_FIELDS]
)
@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_a_number_of_a_solver_outside_its_domain(kind, field, value):
    with pytest.raises(ValueError, match=f"^{field}=") as caught:
        classifier(kind(**{field: value})).fit(X, y)
    assert kind.name in three_parts(caught.value)[0]


def test_what_is_no_solver_and_what_is_no_loss():
    for thing in (3, None, Adam, object()):
        for parameter in ("solver", "loss"):
            with pytest.raises((TypeError, ValueError), match="was given") as caught:
                classifier(**{parameter: thing}).fit(X, y)
            three_parts(caught.value)


@every_solver
def test_a_number_of_a_solver_for_a_name_says_what_to_pass(solver):
    with pytest.raises(ValueError, match=f"Pass solver={SOLVERS[solver].__name__}\\(\\) to tune its parameters"):
        classifier(solver).set_params(solver__damping=0.1)
    assert classifier(KFAC()).set_params(solver__damping=0.1).solver.damping == 0.1
    assert classifier(solver).set_params(solver=KFAC(), solver__damping=0.1).solver.damping == 0.1


def _fit_log_loss(targets):
    return lambda: regressor(loss="log_loss").fit(XR, targets)


REJECTED = {
    "targets above one": (_fit_log_loss(yr), "range"),
    "targets below zero": (_fit_log_loss(np.linspace(-0.1, 1, len(yr))), "range"),
    "one class": (lambda: classifier().fit(X, np.zeros(len(y))), "one class"),
    "one class of positive weight": (lambda: classifier().fit(X, y, sample_weight=(y == 1) * 1.0), "one class"),
    "all weights zero": (lambda: classifier().fit(X, y, sample_weight=np.zeros(len(y))), "zero"),
    "a negative weight": (lambda: regressor().fit(X, y, sample_weight=np.r_[-1.0, np.ones(149)]), "negative"),
    "weights of another length": (lambda: regressor().fit(X, y, sample_weight=np.ones(7)), r"shape \(7,\)"),
    "class weights not finite": (lambda: classifier(class_weight={0: np.nan}).fit(X, y), "class_weight"),
    "a negative class weight": (lambda: classifier(class_weight={0: -1.0}).fit(X, y), "class_weight"),
    "class weights all zero": (lambda: classifier(class_weight=dict.fromkeys(range(3), 0)).fit(X, y), "class_weight"),
    "unseen classes": (lambda: classifier().partial_fit(X[:100], y[:100]).partial_fit(X, y), "not in the classes"),
    "classes without those of y": (lambda: classifier().partial_fit(X, y, classes=[0, 1]), "not in the classes"),
    "balanced chunks": (lambda: classifier(class_weight="balanced").partial_fit(X, y), "balanced"),
    "several multi-class columns": (lambda: classifier().fit(X, np.stack([y, y], axis=1)), "several multi-class"),
    "a network changed under warm start": (
        lambda: classifier(warm_start=True).fit(X, y).set_params(hidden_layer_sizes=(6,)).fit(X, y),
        "same network",
    ),
    "activations by layer for other layers": (lambda: classifier(activation=("tanh",) * 3).fit(X, y), "hidden layers"),
}


@pytest.mark.parametrize("kind", REJECTED)
def test_data_outside_the_domain_are_rejected_in_three_parts(kind):
    call, words = REJECTED[kind]
    with pytest.raises(ValueError, match=words) as caught:
        call()
    three_parts(caught.value)


@pytest.mark.parametrize("trouble", [np.nan, np.inf])
def test_numbers_that_are_not_finite(trouble):
    """By scikit-learn's own messages."""
    broken = X.copy()
    broken[3, 2] = trouble
    with pytest.raises(ValueError, match="Input X contains"):
        classifier().fit(broken, y)
    with pytest.raises(ValueError, match="Input X contains"):
        classifier().fit(X, y).predict(broken)
    with pytest.raises(ValueError, match=r"Input y contains|infinity"):
        regressor().fit(X, broken[:, 2])
    with pytest.raises(ValueError, match="sample_weight contains"):
        regressor().fit(X, y, sample_weight=np.where(np.arange(150) == 3, trouble, 1))


def test_a_wrong_number_of_columns_and_a_predict_before_fit():
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        with pytest.raises(ValueError, match=r"3 features, but .* 4 features"):
            getattr(classifier().fit(X, y), method)(X[:, :3])
        with pytest.raises(NotFittedError):
            getattr(CurvatureMLPClassifier(), method)(X)
    with pytest.raises(ValueError, match=r"3 features, but .* 4 features"):
        classifier().partial_fit(X, y).partial_fit(X[:, :3], y)
    with pytest.raises(NotFittedError):
        CurvatureMLPRegressor().predict(X)


def one_warning(call):
    """The result and the one ConvergenceWarning of a call."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = call()
    assert [warning.category for warning in caught] == [ConvergenceWarning], [str(w.message) for w in caught]
    return result, str(caught[0].message)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("make", [classifier, regressor])
@pytest.mark.parametrize("solver", DIVERGING, ids=lambda solver: solver.name)
def test_a_diverging_rate_ends_no_worse_than_it_began_with_one_warning(solver, make, early_stopping):
    data = (X, y) if make is classifier else (XR, yr)
    options = {"early_stopping": early_stopping, "n_iter_no_change": 100, "batch_size": 50}
    start = make(SGD(1e-300), max_iter=1, **options).fit(*data)
    model, message = one_warning(lambda: make(solver, max_iter=60, **options).fit(*data))
    assert np.isfinite(model.theta_).all()
    assert np.isfinite(model.predict(data[0])).all()
    if early_stopping:  # by the score of the part held out
        assert model.score(*data) >= start.score(*data) - 0.3
    else:
        assert model.loss_ <= start.loss_ * (1 + 1e-12)
    assert re.search(r"iteration \d+", message)
    assert "lower learning_rate tenfold" in message


@pytest.mark.parametrize(("scale", "dtype"), [(1e6, "f4"), (1e30, "f4"), (1e36, "f4"), (1e30, "f8"), (1e150, "f8")])
@pytest.mark.parametrize("make", [classifier, regressor])
@every_solver
def test_absurd_data_end_finite_with_at_most_one_warning(solver, make, scale, dtype):
    data, target = (X, y) if make is classifier else (XR, yr)
    data = (data * scale).astype(dtype)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = make(solver).fit(data, target)
    assert np.isfinite(model.theta_).all()
    assert np.isfinite(model.predict(data)).all()
    assert [warning.category for warning in caught] in ([], [ConvergenceWarning])
    assert len(caught) == 1 or np.isfinite(model.loss_)
    for warning in caught:
        assert re.search(r"iteration \d+", str(warning.message))
        assert "Remedy: " in str(warning.message)


@every_solver
def test_data_whose_squares_overflow_are_one_warning_with_a_remedy(solver):
    """No objective is finite at 1e200 squared: the start is all there is."""
    model, message = one_warning(lambda: regressor(solver).fit(1e200 * XR, yr))
    assert np.isfinite(model.theta_).all()
    assert "iteration" in message
    assert "scale the inputs" in message


def _frame(columns):
    return pd.DataFrame(X, columns=columns)


FAILURES = {
    "nan in X": lambda model: model.fit(np.where(np.eye(150, 4) == 1, np.nan, X), y),
    "bad parameter": lambda model: model.set_params(alpha=-1).fit(X, y),
    "unknown solver": lambda model: model.set_params(solver="nonsense").fit(X, y),
    "one class": lambda model: model.fit(X, 0 * y),
    "zero weights": lambda model: model.fit(X, y, sample_weight=0 * y),
    "lengths": lambda model: model.fit(X, y[:-1]),
    "other names": lambda model: model.partial_fit(_frame(list("dcba")), y),
    "bad target of other names": lambda model: model.fit(_frame(list("wxyz")), 0 * y),
    "unseen classes": lambda model: model.partial_fit(_frame(list("abcd")), y + 1),
    "fewer columns": lambda model: model.partial_fit(X[:, :3], y),
    "too little memory": lambda model: model.set_params(solver=LMNewton(memory_limit=10)).fit(X, y),
    "warm start elsewhere": lambda model: model.set_params(warm_start=True).fit(X[:, :3], y),
    "scorer": lambda model: model.set_params(early_stopping=True, scoring=lambda *_: 1 / 0).fit(X, y),
}


@pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
@pytest.mark.parametrize("kind", FAILURES)
def test_a_failed_fit_leaves_a_fitted_estimator_bit_for_bit_as_it_was(kind):
    model = classifier().partial_fit(_frame(list("abcd")), y)
    learnt = {name: value for name, value in vars(model).items() if name.endswith("_")}
    stored = pickle.dumps(learnt)
    predicted = model.predict_proba(_frame(list("abcd")))
    with pytest.raises((ValueError, ZeroDivisionError)):
        FAILURES[kind](model)
    kept = {name: value for name, value in vars(model).items() if name.endswith("_")}
    assert all(kept[name] is learnt[name] for name in learnt)
    assert set(kept) == set(learnt)
    assert pickle.dumps(kept) == stored
    np.testing.assert_array_equal(model.predict_proba(_frame(list("abcd"))), predicted)
