import pytest

from skcurv.solvers import SOLVERS

from ..conformance.solvers import BATTERY, SolverCase, applies

CASES = [SolverCase(name, rows) for name in SOLVERS for rows in (20, 60)]


def _name(value):
    return value.__name__.removeprefix("check_") if callable(value) else f"{value.name}, {value.batch_size} rows"


@pytest.mark.parametrize(("check", "c"), [(b, c) for b in BATTERY for c in CASES if applies(b, c)], ids=_name)
def test_solver(check, c):
    assert check(c) is None
