"""What a solver is: hyper-parameters in its fields, progress in a state it returns, data in the Point it is handed.

A state is all that resuming needs. It holds no generator but a seed and a step count: every draw comes from a
generator keyed by (seed, step, purpose), so that a run that stops and goes on equals one that did not.
"""

from typing import Any, NamedTuple, Protocol

import numpy as np

from ..backend.namespace import is_number

NAN = float("nan")


class Report(NamedTuple):
    """What one step says about itself.

    Attributes
    ----------
    step_length : float
        The factor on the solver's direction: the learning rate, or what the quadratic model found; 0 for a rejection.
    damping, gain_ratio : float
        lambda after the step and rho of the step, NaN where there is none or it was not tested.
    converged : bool
        The predicted decrease is within rounding of the value.
    trouble : str
        Empty, or why the step was rejected for numerical reasons.
    average : (p,) or None
        Where a solver averages its iterates: the average, to be validated and returned in place of the last one.
    """

    step_length: float
    damping: float = NAN
    gain_ratio: float = NAN
    converged: bool = False
    trouble: str = ""
    average: Any = None


class Solver(Protocol):
    """The contract of a solver; ``tests/conformance/solvers.py`` is its battery.

    Attributes
    ----------
    name : str
        The public name.
    domains : dict
        Allowed values of each field: name -> (predicate, words).
    remedy : str
        What to do when it diverges.
    double : bool
        Whether the parameters are held in float64 whatever the dtype of X.
    full_batch : bool
        Whether each step needs the full set; there is no `partial_fit` then.
    layered : bool
        Whether it needs a model made of layers.
    cost : str
        Of a step, in gradients of the same batch.
    memory : str
        Numbers held from step to step beside the parameters, in units of their number p.
    """

    name: str
    domains: dict
    remedy: str
    double: bool
    full_batch: bool
    layered: bool
    cost: str
    memory: str

    def batch_size(self, n) -> int:
        """Rows of a batch out of n when the user leaves it open; where batches grow to it, `first_batch` starts it."""

    def init(self, here, seed) -> Any:
        """The state before the first step."""

    def step(self, here, state) -> tuple[Any, Any, Report]:
        """One step from a Point: the next Point on the same batch, the next state, and a report."""


class WholeSolver(Protocol):
    """A method of another library that runs itself; it has `minimise` in place of `init` and `step`."""

    def minimise(self, objective, theta, max_iter, see) -> bool:
        """Run for at most `max_iter` iterations and say whether it converged.

        Parameters
        ----------
        objective : Objective
        theta : (p,) start
        max_iter : int
        see : callable (first, value, last, report) -> bool
            To be called after each iteration with the parameters before it, the objective there, the parameters after
            it and a Report; True ends the run.
        """


def generator(seed, step, purpose):
    """The generator of one draw."""
    return np.random.default_rng((seed, step, purpose))


POSITIVE = (lambda value: is_number(value) and value > 0, "a finite number above 0")
OPTIONAL = (lambda value: value is None or POSITIVE[0](value), "None or a finite number above 0")
FRACTION = (lambda value: is_number(value) and 0 < value <= 1, "a number in (0, 1]")
DECAY = (lambda value: is_number(value) and 0 <= value < 1, "a number in [0, 1)")
COUNT = (lambda value: is_number(value) and value == int(value) and value >= 1, "an integer of at least 1")


def check_fields(owner, domains, label=None):
    """Raise ValueError when a field of `owner` leaves its domain.

    Parameters
    ----------
    owner : object with the fields
    domains : dict of field name -> (predicate, words)
    label : str, default=None
        How to call the owner in the message; its class name by default.
    """
    for field, (allowed, words) in domains.items():
        value = getattr(owner, field)
        if not allowed(value):
            name = label or type(owner).__name__
            raise ValueError(f"{field}={value!r} was given to {name}. Allowed is {words}. Set {field} to such a value.")
