"""Each kernel of `skcurv.backend.fused` against its array definition.

What: microseconds a call, float32 and float64, two threads, in the three nets of `bench_step.py` (digits with hidden
(64, 64), batches of 64; 20-100-5, batches of 200; 20-256-256-256-5, batches of 256) and in `bench_kfac_step.py`'s
batches of 1024, where the kernels work on a hidden layer's activations.

How: kernels run in one process, definitions in another (`np.dot` in a kernel is SciPy's BLAS, `@` is NumPy's: two pools
of threads); blocks alternate; medians. A block calls for about 0.1 s. Kernels that work in place are called again on
what they left, which their definitions need not copy. `value_and_grad` is called as a step calls it, through a Point;
its definition is the same Point in array code alone. "value_and_grad or leaks" sets it beside the other way, array code
that calls `bias_leak` and `gate_leak` where activations are large, without a verdict. So are sizes at which the package
does not call a kernel but inside `value_and_grad`. The private kernels are parts of `value_and_grad` and cannot be
deleted alone; they are shown to tell where it gains. The script fails when `fused` has a kernel that is not here.

Target: 1.5x at the sizes where the package uses the kernel, or the kernel should be deleted.
"""

import math
import time
from functools import cache, partial
from itertools import pairwise

from _common import alternate, judged, medians, options, show, table, workers

NETS = {
    "digits 64-64, 64": (64, (64, 64, 64, 10)),
    "20-100-5, 200": (200, (20, 100, 5)),
    "20-256-256-256-5, 256": (256, (20, 256, 256, 256, 5)),
    "20-256-256-256-5, 1024": (1024, (20, 256, 256, 256, 5)),
}
SECONDS = 0.1  # of a block
BESIDE = "value_and_grad or leaks"
HEADS = {"_squared_error": "SquaredError", "_softmax": "MultinomialLogLoss", "_logistic": "BernoulliLogLoss"}


def _data(net, dtype):
    """X (n, d), one-hot Y (n, k), w (n,), sizes."""
    import numpy as np

    n, sizes = NETS[net]
    X, y = table(n, sizes[0], sizes[-1], np.dtype(dtype))
    return X, np.eye(sizes[-1], dtype=dtype)[y], np.ones(n, dtype), sizes


def value_and_grad(net, dtype, leak_kernels=False):
    import numpy as np

    from skcurv.backend import passes
    from skcurv.data import Data
    from skcurv.losses import MultinomialLogLoss
    from skcurv.network import MLP
    from skcurv.network.initialise import initialise
    from skcurv.objective import Objective

    X, Y, w, sizes = _data(net, dtype)
    mlp = MLP(sizes, ("relu",) * (len(sizes) - 2))
    theta = initialise(mlp.layout, "glorot", np.random.default_rng(0), np.zeros(sizes[-1])).astype(dtype)
    objective = Objective(mlp, MultinomialLogLoss(), Data(X, Y, w), 1e-4)
    batch = objective.data.all()

    def evaluate(batch):
        here = objective.point(theta, batch)
        gradient = here.grad
        return here.value, gradient

    if objective.fused(theta, batch) is None:
        raise RuntimeError("The kernel does not apply to this problem: the benchmark is out of date.")
    limit = passes.LARGE if leak_kernels else math.inf
    return lambda: evaluate(batch), partial(_with_limit, limit, lambda: evaluate(batch._replace(owned=False)))


def _with_limit(limit, function):
    """What a function gives with arrays of more entries than the limit counted as large."""
    from skcurv.backend import passes

    usual, passes.LARGE = passes.LARGE, limit
    try:
        return function()
    finally:
        passes.LARGE = usual


def adam(net, dtype):
    import numpy as np

    from skcurv.backend import fused
    from skcurv.solvers.adam import update

    sizes = NETS[net][1]
    p = sum((i + 1) * o for i, o in pairwise(sizes))
    rng = np.random.default_rng(0)
    theta, g, m, v = (rng.random(p).astype(dtype) for _ in range(4))
    numbers = [np.dtype(dtype).type(x) for x in (1e-3, 0.9, 0.999, 1e-8)]
    return lambda: fused.adam(theta, g, m, v, *numbers), lambda: update(theta, g, m, v, *numbers)


def bias_leak(net, dtype):
    from skcurv.backend import fused
    from skcurv.backend.namespace import namespace

    Z, b, zero = *_hidden(net, dtype)[:2], _scalar(dtype, 0)

    def definition():
        xp, shifted = namespace(Z), Z + b
        return xp.where(shifted > 0, shifted, zero * shifted)

    return lambda: fused.bias_leak(Z, b, zero), definition


def gate_leak(net, dtype):
    from skcurv.backend import fused
    from skcurv.backend.namespace import namespace

    V, _, A = _hidden(net, dtype)
    zero = _scalar(dtype, 0)
    return lambda: fused.gate_leak(V, A, zero), lambda: namespace(V).where(A > 0, V, zero * V)


