"""Small fits that go wrong easily: recipes in words, those with a name, and a strategy that mixes their parts."""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from hypothesis import strategies as st

from skcurv import CurvatureMLPClassifier, CurvatureMLPRegressor

INPUTS = {
    "normal": lambda rng, n, d: rng.normal(size=(n, d)),
    "zero": lambda rng, n, d: np.zeros((n, d)),
    "positive": lambda rng, n, d: np.abs(rng.normal(size=(n, d))),
    "negative": lambda rng, n, d: -np.abs(rng.normal(size=(n, d))),
    "identical rows": lambda rng, n, d: np.ones((n, 1)) * rng.normal(size=d),
    "constant columns": lambda rng, n, d: np.where(np.arange(d) % 2, rng.normal(size=(n, d)), 1.0),
    "duplicate columns": lambda rng, n, d: rng.normal(size=(n, 1)) * np.ones(d),
    "unlike columns": lambda rng, n, d: rng.normal(size=(n, d)) * 10.0 ** np.linspace(-8, 8, d),
    "small": lambda rng, n, d: 1e-8 * rng.normal(size=(n, d)),
    "large": lambda rng, n, d: 1e4 * rng.normal(size=(n, d)),
    "cauchy": lambda rng, n, d: 1e3 * rng.standard_cauchy((n, d)),
    "separable": lambda rng, n, d: np.where(np.arange(n) % 2, 1.0, -1.0)[:, None] + 0.1 * rng.normal(size=(n, d)),
}
TARGETS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "1e6": lambda rng, shape: 1e6 * rng.normal(size=shape),
    "1e-6": lambda rng, shape: 1e-6 * rng.normal(size=shape),
    "1e6 + normal": lambda rng, shape: 1e6 + rng.normal(size=shape),
    "constant": lambda rng, shape: np.full(shape, 1e3 + 0.1),
    "cauchy": lambda rng, shape: rng.standard_cauchy(shape),
    "counts": lambda rng, shape: 1.0 * rng.poisson(2.0, shape),
    "zeros": lambda rng, shape: np.zeros(shape),
    "positive": lambda rng, shape: rng.lognormal(0.0, 3.0, shape),
}
LABELS = {
    "binary": lambda n: np.arange(n) % 2,
    "three classes": lambda n: np.arange(n) % 3,
    "one against the rest": lambda n: (np.arange(n) > 0).astype(int),
    "one of two classes": lambda n: np.minimum(np.arange(n), 2),
    "labels": lambda n: np.stack([np.arange(n) % 2, np.arange(n) % 3 > 0, np.ones(n)], axis=1).astype(int),
}
WEIGHTS = {
    "none": lambda n: None,
    "some zero": lambda n: np.where(np.arange(n) % 3, 2.0, 0.0) + (np.arange(n) < 3),
    "three rows": lambda n: np.where(np.arange(n) < 3, 1.0, 0.0),
    "small": lambda n: np.full(n, 1e-6),
    "unlike": lambda n: 10.0 ** (3 * (np.arange(n) % 5) - 6),
}
REAL = {"one output": (), "two outputs": (2,), "frequencies": (2,)}


