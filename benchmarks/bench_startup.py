"""What starting costs: `import skcurv`, and the first fit with an empty and with a filled kernel cache.

Import. Every figure is from fresh processes, kinds alternating, medians. `import skcurv` beyond `import sklearn` is
taken twice: as the difference of the medians of `import sklearn` and `import sklearn, skcurv`, and as the time of
`import skcurv` within a process that has imported sklearn. skcurv itself needs sklearn.base, sklearn.exceptions,
sklearn.metrics (check_scoring), sklearn.model_selection (train_test_split), sklearn.preprocessing and sklearn.utils;
how much of these a bare `import sklearn` already loads depends on its version, so `import sklearn.neural_network`,
what a user of MLPClassifier pays, stands beside it. numba is not imported until a fit needs a kernel; its import is
shown alone, as part of the first fit. Bytecode is compiled by an untimed first run.

First fit. Digits as loaded, hidden (64, 64), max_iter=10, adam and the default solver: the seconds of the first call
of `fit` in a fresh process, with NUMBA_CACHE_DIR a new directory, and in the next process with the same directory.
"import and fit" adds `import skcurv` (with sklearn), measured within the same process.

Targets: import < 0.3 s; first fit < 6 s with the cache empty, < 0.5 s with it filled.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from functools import partial

from _common import alternate, judged, medians, options, show

TIMED = "import time; began = time.perf_counter(); {}; print(time.perf_counter() - began)"
IMPORTS = {
    "sklearn": TIMED.format("import sklearn"),
    "sklearn, skcurv": TIMED.format("import sklearn, skcurv"),
    "skcurv after sklearn": "import sklearn; " + TIMED.format("import skcurv"),
    "sklearn.neural_network": TIMED.format("import sklearn.neural_network"),
    "skcurv after sklearn.neural_network": "import sklearn.neural_network; " + TIMED.format("import skcurv"),
    "numba after skcurv": "import skcurv; " + TIMED.format("import numba"),
}
FIT = """
import time
began = time.perf_counter()
from skcurv import CurvatureMLPClassifier
imported = time.perf_counter() - began
from sklearn.datasets import load_digits
X, y = load_digits(return_X_y=True)
model = CurvatureMLPClassifier((64, 64), max_iter=10, tol=0, random_state=0{})
began = time.perf_counter()
model.fit(X, y)
print(imported, time.perf_counter() - began)
"""
SOLVERS = {"adam": ", solver='adam'", "default": ""}
TARGETS = {"empty": 6.0, "filled": 0.5}


def fresh(code, **environment):
    """The numbers that code prints in a fresh process."""
    command = [sys.executable, "-c", code]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": ""} | environment
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    return [float(number) for number in printed.split()]


def first_fits(code):
    """Seconds of import and of the first fit: cache empty, cache filled."""
    with tempfile.TemporaryDirectory() as cache:
        return [fresh(code, NUMBA_CACHE_DIR=cache) for _ in TARGETS]


def main():
    rounds = 3 if options(__doc__).quick else 11
    imports = {name: partial(fresh, code) for name, code in IMPORTS.items()}
    alternate(imports, 1)  # bytecode
    seconds = medians({name: [run[0] for run in runs] for name, runs in alternate(imports, rounds).items()})
    rows = [[name, value, ""] for name, value in seconds.items()]
    rows[2][2] = judged(seconds["skcurv after sklearn"], 0.3)
    added = seconds["sklearn, skcurv"] - seconds["sklearn"]
    rows.append(["difference of the first two", added, judged(added, 0.3)])
    show("Seconds of an import", ["import", "seconds", "added"], rows)

    fits = {name: partial(first_fits, FIT.format(option)) for name, option in SOLVERS.items()}
    results = alternate(fits, 2 if rounds == 3 else 5)
    rows = []
    for name, runs in results.items():
        for state, pairs in zip(TARGETS, zip(*runs, strict=True), strict=True):
            fit = statistics.median(seconds for _, seconds in pairs)
            both = statistics.median(map(sum, pairs))
            rows.append([name, state, judged(fit, TARGETS[state]), both])
    show("Seconds of the first fit of digits", ["solver", "cache", "fit", "import and fit"], rows)


if __name__ == "__main__":
    main()
