"""What goes into a fit and how it goes on: kinds of X, weights, warm starts, chunks, early stopping, seeds, storage."""

import io
import pickle

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.utils.class_weight import compute_class_weight

from skcurv import CurvatureMLPRegressor
from skcurv.solvers import Adam

from .test_mlp import classifier, diabetes, every_incremental_solver, every_solver, iris, outputs, regressor, rows


def assert_same_bits(one, two):
    np.testing.assert_array_equal(one.theta_, two.theta_)
    assert one.loss_curve_ == two.loss_curve_


def assert_near(one, two, rtol):
    np.testing.assert_allclose(one.theta_, two.theta_, rtol=0, atol=rtol * np.abs(two.theta_).max())


@every_solver
@pytest.mark.parametrize("batch_size", ["auto", 40])
def test_sparse_is_dense(solver, batch_size):
    """To the rounding of another order of sums, grown over the steps."""
    X, y = iris()
    X[np.abs(X) < 0.3] = 0
    batch_size = rows(solver, batch_size)
    dense = classifier(solver, batch_size=batch_size, max_iter=4).fit(X, y)
    for form in (scipy.sparse.csr_matrix, scipy.sparse.csr_array):
        sparse = classifier(solver, batch_size=batch_size, max_iter=4).fit(form(X), y)
        assert_near(sparse, dense, 1e-7)
        np.testing.assert_allclose(dense.predict_proba(form(X)), dense.predict_proba(X), rtol=1e-9)


@every_solver
def test_float32_is_kept_and_close_to_float64(solver):
    for make, data in ((classifier, iris), (regressor, diabetes)):
        X, y = data(np.float32)
        single = make(solver, max_iter=3).fit(X, y)
        double = make(solver, max_iter=3).fit(X.astype(np.float64), y)
        assert single.theta_.dtype == single.coefs_[0].dtype == np.float32
        assert double.theta_.dtype == np.float64
        assert single.predict(X).dtype == (np.float32 if make is regressor else y.dtype)
        assert outputs(single, X).dtype == np.float32
        assert single.loss_ == pytest.approx(double.loss_, rel=1e-2)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frames_give_names_and_the_same_fit(frame):
    X, y = iris()
    columns = ["a", "b", "c", "d"]
    data = frame(dict(zip(columns, X.T, strict=True)))
    model = classifier().fit(data, y)
    np.testing.assert_array_equal(model.feature_names_in_, columns)
    assert_same_bits(model, classifier().fit(X, y))
    np.testing.assert_array_equal(model.predict_proba(data), classifier().fit(X, y).predict_proba(X))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame(dict(zip("dcba", X.T, strict=True))))


def test_any_layout_of_x_gives_the_same_bits():
    X, y = iris()
    fixed = X.copy()
    fixed.flags.writeable = False
    plain = classifier(batch_size=50).fit(X, y)
    for other in (fixed, np.asfortranarray(X), np.hstack([X, X])[:, :4], X.tolist()):
        assert_same_bits(classifier(batch_size=50).fit(other, y), plain)
        np.testing.assert_array_equal(plain.predict_proba(other), plain.predict_proba(X))
    whole = np.round(4 * X).astype(int)
    assert_same_bits(classifier().fit(whole, y), classifier().fit(whole.astype(float), y))


@every_solver
@pytest.mark.parametrize("make", [classifier, regressor])
def test_weights_count_as_repetition(solver, make):
    X, y = iris() if make is classifier else diabetes()
    w = np.random.default_rng(1).integers(0, 4, len(y))
    weighted = make(solver, batch_size=5000).fit(X, y, sample_weight=w)
    repeated = make(solver, batch_size=5000).fit(X.repeat(w, axis=0), y.repeat(w))
    assert weighted.loss_ == pytest.approx(repeated.loss_, rel=1e-9)
    assert_near(weighted, repeated, 1e-7)


def test_class_weights_multiply_sample_weights():
    X, y = iris()
    X, y = X[20:], y[20:]
    w = np.random.default_rng(1).uniform(0, 2, len(y))
    by_class = {0: 0.5, 1: 2.0, 2: 3.0}
    balanced = compute_class_weight("balanced", classes=np.arange(3), y=y)
    assert_same_bits(
        classifier(class_weight=by_class).fit(X, y, w), classifier().fit(X, y, w * np.array([0.5, 2, 3])[y])
    )
    assert_same_bits(classifier(class_weight="balanced").fit(X, y), classifier().fit(X, y, balanced[y]))


@every_solver
def test_warm_start_goes_on_from_the_present_parameters(solver):
    X, y = iris()
    model = classifier(solver, warm_start=True).fit(X, y)
    first = clone(model).fit(X, y)
    assert_same_bits(model, first)
    before = model.loss_
    model.fit(X, y)
    # the loss before the first step; a mini-batch step may have come between
    assert model.loss_curve_[0] == pytest.approx(before, rel=1e-9)
    assert model.loss_ < before
    assert len(model.loss_curve_) == 8
    assert_same_bits(model.set_params(warm_start=False).fit(X, y), first)


