"""Averages of restarts: against restarts fitted one by one, and mixtures of them; misuse."""

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skcurv import (
    CurvatureMLPClassifier,
    CurvatureMLPRegressor,
    EvidenceAveragingClassifier,
    EvidenceAveragingRegressor,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = np.sin(2 * X[:, 0]) + 0.5 * X[:, 1] + 0.1 * RNG.normal(size=60)
LABELS = np.array(["c", "a", "b"])[np.digitize(Y, [-0.4, 0.4])]
OPTIONS = {"solver": "lm-newton", "max_iter": 15, "tol": 0, "posterior": "laplace"}
REGRESSOR = CurvatureMLPRegressor((4,), "tanh", alpha="evidence", **OPTIONS)
CLASSIFIER = CurvatureMLPClassifier((3,), "tanh", alpha=0.5, **OPTIONS)
BATTERY = {"n_restarts": 2, "window": np.inf}


# few steps, for rounding grows from step to step where 15 rows have more parameters, and weights equal repetition but
# for rounding
@parametrize_with_checks(
    [
        EvidenceAveragingRegressor(clone(REGRESSOR).set_params(max_iter=4), **BATTERY),
        EvidenceAveragingClassifier(clone(CLASSIFIER).set_params(max_iter=4), **BATTERY),
    ]
)
def test_scikit_learn_checks(estimator, check):
    assert check(estimator) is None


def _regressor(**options):
    return EvidenceAveragingRegressor(clone(REGRESSOR), **({"n_restarts": 4, "random_state": 0} | options))


def _alone(estimator, n=4, y=Y, **data):
    """Restarts fitted one by one, with the seeds that the average draws."""
    seeds = np.random.RandomState(0).randint(np.iinfo(np.int32).max, size=n)
    return [clone(estimator).set_params(random_state=int(seed)).fit(X, y, **data) for seed in seeds]


@pytest.fixture(scope="module")
def all_kept():
    return _regressor(window=np.inf).fit(X, Y)


def test_an_average_is_the_equal_mixture_of_restarts_fitted_one_by_one(all_kept):
    fits = _alone(REGRESSOR)
    means, stds = (np.array(part) for part in zip(*[fit.predict(X, return_std=True) for fit in fits], strict=True))
    mean, std = all_kept.predict(X, return_std=True)
    np.testing.assert_allclose(all_kept.predict(X), means.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(mean, means.mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(std**2, (stds**2 + means**2).mean(axis=0) - mean**2, rtol=1e-10)
    Q = all_kept.predict_quantiles(X, [0.1, 0.7])
    F = norm.cdf(Q, means[:, :, None], stds[:, :, None]).mean(axis=0)
    np.testing.assert_allclose(F, np.broadcast_to([0.1, 0.7], F.shape), rtol=1e-12)
    np.testing.assert_array_equal(all_kept.log_evidences_, [fit.log_evidence_ for fit in fits])


def test_restarts_within_the_window_are_kept(all_kept):
    below = (all_kept.log_evidences_.max() - all_kept.log_evidences_) / 60
    assert len(np.unique(below)) == 4
    for window in (0.0, np.median(below)):
        reg = _regressor(window=window).fit(X, Y)
        np.testing.assert_array_equal(reg.kept_, below <= window)
        kept = [fit.theta_ for fit, keep in zip(all_kept.estimators_, reg.kept_, strict=True) if keep]
        np.testing.assert_array_equal([fit.theta_ for fit in reg.estimators_], kept)


def test_units_of_the_target_keep_the_same(all_kept):
    window = float(np.median((all_kept.log_evidences_.max() - all_kept.log_evidences_) / 60))
    one, scaled = _regressor(window=1.01 * window).fit(X, Y), _regressor(window=1.01 * window).fit(X, 8 * Y)
    np.testing.assert_array_equal(one.kept_, scaled.kept_)
    np.testing.assert_allclose(scaled.predict(X), 8 * one.predict(X), rtol=1e-12)


def test_weights_count_as_rows_in_the_fits_and_in_the_window():
    short = _regressor(window=np.inf, n_restarts=2).set_params(estimator__max_iter=5)
    w, twice = np.full(60, 2.0), np.arange(120) // 2
    repeated = clone(short).fit(X[twice], Y[twice])
    apart = np.ptp(repeated.log_evidences_) / 120
    for window, kept in ((0.99 * apart, 1), (1.01 * apart, 2)):
        weighted = clone(short).set_params(window=window).fit(X, Y, sample_weight=w)
        np.testing.assert_allclose(weighted.log_evidences_, repeated.log_evidences_, rtol=1e-8)
        assert len(weighted.estimators_) == weighted.kept_.sum() == kept


def test_jobs_change_nothing_and_more_restarts_begin_with_the_same(all_kept):
    with joblib.parallel_config("threading"):
        several = _regressor(window=np.inf, n_jobs=2, n_restarts=2).fit(X, Y)
    np.testing.assert_array_equal(several.log_evidences_, all_kept.log_evidences_[:2])
    np.testing.assert_array_equal(several.predict(X), np.mean([f.predict(X) for f in all_kept.estimators_[:2]], axis=0))


def test_draws_are_those_of_the_mixture(all_kept):
    """Within five standard errors: sqrt(1 / m) of a mean, less than sqrt(4 / m) of a variance."""
    rows, m = X[:7], 4000
    draws = all_kept.sample_y(rows, m, random_state=0)
    mean, std = all_kept.predict(rows, return_std=True)
    assert draws.shape == (7, m)
    assert np.abs((draws.mean(axis=1) - mean) / std).max() < 5 / np.sqrt(m)
    assert np.abs(draws.var(axis=1) / std**2 - 1).max() < 5 * np.sqrt(4 / m)
    np.testing.assert_array_equal(draws, all_kept.sample_y(rows, m, random_state=0))
    halves = draws[:, : m // 2].mean(axis=1), draws[:, m // 2 :].mean(axis=1)  # restarts come in no order
    assert np.abs((halves[0] - halves[1]) / std).max() < 5 * np.sqrt(4 / m)


def test_several_targets_and_single_precision():
    targets = np.column_stack([Y, X[:, 2]]).astype(np.float32)
    reg = _regressor(n_restarts=2, window=np.inf).set_params(estimator__max_iter=5).fit(X.astype(np.float32), targets)
    mean, std = reg.predict(X.astype(np.float32), return_std=True)
    assert mean.dtype == std.dtype == reg.predict(X.astype(np.float32)).dtype == np.float32
    assert mean.shape == std.shape == (60, 2)
    assert reg.predict_quantiles(X, [0.1, 0.5, 0.9]).shape == (60, 2, 3)
    assert reg.predict_quantiles(X, 0.5).shape == (60, 2)
    assert reg.sample_y(X, 5).shape == (60, 2, 5)


def test_pipelines_take_data_frames_and_their_seeds_differ():
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    member = make_pipeline(StandardScaler(), clone(REGRESSOR))
    reg = EvidenceAveragingRegressor(member, n_restarts=2, window=np.inf, random_state=0).fit(frame, Y)
    assert list(reg.feature_names_in_) == ["a", "b", "c"]
    assert reg.n_features_in_ == 3
    assert np.ptp(reg.log_evidences_) > 0
    np.testing.assert_array_equal(clone(reg).fit(frame, Y).log_evidences_, reg.log_evidences_)
    assert reg.predict_quantiles(frame, 0.5).shape == (60,)
    with pytest.raises(ValueError, match=r"sample_y was asked of .*Pipeline.*Allowed are"):
        reg.sample_y(frame)


@pytest.mark.parametrize("kind", ["classes", "multilabel"])
def test_a_classifier_averages_probabilities(kind):
    y = LABELS if kind == "classes" else np.column_stack([Y > 0, X[:, 1] > 0, X[:, 2] > 1]).astype(int)
    clf = EvidenceAveragingClassifier(CLASSIFIER, n_restarts=3, window=np.inf, random_state=0).fit(X, y)
    fits = _alone(CLASSIFIER, 3, y)
    P = np.mean([fit.predict_proba(X) for fit in fits], axis=0)
    np.testing.assert_allclose(clf.predict_proba(X), P, rtol=1e-12)
    np.testing.assert_allclose(clf.predict_log_proba(X), np.log(P), rtol=1e-10, atol=1e-14)
    np.testing.assert_array_equal(clf.classes_, fits[0].classes_)
    labels = clf.classes_[P.argmax(axis=1)] if kind == "classes" else (P > 0.5).astype(int)
    np.testing.assert_array_equal(clf.predict(X), labels)
    np.testing.assert_allclose(clf.log_evidences_, [fit.posterior_.log_evidence for fit in fits], rtol=1e-12)
    assert clf.score(X, y) > 0.6


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_restarts": 0}, r"n_restarts=0 .*at least 1"),
        ({"window": -0.1}, r"window=-0.1 .*at least 0"),
        ({"window": np.nan}, r"window=nan .*at least 0"),
        ({"estimator": None}, r"estimator=None .*an estimator"),
        ({"estimator": Ridge}, r"estimator=<class .*an estimator, no class"),
        ({"estimator": Ridge()}, r"fit of Ridge that has none. Allowed are fits with alpha='evidence'"),
        ({"estimator__posterior": None, "estimator__alpha": 0.1}, r"fit of CurvatureMLPRegressor that has none"),
    ],
)
def test_misuse_is_told_and_changes_nothing(options, words, all_kept):
    reg = _regressor()
    reg.set_params(**options)
    vars(reg).update({name: value for name, value in vars(all_kept).items() if name.endswith("_")})
    before = set(vars(reg))
    with pytest.raises(ValueError, match=words):
        reg.fit(X[:, :2], Y)
    assert set(vars(reg)) == before
    assert reg.n_features_in_ == 3
    np.testing.assert_array_equal(reg.predict(X), all_kept.predict(X))


def test_what_has_no_deviation_says_how_to_get_one(all_kept):
    bare = _regressor(n_restarts=2).set_params(estimator__posterior=None).fit(X, Y)
    assert bare.predict(X).shape == (60,)
    for call in (lambda: bare.predict(X, return_std=True), lambda: bare.predict_quantiles(X, 0.5)):
        with pytest.raises(ValueError, match=r"return_std=True was given .* Allowed is .* Use posterior='laplace'"):
            call()
    with pytest.raises(ValueError, match=r"sample_y was asked .* posterior='laplace'"):
        bare.sample_y(X)
    with pytest.raises(ValueError, match=r"q=\[0.5, 1\] was given. Allowed are levels between 0 and 1"):
        all_kept.predict_quantiles(X, [0.5, 1])