class Recipe(NamedTuple):
    """A fit in words and numbers: n rows and d columns of such inputs and targets, and how they are fitted."""

    task: str = "one output"
    loss: Any = None
    n: int = 8
    d: int = 3
    inputs: str = "normal"
    targets: str = "normal"
    weights: str = "none"
    hidden: tuple = (3,)
    activation: str = "relu"
    alpha: float = 0.0
    scaling: Any = "auto"
    batch_size: Any = "auto"
    sparse: bool = False
    early_stopping: bool = False
    epochs: int = 5
    seed: int = 0
    dtype: str = "float64"

    @property
    def classifies(self):
        return self.task in LABELS

    @property
    def rows(self):
        """n, or the least that has all classes."""
        return max(self.n, 3) if self.classifies else self.n

    @property
    def holds_out(self):
        """Whether a part is held out: where there are rows for it in each class."""
        return self.early_stopping and self.rows >= 6 and self.weights != "three rows"

    def data(self):
        """X, y and sample weights."""
        rng = np.random.default_rng(self.seed)
        X = INPUTS[self.inputs](rng, self.rows, self.d).astype(self.dtype)
        if self.classifies:
            y = LABELS[self.task](self.rows)
        else:
            y = TARGETS[self.targets](rng, (self.rows, *REAL[self.task])).astype(self.dtype)
            y = 1.0 * (y > np.median(y)) if self.task == "frequencies" else y
        return scipy.sparse.csr_matrix(X) if self.sparse else X, y, WEIGHTS[self.weights](self.rows)

    def estimator(self, solver, **options):
        """The estimator, not fitted; solvers of the full set leave the batches alone."""
        own = {} if self.classifies else {"target_scaling": self.scaling}
        if self.loss or self.task == "frequencies":
            own["loss"] = self.loss or "log_loss"
        if not getattr(solver, "full_batch", False):
            own["batch_size"] = self.batch_size
        options = {
            "hidden_layer_sizes": self.hidden,
            "activation": self.activation,
            "solver": solver,
            "alpha": self.alpha,
            "max_iter": self.epochs,
            "tol": 0,
            "early_stopping": self.holds_out,
            "validation_fraction": 0.4,
            "random_state": self.seed,
        } | options
        return (CurvatureMLPClassifier if self.classifies else CurvatureMLPRegressor)(**own, **options)


DEPTH_20 = {"hidden": (4,) * 20, "task": "two outputs"}
NAMED = {
    "one row": Recipe(n=1),
    "one row as it is": Recipe("two outputs", n=1, scaling=None),
    "two rows": Recipe(n=2),
    "one column": Recipe(d=1),
    "no hidden layer": Recipe(hidden=()),
    "no hidden layer, classes": Recipe("three classes", hidden=()),
    "one hidden unit": Recipe("two outputs", hidden=(1,)),
    "one hidden unit, classes": Recipe("three classes", hidden=(1,), activation="tanh"),
    "constant columns": Recipe(inputs="constant columns", d=4),
    "duplicate columns": Recipe(inputs="duplicate columns"),
    "duplicate columns, p > n": Recipe("two outputs", n=4, d=12, inputs="duplicate columns", hidden=(8,)),
    "duplicate columns, p > n, classes": Recipe("three classes", n=4, d=12, inputs="duplicate columns", hidden=(8,)),
    "identical rows": Recipe(inputs="identical rows"),
    "identical rows, classes": Recipe("three classes", inputs="identical rows", epochs=20),
    "dead relu": Recipe("two outputs", inputs="zero"),
    "dead relu, classes": Recipe("three classes", inputs="zero"),
    "dead for one sign of the weight": Recipe(inputs="positive", d=1, hidden=(1,)),
    "dead for the other sign": Recipe(inputs="negative", d=1, hidden=(1,)),
    "dead for one sign, binary": Recipe("binary", inputs="positive", d=1, hidden=(1,), batch_size=2),
    "dead for the other sign, binary": Recipe("binary", inputs="negative", d=1, hidden=(1,), batch_size=2),
    "saturated tanh": Recipe(inputs="large", activation="tanh"),
    "saturated logistic, classes": Recipe("three classes", inputs="large", activation="logistic"),
    "huge outputs, classes": Recipe("three classes", inputs="large"),
    "huge outputs, classes, batches": Recipe("three classes", inputs="large", batch_size=3),
    "targets of 1e6": Recipe("two outputs", targets="1e6"),
    "targets of 1e6 as they are": Recipe("two outputs", targets="1e6", scaling=None),
    "targets of 1e-6": Recipe("two outputs", targets="1e-6"),
    "targets of 1e-6 as they are": Recipe("two outputs", targets="1e-6", scaling=None),
    "targets far from zero": Recipe(targets="1e6 + normal"),
    "targets far from zero as they are": Recipe(targets="1e6 + normal", scaling=None),
    "constant target": Recipe(targets="constant"),
    "constant target as it is": Recipe(targets="constant", scaling=None),
    "one example of a class": Recipe("one against the rest"),
    "one example of two classes": Recipe("one of two classes", batch_size=3),
    "depth 20, relu": Recipe(**DEPTH_20),
    "depth 20, tanh": Recipe(**DEPTH_20, activation="tanh"),
    "depth 20, one unit": Recipe(hidden=(1,) * 20),
    "depth 20, logistic, classes": Recipe("three classes", hidden=(2,) * 20, activation="logistic"),
    "columns from 1e-8 to 1e8": Recipe(inputs="unlike columns"),
    "columns from 1e-8 to 1e8, classes": Recipe("three classes", inputs="unlike columns"),
    "columns of 1e-8": Recipe("three classes", inputs="small", activation="tanh"),
    "cauchy": Recipe(inputs="cauchy", targets="cauchy"),
    "cauchy as it is": Recipe(inputs="cauchy", targets="cauchy", scaling=None, batch_size=3),
    "cauchy, classes": Recipe("three classes", inputs="cauchy", batch_size=3),
    "separable": Recipe("binary", inputs="separable", epochs=20),
    "separable, linear": Recipe("binary", inputs="separable", hidden=(), epochs=20),
    "separable, tanh, three classes": Recipe("three classes", activation="tanh", epochs=60),
    "more parameters than labels": Recipe("labels", n=4, hidden=(8,), activation="tanh", epochs=20),
    "frequencies of 0 and 1": Recipe("frequencies", epochs=20),
    "some weights zero": Recipe(weights="some zero"),
    "three weights not zero": Recipe("three classes", weights="three rows"),
    "small weights": Recipe(weights="small"),
    "weights from 1e-6 to 1e6": Recipe("three classes", weights="unlike", batch_size=3),
    "empty rows": Recipe("three classes", inputs="zero", sparse=True),
    "held out": Recipe("binary", n=12, early_stopping=True, weights="some zero"),
}


