"""Focal, ordinal and smoothed losses: the battery, and what is theirs alone."""

import array_api_strict
import numpy as np
import pytest
import scipy.special
from sklearn.base import clone

from skcurv import losses
from skcurv.data import Data
from skcurv.losses.draws import drawn
from skcurv.losses.registry import CLASSIFICATION, concrete, resolve
from skcurv.network import MLP
from skcurv.objective import Objective
from skcurv.solvers import LMNewton

from ..cases import assert_close, targets
from ..conformance.losses import BATTERY, LossCase

EPS = np.finfo(float).eps


def _with(value):
    def leave(Y):
        Y = Y.copy()
        Y[1, 0] = value
        return Y

    return leave


def _bernoulli(gamma):
    def formula(F, Y):
        s, t = scipy.special.expit(F), scipy.special.expit(-F)
        return -(Y * t**gamma * np.log(s) + (1 - Y) * s**gamma * np.log(t)).sum(axis=1)

    return formula


def _multinomial(gamma):
    def formula(F, Y):
        p = scipy.special.softmax(F, axis=1)
        return -(Y * (1 - p) ** gamma * np.log(p)).sum(axis=1)

    return formula


def _ordinal(F, Y):
    F = F.astype(np.longdouble)
    eta = np.cumsum(np.hstack([F[:, :1], np.log1p(np.exp(F[:, 1:]))]), axis=1)
    below = 1 / (1 + np.exp(-eta))
    edge = np.zeros_like(below[:, :1])
    return -(Y * np.log(np.diff(np.hstack([edge, below, 1 + edge]), axis=1))).sum(axis=1)


def _smoothed(formula, share):
    return lambda F, Y: formula(F, 0.8 * Y + 0.2 / (share or Y.shape[1]))


def _unit(P):
    return np.all((P >= 0) & (P <= 1))


def _simplex(P):
    return _unit(P) and np.allclose(P.sum(axis=1), 1, rtol=0, atol=4 * P.shape[1] * np.finfo(P.dtype).eps)


def _label(rng, n, k):
    return targets("bernoulli", rng, n, k)


def _class(rng, n, k):
    return targets("multinomial", rng, n, k)


OUTSIDE = tuple(map(_with, (np.nan, np.inf, -0.1, 1.1)))
ROWS = (*OUTSIDE, lambda Y: 0.9 * Y)
LABELS, CLASSES = (_label, OUTSIDE, _unit), (_class, ROWS, _simplex)
SMOOTHED = losses.LogLoss(0.2).for_outputs(False), losses.LogLoss(0.2).for_outputs(True)
CASES = {
    "BernoulliFocal": LossCase(losses.BernoulliFocal(), _bernoulli(2), *LABELS, curvature="own"),
    "BernoulliFocal, half": LossCase(losses.BernoulliFocal(0.5), _bernoulli(0.5), *LABELS, curvature="own"),
    "MultinomialFocal": LossCase(losses.MultinomialFocal(), _multinomial(2), *CLASSES, (2, 3, 7), "own"),
    "MultinomialFocal, half": LossCase(losses.MultinomialFocal(0.5), _multinomial(0.5), *CLASSES, (3,), "own"),
    "Ordinal": LossCase(
        losses.Ordinal(), _ordinal, *CLASSES, (2, 3, 6), "own", density=lambda F, Y: np.exp(-_ordinal(F, Y))
    ),
    "SmoothedLogLoss": LossCase(SMOOTHED[1], _smoothed(_multinomial(0), None), *CLASSES, (2, 5)),
    "SmoothedLogLoss, Bernoulli": LossCase(SMOOTHED[0], _smoothed(_bernoulli(0), 2), *LABELS),
}


@pytest.mark.parametrize("check", BATTERY, ids=lambda check: check.__name__)
@pytest.mark.parametrize(("name", "k"), [(name, k) for name, case in CASES.items() for k in case.outputs])
def test_conformance(name, k, check):
    check(CASES[name], k)


