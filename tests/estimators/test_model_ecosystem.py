"""Model estimators inside scikit-learn's tools: searches, pipelines, frames, storage, threads, processes, routing."""

import io
import pickle
from multiprocessing.pool import ThreadPool

import joblib
import numpy as np
import pandas as pd
import polars
import pytest
import sklearn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcurv import CurvatureClassifier, CurvatureRegressor
from skcurv.losses import Huber
from skcurv.solvers import Adam, LMNewton

from .linear_models import decay, line, psychometric

rng = np.random.default_rng(0)
X = rng.permutation(np.linspace(0, 5, 60))[:, None]
y = decay(X, 2.0, 1.5, 0.5) + 0.05 * rng.normal(size=60)
labels = np.where(rng.random(60) < 1 / (1 + np.exp(-2 * (X[:, 0] - 2))), "seen", "not seen")
START = {"amplitude": 1.0, "rate": 0.5, "floor": 0.0}


def regressor(**options):
    return CurvatureRegressor(decay, START, **options)


def classifier(**options):
    return CurvatureClassifier(psychometric, {"threshold": 1.0, "slope": 1.0}, **options)


BOTH = [(regressor, y), (classifier, labels)]
both = pytest.mark.parametrize(("make", "target"), BOTH, ids=["regressor", "classifier"])


def learnt(model):
    """Everything fitted that is an array or a number, but for the seconds."""
    numbers = {name: value for name, value in vars(model).items() if name.endswith("_")}
    return pickle.dumps([numbers[name] for name in ("theta_", "cov_", "loss_", "loss_curve_", "stderr_", "labels_")])


@both
def test_a_clone_is_unfitted_and_fits_to_the_same_bits(make, target):
    model = make(solver=LMNewton(), random_state=0).fit(X, target)
    copy = clone(model)
    assert not hasattr(copy, "theta_")
    assert copy.solver is not model.solver
    assert copy.model is model.model
    assert {k: v for k, v in copy.get_params().items() if k != "solver"} == {
        k: v for k, v in model.get_params().items() if k != "solver"
    }
    assert learnt(copy.fit(X, target)) == learnt(model)


def test_parameters_of_the_objects_inside():
    reg = regressor(loss=Huber(), solver=LMNewton())
    reg.set_params(loss__delta=2.0, solver__scaling="identity")
    assert reg.loss.delta == 2.0
    assert reg.solver.scaling == "identity"
    with pytest.raises(ValueError, match=r"Pass loss=Huber\(\) to tune its parameters"):
        regressor(loss="huber").set_params(loss__delta=2.0)
    with pytest.raises(ValueError, match=r"Pass solver=LMNewton\(\) to tune its parameters"):
        regressor().set_params(solver__scaling="identity")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_search_over_loss_solver_and_starts(n_jobs):
    """Every number of the grid arrives, and the best refit is that of the best alone."""
    grid = [
        {"loss": [Huber(), "squared_error"], "solver": ["lm-newton", "lbfgs"], "n_starts": [1, 2]},
        {"loss": [Huber()], "loss__delta": [0.01, 10.0], "solver": [LMNewton()], "solver__rule": ["classical"]},
    ]
    search = GridSearchCV(regressor(random_state=0), grid, cv=3, n_jobs=n_jobs, error_score="raise").fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert len(scores) == 10
    assert np.isfinite(scores).all()
    assert scores[8] != scores[9]
    alone = clone(search.best_estimator_).fit(X, y)
    assert learnt(alone) == learnt(search.best_estimator_)


@both
def test_pipelines_and_cross_validation(make, target):
    pipeline = make_pipeline(StandardScaler(), make())
    scores = cross_val_score(pipeline, X, target, cv=3, n_jobs=2)
    np.testing.assert_array_equal(scores, cross_val_score(pipeline, X, target, cv=3))
    assert pipeline.fit(X, target).score(X, target) >= 0.8


@both
@pytest.mark.parametrize("frame", [pd.DataFrame, polars.DataFrame])
def test_data_frames(make, target, frame):
    series = (pd.Series if frame is pd.DataFrame else polars.Series)(target)
    data = frame({"time": X[:, 0]})
    model = make().fit(data, series)
    assert model.feature_names_in_.tolist() == ["time"]
    assert learnt(model) == learnt(make().fit(X, target))
    np.testing.assert_array_equal(model.predict(data), make().fit(X, target).predict(X))
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame({"other": X[:, 0]}))


@both
def test_a_stored_model_predicts_and_infers_as_the_original(make, target):
    model = make(n_starts=2, random_state=0).fit(X, target)
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    for stored in (pickle.loads(pickle.dumps(model)), joblib.load(file)):
        np.testing.assert_array_equal(stored.predict(X), model.predict(X))
        assert stored.conf_interval() == model.conf_interval()
        assert stored.summary() == model.summary()
        assert learnt(stored.fit(X, target)) == learnt(model)


@both
@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_starts_in_parallel_are_those_in_turn(make, target, backend):
    alone = make(n_starts=4, random_state=3).fit(X, target)
    with joblib.parallel_backend(backend, n_jobs=2):
        together = make(n_starts=4, random_state=3, n_jobs=2).fit(X, target)
    assert learnt(together) == learnt(alone)
    np.testing.assert_array_equal(together.start_losses_, alone.start_losses_)
    assert len(alone.start_losses_) == 4


