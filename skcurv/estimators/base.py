"""What both multilayer perceptrons share: from validated arrays to a trained parameter vector, and back to outputs."""

import time
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from ..data import Data
from ..losses.offset import Offset
from ..losses.registry import bind, concrete
from ..network import MLP
from ..network.initialise import initialise
from ..objective import Objective, outputs
from ..solvers.loop import Budget, train
from ..solvers.protocol import check_fields
from ..solvers.registry import resolve
from .adopting import Adopting
from .evidence import asked, trained
from .parameters import check_parameters, checked_weights, hidden_activations, hidden_widths
from .posterior import set_posterior

INIT = 0  # purpose of a draw
FLOATS = (np.float64, np.float32)


class Rows(NamedTuple):
    """Validated rows: inputs X, targets y, offsets (n, r) or None, weights w."""

    X: Any
    y: Any
    offset: Any
    w: Any

    def take(self, rows):
        """Some of the rows."""
        return Rows(*(part if part is None else part[rows] for part in self))


class BaseCurvatureMLP(Adopting, ABC):
    """Abstract base of the classifier and the regressor."""

    @abstractmethod
    def _domains(self):
        """The parameters' domains."""

    @abstractmethod
    def _checked_targets(self, y, n_samples):
        """y as a validated array."""

    @abstractmethod
    def _loss(self):
        """The loss that `loss` names or is, its fields checked."""

    @abstractmethod
    def _learn_targets(self, y, sample_weight, classes, loss):
        """Set `targets_` from the training part of y."""

    @abstractmethod
    def _weights(self, y, sample_weight):
        """Sample weights times class weights."""

    # ------------------------------------------------------------------------------------------------ training

    def fit(self, X, y, sample_weight=None):
        """Train from new parameters, or from the present ones with ``warm_start``.

        Parameters
        ----------
        X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
            Inputs; float32 and float64 are kept, anything else becomes float64.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; a row of weight w counts as w rows.

        Returns
        -------
        self : object
            The fitted estimator; after an error it is as it was before.
        """
        return self._adopt(X, y, sample_weight, None, None)

    def _train(self, X, y, sample_weight, offset, classes, incremental):
        started = time.perf_counter()
        check_parameters(self, self._domains())
        solver, loss = resolve(self.solver), self._loss()
        check_fields(solver, solver.domains, f"solver={solver.name!r}")
        self._scorer()
        evidence = asked(self, solver, loss)
        first = not hasattr(self, "theta_")
        rows = self._validated(X, y, sample_weight, offset, loss, reset=first or not incremental)
        if first or not incremental:
            self.__dict__.pop("resume_", None)
            self.seed_ = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        held_out = None
        if self.early_stopping and not incremental:
            rows, held_out = self._split(rows)
        dtype = np.dtype(np.float64) if solver.double else rows.X.dtype
        if first:
            self._learn_targets(rows.y, rows.w, classes, loss)
        if first or not incremental:
            self._learn_loss(loss, rows, dtype)
        loss, Y = self._problem(rows, dtype)
        data = Data(rows.X.astype(dtype, copy=False), Y, rows.w)
        theta = self._start(data, loss, dtype) if first else self._resumed_theta(data.X, Y, loss, dtype)
        objective = Objective(self.network_, loss, data, 0.0 if evidence else self.alpha)
        size = self._batch_rows(solver, data.n)
        grows = self.batch_size == "auto" and hasattr(solver, "first_batch")
        first_batch = solver.first_batch(data.n) if grows else None
        max_iter, tol = (1, 0.0) if incremental else (int(self.max_iter), self.tol)
        budget = Budget(size, max_iter, tol, int(self.n_iter_no_change), first_batch)
        resumed = getattr(self, "resume_", None) if incremental else None
        if resumed and resumed[0] != solver.name:
            resumed = None
        if evidence:
            result = trained(self, evidence, solver, objective, theta, budget, started)
        else:
            result = train(
                solver,
                objective,
                theta,
                budget,
                self.seed_,
                started,
                resumed=resumed and resumed[1:],
                validate=held_out and self._validator(held_out),
                tell=print if self.verbose else None,
            )
        self._conclude(result, rows.X.dtype, solver.name if incremental else None)
        set_posterior(self, objective, incremental)

    def _validated(self, X, y, sample_weight, offset, loss, reset):
        """The rows of a fit."""
        X = validate_data(self, X, accept_sparse="csr", dtype=FLOATS, order="C", reset=reset)
        y = self._given_targets(y, X.shape[0])
        w = self._weights(y, checked_weights(sample_weight, X.shape[0]))
        return Rows(X, *self._with_offset(y, offset, loss), w)

    def _with_offset(self, y, offset, loss):
        """Targets, and the offsets (n, r) of their raw outputs or None."""
        return y, None

    def _split(self, part):
        """The training part and the part held out.

        Rows of weight zero are in neither; the only row of a class is in the training part.
        """
        rows = np.flatnonzero(part.w > 0)
        strata = self._strata(part.y[rows])
        alone = np.zeros(len(rows), dtype=bool)
        if strata is not None:
            _, place, counts = np.unique(strata, return_inverse=True, return_counts=True)
            alone = counts[place] == 1
            strata = strata[~alone]
        train_rows, test_rows = train_test_split(
            rows[~alone], test_size=self.validation_fraction, random_state=self.seed_, stratify=strata
        )
        return part.take(np.sort(np.concatenate([train_rows, rows[alone]]))), part.take(np.sort(test_rows))

    def _strata(self, y):
        """Labels to stratify the held-out part by, or None."""
        return None

    def _learn_loss(self, loss, rows, dtype):
        """Set `loss_function_`, with whatever it takes from the rows."""
        loss = concrete(loss, self.targets_.exclusive)
        if self.targets_.scaled and not loss.location_scale:
            raise ValueError(
                f"loss={loss.name!r} was given to go on where the targets are standardised. Allowed are losses that "
                "follow shifts and scales of the targets. Start anew with warm_start=False and fit."
            )
        kept = np.flatnonzero(rows.w > 0)
        Y = self.targets_.encode(rows.y[kept], dtype)
        loss.check_targets(Y)
        self.loss_function_ = bind(loss, Y, rows.w[kept])

    def _encoded(self, y, dtype):
        """Targets as a matrix (n, k) in the loss's domain."""
        Y = self.targets_.encode(y, dtype)
        self.loss_function_.check_targets(Y)
        return Y

    def _problem(self, rows, dtype):
        """The loss that is minimised and its targets, with the offsets in both."""
        Y = self._encoded(rows.y, dtype)
        if rows.offset is None:
            return self.loss_function_, Y
        return Offset(self.loss_function_, Y.shape[1]), np.hstack([Y, rows.offset.astype(dtype)])

    def _start(self, data, loss, dtype):
        """A new network and its first parameters."""
        sizes = (data.X.shape[1], *hidden_widths(self), loss.raw_outputs(data.Y.shape[1]))
        self.network_ = MLP(sizes, hidden_activations(self))
        rng = np.random.default_rng((self.seed_, 0, INIT))
        bias = loss.start(data.Y, data.w)
        return initialise(self.network_.layout, self.init, rng, bias).astype(dtype)

    def _resumed_theta(self, X, Y, loss, dtype):
        """The present parameters, when they fit the network that the parameters and the data ask for."""
        sizes = (X.shape[1], *hidden_widths(self), loss.raw_outputs(Y.shape[1]))
        present = self.network_.layout.sizes
        if sizes != present or hidden_activations(self) != self.network_.activations:
            raise ValueError(
                f"Layers of {sizes} with activations {hidden_activations(self)} were asked for, where those trained "
                f"so far are {present} with {self.network_.activations}. Going on needs the same network. Undo the "
                "change, or start anew with warm_start=False and fit."
            )
        return self.theta_.astype(dtype)

    def _scorer(self):
        """The scorer that `scoring` names, None for the loss."""
        return None if self.scoring == "loss" else check_scoring(self, self.scoring)

    def _validator(self, rows):
        """A callable theta -> score of the part held out."""
        scorer = self._scorer()
        if scorer and rows.offset is not None:
            raise ValueError(
                f"scoring={self.scoring!r} was given with early_stopping and offset, where scorers know no offsets. "
                "Allowed is scoring='loss'. Use that, or set early_stopping=False."
            )
        loss, Y = self._problem(rows, rows.X.dtype)
        view = self._copy(keep=True)
        view.__dict__.pop("feature_names_in_", None)  # the part held out is an array

        def validate(theta):
            F = outputs(self.network_, theta, rows.X)
            if not np.isfinite(F).all():
                return float("nan")
            if scorer is None:
                return -float(np.average(loss.value(F, Y), weights=rows.w / rows.w.max()))
            view.theta_ = theta
            return float(scorer(view, rows.X, rows.y))

        return validate

    def _conclude(self, result, dtype, resumable):
        """Set the fitted attributes."""
        layout = self.network_.layout
        self.theta_ = result.theta.astype(dtype)
        self.n_layers_, self.n_outputs_ = len(layout.sizes), layout.sizes[-1]
        self.out_activation_ = self.loss_function_.out_activation
        self.history_ = result.history.arrays()
        self.n_iter_ = int(self.history_["epoch"][-1])
        self.loss_, self.loss_curve_ = result.loss, self.history_["loss"].tolist()
        self.best_loss_ = float(np.nanmin([*self.loss_curve_, result.loss]))
        scores = self.history_.get("validation_score")
        self.validation_scores_ = None if scores is None else scores.tolist()
        if resumable:
            self.resume_ = (resumable, *result.resumable)

    # ------------------------------------------------------------------------------------------------- outputs

    def _raw_outputs(self, X):
        """The raw outputs (n, k)."""
        check_is_fitted(self, "theta_")
        X = validate_data(self, X, accept_sparse="csr", dtype=FLOATS, reset=False)
        with np.errstate(over="ignore", invalid="ignore"):
            return outputs(self.network_, self.theta_, X)

    @property
    def coefs_(self):
        """Weights (i, o) of each layer, views of ``theta_``."""
        return [block[:-1] for block in self.network_.layout.blocks(self.theta_)]

    @property
    def intercepts_(self):
        """Biases (o,) of each layer, views of ``theta_``."""
        return [block[-1] for block in self.network_.layout.blocks(self.theta_)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
