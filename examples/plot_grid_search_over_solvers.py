"""
Grid search over solvers
========================

Which solver suits a table? This example asks cross-validation. Breast cancer (569 rows, 30 columns, 2 classes) and
digits (1797 rows, 64 columns, 10 classes) go through a pipeline of a scaler and a network with one hidden layer of 16
units, and the solver is searched like any other parameter. Nothing else is tuned: first-order solvers run at their
default learning rates, second-order solvers have none.

Run it as a script, with the path of the picture as an optional argument.
"""

# %%
# Two data sets and one pipeline
# ------------------------------
# Both data sets ship with scikit-learn. ``tol=0`` makes 50 epochs a budget rather than a limit to warn about.

import sys
import time

import matplotlib.pyplot as plt
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcurv import CurvatureMLPClassifier
from skcurv.solvers import SOLVERS

started = time.perf_counter()
data_sets = {"breast cancer": load_breast_cancer(return_X_y=True), "digits": load_digits(return_X_y=True)}
pipeline = make_pipeline(
    StandardScaler(),
    CurvatureMLPClassifier(hidden_layer_sizes=(16,), max_iter=50, tol=0, random_state=0),
)

# %%
# The search
# ----------
# Scorers are callables, so a search reports anything a fitted pipeline knows: here its seconds, epochs, iterations and
# training loss besides the accuracy. An iteration is one step; full-batch solvers take one an epoch, the others one a
# mini-batch.


def accuracy(fitted, X, y):
    return fitted.score(X, y)


def seconds(fitted, X, y):
    return fitted[-1].history_["seconds"][-1]


def epochs(fitted, X, y):
    return fitted[-1].n_iter_


def iterations(fitted, X, y):
    return fitted[-1].history_["iteration"][-1]


def training_loss(fitted, X, y):
    return fitted[-1].loss_


searches = {
    name: GridSearchCV(
        pipeline,
        {"curvaturemlpclassifier__solver": list(SOLVERS)},
        scoring={
            "score": accuracy,
            "seconds": seconds,
            "epochs": epochs,
            "iterations": iterations,
            "loss": training_loss,
        },
        refit="score",
        cv=3,
        n_jobs=2,
    ).fit(X, y)
    for name, (X, y) in data_sets.items()
}

# %%
# The table
# ---------
# Score, epochs, iterations and training loss are means over three folds, with the score's standard deviation. Seconds
# are those of the fastest fold: the first fits of a process also load the compiled kernels.

print("data set       solver           CV score      sd    fit s   epochs  iterations       loss")
for name, search in searches.items():
    results = search.cv_results_
    for row, solver in enumerate(results["param_curvaturemlpclassifier__solver"]):
        fastest = min(results[f"split{fold}_test_seconds"][row] for fold in range(3))
        mean = {column: results[f"mean_test_{column}"][row] for column in ("score", "epochs", "iterations", "loss")}
        print(
            f"{name:<14} {solver:<16} {mean['score']:>8.4f} {results['std_test_score'][row]:>7.4f} {fastest:>8.3f} "
            f"{mean['epochs']:>8.1f} {mean['iterations']:>11.1f} {mean['loss']:>10.2e}"
        )
for name, search in searches.items():
    winner = search.best_params_["curvaturemlpclassifier__solver"]
    print(f"winner on {name}: {winner}, cross-validated score {search.best_score_:.4f}")

# %%
# Loss curves
# -----------
# One more fit on all rows for eight of the solvers; more curves could not be told apart. Second-order solvers are drawn
# solid, first-order solvers broken; each has its own marker, so that they can be told apart without their colours.

styles = {
    "sgd": ("#7F7F7F", ":", "v"),
    "momentum": ("#E69F00", "--", "s"),
    "nesterov": ("#0072B2", "--", "o"),
    "rmsprop": ("#CC79A7", "-.", "P"),
    "adam": ("#56B4E9", "-.", "X"),
    "diag-fisher": ("#009E73", "-", "D"),
    "kfac": ("#D55E00", "-", "^"),
    "lm-newton": ("#000000", "-", "*"),
}
figure, panels = plt.subplots(1, len(data_sets), figsize=(10, 4.5), layout="constrained")
for panel, (name, (X, y)) in zip(panels, data_sets.items(), strict=True):
    models = [clone(pipeline).set_params(curvaturemlpclassifier__solver=solver) for solver in styles]
    fits = Parallel(n_jobs=2)(delayed(model.fit)(X, y) for model in models)
    for place, (fitted, (solver, (colour, dashes, marker))) in enumerate(zip(fits, styles.items(), strict=True)):
        line = {"color": colour, "linestyle": dashes, "linewidth": 2 if dashes == "-" else 1.3}
        line |= {"marker": marker, "markersize": 5, "markevery": (place, 8)}
        panel.plot(range(1, fitted[-1].n_iter_ + 1), fitted[-1].loss_curve_, **line, label=solver)
    panel.set(title=name, xlabel="epoch", ylabel="training loss", yscale="log")
    panel.grid(color="#DDDDDD", linewidth=0.6)
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center", handlelength=4)

path = sys.argv[1] if len(sys.argv) > 1 else "plot_grid_search_over_solvers.png"
figure.savefig(path, dpi=150)
print(f"picture saved as {path}, {time.perf_counter() - started:.1f} s in all")
