"""The battery of a solver: every registered solver must pass every check, on mini-batches and on the full set."""

import copy
import pickle
import re
import warnings
from typing import NamedTuple

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skcurv.solvers import SOLVERS
from skcurv.solvers.loop import Budget, train
from skcurv.solvers.protocol import check_fields

from .. import oracles
from ..cases import case, problem

NONSENSE = (-1.0, float("nan"), float("inf"), "nonsense", None)
EPOCHS = 5


class SolverCase(NamedTuple):
    """A solver and the rows of its batches; 60 is the full set of 58 rows of positive weight."""

    name: str
    batch_size: int

    @property
    def solver(self):
        return SOLVERS[self.name]()


def stepwise(check):
    """Mark a check that takes single steps, which a solver that runs itself has not."""
    check.stepwise = True
    return check


def applies(check, c):
    """Whether a check makes sense for a solver and its batches."""
    whole = c.batch_size == 60
    return (whole or not c.solver.full_batch) and (hasattr(c.solver, "step") or not hasattr(check, "stepwise"))


def _problem(network="tanh", loss="multinomial"):
    return problem(case(network, loss), n=60)


def _train(c, p, epochs=EPOCHS, seed=3, dtype=np.float64, sparse=False, **options):
    objective = p.objective(sparse, dtype)
    theta = options.pop("theta", p.theta).astype(dtype)
    return train(c.solver, objective, theta, Budget(c.batch_size, epochs, 0.0, 100), seed, 0.0, **options)


def _points(c, p):
    """The same parameters on the first batch of two epochs, without a compiled gradient."""
    objective = p.objective()
    for epoch in (1, 2):
        here = objective.point(p.theta, next(objective.data.batches(c.batch_size, 0, epoch)))
        assert here.tape.F.shape[0] == here.n
        yield here


def check_it_is_an_estimator_without_data(c):
    solver = c.solver
    params = solver.get_params()
    assert solver.name == c.name
    assert set(params) == set(solver.domains)
    assert len(params) <= 7
    assert clone(solver).get_params() == params
    assert type(solver)().set_params(**params).get_params() == params
    assert repr(solver) == f"{type(solver).__name__}()"
    assert solver.remedy
    assert solver.cost
    assert solver.memory
    assert {type(solver.full_batch), type(solver.layered), type(solver.double)} == {bool}
    assert not solver.full_batch or solver.batch_size(10**6) == 10**6
    assert 1 <= solver.batch_size(10**6) <= 10**6
    assert solver.batch_size(5) == 5
    if hasattr(solver, "first_batch"):
        assert solver.first_batch(5) == 5
        assert 1 <= solver.first_batch(10**6) <= solver.batch_size(10**6)


def check_its_defaults_are_allowed_and_nonsense_is_rejected_in_three_parts(c):
    assert check_fields(c.solver, c.solver.domains) is None
    for field in c.solver.domains:
        for value in NONSENSE[: None if getattr(c.solver, field) is not None else -1]:
            with pytest.raises(ValueError, match="Allowed") as caught:
                check_fields(c.solver.set_params(**{field: value}), c.solver.domains)
            given, allowed, remedy = re.split(r"\.\s+", str(caught.value))
            assert given.startswith(f"{field}={value!r} was given")
            assert allowed.startswith("Allowed")
            assert field in remedy


def check_its_fields_do_not_change_in_a_fit(c):
    solver, p = c.solver, _problem()
    before = copy.deepcopy(vars(solver))
    train(solver, p.objective(), p.theta, Budget(c.batch_size, 2, 0.0, 100), 0, 0.0)
    assert vars(solver) == before


@stepwise
def check_a_step_leaves_its_point_alone(c):
    """In array code; only a compiled gradient lets a first-order step work in place."""
    solver, state = c.solver, None
    for here in _points(c, _problem()):
        theta, value, grad = here.theta.copy(), here.value, here.grad.copy()
        X, Y = here.batch.X.copy(), here.batch.Y.copy()
        state = solver.init(here, 0) if state is None else state
        there, state, report = solver.step(here, state)
        assert there.batch is here.batch
        assert np.isfinite(report.step_length)
        assert here.value == value
        for now, then in ((here.theta, theta), (here.grad, grad), (here.batch.X, X), (here.batch.Y, Y)):
            np.testing.assert_array_equal(now, then)


