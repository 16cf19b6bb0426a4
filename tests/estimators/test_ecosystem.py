"""Inside scikit-learn's tools: pipelines, searches, meta-estimators, threads, processes, memory maps."""

from multiprocessing.pool import ThreadPool

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingRegressor, StackingRegressor, VotingClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcurv.solvers import KFAC, SOLVERS, Adam, DiagFisher

from .test_mlp import classifier, diabetes, every_solver, iris, regressor, rows

X, y = iris()
XR, yr = diabetes()


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_a_search_over_solver_names(backend):
    pipeline = make_pipeline(StandardScaler(), classifier(max_iter=20))
    grid = {"curvaturemlpclassifier__solver": list(SOLVERS)}
    with joblib.parallel_backend(backend, n_jobs=2):
        search = GridSearchCV(pipeline, grid, cv=3, n_jobs=2, error_score="raise").fit(X, y)
    assert search.best_score_ > 0.9
    assert len(search.cv_results_["mean_test_score"]) == len(SOLVERS)
    alone = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(X, y)
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
    np.testing.assert_array_equal(search.predict_proba(X), alone.predict_proba(X))


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_a_search_over_numbers_of_solver_objects(backend):
    solvers = {"solver": [KFAC(), DiagFisher()], "solver__damping": [0.1, 10.0]}
    with joblib.parallel_backend(backend, n_jobs=2):
        grid = [solvers, {"solver": [Adam()], "solver__learning_rate": [1e-5, 0.02]}]
        search = GridSearchCV(regressor(max_iter=15), grid, cv=3, n_jobs=2, error_score="raise").fit(XR, yr)
    scores = search.cv_results_["mean_test_score"]
    assert len(scores) == len(np.unique(scores)) == 6
    assert scores[5] > scores[4]
    assert solvers["solver"][0].damping is None


def test_cross_validated_predictions_and_scores():
    P = cross_val_predict(classifier(max_iter=20), X, y, cv=3, method="predict_proba", n_jobs=2)
    assert P.shape == (150, 3)
    assert np.mean(P.argmax(axis=1) == y) > 0.9
    assert cross_val_score(regressor(max_iter=20), XR, yr, cv=3).mean() > 0.3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("labels", [y, y == 1], ids=["three", "two"])
def test_calibration(dtype, labels):
    data = X.astype(dtype)
    for method in ("sigmoid", "isotonic"):
        model = CalibratedClassifierCV(classifier(max_iter=15), method=method, cv=3).fit(data, labels)
        P = model.predict_proba(data)
        np.testing.assert_allclose(P.sum(axis=1), 1, rtol=10 * np.finfo(dtype).eps)
        assert model.score(data, labels) > 0.85


def test_voting_stacking_bagging_and_several_outputs():
    voters = [
        ("a", classifier("kfac", max_iter=20)),
        ("b", classifier("lm-newton", max_iter=20)),
        ("c", LogisticRegression()),
    ]
    for voting in ("hard", "soft"):
        assert VotingClassifier(voters, voting=voting).fit(X, y).score(X, y) > 0.9
    assert StackingRegressor([("a", regressor()), ("b", Ridge())], cv=3).fit(XR, yr).score(XR, yr) > 0.4
    assert BaggingRegressor(regressor(), n_estimators=3, random_state=0).fit(XR, yr).score(XR, yr) > 0.4
    Y = np.stack([y, (y + 1) % 3], axis=1)
    assert MultiOutputClassifier(classifier(max_iter=20)).fit(X, Y).predict(X).shape == (150, 2)


def test_permutation_importance_finds_the_columns_that_count():
    rng = np.random.default_rng(0)
    data = rng.normal(size=(200, 4))
    target = 2 * data[:, 0] - data[:, 2]
    model = regressor(max_iter=40).fit(data, target)
    importance = permutation_importance(model, data, target, n_repeats=3, random_state=0, n_jobs=2).importances_mean
    np.testing.assert_array_equal(np.argsort(importance)[::-1][:2], [0, 2])
    assert importance[[1, 3]].max() < 0.1 * importance[2]


@every_solver
def test_a_clone_is_unfitted_and_fits_to_the_same_bits(solver):
    model = classifier(SOLVERS[solver](), batch_size=rows(solver, 40)).fit(X, y)
    copy = clone(model)
    assert not hasattr(copy, "theta_")
    assert copy.solver is not model.solver
    np.testing.assert_array_equal(copy.fit(X, y).theta_, model.theta_)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@every_solver
def test_read_only_memory_maps(tmp_path, solver, dtype):
    joblib.dump((X.astype(dtype), y), tmp_path / "data")
    data, target = joblib.load(tmp_path / "data", mmap_mode="r")
    assert not data.flags.writeable
    for batch_size in (rows(solver, 40), "auto"):
        mapped = classifier(solver, batch_size=batch_size).fit(data, target)
        plain = classifier(solver, batch_size=batch_size).fit(X.astype(dtype), y)
        np.testing.assert_array_equal(mapped.theta_, plain.theta_)
    joblib.dump(mapped, tmp_path / "model")
    stored = joblib.load(tmp_path / "model", mmap_mode="r")
    np.testing.assert_array_equal(stored.predict_proba(data), mapped.predict_proba(X.astype(dtype)))
    before = stored.theta_.copy()
    again = stored.set_params(solver="adam" if SOLVERS[solver].full_batch else solver).partial_fit(data, target)
    assert not np.array_equal(again.theta_, before)


@every_solver
def test_simultaneous_fits_in_threads_equal_fits_in_turn(solver):
    """Shared inputs and one shared solver object; kernels release the interpreter's lock."""
    shared = SOLVERS[solver]()

    def fit(seed):
        return classifier(shared, random_state=seed, batch_size=rows(solver, 30), activation="relu").fit(X, y).theta_

    alone = [fit(seed) for seed in range(4)]
    with ThreadPool(4) as pool:
        together = pool.map(fit, range(4))
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one, other)
