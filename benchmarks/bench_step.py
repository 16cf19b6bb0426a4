"""One step of adam: skcurv against scikit-learn's MLPClassifier and PyTorch.

What: seconds a mini-batch step, relu, log-loss, adam with equal constants and no penalty, two threads, float32 and
float64, of three nets: digits (64 features, 10 classes) with hidden (64, 64), batches of 64; 20 features, hidden
(100,), 5 classes, batches of 200; 20 features, hidden (256, 256, 256), 5 classes, batches of 256.

How: each library in its own process; blocks alternate; medians over the rounds. A block is two calls of the user's
`fit`, of few and of many epochs, and a step is their difference by the extra steps: validation, initial weights,
encoding and the evaluations at both ends cancel, while all that an epoch costs (row order, history, the test for
convergence) stays in. Early stopping is off, tol=0, n_iter_no_change out of reach. PyTorch runs the plain loop:
zero_grad, forward, cross_entropy, backward, torch.optim.Adam with defaults, rows by index_select of a permutation that
is drawn beforehand. All three start from skcurv's initial weights and take rows in skcurv's order (scikit-learn
through a RandomState that hands them out); the losses after the few epochs must agree, or the script fails. Each block
begins with an untimed fit of one epoch, so that nothing is compiled or woken up in timed ones.

Targets: on the small two in float32 a step at least 5x faster than scikit-learn's and 6x than PyTorch's, on the big one
2.0x and 1.3x; in float64 at least 3x scikit-learn on the small ones. PyTorch is skipped where it is not installed; the
targets are for torch 2.13.0, CPU.
"""

import importlib.util
import os
import time
from functools import cache, partial
from typing import NamedTuple

from _common import alternate, judged, medians, options, show, table, workers

RATE = 1e-3
AGREEMENT = 1e-2  # relative difference of the losses after the few epochs; PyTorch adds epsilon at another place


class Case(NamedTuple):
    """A net, its batches, the epochs of the short fit and of what the long one adds, and targets by dtype."""

    name: str
    hidden: tuple
    batch: int
    rows: int
    few: int
    extra: int
    targets: dict

    def __hash__(self):
        return hash(self.name)


CASES = (
    Case("digits 64-64, 64", (64, 64), 64, 1792, 2, 70, {"float32": (5, 6), "float64": (3, None)}),
    Case("20-100-5, 200", (100,), 200, 4000, 2, 100, {"float32": (5, 6), "float64": (3, None)}),
    Case("20-256-256-256-5, 256", (256,) * 3, 256, 5120, 2, 15, {"float32": (2, 1.3), "float64": (None, None)}),
)


@cache
def problem(case, dtype):
    import numpy as np
    from sklearn.datasets import load_digits

    if case.name.startswith("digits"):
        X, y = load_digits(return_X_y=True)
        return (X[: case.rows] / 16).astype(dtype), y[: case.rows]  # a multiple of the batch: skcurv evens batches out
    return table(case.rows, 20, 5, np.dtype(dtype))


def _estimator(case, epochs, rate):
    from skcurv import CurvatureMLPClassifier
    from skcurv.solvers import Adam

    return CurvatureMLPClassifier(
        case.hidden,
        solver=Adam(learning_rate=rate),
        alpha=0.0,
        batch_size=case.batch,
        max_iter=epochs,
        tol=0,
        n_iter_no_change=10**9,
        random_state=0,
    )


def script(case, dtype):
    """Initial weights, biases, and the row order of each epoch, as skcurv will have them."""
    import numpy as np

    from skcurv.data import Data

    X, y = problem(case, dtype)
    model = _estimator(case, 1, 1e-30).fit(X, y)  # a rate below rounding: theta stays the first one
    rows = Data(np.arange(case.rows)[:, None], np.empty((case.rows, 1)), np.ones(case.rows))
    orders = [
        np.concatenate([batch.X[:, 0] for batch in map(_kept, rows.batches(case.batch, model.seed_, epoch))])
        for epoch in range(1, case.few + case.extra + 1)
    ]
    return model.coefs_, model.intercepts_, np.stack(orders)


def _kept(batch):
    return batch._replace(X=batch.X + 0)  # the next batch overwrites it


def _skcurv(case, X, y, coefs, intercepts, orders):
    model = _estimator(case, len(orders), RATE)
    return lambda: model.fit(X, y), lambda: model.predict_proba(X)


