"""Labels that a classifier takes: one column of them, or a 0/1 matrix."""

import numpy as np
from sklearn.utils import check_array, column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_consistent_length


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