SKEWED = ("counts", "zeros", "positive")
UGLY = ("1e6", "1e6 + normal", "constant", "cauchy")
OF_LOSSES = {
    **{
        (loss, kind): Recipe("two outputs", loss, targets=kind, n=12)
        for loss in ("absolute_error", "huber")
        for kind in UGLY
    },
    **{("quantile", kind): Recipe("one output", "quantile", targets=kind, batch_size=3) for kind in UGLY},
    **{("gaussian_nll", kind): Recipe("two outputs", "gaussian_nll", targets=kind, batch_size=3) for kind in UGLY},
    ("gaussian_nll", "one row"): Recipe("one output", "gaussian_nll", n=1),
    ("gaussian_nll", "as it is"): Recipe("one output", "gaussian_nll", targets="1e6", scaling=None),
    **{
        (loss, f"{kind}, {inputs}"): Recipe("two outputs", loss, targets=kind, inputs=inputs, batch_size=4, d=4)
        for loss in ("poisson", "negative_binomial", "gamma", "tweedie")
        for kind in SKEWED
        for inputs in ("normal", "large")
        if loss != "gamma" or kind == "positive"
    },
    **{
        (loss, f"{task}, {inputs}"): Recipe(task, loss, inputs=inputs, n=12, batch_size=5)
        for loss in ("focal", "ordinal")
        for task in ("binary", "one of two classes", "labels")
        for inputs in ("normal", "large", "separable")
        if loss != "ordinal" or task != "labels"
    },
}


RECIPES = st.builds(
    Recipe,
    task=st.sampled_from([*REAL, *LABELS]),
    loss=st.none(),
    n=st.integers(1, 12),
    d=st.sampled_from([1, 2, 3, 12]),
    inputs=st.sampled_from(list(INPUTS)),
    targets=st.sampled_from([name for name in TARGETS if name not in SKEWED]),
    weights=st.sampled_from(list(WEIGHTS)),
    hidden=st.sampled_from([(3,), (), (1,), (8,), (4, 2), (2,) * 20]),
    activation=st.sampled_from(["relu", "tanh", "logistic", "identity", "softplus", "silu", "leaky_relu"]),
    alpha=st.sampled_from([0.0, 1.0]),
    scaling=st.sampled_from(["auto", None]),
    batch_size=st.sampled_from(["auto", 2, 3]),
    sparse=st.booleans(),
    early_stopping=st.booleans(),
    epochs=st.integers(1, 5),
    seed=st.integers(0, 9),
    dtype=st.sampled_from(["float64", "float32"]),
)