every_loss = pytest.mark.parametrize(("name", "k"), [(name, k) for name, case in CASES.items() for k in case.outputs])


def _problem(name, k, n=6):
    rng, case = np.random.default_rng((5, k)), CASES[name]
    F, V = 1.5 * rng.normal(size=(2, n, case.loss.raw_outputs(k)))
    return case.loss, F, case.targets(rng, n, k), V


@every_loss
def test_array_code(name, k):
    loss, F, Y, V = _problem(name, k)
    f, y, v, w = (array_api_strict.asarray(array) for array in (F, Y, V, np.ones(len(F))))
    loss.check_targets(y)
    pairs = [
        (loss.value(f, y), loss.value(F, Y)),
        (loss.grad(f, y), loss.grad(F, Y)),
        (loss.hessp(f, y, v), loss.hessp(F, Y, V)),
        (loss.ggnp(f, y, v), loss.ggnp(F, Y, V)),
        (loss.factor(f, y), loss.factor(F, Y)),
        (loss.predict(f), loss.predict(F)),
        (loss.log_predict(f), loss.log_predict(F)),
        (loss.start(y, w), loss.start(Y, np.ones(len(F)))),
        (drawn(loss, f, y, 2, np.random.default_rng(0)), drawn(loss, F, Y, 2, np.random.default_rng(0))),
    ]
    for strict, ours in pairs:
        assert hasattr(strict, "__array_namespace__")
        assert_close(np.asarray(strict), ours, 100 * k, scale=max(1.0, np.abs(ours).max()))


@every_loss
def test_log_predict_is_the_logarithm(name, k):
    loss, F, _, _ = _problem(name, k)
    assert_close(loss.log_predict(F), np.log(loss.predict(F)), 20 * k)


# ------------------------------------------------------------------------------------------------- focal


FORMS = (
    (losses.BernoulliFocal(0.0), losses.BernoulliLogLoss()),
    (losses.MultinomialFocal(0.0), losses.MultinomialLogLoss()),
)


@pytest.mark.parametrize(("focal", "log"), FORMS)
@pytest.mark.parametrize("part", ["value", "grad", "hessp", "ggnp", "factor"])
def test_focal_without_focus_is_log_loss(focal, log, part):
    rng = np.random.default_rng(1)
    F, V, Y = rng.normal(size=(6, 3)), rng.normal(size=(6, 3)), _class(rng, 6, 3)
    rest = (V,) if part.endswith("p") else ()
    assert_close(getattr(focal, part)(F, Y, *rest), getattr(log, part)(F, Y, *rest), 10)


