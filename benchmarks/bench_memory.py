"""Peak memory of a fit: skcurv against scikit-learn's MLPClassifier.

What: 200,000 x 50 float32, two and five classes, default hidden layer (100,) and batches, two epochs, two threads;
skcurv's adam and default solver, scikit-learn's adam.

How: one fit a process, processes alternating, medians. "peak" is ru_maxrss at the end of the fit, with nothing
subtracted: interpreter, libraries and data are in it, as a user's machine must hold them. "growth" is the peak less
the resident memory just before `fit`: what the fit itself asks for, numba's import and compiled code included. An
untimed run before fills the kernel cache. Linux: there the peak of a child starts at its parent's, which imports
nothing here and stays near 20 MB.

Target: peak at most 1.3x scikit-learn's.
"""

import resource
from functools import partial

from _common import alone, alternate, judged, medians, options, show, table

ROWS, EPOCHS = 200_000, 2
KINDS = ("sklearn adam", "skcurv adam", "skcurv default")


def _model(kind):
    if kind == "sklearn adam":
        from sklearn.neural_network import MLPClassifier

        return MLPClassifier(max_iter=EPOCHS, tol=0, random_state=0)
    from skcurv import CurvatureMLPClassifier

    solver = {"solver": "adam"} if kind == "skcurv adam" else {}
    return CurvatureMLPClassifier(max_iter=EPOCHS, tol=0, random_state=0, **solver)


def _resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() / 2**20


def memory(kind, rows, classes):
    """Peak of a process that fits, and its growth in the fit, in MiB."""
    import warnings

    import numpy as np
    from sklearn.exceptions import ConvergenceWarning

    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    model = _model(kind)
    X, y = table(rows, 50, classes, np.float32)
    before = _resident()
    model.fit(X, y)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    return peak, peak - before


def main():
    quick = options(__doc__).quick
    rows = []
    for classes in (2, 5):
        for kind in KINDS:
            alone(memory, kind, 2_000, classes)
        tasks = {kind: partial(alone, memory, kind, ROWS, classes) for kind in KINDS}
        results = alternate(tasks, 1 if quick else 3)
        peak, growth = (medians({kind: [run[i] for run in runs] for kind, runs in results.items()}) for i in (0, 1))
        for kind in KINDS:
            ratio = "" if kind == KINDS[0] else judged(peak[kind] / peak[KINDS[0]], 1.3)
            rows.append([classes, kind, f"{peak[kind]:.0f}", ratio, f"{growth[kind]:.0f}"])
    show("MiB of a fit on 200,000 x 50 float32", ["classes", "fit", "peak", "peak / sklearn", "growth"], rows)


if __name__ == "__main__":
    main()
