"""Choosing between fits by the evidence that they have found: no rows are held out."""

from sklearn.pipeline import Pipeline


def log_evidence_scorer(estimator, X=None, y=None):
    """The log evidence of a fit, as a scorer of scikit-learn: larger is better.

    With all rows in the only fold, ``cv=[(rows, rows)]``, a search by it chooses widths, depths, activations and inputs
    without a validation set. Targets must be the same in all candidates, their units too, for the evidence is a
    density of them; and so must be what it is the evidence of: ``alpha="evidence"`` for all, or for none.

    Parameters
    ----------
    estimator : fitted estimator or Pipeline
        One with `log_evidence_` (``alpha="evidence"``), or else with `posterior_` (``posterior="laplace"``); of a
        pipeline the last step.
    X, y : any, default=None
        Ignored: the evidence is that of the rows of the fit.

    Returns
    -------
    log_evidence : float
        In nats, in the target's units, of all rows together.

    Raises
    ------
    ValueError
        For a fit that has no evidence.

    References
    ----------
    D. J. C. MacKay, "Bayesian interpolation", Neural Computation 4 (1992).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skcurv import CurvatureMLPRegressor
    >>> from skcurv.posterior import log_evidence_scorer
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(60, 2))
    >>> y = X[:, 0] - X[:, 1] + 0.1 * rng.normal(size=60)
    >>> rows = np.arange(60)
    >>> search = GridSearchCV(
    ...     CurvatureMLPRegressor(activation="tanh", solver="lm-newton", alpha="evidence", random_state=0),
    ...     {"hidden_layer_sizes": [(), (4,)]},
    ...     scoring=log_evidence_scorer,
    ...     cv=[(rows, rows)],
    ... ).fit(X, y)
    >>> search.best_params_
    {'hidden_layer_sizes': ()}
    """
    last = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    found = getattr(last, "log_evidence_", None)
    if found is None:
        found = getattr(getattr(last, "posterior_", None), "log_evidence", None)
    if found is None:
        raise ValueError(
            f"The evidence was asked of a fit of {type(last).__name__} that has none. Allowed are fits with "
            "alpha='evidence', or with posterior='laplace' and a loss whose density is known, such as 'squared_error' "
            "and 'log_loss'. Set one of these and fit."
        )
    return float(found)