@pytest.mark.parametrize("exclusive", [False, True])
def test_focal_without_focus_is_compiled(exclusive):
    assert type(concrete(losses.Focal(0.0), exclusive)) is type(concrete(losses.LogLoss(), exclusive))
    assert concrete(losses.Focal(0.5), exclusive).gamma == 0.5


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_focal_curvature_is_the_slope_times_that_of_the_log_loss(gamma):
    """S S' = -h'(log p_t) (diag p - p p'), h' by a difference."""
    rng = np.random.default_rng(2)
    F, Y = 2 * rng.normal(size=(8, 4)), np.eye(4)[np.arange(8) % 4]
    p = scipy.special.softmax(F, axis=1)
    u, h = np.log((p * Y).sum(axis=1)), 1e-5
    slope = np.diff([(1 - np.exp(u + step)) ** gamma * (u + step) for step in (-h, h)], axis=0)[0] / (2 * h)
    S = losses.MultinomialFocal(gamma).factor(F, Y)
    desired = slope[:, None, None] * (p[:, :, None] * np.eye(4) - p[:, :, None] * p[:, None, :])
    np.testing.assert_allclose(S @ np.swapaxes(S, 1, 2), desired, rtol=0, atol=1e-9)
    assert (slope > 0).all()


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_of_one_logit_is_that_of_two_outputs(gamma):
    rng = np.random.default_rng(3)
    F, Y, V = rng.normal(size=(9, 1)), rng.integers(0, 2, (9, 1)).astype(float), rng.normal(size=(9, 1))
    one, two = losses.BernoulliFocal(gamma), losses.MultinomialFocal(gamma)
    wide, sides = np.hstack([F, 0 * F]), np.hstack([Y, 1 - Y])
    for part, rest, wider in (("value", (), ()), ("grad", (), ()), ("hessp", (V,), (np.hstack([V, 0 * V]),))):
        ours, theirs = getattr(one, part)(F, Y, *rest), getattr(two, part)(wide, sides, *wider)
        assert_close(ours, theirs if part == "value" else theirs[:, :1], 20)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_focal_keeps_its_digits_where_the_label_is_almost_certain(dtype):
    """l = q^3 to first order in q = 1 - p_t = exp(-F)."""
    F = np.array([[20.0], [60.0 if dtype is np.float64 else 25.0]], dtype)
    q = np.exp(-F[:, 0].astype(np.float64))
    one = losses.BernoulliFocal(2.0).value(F, np.ones_like(F))
    two = losses.MultinomialFocal(2.0).value(np.hstack([F, 0 * F]), np.tile(np.array([1, 0], dtype), (2, 1)))
    rtol = 200 * np.finfo(dtype).eps + 10 * q.max()
    np.testing.assert_allclose(one, q**3, rtol=rtol)
    np.testing.assert_allclose(two, q**3, rtol=rtol)


# ------------------------------------------------------------------------------------------------- ordinal


def test_two_ordered_classes_are_one_bernoulli():
    rng = np.random.default_rng(4)
    F, y, V = rng.normal(size=(9, 1)), rng.random((9, 1)), rng.normal(size=(9, 1))
    Y, ordinal, bernoulli = np.hstack([y, 1 - y]), losses.Ordinal(), losses.BernoulliLogLoss()
    assert ordinal.raw_outputs(2) == 1
    assert_close(ordinal.value(F, Y), bernoulli.value(F, y), 10)
    assert_close(ordinal.grad(F, Y), bernoulli.grad(F, y), 10)
    assert_close(ordinal.hessp(F, Y, V), bernoulli.hessp(F, y, V), 10)
    assert_close(ordinal.ggnp(F, Y, V), bernoulli.ggnp(F, y, V), 10)


@pytest.mark.parametrize("classes", [2, 3, 6])
def test_the_ordinal_fisher_is_the_mean_hessian_and_the_covariance_of_gradients(classes):
    rng = np.random.default_rng(5)
    F, V, loss = 2 * rng.normal(size=(7, classes - 1)), rng.normal(size=(7, classes - 1)), losses.Ordinal()
    mean, covariance, gradient = np.zeros((3, 7, classes - 1))
    for p, label in zip(loss.predict(F).T[:, :, None], np.eye(classes), strict=True):
        Y = np.tile(label, (7, 1))
        g = loss.grad(F, Y)
        gradient = gradient + p * g
        mean = mean + p * loss.hessp(F, Y, V)
        covariance = covariance + p * g * (g * V).sum(axis=1, keepdims=True)
    assert_close(gradient, 0 * gradient, 10 * classes, scale=1.0)
    assert_close(mean, loss.ggnp(F, None, V), 20 * classes)
    assert_close(covariance, loss.ggnp(F, None, V), 20 * classes)


@pytest.mark.parametrize("end", [-1, 1])
@pytest.mark.parametrize("eta", [40.0, 300.0])
def test_ordinal_probabilities_keep_their_digits_in_the_tails(end, eta):
    """p_2 = s(b) - s(a) = e^-|a| |1 - e^(a - b)| to first order, for a and b far out on one side."""
    F = np.array([[end * eta, -5.0]])
    increment = np.log1p(np.exp(-5.0))
    expected = np.exp(-eta) * np.expm1(increment) if end < 0 else -np.exp(-eta) * np.expm1(-increment)
    np.testing.assert_allclose(losses.Ordinal().predict(F)[0, 1], expected, rtol=100 * EPS)
    np.testing.assert_allclose(losses.Ordinal().log_predict(F)[0, 1], np.log(expected), rtol=10 * EPS)