@both
def test_the_same_random_state_gives_the_same_bits(make, target):
    options = {"n_starts": 3, "solver": Adam(0.01), "batch_size": 16, "max_iter": 20, "tol": 0.0}
    with pytest.warns(Warning, match="max_iter"):
        one, two, other = (make(random_state=seed, **options).fit(X, target) for seed in (5, 5, 6))
    assert learnt(one) == learnt(two)
    assert learnt(one) != learnt(other)


@both
def test_two_fits_at_once_in_threads(make, target):
    shared = make(n_starts=2, random_state=0)
    alone = [learnt(clone(shared).set_params(random_state=seed).fit(X, target)) for seed in range(4)]
    with ThreadPool(4) as pool:
        fits = pool.map(lambda seed: clone(shared).set_params(random_state=seed).fit(X, target), range(4))
    assert [learnt(one) for one in fits] == alone


@both
def test_read_only_and_other_layouts_and_dtypes(make, target):
    model = make().fit(X, target)
    still, goal = X.copy(), target.copy()
    still.flags.writeable = goal.flags.writeable = False
    strided = np.repeat(X, 2, axis=1)[:, ::2]
    for data in (still, np.asfortranarray(X), strided, X.tolist()):
        assert learnt(make().fit(data, goal)) == learnt(model)
    single = make().fit(X.astype(np.float32), target)
    assert single.theta_.dtype == np.float64
    np.testing.assert_allclose(single.theta_, model.theta_, rtol=1e-4)
    np.testing.assert_array_equal(X, still)
    np.testing.assert_array_equal(target, goal)


def test_a_start_and_bounds_are_not_changed():
    start, bounds = {"amplitude": 1.0, "rate": 0.5, "floor": 0.0}, {"rate": [0.0, None]}
    CurvatureRegressor(decay, start, bounds=bounds).fit(X, y)
    assert (start, bounds) == (START, {"rate": [0.0, None]})
    array = np.zeros(2)
    CurvatureRegressor(line, array).fit(X, y)
    np.testing.assert_array_equal(array, np.zeros(2))


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("routing")
def test_offsets_and_weights_are_routed():
    rates = rng.poisson(np.exp(0.3 + 0.2 * X[:, 0] + 1.0)) * 1.0
    offset, weights = np.full(60, 1.0), 1.0 + np.arange(60) % 2
    reg = CurvatureRegressor(line, np.zeros(2), loss="poisson")
    reg.set_fit_request(offset=True, sample_weight=True).set_predict_request(offset=True)
    reg.set_score_request(offset=True, sample_weight=True)
    found = cross_validate(
        reg, X, rates, cv=3, params={"offset": offset, "sample_weight": weights}, return_estimator=True
    )
    shifted = found["estimator"][0]
    train, test = np.arange(20, 60), np.arange(20)
    again = clone(reg).fit(X[train], rates[train], sample_weight=weights[train], offset=offset[train])
    np.testing.assert_array_equal(shifted.theta_, again.theta_)
    with_offset = again.score(X[test], rates[test], sample_weight=weights[test], offset=offset[test])
    assert found["test_score"][0] == with_offset > again.score(X[test], rates[test], sample_weight=weights[test])
    pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), reg)
    pipeline.fit(X, rates, offset=offset, sample_weight=weights)
    np.testing.assert_allclose(
        pipeline.predict(X, offset=offset), np.exp(1.0) * pipeline.predict(X, offset=0 * offset), rtol=1e-12
    )


@both
@pytest.mark.parametrize(
    "spoil",
    [
        {"alpha": -1.0},
        {"solver": "kfac"},
        {"start": {"nonsense": 1.0}},
        {"loss": "nonsense"},
        {"model": lambda X, **_: 1 / 0},
    ],
    ids=lambda change: ", ".join(change),
)
def test_a_failed_fit_leaves_all_as_it_was(make, target, spoil):
    model = make().fit(X, target)
    before, kept, intervals = learnt(model), dict(vars(model)), model.conf_interval(method="stderr")
    with pytest.raises((ValueError, ZeroDivisionError)):
        model.set_params(**spoil).fit(X[:30], target[:30])
    assert learnt(model) == before
    assert all(vars(model)[name] is value for name, value in kept.items() if name.endswith("_"))
    assert model.conf_interval(method="stderr") == intervals


def test_a_model_that_raises_is_heard():
    def broken(X, a):
        raise RuntimeError("this is mine")

    with pytest.raises(RuntimeError, match="this is mine"):
        CurvatureRegressor(broken, {"a": 1.0}).fit(X, y)


@both
def test_verbose_prints_one_line_an_epoch(make, target, capsys):
    model = make(verbose=True).fit(X, target)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == model.n_iter_
    assert all(line.startswith(f"epoch {i}, loss ") for i, line in enumerate(lines, start=1))


@both
def test_the_html_and_the_repr_name_the_model(make, target):
    model = make().fit(X, target)
    assert model.model.__name__ in repr(model)
    assert model.model.__name__ in model._repr_html_()