def test_warm_start_keeps_the_target_scaling():
    X, y = diabetes()
    model = regressor(warm_start=True).fit(X, y)
    scale = model.targets_.scale.copy()
    model.fit(X, 100 * y)
    np.testing.assert_array_equal(model.targets_.scale, scale)
    assert model.predict(X).std() > 10 * y.std()


@every_incremental_solver
@pytest.mark.parametrize("batch_size", [50, 1000])
def test_partial_fit_is_one_epoch_of_fit_and_goes_on_where_it_stopped(solver, batch_size):
    X, y = iris()
    parts = classifier(solver, batch_size=batch_size)
    for epochs in (1, 2, 3):
        parts.partial_fit(X, y)
        whole = classifier(solver, batch_size=batch_size, max_iter=epochs).fit(X, y)
        np.testing.assert_array_equal(parts.theta_, whole.theta_)
        assert parts.n_iter_ == whole.n_iter_ == epochs
        assert parts.loss_curve_ == whole.loss_curve_


@pytest.mark.parametrize("solver", ["sgd", "adam", "kfac"])
def test_partial_fit_learns_from_chunks(solver):
    X, y = iris()
    order = np.random.default_rng(0).permutation(150)
    model = classifier(solver, batch_size=25)
    for part in np.split(order, 6) * 30:
        model.partial_fit(X[part], y[part], classes=[0, 1, 2])
    assert model.score(X, y) > 0.7
    only_zeros = classifier(solver).partial_fit(X[:50], y[:50], classes=[0, 1, 2])
    assert only_zeros.predict_proba(X).shape == (150, 3)


def test_partial_fit_of_a_regressor_freezes_the_scaling_of_its_first_chunk():
    X, y = diabetes()
    model = regressor().partial_fit(X[:200], y[:200])
    assert model.targets_.shift[0] == pytest.approx(y[:200].mean())
    assert model.targets_.scale[0] == pytest.approx(y[:200].std())
    model.partial_fit(X[200:], 10 * y[200:])
    assert model.targets_.shift[0] == pytest.approx(y[:200].mean())


def test_fit_after_partial_fit_starts_anew():
    X, y = iris()
    model = classifier().partial_fit(X, y).fit(X, y)
    assert_same_bits(model, classifier().fit(X, y))


def test_partial_fit_after_a_warm_fit_knows_nothing_of_earlier_chunks():
    X, y = iris()
    model = classifier("momentum", warm_start=True).partial_fit(X, y).partial_fit(X, y).fit(X, y)
    fresh = classifier("momentum", warm_start=True).fit(X, y)
    fresh.theta_ = model.theta_.copy()
    assert_same_bits(model.partial_fit(X, y), fresh.partial_fit(X, y))
    assert model.n_iter_ == 1


SCORES = {
    "loss": lambda model, X, y: -log_loss(y, model.predict_proba(X)),
    "accuracy": lambda model, X, y: accuracy_score(y, model.predict(X)),
    "neg_log_loss": lambda model, X, y: -log_loss(y, model.predict_proba(X)),
    "callable": lambda model, X, y: accuracy_score(y, model.predict(X)) + 1,
}


@pytest.mark.parametrize("scoring", SCORES)
def test_early_stopping_restores_the_best_validated_parameters(monkeypatch, scoring):
    X, y = iris()
    y = np.where(np.random.default_rng(0).random(150) < 0.3, (y + 1) % 3, y)
    held_out = []
    model = classifier("adam", max_iter=300, early_stopping=True, validation_fraction=0.2, n_iter_no_change=15)
    model.set_params(solver=Adam(0.05), scoring=SCORES[scoring] if scoring == "callable" else scoring)
    split = type(model)._split
    monkeypatch.setattr(
        type(model), "_split", lambda self, *args: held_out.append(split(self, *args)[1]) or split(self, *args)
    )
    model.fit(X, y)
    X_out, y_out = held_out[0].X, held_out[0].y
    np.testing.assert_allclose(np.bincount(y_out), np.bincount(y) / 5, rtol=0, atol=1)
    assert model.n_iter_ < 300
    best = np.max(model.validation_scores_)
    assert SCORES[scoring](model, X_out, y_out) == pytest.approx(best, rel=1e-10)
    assert model.validation_scores_[-1] <= best
    assert len(model.validation_scores_) - 1 - np.argmax(model.validation_scores_) >= 15