def test_ordinal_needs_two_classes():
    with pytest.raises(ValueError, match="two or more"):
        losses.Ordinal().check_targets(np.ones((3, 1)))


def test_proportional_odds_are_those_of_statsmodels():
    """Coefficients and thresholds of OrderedModel(y, X, distr="logit"), statsmodels 0.15.0, on the same data.

    A penalty of 1e10 a row on the slopes of the increments makes the linear network the proportional-odds model.
    """
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = np.digitize(X @ [1.0, -0.5, 0.25] + rng.logistic(size=300), [-1.0, 0.5, 2.0])
    Y, loss, network = np.eye(4)[y], losses.Ordinal(), MLP((3, 3), ())
    increments = np.array([[0.0, 1, 1]] * 3 + [[0.0, 0, 0]])
    network.layout.penalised = lambda theta: increments.ravel()
    theta = np.vstack([np.zeros((3, 3)), loss.start(Y, np.ones(300))]).ravel()
    here, solver = Objective(network, loss, Data(X, Y, np.ones(300)), alpha=3e12).point(theta), LMNewton()
    state, report = solver.init(here, 0), None
    while not (report and report.converged):
        here, state, report = solver.step(here, state)
        assert state.step < 20
    block = here.theta.reshape(4, 3)
    np.testing.assert_allclose(-block[:3, 0], [0.96269256, -0.36707285, 0.4168711], rtol=0, atol=1e-7)
    thresholds = np.cumsum([block[3, 0], *np.log1p(np.exp(block[3, 1:]))])
    np.testing.assert_allclose(thresholds, [-1.00023433, 0.68827298, 2.14960998], rtol=0, atol=1e-7)
    assert abs(-300 * here.value + 356.8106253747115) < 1e-7


# ----------------------------------------------------------------------------------------------- smoothing


def test_smoothing_moves_the_minimum_to_the_smoothed_targets():
    loss, Y = losses.LogLoss(0.2).for_outputs(True), np.eye(4)
    assert_close(loss.smoothed(Y), 0.8 * Y + 0.05, 1)
    assert_close(loss.grad(np.log(0.8 * Y + 0.05), Y), np.zeros((4, 4)), 4, scale=1.0)
    one = losses.LogLoss(0.2).for_outputs(False)
    assert_close(one.grad(np.log([[9.0], [1 / 9]]), np.array([[1.0], [0.0]])), np.zeros((2, 1)), 4, scale=1.0)


def test_log_loss_without_smoothing_keeps_the_compiled_heads():
    assert losses.LogLoss().for_outputs(True).fused == "SOFTMAX"
    assert losses.LogLoss().for_outputs(False).fused == "LOGISTIC"
    for exclusive in (False, True):
        smoothed = losses.LogLoss(0.1).for_outputs(exclusive)
        assert (smoothed.fused, smoothed.likelihood) == (None, "none")


@pytest.mark.parametrize("loss", [losses.LogLoss(0.1), losses.Focal(1.5), losses.Focal(), losses.LogLoss()])
def test_numbers_of_losses_are_parameters(loss):
    assert clone(loss).get_params() == loss.get_params()
    assert all(loss.domains[field][0](value) for field, value in loss.get_params().items())
    assert resolve(loss, CLASSIFICATION) is loss
    assert type(resolve(loss.name, CLASSIFICATION)) is type(loss)


@pytest.mark.parametrize(
    ("loss", "wrong"),
    [(losses.LogLoss, (-0.1, 1, 1.5, np.nan, "a")), (losses.Focal, (-1, np.nan, np.inf, "a", True))],
)
def test_domains(loss, wrong):
    ((allowed, _),) = loss.domains.values()
    assert not any(allowed(value) for value in wrong)
