"""Imports point down only: DESIGN, section 2, read from the source."""

import ast
import os
import pathlib
import subprocess
import sys

import pytest

import skcurv

ROOT = pathlib.Path(skcurv.__file__).parent
LAYERS = (
    ("backend",),
    ("linalg",),
    ("network", "losses", "data"),
    ("objective", "models"),
    ("curvature",),
    ("solvers",),
    ("inference", "optimise"),
    ("posterior",),
    ("diagnostics", "display"),
    ("estimators",),
    ("neural_network",),
    ("__init__",),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
COMPILED = {"numba", "cupy", "cupyx"}
MODULES = sorted(ROOT.rglob("*.py"))


def _imported(source, package):
    """Absolute dotted names that a source imports, names of `from` imports included; package is a tuple."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = [*base, *(node.module.split(".") if node.module else [])]
            yield from ([*module, alias.name] for alias in node.names)


def _violations(source, path):
    """What a module at path (relative to the package) must not import."""
    parts = path.with_suffix("").parts
    component, found = parts[0], []
    if component not in LEVEL:
        return [f"{component} has no layer"]
    for name in _imported(source, ("skcurv", *parts[:-1])):
        dotted = ".".join(name)
        if name[0] == "skcurv":
            target = name[1] if len(name) > 1 and name[1] in LEVEL else "__init__"
            if target != component and LEVEL[target] >= LEVEL[component]:
                found.append(f"{component} -> {dotted}")
        elif name[0] in COMPILED and component != "backend":
            found.append(f"{dotted} outside backend")
        elif name[0] == "sklearn" and any(part.startswith("_") for part in name):
            found.append(f"private {dotted}")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path):
    assert _violations(path.read_text(), path.relative_to(ROOT)) == []


def test_all_modules_are_read():
    components = {path.relative_to(ROOT).with_suffix("").parts[0] for path in MODULES}
    assert {"backend", "linalg", "network", "losses", "data", "objective", "curvature"} <= components


def test_importing_the_package_compiles_and_loads_nothing():
    code = "import sys, skcurv, skcurv.display; sys.exit('numba' in sys.modules or 'matplotlib' in sys.modules)"
    search = {**os.environ, "PYTHONPATH": str(ROOT.parent)}
    assert subprocess.run([sys.executable, "-c", code], env=search, check=False).returncode == 0


WRONG = (
    ("backend/a.py", "from ..linalg import Dense"),
    ("backend/a.py", "from .. import linalg"),
    ("linalg/a.py", "import skcurv.network.mlp"),
    ("network/a.py", "from ..losses import SquaredError"),
    ("losses/a.py", "from skcurv.data import Data"),
    ("data/a.py", "def f():\n    from ..objective import Point"),
    ("objective.py", "from .curvature import ggn"),
    ("curvature/a.py", "from .. import solvers"),
    ("curvature/a.py", "import skcurv"),
    ("solvers/a.py", "from ..estimators.base import fit"),
    ("posterior/a.py", "from ..diagnostics import spectrum"),
    ("linalg/a.py", "import numba"),
    ("objective.py", "from cupyx.scipy import sparse"),
    ("estimators/a.py", "from sklearn.neural_network._base import ACTIVATIONS"),
    ("estimators/a.py", "from sklearn.utils import _param_validation"),
    ("somewhere/a.py", ""),
)
RIGHT = (
    ("backend/a.py", "import numba\nfrom . import namespace"),
    ("linalg/a.py", "from ..backend.namespace import total\nfrom .dense import Dense"),
    ("objective.py", "from .data import chunks\nfrom .network import MLP"),
    ("solvers/a.py", "from .. import curvature\nfrom ..linalg import Gram\nfrom .protocol import _private"),
    ("estimators/a.py", "from sklearn.base import BaseEstimator\nfrom ..posterior import laplace"),
    ("neural_network.py", "from .estimators import base"),
    ("__init__.py", "from .estimators import base"),
)


@pytest.mark.parametrize(("path", "source"), WRONG)
def test_a_wrong_arrow_is_found(path, source):
    assert len(_violations(source, pathlib.Path(path))) == 1


@pytest.mark.parametrize(("path", "source"), RIGHT)
def test_a_right_arrow_is_not(path, source):
    assert _violations(source, pathlib.Path(path)) == []
