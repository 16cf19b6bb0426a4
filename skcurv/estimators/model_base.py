"""What the estimators of a user's model function share: from a function and data to parameters with standard errors."""

import time
import warnings
from abc import abstractmethod

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted, validate_data

from ..data import Data
from ..losses.offset import Offset
from ..losses.registry import bind, concrete
from ..models import ModelFunction, network, parameters
from ..models.check import check_jacobian
from ..models.starts import random_starts
from ..objective import Objective
from ..solvers.loop import Budget, train
from ..solvers.protocol import check_fields
from ..solvers.registry import SOLVERS
from ..solvers.registry import resolve as resolve_solver
from .adopting import Adopting
from .inferring import Inferring
from .offsets import apart
from .parameters import checked_weights


class BaseCurvatureModel(Inferring, Adopting):
    """Abstract base of `CurvatureRegressor` and `CurvatureClassifier`."""

    warm_start = False  # `start` says where a fit starts

    @abstractmethod
    def _domains(self):
        """The parameters' domains."""

    @abstractmethod
    def _loss(self):
        """The loss that `loss` names or is, its fields checked."""

    @abstractmethod
    def _checked_targets(self, y, n_samples):
        """y as a validated array."""

    @abstractmethod
    def _learn_targets(self, y, sample_weight, loss):
        """Set `targets_`."""

    def _train(self, X, y, sample_weight, offset, incremental):
        started = time.perf_counter()
        solver, loss = self._checked_solver(), self._loss()
        X = validate_data(self, X, dtype=np.float64, order="C").view()
        X.flags.writeable = False  # a model that writes into it would change the data of the fit
        y = self._given_targets(y, X.shape[0])
        weights = checked_weights(sample_weight, X.shape[0])
        self._learn_targets(y, weights, loss)
        y, offset = apart(y, offset, loss)
        minimised, Y = self._learn_loss(loss, y, offset, weights)
        data = Data(X, Y, weights)
        start = self.start(X, y) if callable(self.start) else self.start
        found = parameters(self.model, start, self.bounds, self.fixed)
        self.function_ = ModelFunction(self.model, found).sized(found.theta, data.X)
        self._check_width()
        net = network(self.function_, self.jac, X.shape[1])
        if self.check_jac and (self.jac == "cs" or not isinstance(self.jac, str)):
            labels = [label for label, free in zip(found.labels, found.free, strict=True) if free]
            check_jacobian(net, labels, found.theta, data.X, "jac")
        objective = Objective(net, minimised, data, self.alpha, found.box)
        _check_finite(objective, found)
        self._conclude(objective, self._best_of_starts(solver, objective, found, started))

    def _checked_solver(self):
        check_fields(self, self._domains())
        solver = resolve_solver(self.solver)
        check_fields(solver, solver.domains, f"solver={solver.name!r}")
        if solver.layered:
            raise ValueError(
                f"solver={solver.name!r} was given to {type(self).__name__}. It needs a model made of layers, which a "
                "function is not. Use 'lm-newton', 'hessian-free', 'diag-fisher' or another of "
                f"{[name for name, known in SOLVERS.items() if not known.layered]}."
            )
        return solver

    def _check_width(self):
        """Raise where the loss asks for another number of raw outputs than the model has."""
        k = self.targets_.n_outputs
        needed, given = self.loss_function_.raw_outputs(k), self.function_.width
        if needed != given:
            raise ValueError(
                f"The model handed back {given} outputs a row. loss={self.loss!r} with {k} columns of targets allows "
                f"{needed}. Let the model hand back shape (n, {needed}), or choose another loss."
            )

    def _learn_loss(self, loss, y, offset, weights):
        """Set `loss_function_`, and hand back the loss that is minimised with its targets (n, k), offsets in both."""
        loss, kept = concrete(loss, self.targets_.exclusive), weights > 0
        Y = self.targets_.encode(y, np.float64)
        loss.check_targets(Y[kept])
        self.loss_function_ = bind(loss, Y[kept], weights[kept])
        if offset is None:
            return self.loss_function_, Y
        return Offset(self.loss_function_, Y.shape[1]), np.hstack([Y, offset])

    def _best_of_starts(self, solver, objective, found, started):
        """Run from every start, and hand back the Result with the least loss."""
        self.seed_ = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        starts = random_starts(found, int(self.n_starts), np.random.default_rng(self.seed_))
        n = objective.data.n
        budget = Budget(self._batch_rows(solver, n), int(self.max_iter), self.tol, int(self.n_iter_no_change))
        tell = print if self.verbose else None
        runs = Parallel(n_jobs=self.n_jobs)(
            delayed(_run)(solver, objective, theta, budget, self.seed_, started, tell) for theta in starts
        )
        self.start_losses_ = np.array([result.loss for result, _ in runs])
        best, messages = runs[int(np.nanargmin(np.where(np.isnan(self.start_losses_), np.inf, self.start_losses_)))]
        if not (messages or best.converged):
            messages = [
                f"solver={solver.name!r} used up max_iter={self.max_iter} before the loss settled, so that standard "
                "errors may be wrong. Remedy: raise max_iter."
            ]
        for message in messages:
            warnings.warn(message, ConvergenceWarning, stacklevel=5)
        return best

    def _conclude(self, objective, result):
        """Set the fitted attributes."""
        found = self.function_.parameters.starting_at(result.theta)
        self.theta_, self.params_ = found.theta, found.plain(found.full)
        self.labels_ = [label for label, free in zip(found.labels, found.free, strict=True) if free]
        self.objective_, self.converged_ = objective, result.converged
        self.history_ = result.history.arrays()
        self.n_iter_ = int(self.history_["epoch"][-1])
        self.loss_, self.loss_curve_ = result.loss, self.history_["loss"].tolist()
        with np.errstate(all="ignore"):
            self._infer(objective.point(self.theta_))

    @property
    def network_(self):
        """The model function as a network of the free parameters."""
        return self.objective_.network

    @property
    def box_(self):
        """The bounds of the free parameters, or None."""
        return self.objective_.box

    def _weights(self, y, sample_weight):
        """Sample weights."""
        return sample_weight

    def _encoded(self, y, dtype):
        """Targets as a matrix (n, k) in the loss's domain."""
        Y = self.targets_.encode(y, dtype)
        self.loss_function_.check_targets(Y)
        return Y

    def _raw_outputs(self, X):
        """The raw outputs (n, k)."""
        check_is_fitted(self, "theta_")
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return self.objective_.network.output(self.theta_, X)


def _check_finite(objective, found):
    """Raise where the loss overflows at the start, though the model does not."""
    with np.errstate(all="ignore"):
        value = objective.value(found.theta)
    if not np.isfinite(value):
        raise ValueError(
            f"The loss is {value} at the start {found.plain(found.full)}. Allowed is a start where it is finite. Move "
            "the start, or scale the targets."
        )


def _run(solver, objective, theta, budget, seed, started, tell):
    """One run, and what it warned of."""
    messages = []
    return train(solver, objective, theta, budget, seed, started, tell=tell, warn=messages.append), messages
