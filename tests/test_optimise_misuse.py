"""What `minimize` refuses, and how it says so."""

import re

import numpy as np
import pytest

from skcurv import minimize
from skcurv.losses import Huber
from skcurv.solvers import LBFGS, HessianFree, LMNewton

from .test_optimise import rosenbrock


def half(t):
    return 0.5 * (t**2).sum()


MISUSE = {
    "nan": (lambda t: np.full(2, np.nan), [1.0, 2.0], {}, ["not finite at the start", "1.", "2.", "0, 1"]),
    "nan number": (lambda t: np.nan, [1.0, 2.0], {}, ["not finite at the start"]),
    "division": (lambda t: 1 / 0, [1.0, 2.0], {}, ["not finite at the start"]),
    "infinite": (lambda t: np.array([1.0, np.inf]), [1.0], {}, ["in 1 of 2 rows: 1"]),
    "complex": (lambda t: t + 1j, [1.0], {}, ["complex"]),
    "matrix": (lambda t: np.ones((2, 2)), [1.0], {}, ["shape (2, 2)", "residuals (m,)"]),
    "empty": (lambda t: np.ones(0), [1.0], {}, ["shape (0,)"]),
    "no function": (3.0, [1.0], {}, ["fun=3.0", "function of theta"]),
    "no parameters": (half, [], {}, ["start['theta']=array([]", "one free number or more"]),
    "start": (half, [np.nan, 1.0], {}, ["start['theta']"]),
    "outside": (half, [3.0], {"bounds": (0, 2)}, ["start of theta[0] is 3.0", "(0.0, 2.0)"]),
    "bounds": (half, [3.0], {"bounds": (4, 2)}, ["bounds of theta[0] are (4.0, 2.0)"]),
    "no pair": (half, [1.0, 2.0], {"bounds": ([0, 0],)}, ["bounds of all parameters are ([0, 0],)"]),
    "size of bounds": (half, [1.0, 2.0], {"bounds": ([0, 0, 0], 5)}, ["([0, 0, 0], 5)", "shape (2,)"]),
    "derivative": (half, [1.0], {"jac": "nonsense"}, ["jac='nonsense'", "'3-point'"]),
    "no derivative": (half, [1.0], {"jac": None}, ["jac=None"]),
    "pair": (half, [1.0], {"jac": (half, half)}, ["jac=("]),
    "transposed": (rosenbrock, [1.0, 2.0], {"jac": lambda t: np.ones((2, 3))}, ["(2, 3)", "(2, 2)"]),
    "loss": (rosenbrock, [1.0, 2.0], {"loss": "nonsense"}, ["'nonsense'", "'huber'"]),
    "loss of labels": (rosenbrock, [1.0, 2.0], {"loss": "log_loss"}, ["'log_loss'", "'huber'"]),
    "loss of two outputs": (rosenbrock, [1.0, 2.0], {"loss": "gaussian_nll"}, ["'gaussian_nll'", "'huber'"]),
    "loss's field": (rosenbrock, [1.0, 2.0], {"loss": Huber(-1.0)}, ["delta=-1.0"]),
    "solver": (half, [1.0], {"solver": "nonsense"}, ["'nonsense'", "'lbfgs'"]),
    "solver's field": (half, [1.0], {"solver": LBFGS(0)}, ["n_corrections=0"]),
    **{
        name: (rosenbrock, [1.0, 2.0], {"solver": name}, [f"'{name}'", "layers", "'lm-newton'"])
        for name in ("kfac", "block-fisher", "shampoo", "soap", "muon")
    },
    **{
        f"{name} of a number": (half, [1.0], {"solver": name}, ["residuals", "'lbfgs'"])
        for name in ("natural-gradient", "diag-fisher", "gradient-descent")
    },
    "gauss-newton of a number": (half, [1.0], {"solver": LMNewton()}, ["residuals", "curvature='hessian'"]),
    "hessian-free of a number": (half, [1.0], {"solver": HessianFree()}, ["residuals", "curvature='hessian'"]),
}


@pytest.mark.parametrize("bad", MISUSE)
def test_misuse_is_told_in_three_parts(bad):
    fun, start, options, words = MISUSE[bad]
    with pytest.raises(ValueError, match=r"llowed|Known|needs") as caught:
        minimize(fun, start, **options)
    message = str(caught.value)
    assert len(re.findall(r"\.(?=\s+[A-Z]|$)", message)) >= 3
    for word in words:
        assert word in message


def test_a_number_of_residuals_that_changes_is_refused():
    calls = []

    def fun(t):
        calls.append(1)
        return np.ones(3 if len(calls) < 4 else 2) * t[0]

    with pytest.raises(ValueError, match=r"2 numbers, and 3 at the start\. Allowed is the same number"):
        minimize(fun, [1.0])