def _hidden(net, dtype):
    """(n, h), (h,), (n, h) normal numbers."""
    import numpy as np

    n, sizes = NETS[net]
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype(dtype) for shape in ((n, sizes[1]), sizes[1], (n, sizes[1]))]


def _scalar(dtype, value):
    import numpy as np

    return np.dtype(dtype).type(value)


def _layer_gradient(net, dtype):
    import numpy as np

    from skcurv.backend import fused
    from skcurv.backend.namespace import dot, inner

    A, gb, D = _hidden(net, dtype)
    W = np.ones((A.shape[1], D.shape[1]), dtype)
    gW, l2 = np.empty_like(W), _scalar(dtype, 1e-4)
    definition = lambda: (inner(A, D) + l2 * W, np.sum(D, axis=0), 0.5 * l2 * dot(np, W, W))  # noqa: E731
    return lambda: fused._layer_gradient(A, D, W, l2, gW, gb), definition


def _head(name):
    def pair(net, dtype):
        from skcurv import losses
        from skcurv.backend import fused
        from skcurv.backend.namespace import dot, namespace

        X, Y, w, _ = _data(net, dtype)
        loss, kernel, scale = getattr(losses, HEADS[name])(), getattr(fused, name), _scalar(dtype, 1 / len(X))
        F = 0.5 - Y
        scratch, weights = F.copy(), w * scale

        def definition():
            return dot(namespace(F), weights, loss.value(F, Y)), weights[:, None] * loss.grad(F, Y)

        return lambda: kernel(scratch, Y, w, scale), definition

    return pair


def combine(net, dtype):
    """Two vectors as long as the parameters, through the function that the package calls."""
    import numpy as np

    from skcurv.backend import passes

    p = sum((i + 1) * o for i, o in pairwise(NETS[net][1]))
    x, y = np.random.default_rng(0).random((2, p)).astype(dtype)
    return _compiled_or_not(lambda: passes.combined(0.9, x, -0.1, y))


def logistic_rows(net, dtype):
    """A batch with as many outputs as the first hidden layer has units."""
    from skcurv.backend import passes

    F, _, Y = _hidden(net, dtype)
    return _compiled_or_not(lambda: passes.logistic(F, Y))


def _compiled_or_not(function):
    """A function of `passes` with every array counted as large, and with none."""
    return partial(_with_limit, 0, function), partial(_with_limit, math.inf, function)


KERNELS = {
    "value_and_grad": value_and_grad,
    BESIDE: partial(value_and_grad, leak_kernels=True),
    "adam": adam,
    "bias_leak": bias_leak,
    "gate_leak": gate_leak,
    "combine": combine,
    "logistic_rows": logistic_rows,
    "_layer_gradient": _layer_gradient,
    **{name: _head(name) for name in HEADS},
}


def known():
    """The names of the compiled functions in `fused`."""
    from numba.core.dispatcher import Dispatcher

    from skcurv.backend import fused

    return {name for name, value in vars(fused).items() if isinstance(value, Dispatcher)}


@cache
def _prepared(kernel, net, dtype, side):
    """One side of a pair, and how many calls make a block."""
    function = KERNELS[kernel](net, dtype)[side]
    function()  # compiled
    began, calls = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS / 4:
        function()
        calls += 1
    return function, 4 * calls


def block(kernel, net, dtype, side):
    """Microseconds a call."""
    function, calls = _prepared(kernel, net, dtype, side)
    began = time.perf_counter()
    for _ in range(calls):
        function()
    return 1e6 * (time.perf_counter() - began) / calls


def used(kernel, net):
    """Whether the package uses the kernel at this size, other than inside `value_and_grad`."""
    from skcurv.backend.passes import LARGE

    n, sizes = NETS[net]
    hidden, p = n * sizes[1], sum((i + 1) * o for i, o in pairwise(sizes))
    entries = {"bias_leak": hidden, "gate_leak": hidden, "logistic_rows": hidden, "combine": p}
    return not kernel.startswith("_") and kernel != BESIDE and entries.get(kernel, math.inf) > LARGE


def measured(kernel, net, dtype, processes, rounds):
    """One row of the table."""
    tasks = {side: partial(run, block, kernel, net, dtype, side) for side, run in enumerate(processes.values())}
    us = medians(alternate(tasks, rounds))
    target = 1.5 if processes["kernels"](used, kernel, net) else None
    return [kernel, net, dtype, f"{us[0]:.1f}", f"{us[1]:.1f}", judged(us[1] / us[0], target, least=True)]


def main():
    rounds = 3 if options(__doc__).quick else 7
    with workers(("kernels", "definitions")) as processes:
        differing = processes["kernels"](known) ^ (set(KERNELS) - {BESIDE})
        if differing:
            raise RuntimeError(f"Kernels here and in skcurv.backend.fused differ: {sorted(differing)}.")
        rows = [
            measured(kernel, net, dtype, processes, rounds)
            for kernel in KERNELS
            for net in NETS
            for dtype in ("float32", "float64")
        ]
    show("Microseconds a call", ["kernel", "net, batch", "dtype", "kernel", "arrays", "arrays / kernel"], rows)


if __name__ == "__main__":
    main()
