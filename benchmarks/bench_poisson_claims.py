"""A Poisson network against a Poisson GLM on the frequency of motor claims: deviance on rows kept aside, and time.

What: freMTPL2freq, 678,013 policies with the number of their claims and the exposure in years. The features are those
of scikit-learn's own example of Poisson regression: driver's and vehicle's age in ten bins of equal frequency, brand,
power, fuel, region and area one-hot, the logarithm of the density and the bonus-malus standardised. A quarter of the
rows is kept aside. The GLM is PoissonRegressor (newton-cholesky, alpha=1e-12) on frequencies weighted by exposure. The
network has 64-32 relu units, the default solver and batches, and early stopping on a tenth of its rows (patience 3). It
is fitted twice: to frequencies weighted by exposure, and to counts with log(exposure) as offset, the same likelihood.

How: mean Poisson deviance of the frequencies, weighted by exposure. One fit each, in a process of its own; features are
made before the clock starts; float64 for the GLM, float32 for the network. `--quick` takes every tenth row.

Target: both networks have a lower deviance than the GLM.
"""

import time
from functools import partial

from _common import alone, judged, show
from _tables import options

QUICK = 10
TEST, SEED = 0.25, 0


def claims(folder, every, dtype):
    """Features, counts and exposures, of the rows for training and of those kept aside."""
    import numpy as np
    from sklearn.compose import make_column_transformer
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, KBinsDiscretizer, OneHotEncoder, StandardScaler

    stored = np.load(f"{folder}/tabular/freMTPL2freq.npz")
    names = [name for name in stored if not name.startswith("levels_")]
    columns = {name: place for place, name in enumerate(names)}
    rows = np.stack([stored[name] for name in names], axis=1).astype(float)[::every]
    bins = KBinsDiscretizer(10, encode="onehot-dense", quantile_method="averaged_inverted_cdf", random_state=SEED)
    features = make_column_transformer(
        (bins, [columns["VehAge"], columns["DrivAge"]]),
        (
            OneHotEncoder(sparse_output=False),
            [columns[n] for n in ("VehBrand", "VehPower", "VehGas", "Region", "Area")],
        ),
        (make_pipeline(FunctionTransformer(np.log), StandardScaler()), [columns["Density"]]),
        (StandardScaler(), [columns["BonusMalus"]]),
    )
    train, test = train_test_split(rows, test_size=TEST, random_state=SEED)
    X = features.fit_transform(train).astype(dtype), features.transform(test).astype(dtype)
    return [
        (x, part[:, columns["ClaimNb"]], part[:, columns["Exposure"]]) for x, part in zip(X, (train, test), strict=True)
    ]


def fit(form, folder, every):
    """Deviance on the rows kept aside, on those of the fit, and seconds."""
    import warnings

    import numpy as np
    from sklearn.dummy import DummyRegressor
    from sklearn.linear_model import PoissonRegressor
    from sklearn.metrics import mean_poisson_deviance

    from skcurv import CurvatureMLPRegressor

    warnings.simplefilter("ignore")
    (X, counts, exposure), (X_test, counts_test, exposure_test) = claims(folder, every, "f8" if form == "glm" else "f4")
    options = {"early_stopping": True, "n_iter_no_change": 3, "tol": 0, "max_iter": 30, "random_state": SEED}
    network = CurvatureMLPRegressor((64, 32), loss="poisson", **options)
    glm = PoissonRegressor(alpha=1e-12, solver="newton-cholesky")
    started = time.perf_counter()
    if form == "network, offset":
        model = network.fit(X, counts, offset=np.log(exposure))
    else:
        model = {"mean": DummyRegressor(), "glm": glm, "network, weights": network}[form]
        model.fit(X, counts / exposure, sample_weight=exposure)
    seconds = time.perf_counter() - started

    def deviance(X, counts, exposure):
        return float(mean_poisson_deviance(counts / exposure, model.predict(X), sample_weight=exposure))

    epochs = getattr(model, "n_iter_", "")
    return deviance(X_test, counts_test, exposure_test), deviance(X, counts, exposure), seconds, epochs


def main():
    chosen = options(__doc__, "tabular/freMTPL2freq.npz")
    folder, every = chosen.data, QUICK if chosen.quick else 1
    results = {
        form: alone(partial(fit, form), folder, every)
        for form in ("mean", "glm", "network, weights", "network, offset")
    }
    rows = [
        (form, f"{test:.4f}", f"{train:.4f}", seconds, epochs)
        for form, (test, train, seconds, epochs) in results.items()
    ]
    show("mean Poisson deviance of claim frequencies", ("model", "test", "training", "seconds", "epochs"), rows)
    worst = max(results[form][0] for form in ("network, weights", "network, offset"))
    print(f"test deviance of the worse network over the GLM's: {judged(worst / results['glm'][0], 1.0)}")


if __name__ == "__main__":
    main()
