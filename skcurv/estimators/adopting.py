"""What all estimators share: a fit trains a copy, whose attributes are taken over at the end.

So a fit that fails leaves the estimator as it was. Parameters of a solver or loss object in an estimator can be set by
``solver__name`` and ``loss__name``; where a name stands in place of the object, the message says which object to pass.
"""

import copy

from sklearn.base import BaseEstimator

from ..losses.registry import CLASSIFICATION, REGRESSION
from ..solvers.evidence import Evidence
from ..solvers.registry import SOLVERS

CLASSES = {"solver": SOLVERS, "loss": REGRESSION | CLASSIFICATION, "alpha": {"evidence": Evidence}}


class Adopting(BaseEstimator):
    """Base of estimators whose `_train` sets fitted attributes, `theta_` among them."""

    _doc_link_module = "skcurv"

    def _adopt(self, *data, incremental=False):
        """Train a copy and take over what it has learnt, all of it or, after an error, nothing.

        Parameters
        ----------
        *data : what `_train` takes before ``incremental``
        incremental : bool
            Whether training goes on where it stopped; ``warm_start`` keeps what has been learnt as well.
        """
        trained = self._copy(keep=incremental or self.warm_start)
        trained._train(*data, incremental)
        self.__dict__ = vars(trained)
        return self

    def _copy(self, keep):
        """A shallow copy, with or without what earlier fits have learnt."""
        trained = copy.copy(self)
        if not keep:
            for name in [name for name in vars(trained) if name.endswith("_")]:
                delattr(trained, name)
        return trained

    def _given_targets(self, y, n):
        """y of n rows as a validated array."""
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None. Allowed is an array-like of "
                "one target a row. Pass y."
            )
        return self._checked_targets(y, n)

    def _batch_rows(self, solver, n):
        """Rows of a batch out of n."""
        size = solver.batch_size(n) if self.batch_size == "auto" else min(int(self.batch_size), n)
        if solver.full_batch and size < n:
            raise ValueError(
                f"batch_size={size} was given to solver={solver.name!r}, whose steps use the full set of {n} rows. "
                "Allowed is 'auto'. Leave batch_size out, or use a solver of mini-batches such as 'adam'."
            )
        return size

    def set_params(self, **params):
        """Set parameters of this estimator and of a solver or loss object in it.

        Parameters
        ----------
        **params : dict
            Parameters by name; ``solver__name`` and ``loss__name`` for those of an object.

        Returns
        -------
        self : object
            This estimator.
        """
        for part in CLASSES:
            nested = [name for name in params if name.startswith(f"{part}__")]
            if nested:
                _check_object(part, params.get(part, getattr(self, part)), nested[0])
        return super().set_params(**params)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "theta_")


def _check_object(part, value, name):
    """Raise ValueError where a parameter of an object is set, and there is none."""
    if hasattr(value, "set_params"):
        return
    known = CLASSES[part]
    cls = known.get(value) if isinstance(value, str) else None
    what = "a name" if isinstance(value, str) else "no object with parameters"
    example = (cls or next(iter(known.values()))).__name__
    raise ValueError(
        f"{name} was given where {part}={value!r} is {what}. They belong to a {part} object. Pass {part}={example}() "
        "to tune its parameters."
    )