@pytest.mark.parametrize("seed", range(4))
def test_early_stopping_with_a_class_of_one_row_and_with_rows_of_weight_zero(seed):
    X, y = iris()
    y = np.where(np.arange(150) == 7, 3, y)
    options = {"early_stopping": True, "random_state": seed, "validation_fraction": 0.3}
    model = classifier(**options).fit(X, y)
    np.testing.assert_array_equal(model.classes_, range(4))
    kept = np.arange(150) % 15 == 0
    weighted = classifier(**options).fit(X, y, sample_weight=kept)
    assert_same_bits(weighted, classifier(**options).fit(X[kept], y[kept]))


def test_early_stopping_of_a_regressor_scores_in_the_targets_units():
    X, y = diabetes()
    model = regressor(early_stopping=True, scoring="r2", max_iter=40).fit(X, y)
    assert 0 < max(model.validation_scores_) < 1
    model = regressor(early_stopping=True, scoring="neg_mean_squared_error", max_iter=5).fit(X, y)
    assert -(y.std() ** 2) * 2 < max(model.validation_scores_) < -1000


@every_solver
@pytest.mark.parametrize("make", [classifier, regressor])
def test_the_same_random_state_gives_the_same_bits(solver, make):
    X, y = iris() if make is classifier else diabetes()
    options = {"batch_size": "auto" if solver == "lm-newton" else rows(solver, 64), "early_stopping": True}
    one, two, other = (make(solver, random_state=seed, **options).fit(X, y) for seed in (3, 3, 4))
    assert_same_bits(one, two)
    assert one.validation_scores_ == two.validation_scores_
    assert not np.array_equal(one.theta_, other.theta_)
    generator = np.random.RandomState(3)
    assert_same_bits(make(solver, random_state=generator, **options).fit(X, y), one)


@every_incremental_solver
def test_a_stored_model_predicts_and_goes_on_as_the_original(solver):
    X, y = iris()
    model = classifier(solver).partial_fit(X, y)
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    for stored in (pickle.loads(pickle.dumps(model)), joblib.load(file)):
        np.testing.assert_array_equal(stored.predict_proba(X), model.predict_proba(X))
        assert np.shares_memory(stored.coefs_[0], stored.theta_)
        assert_same_bits(stored.partial_fit(X, y), classifier(solver).partial_fit(X, y).partial_fit(X, y))


def test_verbose_prints_one_line_an_epoch(capsys):
    X, y = iris()
    classifier(verbose=True, max_iter=3, early_stopping=True).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == ["epoch 1", "epoch 2", "epoch 3"]
    assert all("loss " in line and "validation score" in line for line in lines)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu", "leaky_relu", "softplus", "silu"])
@pytest.mark.parametrize("init", ["glorot", "he", "orthogonal"])
def test_activations_and_initialisations_by_name(activation, init):
    X, y = diabetes()
    model = regressor(activation=activation, init=init, max_iter=30).fit(X, y)
    assert r2_score(y, model.predict(X)) > 0.4


def test_any_list_of_hidden_layers():
    X, y = iris()
    for sizes in ((), (1,), 3, [4, 3, 2], np.array([3, 2])):
        model = classifier().set_params(hidden_layer_sizes=sizes).fit(X, y)
        assert [len(b) for b in model.intercepts_] == [*np.atleast_1d(sizes).astype(int), 3]
    model = classifier(activation=["tanh", "relu"]).set_params(hidden_layer_sizes=(4, 3)).fit(X, y)
    assert model.n_layers_ == 4


@pytest.mark.parametrize("solver", ["lm-newton", "diag-fisher", "kfac"])
def test_second_order_solvers_find_the_scale_of_raw_targets(solver):
    """Rejections in a row raise lambda faster and faster: a start that is far too bold is no place to stop."""
    X = np.random.default_rng(0).normal(size=(200, 5))
    y = 1e8 * X[:, 0] + 1e9
    reg = CurvatureMLPRegressor((10,), solver=solver, target_scaling=None, max_iter=200, tol=0, random_state=0)
    assert reg.fit(X, y).score(X, y) > 0.99


@pytest.mark.parametrize("solver", ["kfac", "diag-fisher", "block-fisher"])
def test_left_alone_batches_grow_and_a_given_size_stays(solver):
    X = np.random.default_rng(0).normal(size=(1500, 2))
    y = X[:, 0] * X[:, 1]
    steps = np.diff([0, *regressor(solver, max_iter=5).fit(X, y).history_["iteration"]])
    np.testing.assert_array_equal(steps, [12, 6, 3, 3, 3])
    whole = np.diff([0, *regressor(solver, max_iter=5).fit(X[:1000], y[:1000]).history_["iteration"]])
    np.testing.assert_array_equal(whole, [8, 4, 2, 1, 1])
    given = np.diff([0, *regressor(solver, batch_size=500, max_iter=3).fit(X, y).history_["iteration"]])
    np.testing.assert_array_equal(given, [3, 3, 3])
    small = regressor(solver, max_iter=3).fit(X[:500], y[:500])
    np.testing.assert_array_equal(small.history_["iteration"], [1, 2, 3])
