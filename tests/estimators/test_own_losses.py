"""Losses as objects and functions: those of the user's own, their numbers in searches, warm starts."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skcurv import CurvatureMLPClassifier
from skcurv.losses import Huber, Quantile, SquaredError, Tweedie

from .test_bad_input import three_parts
from .test_losses import LINEAR, POSITIVE, XR, X, linear, y, yr
from .test_mlp import regressor


class LogCosh:
    """log cosh(F - y), with its derivative and nothing else."""

    location_scale = True

    def value(self, F, Y):
        return np.logaddexp(F - Y, Y - F).sum(axis=1) - np.log(2)

    def grad(self, F, Y):
        return np.tanh(F - Y)


def half_square(F, Y):
    return 0.5 * ((F - Y) ** 2).sum(axis=1)


def logistic(F, Y):
    return (np.logaddexp(0, F) - Y * F).sum(axis=1)


def softmax(F, Y):
    return np.log(np.exp(F).sum(axis=1)) - (Y * F).sum(axis=1)


def test_a_function_is_the_loss_it_computes():
    ours, own = (linear(loss, target_scaling=None, max_iter=20).fit(XR, yr) for loss in ("squared_error", half_square))
    np.testing.assert_allclose(own.predict(XR), ours.predict(XR), rtol=1e-5)
    assert own.loss is half_square
    assert own.loss_function_.name == "half_square"


@pytest.mark.parametrize("solver", ["kfac", "lm-newton", "lbfgs", "adam"])
def test_an_object_of_ones_own_trains(solver):
    loss = LogCosh()
    model = regressor(solver, loss=loss, max_iter=100).fit(XR, yr)
    assert model.loss is loss
    assert vars(loss) == {}
    assert model.targets_.scaled
    assert model.score(XR, yr) > 0.4


@pytest.mark.parametrize(("loss", "labels"), [(logistic, np.minimum(y, 1)), (softmax, y)])
def test_a_function_of_labels_has_log_odds_for_outputs(loss, labels):
    ours, own = (CurvatureMLPClassifier((), loss=one, **LINEAR, alpha=1.0).fit(X, labels) for one in ("log_loss", loss))
    np.testing.assert_allclose(own.predict_proba(X), ours.predict_proba(X), atol=1e-5)
    np.testing.assert_allclose(own.predict_log_proba(X), ours.predict_log_proba(X), atol=1e-4)
    np.testing.assert_array_equal(own.predict(X), ours.predict(X))
    assert own.n_outputs_ == ours.n_outputs_


def test_objects_are_cloned_searched_and_never_changed():
    search = GridSearchCV(regressor(loss=Huber()), {"loss__delta": [0.1, 1.0, 10.0]}, cv=3).fit(XR, yr)
    assert len(np.unique(search.cv_results_["mean_test_score"])) == 3
    loss = Quantile((0.2, 0.5))
    model = regressor(loss=loss).fit(XR, yr)
    assert model.loss is loss
    assert model.loss_function_ is not loss
    assert clone(model).loss is not loss
    assert clone(model).loss.levels == (0.2, 0.5)
    grid = {"loss": ["squared_error", "huber", Quantile(0.5), half_square]}
    assert GridSearchCV(regressor(), grid, cv=3).fit(XR, yr).best_score_ > 0.3


def test_a_number_of_a_loss_for_a_name_says_what_to_pass():
    for given, cls in (("huber", "Huber"), ("squared_error", "SquaredError"), ("nonsense", "SquaredError")):
        with pytest.raises(ValueError, match=rf"^loss__delta .*Pass loss={cls}\(\) to tune its parameters") as caught:
            regressor(loss=given).set_params(loss__delta=1.0)
        assert len(str(caught.value).split(". ")) == 3
    with pytest.raises(ValueError, match="is no object with parameters"):
        regressor(loss=half_square).set_params(loss__delta=1.0)
    assert regressor(loss="huber").set_params(loss=Huber(), loss__delta=2.0).loss.delta == 2.0


@pytest.mark.parametrize("loss", [Huber(-1.0), Quantile((0.5, 0.1)), Tweedie(0.5)])
def test_a_number_of_a_loss_outside_its_domain(loss):
    with pytest.raises(ValueError, match=loss.name) as caught:
        regressor(loss=loss).fit(XR, POSITIVE)
    three_parts(caught.value)


def test_a_warm_start_takes_another_loss_of_the_same_outputs():
    model = linear("squared_error", warm_start=True).fit(XR, yr)
    again = model.set_params(loss=Huber(0.01)).fit(XR, yr)
    assert again.loss_ == pytest.approx(linear(Huber(0.01)).fit(XR, yr).loss_, rel=1e-3)
    for loss, words in (("poisson", "standardised"), ("gaussian_nll", "same network")):
        with pytest.raises(ValueError, match=words) as caught:
            clone(model).fit(XR, yr).set_params(loss=loss).fit(XR, yr)
        three_parts(caught.value)


def test_a_bound_loss_stays_for_further_chunks():
    model = regressor(loss="absolute_error").partial_fit(XR[:200], yr[:200])
    bound = model.loss_function_
    assert model.partial_fit(XR[200:], 10 * yr[200:]).loss_function_ is bound


def test_raw_outputs_beyond_the_targets_go_through_every_structure():
    """Two outputs a target where curvature is held by rows, by layers and in products."""
    model = regressor(loss="gaussian_nll")
    for solver in ("lm-newton", "natural-gradient", "hessian-free", "block-fisher"):
        fitted = clone(model).set_params(solver=solver, max_iter=30).fit(XR, yr)
        assert fitted.coefs_[-1].shape == (5, 2)
        assert fitted.loss_ < fitted.loss_curve_[0]


def test_a_loss_object_equals_its_name():
    by_name, by_object = (regressor(loss=loss).fit(XR, yr) for loss in ("squared_error", SquaredError()))
    np.testing.assert_array_equal(by_name.theta_, by_object.theta_)
