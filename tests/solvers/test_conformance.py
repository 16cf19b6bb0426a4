import pytest

from skcurv.solvers import SOLVERS

from ..conformance.solvers import BATTERY, SolverCase


@pytest.mark.parametrize("batch_size", [20, 60], ids=["mini-batch", "full"])
@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("check", BATTERY, ids=lambda check: check.__name__.removeprefix("check_"))
def test_solver(check, name, batch_size):
    assert check(SolverCase(name, batch_size)) is None
