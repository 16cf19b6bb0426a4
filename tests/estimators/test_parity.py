"""The same Adam on the same problem: our loss curve follows scikit-learn's to within the noise of the seeds."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from skcurv import CurvatureMLPClassifier
from skcurv.solvers import Adam

SEEDS, EPOCHS, BATCH, ROWS = 6, 15, 64, 28 * 64
SAME = {"batch_size": BATCH, "max_iter": EPOCHS, "tol": 0, "n_iter_no_change": 100}


def curves(model, X, y):
    """The logarithms of the loss curves of all seeds."""
    return np.log([model.set_params(random_state=seed).fit(X, y).loss_curve_ for seed in range(SEEDS)])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # scikit-learn warns at tol=0 as well
@pytest.mark.parametrize("penalty", [1e-4, 1.0])
def test_adam_follows_scikit_learn_on_digits(penalty):
    """Means over seeds differ by at most three standard errors of their difference.

    scikit-learn divides its penalty by the rows of a batch, we by those of the set: alpha differs by their ratio. What
    is left beside the seeds are its random biases.
    """
    X, y = load_digits(return_X_y=True)
    X, y = StandardScaler().fit_transform(X)[:ROWS], y[:ROWS]
    ours = CurvatureMLPClassifier((32,), solver=Adam(0.001), init="glorot", alpha=penalty * ROWS / BATCH, **SAME)
    ours, theirs = curves(ours, X, y), curves(MLPClassifier((32,), alpha=penalty, **SAME), X, y)
    error = np.sqrt((ours.var(axis=0, ddof=1) + theirs.var(axis=0, ddof=1)) / SEEDS)
    assert np.all(np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) < 3 * error)
    assert np.all(error < 0.06)
