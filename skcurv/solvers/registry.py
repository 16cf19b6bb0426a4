"""Solvers by name, and what each needs and costs."""

from typing import NamedTuple

from .adam import Adam
from .block_fisher import BlockFisher
from .diag_fisher import DiagFisher
from .gradient_descent import GradientDescent
from .hessian_free import HessianFree
from .kfac import KFAC
from .lbfgs import LBFGS
from .lm_newton import LMNewton
from .momentum import Momentum
from .muon import Muon
from .natural_gradient import NaturalGradient
from .nesterov import Nesterov
from .nonlinear_cg import NonlinearCG
from .rmsprop import RMSProp
from .sgd import SGD
from .shampoo import Shampoo
from .soap import SOAP

SOLVERS = {
    solver.name: solver
    for solver in (
        SGD,
        Momentum,
        Nesterov,
        RMSProp,
        Adam,
        Shampoo,
        SOAP,
        Muon,
        GradientDescent,
        NonlinearCG,
        LBFGS,
        HessianFree,
        LMNewton,
        NaturalGradient,
        DiagFisher,
        BlockFisher,
        KFAC,
    )
}


class Entry(NamedTuple):
    """One row of `available`.

    Attributes
    ----------
    name : str
        What the estimators' ``solver`` takes.
    solver : str
        The class in `skcurv.solvers` with its own parameters.
    learning_rate : bool
        Whether a learning rate has to be chosen.
    full_batch : bool
        Whether every step uses the full set; such a solver has no ``partial_fit``.
    layers : bool
        Whether it needs a model made of layers.
    cost : str
        Of a step, in gradients of the same batch.
    memory : str
        Numbers held from step to step, in units of the number of parameters p.
    """

    name: str
    solver: str
    learning_rate: bool
    full_batch: bool
    layers: bool
    cost: str
    memory: str


def available():
    """Every solver with what it needs and costs.

    Returns
    -------
    rows : list of Entry
        ``pandas.DataFrame(available())`` shows them as a table.

    Examples
    --------
    >>> from skcurv.solvers import available
    >>> [row.name for row in available() if not row.learning_rate and not row.full_batch]
    ['lm-newton', 'natural-gradient', 'diag-fisher', 'block-fisher', 'kfac']
    """
    return [
        Entry(name, s.__name__, needs_rate(s), s.full_batch, s.layered, s.cost, s.memory) for name, s in SOLVERS.items()
    ]


def needs_rate(solver):
    """Whether a solver has a learning rate that must be a number."""
    return getattr(solver, "learning_rate", None) is not None


def resolve(solver):
    """A solver object for a name or an object, its fields checked.

    Raises
    ------
    ValueError
        For an unknown name.
    TypeError
        For an object that is no solver.
    """
    if isinstance(solver, str):
        if solver not in SOLVERS:
            known = ", ".join(repr(name) for name in SOLVERS)
            raise ValueError(f"solver={solver!r} was given. Known are {known}. Use one of them or a solver object.")
        return SOLVERS[solver]()
    steps = all(hasattr(solver, word) for word in ("init", "step")) or hasattr(solver, "minimise")
    if isinstance(solver, type) or not steps or not all(hasattr(solver, word) for word in ("batch_size", "domains")):
        raise TypeError(
            f"solver={solver!r} of type {type(solver).__name__} was given. Allowed is a name or a solver object. "
            "Pass for example 'kfac' or skcurv.solvers.KFAC()."
        )
    return solver
