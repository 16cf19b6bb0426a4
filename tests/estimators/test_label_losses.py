"""The classifier with every loss: probabilities, decisions and labels that agree, smoothing, order."""

import numpy as np
import pytest

from skcurv import CurvatureMLPClassifier
from skcurv.losses import Focal, LogLoss
from skcurv.losses.registry import CLASSIFICATION

from .test_bad_input import three_parts
from .test_losses import LINEAR, XR, X, y, yr
from .test_mlp import classifier


def test_label_smoothing_is_a_fit_to_smoothed_labels():
    """The best constant of smoothed labels of a share s: (1 - a) s + a / K."""
    for labels, classes in ((y, 3), (np.minimum(y, 1), 2)):
        model = CurvatureMLPClassifier((), loss=LogLoss(label_smoothing=0.3), **LINEAR).fit(np.zeros_like(X), labels)
        share = np.bincount(labels) / len(labels)
        np.testing.assert_allclose(model.predict_proba(X[:1])[0], 0.7 * share + 0.3 / classes, rtol=1e-6)


def test_focal_loss_without_gamma_is_log_loss():
    for labels in (y, np.minimum(y, 1), np.stack([y == 0, y == 1], axis=1).astype(int)):
        plain, focal = (
            CurvatureMLPClassifier((), loss=loss, **LINEAR, alpha=1.0).fit(X, labels)
            for loss in ("log_loss", Focal(gamma=0))
        )
        np.testing.assert_allclose(focal.predict_proba(X), plain.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("loss", CLASSIFICATION)
@pytest.mark.parametrize("classes", [2, 3])
def test_outputs_of_every_classification_loss_agree(loss, classes):
    labels = np.array(["b", "a", "c"])[np.minimum(y, classes - 1)]
    model = classifier(loss=loss, max_iter=20).fit(X, labels)
    P, L, D = model.predict_proba(X), model.predict_log_proba(X), model.decision_function(X)
    assert P.shape == L.shape == (150, classes)
    np.testing.assert_allclose(P.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(np.exp(L), P, rtol=1e-10, atol=1e-300)
    np.testing.assert_array_equal(model.predict(X), model.classes_[P.argmax(axis=1)])
    best = (D > 0).astype(int) if classes == 2 else D.argmax(axis=1)
    np.testing.assert_array_equal(model.predict(X), model.classes_[best])
    assert model.score(X, labels) > (0.6 if loss == "ordinal" else 0.9)  # "a" < "b" is no order of these flowers


def test_ordered_classes_have_one_output_less_and_one_hot_targets():
    grades = np.digitize(yr, np.quantile(yr, [0.25, 0.5, 0.75]))
    for labels, classes in ((grades, 4), (grades // 2, 2)):
        model = CurvatureMLPClassifier((4,), loss="ordinal", max_iter=40, tol=0, random_state=0).fit(XR, labels)
        assert model.n_outputs_ == classes - 1
        assert model.decision_function(XR).shape == ((len(yr), 4) if classes == 4 else (len(yr),))
        assert np.abs(model.predict(XR) - labels).mean() < 0.2 * classes
    with pytest.raises(ValueError, match="ordinal") as caught:
        classifier(loss="ordinal").fit(X, np.stack([y == 0, y == 1], axis=1).astype(int))
    three_parts(caught.value)