def _scikit_learn(case, X, y, coefs, intercepts, orders):
    import warnings

    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    class Scripted(np.random.RandomState):
        """Hands out the weights and the row orders; MLPClassifier shuffles the order of the epoch before."""

        def __init__(self):
            super().__init__(0)
            self.weights = iter([array for pair in zip(coefs, intercepts, strict=True) for array in pair])
            before = np.vstack([np.arange(len(X)), orders[:-1]])
            self.moves = iter(np.take_along_axis(np.argsort(before, axis=1), orders, axis=1))

        def uniform(self, low, high, size):
            return next(self.weights).copy()

        def shuffle(self, x):
            x[:] = next(self.moves)

    model = MLPClassifier(
        case.hidden,
        learning_rate_init=RATE,
        alpha=0.0,
        batch_size=case.batch,
        max_iter=len(orders),
        tol=0,
        n_iter_no_change=10**9,
        random_state=Scripted(),
    )
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    return lambda: model.fit(X, y), lambda: model.predict_proba(X)


def _pytorch(case, X, y, coefs, intercepts, orders):
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    X, y, orders = torch.from_numpy(X), torch.from_numpy(y), torch.from_numpy(orders)
    layers = []
    for W, b in zip(coefs, intercepts, strict=True):
        linear = torch.nn.Linear(*W.shape, dtype=X.dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(W.T.copy()))
            linear.bias.copy_(torch.from_numpy(b.copy()))
        layers += [linear, torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers[:-1])
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE)

    def fit():
        for order in orders:
            for rows in order.split(case.batch):
                optimiser.zero_grad()
                outputs = model(X.index_select(0, rows))
                torch.nn.functional.cross_entropy(outputs, y.index_select(0, rows)).backward()
                optimiser.step()

    return fit, lambda: torch.softmax(model(X).detach(), 1).numpy()


LIBRARIES = {"skcurv": _skcurv, "scikit-learn": _scikit_learn, "PyTorch": _pytorch}


def block(library, case, dtype, coefs, intercepts, orders):
    """Milliseconds a step, and the loss after the few epochs."""
    import numpy as np

    X, y = problem(case, dtype)
    seconds, loss = [], None
    for epochs in (1, case.few, len(orders)):
        fit, predict = LIBRARIES[library](case, X, y, coefs, intercepts, orders[:epochs])
        began = time.perf_counter()
        fit()
        seconds.append(time.perf_counter() - began)
        if epochs == case.few:
            loss = -float(np.mean(np.log(predict()[np.arange(len(y)), y])))
    steps = (len(orders) - case.few) * -(-len(y) // case.batch)
    return 1e3 * (seconds[2] - seconds[1]) / steps, loss


def measured(case, dtype, processes, rounds):
    """One row of the table."""
    plan = processes["skcurv"](script, case, dtype)
    tasks = {name: partial(run, block, name, case, dtype, *plan) for name, run in processes.items()}
    results = alternate(tasks, rounds)
    losses = [loss for blocks in results.values() for _, loss in blocks]
    apart = (max(losses) - min(losses)) / min(losses)
    if apart > AGREEMENT:
        raise RuntimeError(f"{case.name}, {dtype}: losses {losses} differ: this is not the same algorithm.")
    ms = medians({name: [time for time, _ in blocks] for name, blocks in results.items()})
    ratios = [
        judged(ms[name] / ms["skcurv"], target, least=True) if name in ms else "-"
        for name, target in zip(list(LIBRARIES)[1:], case.targets[dtype], strict=True)
    ]
    return [case.name, dtype, *(ms.get(name, "-") for name in LIBRARIES), *ratios, f"{apart:.0e}"]


def main():
    quick = options(__doc__).quick
    names = list(LIBRARIES)
    if importlib.util.find_spec("torch") is None:
        names.remove("PyTorch")
        print("PyTorch is not installed: skipped.")
    cases = [case._replace(extra=case.extra // 5) for case in CASES] if quick else CASES
    with workers(names) as processes:
        grid = [(case, dtype) for dtype in ("float32", "float64") for case in cases]
        rows = [measured(*cell, processes, 3 if quick else 7) for cell in grid]
    header = ["net, batch", "dtype", "skcurv", "sklearn", "torch", "sklearn / skcurv", "torch / skcurv", "losses apart"]
    show("Milliseconds a step of adam, and their ratios", header, rows)


if __name__ == "__main__":
    main()
