"""Labels that a classifier takes, one column of them or a 0/1 matrix; and what raw outputs say of them.

A loss says how raw outputs become probabilities. One that says nothing, whose link is the identity, has log-odds for
raw outputs: the logistic function or the softmax makes probabilities of them.
"""

import numpy as np
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_consistent_length

from ..losses import BernoulliLogLoss, MultinomialLogLoss


def checked_labels(y, n):
    """Labels (n,), or a dense 0/1 matrix (n, labels), of n rows."""
    y = check_array(y, ensure_2d=False, dtype=None, accept_sparse="csr", input_name="y")
    y = y.toarray() if hasattr(y, "toarray") else y
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    check_classification_targets(y)
    if type_of_target(y) == "multiclass-multioutput":
        raise ValueError(
            "y with several multi-class columns was given. Allowed are one column of labels, or a 0/1 matrix. Wrap "
            "the estimator in sklearn.multioutput.MultiOutputClassifier."
        )
    check_consistent_length(np.empty(n), y)
    return y


def check_known(y, targets):
    """Raise ValueError for labels that `targets`, a ClassTargets, does not know."""
    known = np.arange(y.shape[1]) if y.ndim == 2 else np.unique(y)
    unseen = np.setdiff1d(known, targets.classes)
    if len(unseen) or (y.ndim == 2) != targets.multilabel:
        raise ValueError(
            f"y has classes {unseen!r} that were not in the classes {targets.classes!r} of the first call. Allowed "
            "are those alone. Name all classes in the first partial_fit, or start anew with fit."
        )


def means(F, loss, targets):
    """The means of the 0/1 columns, (n, k), for raw outputs F (n, r)."""
    return _link(loss, targets).predict(F)


def probabilities(F, loss, targets):
    """Probabilities (n, K) of the classes or labels, never 0, so that their logarithms are finite."""
    link = _link(loss, targets)
    P = link.predict(F)
    if P.shape[1] == 1 and not targets.multilabel:
        rest = link.predict(-F) if link.out_activation == "logistic" else 1 - P
        P = np.hstack([rest, P])  # 1 - P has no digits left where P is near 1
    return np.maximum(P, np.finfo(P.dtype).tiny)


def log_probabilities(F, loss, targets):
    """Logarithms of the probabilities, finite where those underflow."""
    link, one = _link(loss, targets), targets.n_outputs == 1 and not targets.multilabel
    if not hasattr(link, "log_predict") or (one and link.out_activation != "logistic"):
        return np.log(probabilities(F, loss, targets))
    L = link.log_predict(F)
    return np.hstack([link.log_predict(-F), L]) if one else L


def decisions(F, loss, targets):
    """Raw outputs where there is one for each column of the targets, else logarithms of the probabilities.

    Of two classes the second's less the first's, (n,).
    """
    D = F if F.shape[1] == targets.n_outputs else log_probabilities(F, loss, targets)
    if targets.multilabel or len(targets.classes) > 2:
        return D
    return D[:, 0] if D.shape[1] == 1 else D[:, 1] - D[:, 0]


def _link(loss, targets):
    """What makes probabilities of raw outputs."""
    if loss.out_activation != "identity":
        return loss
    return MultinomialLogLoss() if targets.exclusive else BernoulliLogLoss()
