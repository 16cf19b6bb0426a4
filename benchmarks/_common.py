"""What the benchmark scripts share: own processes, alternation, medians, one problem, one table.

This module and the top of every script import the standard library alone, so that the parent process stays small and
each worker starts with the number of threads that is set here.
"""

import argparse
import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context

PAUSE = 1.0  # seconds
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def options(doc):
    """The command line; sets the number of threads of every process that is started from here on."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and steps: a try-out, not a measurement")
    parser.add_argument("--threads", type=int, default=2, help="of BLAS and OpenMP; the targets are for 2")
    chosen = parser.parse_args()
    os.environ.update(dict.fromkeys(THREADS, str(chosen.threads)))
    return chosen


def _process():
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


@contextmanager
def workers(names):
    """One process a name that lives through the block: name -> (function, *args) -> result."""
    with ExitStack() as stack:
        pools = {name: stack.enter_context(_process()) for name in names}
        yield {name: lambda f, *args, pool=pool: pool.submit(f, *args).result() for name, pool in pools.items()}


def alone(function, *args):
    """The result of a function in a process of its own."""
    with _process() as pool:
        return pool.submit(function, *args).result()


def alternate(tasks, rounds):
    """Every task's results by name, tasks (callables without arguments) taken in turn: A B C A B C.

    A pause before each lets the threads of the one before fall asleep: idle workers of BLAS and OpenMP spin for a
    while, and on two cores they take one from whoever comes next.
    """
    results = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            time.sleep(PAUSE)
            results[name].append(task())
    return results


def medians(results):
    """The median of each list."""
    return {name: statistics.median(values) for name, values in results.items()}


def judged(figure, target, least=False):
    """A figure beside its target, most by default; a target of None is not judged."""
    if target is None:
        return f"{figure:.2f}"
    met = figure >= target if least else figure <= target
    return f"{figure:.2f} ({'>=' if least else '<='} {target:g}: {'met' if met else 'MISSED'})"


def show(title, header, rows):
    """Print a plain table."""
    cells = [list(header)] + [[f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    print(f"\n{title}")
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip(), flush=True)


def table(n, d, k, dtype):
    """Normal inputs (n, d), and labels of k classes drawn from a random nonlinear model: no net fits them all."""
    import numpy as np

    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d), dtype=dtype)
    hidden = np.tanh(X @ rng.standard_normal((d, 16), dtype=dtype))
    scores = hidden @ rng.standard_normal((16, k), dtype=dtype)
    return X, np.argmax(scores + rng.gumbel(size=scores.shape), axis=1)