def check_the_start_is_not_changed_by_training(c):
    for network in ("tanh", "relu"):  # array code and compiled code
        p = _problem(network)
        start = p.theta.copy()
        end = _train(c, p, theta=start).theta
        np.testing.assert_array_equal(start, p.theta)
        assert not np.array_equal(end, start)


@stepwise
def check_its_state_can_be_pickled_and_copied(c):
    solver, p = c.solver, _problem()
    first, second = _points(c, p)
    _, state, _ = solver.step(first, solver.init(first, 7))
    second = second.at(p.theta.copy())
    ends = []
    for again in (lambda s: s, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))):
        there, _, _ = solver.step(second, again(state))
        ends.append(there.theta)
    np.testing.assert_array_equal(ends[1], ends[0])
    np.testing.assert_array_equal(ends[2], ends[0])


@stepwise
def check_resuming_equals_no_interruption(c):
    for network in ("tanh", "relu"):
        p = _problem(network)
        whole = _train(c, p)
        first = _train(c, p, epochs=3)
        stored = pickle.loads(pickle.dumps(first.resumable))
        rest = _train(c, p, epochs=2, theta=first.theta, resumed=stored)
        np.testing.assert_array_equal(rest.theta, whole.theta)
        for column in ("iteration", "epoch", "loss", "damping", "gain_ratio"):
            np.testing.assert_array_equal(rest.history.column(column), whole.history.column(column))
        assert len(first.history.rows) == len(stored[1].rows) == 3


def check_the_same_seed_gives_the_same_bits(c):
    p = _problem()
    one, two, other = (_train(c, p, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.theta, two.theta)
    assert one.history.column("loss") == two.history.column("loss")
    assert np.array_equal(one.theta, other.theta) == (c.batch_size == 60)


def _is_stationary(p, result):
    """|g|^2 / (2 tr H) <= g'H^-1 g / 2 <= 10 eps f, H the Gauss-Newton matrix: no step gains more than rounding."""
    g = p.objective().point(result.theta).grad
    H = oracles.ggn(p._replace(theta=result.theta)) + p.alpha / p.v.sum() * np.diag(oracles.penalised(p.case))
    return result.converged and g @ g <= 20 * np.finfo(float).eps * result.loss * np.trace(H)


def check_the_loss_goes_down(c):
    for loss in ("squared_error", "bernoulli", "multinomial"):
        p = _problem(loss=loss)
        start = p.objective().value(p.theta)
        result = _train(c, p, epochs=20)
        assert result.loss < start
        assert result.loss == p.objective().value(result.theta)
        steps = -(-58 // c.batch_size)
        iterations = result.history.column("iteration")
        assert iterations == [steps * epoch for epoch in range(1, len(iterations) + 1)]
        assert len(iterations) == 20 or _is_stationary(p, result)


def check_it_ends_finite_from_an_absurd_start(c):
    for scale in (1e4, 1e30, 1e200):
        p = _problem(loss="squared_error")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            result = _train(c, p, theta=scale * p.theta)
        assert np.isfinite(result.theta).all()


def check_both_dtypes(c):
    p = _problem()
    double, single = _train(c, p, epochs=2), _train(c, p, epochs=2, dtype=np.float32)
    assert single.theta.dtype == np.float32
    assert double.theta.dtype == np.float64
    moved = np.linalg.norm(double.theta - p.theta)
    assert np.linalg.norm(single.theta - double.theta) < 0.01 * moved + 1e-5 * np.linalg.norm(p.theta)


def check_csr_equals_dense(c):
    for network in ("tanh", "relu"):
        p = _problem(network)
        dense, csr = (_train(c, p, epochs=2, sparse=sparse).theta for sparse in (False, True))
        np.testing.assert_allclose(csr, dense, rtol=0, atol=1e-9 * np.abs(dense).max())


def check_a_full_batch_counts_weights_as_repetition(c):
    """Weights 0 to 3 against rows repeated so often, through the same steps."""
    p = _problem()
    weights = np.random.default_rng(0).integers(0, 4, 60)
    repeated = p._replace(X=p.X.repeat(weights, 0), Y=p.Y.repeat(weights, 0), v=np.ones(weights.sum()))
    weighted = _train(c._replace(batch_size=1000), p._replace(v=weights.astype(float)), epochs=10)
    counted = _train(c._replace(batch_size=1000), repeated, epochs=10)
    np.testing.assert_allclose(weighted.theta, counted.theta, rtol=0, atol=1e-7 * np.abs(counted.theta).max())


BATTERY = [
    function for name, function in list(globals().items()) if name.startswith("check_") and name != "check_fields"
]
