import numpy as np
import pytest
import scipy.special

from skcurv import losses

from ..cases import targets
from ..conformance.losses import BATTERY, LossCase
from .regression_cases import CASES as REGRESSION
from .test_classification_losses import CASES as OF_LABELS


def _with(value):
    def leave(Y):
        Y = Y.copy()
        Y[1, 0] = value
        return Y

    return leave


def _squares(F, Y):
    return np.array([0.5 * np.linalg.norm(f - y) ** 2 for f, y in zip(F, Y, strict=True)])


def _bernoulli(F, Y):
    s, other = scipy.special.expit(F), scipy.special.expit(-F)
    return -(scipy.special.xlogy(Y, s) + scipy.special.xlogy(1 - Y, other)).sum(axis=1)


def _multinomial(F, Y):
    return -(Y * scipy.special.log_softmax(F, axis=1)).sum(axis=1)


def _unit(P):
    return np.all((P >= 0) & (P <= 1))


def _simplex(P):
    return _unit(P) and np.allclose(P.sum(axis=1), 1, rtol=0, atol=4 * P.shape[1] * np.finfo(P.dtype).eps)


def _targets(loss):
    return lambda rng, n, k: targets(loss, rng, n, k)


NONE, HUGE = _with(np.nan), _with(np.inf)
CASES = {
    "SquaredError": LossCase(
        losses.SquaredError(),
        _squares,
        _targets("squared_error"),
        (NONE, HUGE),
        lambda P: np.isfinite(P).all(),
        spread=np.ones_like,
    ),
    "BernoulliLogLoss": LossCase(
        losses.BernoulliLogLoss(),
        _bernoulli,
        _targets("bernoulli"),
        (NONE, HUGE, _with(-0.1), _with(1.1)),
        _unit,
        density=lambda F, Y: np.exp(-_bernoulli(F, Y)),
    ),
    "MultinomialLogLoss": LossCase(
        losses.MultinomialLogLoss(),
        _multinomial,
        _targets("multinomial"),
        (NONE, HUGE, _with(-0.1), _with(1.1), lambda Y: 0.9 * Y),
        _simplex,
        outputs=(2, 3, 7),
        density=lambda F, Y: np.exp(-_multinomial(F, Y)),
    ),
}


def test_every_public_loss_has_its_battery():
    """Two names stand for the losses that fit the targets, one for a function."""
    cases = [*CASES.values(), *REGRESSION.values(), *OF_LABELS.values()]
    assert {type(case.loss).__name__ for case in cases} == set(losses.__all__) - {"LogLoss", "Focal", "from_jax"}


@pytest.mark.parametrize("check", BATTERY, ids=lambda check: check.__name__)
@pytest.mark.parametrize(("name", "k"), [(name, k) for name, case in CASES.items() for k in case.outputs])
def test_conformance(name, k, check):
    check(CASES[name], k)


def test_multinomial_with_two_outputs_is_bernoulli_of_the_difference():
    rng = np.random.default_rng(0)
    F, y = rng.normal(size=(9, 2)), rng.random((9, 1))
    two = losses.MultinomialLogLoss().value(F, np.concatenate([y, 1 - y], axis=1))
    one = losses.BernoulliLogLoss().value(F[:, :1] - F[:, 1:], y)
    np.testing.assert_allclose(two, one, rtol=20 * np.finfo(float).eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_of_the_predicted_distribution(dtype):
    F = np.concatenate([np.random.default_rng(3).normal(size=(4, 3)), [[1e4, 0, -1e4]]]).astype(dtype)
    log_p = losses.MultinomialLogLoss().log_predict(F)
    assert log_p.dtype == dtype
    exact = scipy.special.log_softmax(F.astype(np.float64), axis=1)
    np.testing.assert_allclose(log_p, exact, rtol=20 * np.finfo(dtype).eps, atol=20 * np.finfo(dtype).eps)


def test_sampled_targets_are_one_hot():
    F = np.random.default_rng(1).normal(size=(4, 5))
    loss = losses.MultinomialLogLoss()
    y = loss.predict(F)[:, :, None] - loss.sample(F, 50, np.random.default_rng(2))
    np.testing.assert_allclose(np.sort(y, axis=1)[:, -1], 1, rtol=0, atol=1e-15)
    np.testing.assert_allclose(np.abs(y).sum(axis=1), 1, rtol=0, atol=1e-15)
    assert (y.argmax(axis=1).max(axis=1) > y.argmax(axis=1).min(axis=1)).all()
