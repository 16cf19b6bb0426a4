"""Solvers by name."""

from .adam import Adam
from .diag_fisher import DiagFisher
from .kfac import KFAC
from .lm_newton import LMNewton
from .momentum import Momentum
from .nesterov import Nesterov
from .rmsprop import RMSProp
from .sgd import SGD

SOLVERS = {solver.name: solver for solver in (SGD, Momentum, Nesterov, RMSProp, Adam, LMNewton, DiagFisher, KFAC)}


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
    if isinstance(solver, type) or not all(
        hasattr(solver, method) for method in ("init", "step", "batch_size", "domains")
    ):
        raise TypeError(
            f"solver={solver!r} of type {type(solver).__name__} was given. Allowed is a name or a solver object. "
            "Pass for example 'kfac' or skcurv.solvers.KFAC()."
        )
    return solver
