"""Every test asserts something, and no comparison is left unused."""

import ast
import pathlib

import pytest

HERE = pathlib.Path(__file__).parent
FILES = sorted(HERE.rglob("*.py"))
PART_OF_A_LOSS = "check_targets"  # no test, but what losses written in tests must have
COMPARING = {"allclose", "isclose", "array_equal", "array_equiv", "all", "any", "isfinite", "isnan"}


def _name(node):
    """The last part of what is called: `c` of a.b.c(...)."""
    function = node.func if isinstance(node, ast.Call) else None
    return getattr(function, "attr", getattr(function, "id", ""))


def _asserts(test):
    """An assert, pytest.raises or warns, or a call of assert_* or check_* (a fixture or parameter `check` too)."""
    for node in ast.walk(test):
        name = _name(node)
        if isinstance(node, ast.Assert) or name in ("raises", "warns", "check"):
            return True
        if name.startswith(("assert_", "check_")):
            return True
    return False


def _idle(node):
    """A statement that compares and throws the answer away."""
    if not isinstance(node, ast.Expr):
        return False
    value = node.value
    return isinstance(value, (ast.Compare, ast.BoolOp, ast.UnaryOp)) or _name(value) in COMPARING


def _complaints(source):
    found = []
    for node in ast.walk(ast.parse(source)):
        function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name != PART_OF_A_LOSS
        if function and node.name.startswith(("test", "check_", "assert_")) and not _asserts(node):
            found.append(f"{node.name} asserts nothing")
        if _idle(node):
            found.append(f"line {node.lineno}: {ast.unparse(node)} has no effect")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HERE)))
def test_every_test_asserts(path):
    assert _complaints(path.read_text()) == []


BAD = (
    "def test_a():\n    f(1)",
    "def test_a():\n    with pytest.warn_something():\n        f()",
    "def check_a(x):\n    x + 1",
    "def test_a():\n    assert x\n    x == y",
    "def test_a():\n    assert x\n    np.allclose(x, y)",
    "def test_a():\n    assert x\n    not x",
    "class TestA:\n    def test_a(self):\n        pass",
)
GOOD = (
    "def test_a():\n    assert x",
    "def test_a():\n    with pytest.raises(ValueError):\n        f()",
    "def test_a():\n    np.testing.assert_allclose(x, y)",
    "def test_a():\n    check_estimator(e)",
    "def test_a():\n    assert np.allclose(x, y)",
    "def helper():\n    return x == y",
)


@pytest.mark.parametrize("source", BAD)
def test_a_bad_test_is_found(source):
    assert len(_complaints(source)) == 1


@pytest.mark.parametrize("source", GOOD)
def test_a_good_test_is_not(source):
    assert _complaints(source) == []
