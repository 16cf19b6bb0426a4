import skcurv.solvers
from skcurv.solvers import SOLVERS, available


def test_the_table_has_every_solver_by_name_and_class():
    rows = available()
    assert [row.name for row in rows] == list(SOLVERS)
    for row in rows:
        assert getattr(skcurv.solvers, row.solver) is SOLVERS[row.name]
        assert row.cost
        assert row.memory


def test_it_tells_who_needs_a_learning_rate():
    needy = {row.name for row in available() if row.learning_rate}
    assert needy >= {"sgd", "momentum", "nesterov", "rmsprop", "adam"}
    assert not needy & {"kfac", "lm-newton", "diag-fisher", "lbfgs"}
    assert {row.name for row in available() if row.layers} >= {"kfac"}
