r"""How often targets lie inside predictive intervals, against how often they should.

With Q_i(q) the predicted quantiles of row i, the central interval of level c is [Q_i((1 - c) / 2), Q_i((1 + c) / 2)],
and the coverage of n rows is

    K / n,     K = sum_i [Q_i((1 - c) / 2) <= y_i <= Q_i((1 + c) / 2)]
    K ~ Binomial(n, c)                          for rows that are independent draws from the predicted distributions.

The band around the diagonal has the 2.5 % and 97.5 % quantiles of K / n: K is inside with probability 0.95 or, since it
is a whole number, somewhat more. That is for one level: the K of several levels come from the same rows, and a curve
that leaves the band at one of them is no surprise yet.
"""

import numpy as np
from scipy.stats import binom
from sklearn.utils import check_array

from ..posterior.predictive import normal_quantiles

LEVELS = np.linspace(0.05, 0.95, 19)
WITHIN = 0.95  # probability of the band
MIRROR = 1e-9  # how far q and 1 - q may be from one another's mirror images


class CoverageDisplay:
    """Coverage of predictive intervals: the share of targets inside, by the nominal level of the interval.

    A curve below the diagonal is that of a regressor that is too sure, one above of one that is too careful. The
    interval of level c lies between the predicted quantiles (1 - c) / 2 and (1 + c) / 2. For a right model with
    independent rows the number inside is binomial; the band around the diagonal is where it lies with 95 % probability
    at each level. Use rows that were not in the fit.

    `from_estimator` and `from_predictions` make it. All parameters are stored as attributes.

    Parameters
    ----------
    levels : ndarray of shape (n_levels,)
        Nominal levels of the central intervals, between 0 and 1.
    coverage : ndarray of shape (n_levels,)
        The share of targets inside each.
    n_samples : int
        How many targets there are.
    estimator_name : str, default=None
        Name of the curve.

    Attributes
    ----------
    line_ : matplotlib Artist
        The curve.
    band_ : matplotlib Artist or None
        The band around the diagonal; None where it was not drawn.
    ax_ : matplotlib Axes
        The axes with the curve.
    figure_ : matplotlib Figure
        The figure with the axes.

    See Also
    --------
    sklearn.calibration.CalibrationDisplay : The same question for the probabilities of a binary classifier.

    References
    ----------
    A. P. Dawid, "Present position and potential developments: the prequential approach", Journal of the Royal
    Statistical Society A 147 (1984); T. Gneiting, F. Balabdaoui and A. E. Raftery, "Probabilistic forecasts,
    calibration and sharpness", Journal of the Royal Statistical Society B 69 (2007).

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import BayesianRidge
    >>> from sklearn.model_selection import train_test_split
    >>> from skcurv.display import CoverageDisplay
    >>> X_train, X_test, y_train, y_test = train_test_split(*load_diabetes(return_X_y=True), random_state=0)
    >>> display = CoverageDisplay.from_estimator(BayesianRidge().fit(X_train, y_train), X_test, y_test, levels=[0.9])
    >>> display.coverage.round(2)
    array([0.88])
    """

    def __init__(self, levels, coverage, n_samples, *, estimator_name=None):
        self.levels = levels
        self.coverage = coverage
        self.n_samples = n_samples
        self.estimator_name = estimator_name

    def plot(self, *, ax=None, name=None, ref_line=True, **kwargs):
        """Draw the curve.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        name : str, default=None
            Name of the curve in the legend; None takes `estimator_name`.
        ref_line : bool, default=True
            Whether to draw the diagonal and its band, unless they are on these axes already.
        **kwargs : dict
            For `matplotlib.pyplot.plot`.

        Returns
        -------
        display : CoverageDisplay
            Itself.
        """
        plt = pyplot(f"{type(self).__name__}.plot")
        ax = plt.subplots()[1] if ax is None else ax
        self.ax_, self.figure_, self.band_ = ax, ax.figure, None
        if ref_line:
            self._draw_reference()
        name = self.estimator_name if name is None else name
        style = {"marker": "o", **({} if name is None else {"label": name}), **kwargs}
        self.line_ = ax.plot(self.levels, self.coverage, **style)[0]
        ax.set(xlabel="Level of the interval", ylabel="Share of targets inside", xlim=(0, 1), ylim=(0, 1))
        if ax.get_legend_handles_labels()[1]:
            ax.legend(loc="lower right")
        return self

    def _draw_reference(self):
        """The diagonal, and the band for this number of targets."""
        drawn = self.ax_.get_legend_handles_labels()[1]
        diagonal, band = "Perfectly calibrated", f"{100 * WITHIN:.0f} % band for n = {self.n_samples}"
        if diagonal not in drawn:
            self.ax_.plot([0, 1], [0, 1], "k:", label=diagonal)
        if band not in drawn:
            c = np.linspace(0, 1, 201)
            self.band_ = self.ax_.fill_between(
                c, *binomial_band(c, self.n_samples), color="k", alpha=0.1, linewidth=0, label=band
            )

    @classmethod
    def from_estimator(cls, estimator, X, y, *, levels=None, name=None, ax=None, ref_line=True, **kwargs):
        """Draw the coverage of a fitted regressor's intervals.

        Quantiles are those of ``estimator.predict_quantiles(X, q)`` where there is such a method. Else targets are
        taken as normal with the mean and deviation of ``estimator.predict(X, return_std=True)``, as for `BayesianRidge`
        or a pipeline. The deviation must be that of single targets, noise included: it is that of the mean for
        `skcurv.CurvatureRegressor`, whose quantiles `skcurv.posterior.laplace` gives, and for
        `GaussianProcessRegressor` without a `WhiteKernel`.

        Parameters
        ----------
        estimator : fitted regressor
            A pipeline that ends in one is one too.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,)
            Their targets.
        levels : array-like of shape (n_levels,), default=None
            Nominal levels between 0 and 1; None takes 0.05, 0.1, ... 0.95.
        name : str, default=None
            Name of the curve; None takes that of the estimator's class.
        ax, ref_line, **kwargs
            As for `plot`.

        Returns
        -------
        display : CoverageDisplay

        Raises
        ------
        TypeError
            Where the estimator predicts neither quantiles nor a deviation.
        ValueError
            For levels outside (0, 1), and for more than one output, since those of a row are not independent.
        """
        pyplot(f"{cls.__name__}.from_estimator")
        q = both_ends(LEVELS if levels is None else levels)
        name = type(estimator).__name__ if name is None else name
        return cls.from_predictions(
            y, predicted_quantiles(estimator, X, q), q, name=name, ax=ax, ref_line=ref_line, **kwargs
        )

    @classmethod
    def from_predictions(cls, y_true, y_quantiles, q, *, name=None, ax=None, ref_line=True, **kwargs):
        """Draw the coverage of predicted intervals.

        Normal predictions with mean and deviation (n_samples,) have the quantiles
        ``scipy.stats.norm.ppf(q, mean[:, None], std[:, None])``.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            Targets.
        y_quantiles : array-like of shape (n_samples, n_quantiles)
            Their predicted quantiles, of one model or of one for each level.
        q : array-like of shape (n_quantiles,)
            The levels of these quantiles, in pairs q and 1 - q in any order; each pair bounds the interval of level
            1 - 2 q. 0.5 is passed over.
        name, ax, ref_line, **kwargs
            As for `plot`.

        Returns
        -------
        display : CoverageDisplay

        Raises
        ------
        ValueError
            For levels that are no pairs, and for quantiles of another shape, such as those of several outputs.

        Examples
        --------
        >>> import numpy as np
        >>> from scipy.stats import norm
        >>> from skcurv.display import CoverageDisplay
        >>> rng = np.random.default_rng(0)
        >>> mean, std, q = rng.normal(size=500), np.full(500, 0.5), [0.05, 0.25, 0.75, 0.95]
        >>> y = mean + rng.normal(size=500)
        >>> display = CoverageDisplay.from_predictions(y, norm.ppf(q, mean[:, None], std[:, None]), q)
        >>> display.levels.round(2), display.coverage.round(2)  # half the deviation that it should be
        (array([0.5, 0.9]), array([0.29, 0.64]))
        """
        pyplot(f"{cls.__name__}.from_predictions")
        levels, coverage = counted(y_true, y_quantiles, q)
        display = cls(levels, coverage, len(y_true), estimator_name=name)
        return display.plot(ax=ax, ref_line=ref_line, **kwargs)


def counted(y_true, y_quantiles, q):
    """Levels (m,) of the central intervals, rising, and the share of targets (m,) in each."""
    levels, lower, upper = pairs(q)
    y, Q = checked(y_true, y_quantiles, np.size(q))
    inside = (Q[:, lower] <= y[:, None]) & (y[:, None] <= Q[:, upper])
    return levels, inside.mean(axis=0)


def binomial_band(levels, n):
    """The 2.5 % and 97.5 % quantiles of K / n for K ~ Binomial(n, level), each of the shape of the levels."""
    outside = 1 - WITHIN
    return tuple(binom.ppf(p, n, levels) / n for p in (outside / 2, 1 - outside / 2))


def both_ends(levels):
    """The levels of quantiles (2 m,) that bound central intervals of levels (m,)."""
    c = np.atleast_1d(np.asarray(levels, dtype=np.float64))
    if c.ndim != 1 or not ((c > 0) & (c < 1)).all():
        raise ValueError(
            f"levels={levels!r} was given. Allowed are numbers between 0 and 1, ends excluded. Pass for example "
            "[0.5, 0.9]."
        )
    return np.concatenate([(1 - c) / 2, (1 + c) / 2])


def pairs(q):
    """Rising levels (m,) of intervals, and the places (m,) of their lower and upper ends in q."""
    values = np.ravel(np.asarray(q, dtype=np.float64))
    order = np.argsort(values, kind="stable")
    order = order[np.abs(values[order] - 0.5) > MIRROR]
    half = len(order) // 2
    lower, upper = order[:half][::-1], order[len(order) - half :]
    mirrored = 2 * half == len(order) > 0 and np.abs(values[lower] + values[upper] - 1).max() <= MIRROR
    if np.ndim(q) != 1 or not mirrored or not ((values > 0) & (values < 1)).all():
        raise ValueError(
            f"q={q!r} was given. Allowed are pairs q and 1 - q between 0 and 1, ends excluded. Pass for example "
            "[0.05, 0.25, 0.75, 0.95]."
        )
    return values[upper] - values[lower], lower, upper


def checked(y_true, y_quantiles, n_quantiles):
    """Targets (n,) and quantiles (n, m) in float64."""
    of_y, of_Q = np.shape(y_true), np.shape(y_quantiles)
    if of_y not in (of_Q[:1], (*of_Q[:1], 1)) or of_Q[1:] != (n_quantiles,):
        raise ValueError(
            f"Targets of shape {of_y} and quantiles of shape {of_Q} were given for {n_quantiles} levels. "
            f"Allowed is one output, with targets (n_samples,) and quantiles (n_samples, {n_quantiles}). Pass each "
            "output by itself to from_predictions, such as y[:, 0] and its quantiles."
        )
    y = check_array(np.ravel(y_true), ensure_2d=False, dtype=np.float64, input_name="y_true")
    return y, check_array(y_quantiles, dtype=np.float64, input_name="y_quantiles")


def predicted_quantiles(estimator, X, q):
    """Quantiles (n, m) of an estimator's predictions, by itself or as of normal distributions."""
    if hasattr(estimator, "predict_quantiles"):
        return estimator.predict_quantiles(X, q)
    try:
        mean, std = estimator.predict(X, return_std=True)
    except TypeError as error:
        raise TypeError(
            f"{type(estimator).__name__} was given, whose predict takes no return_std. Allowed are regressors with "
            "predict_quantiles or predict(X, return_std=True). Pass predicted quantiles to from_predictions."
        ) from error
    return normal_quantiles(np.asarray(mean), np.asarray(std), q)


def pyplot(caller):
    """matplotlib.pyplot, or an ImportError that says how to get it."""
    try:
        import matplotlib.pyplot
    except ImportError as error:
        raise ImportError(
            f"{caller} was called where matplotlib is not installed. Allowed is an environment with matplotlib. Run "
            "pip install 'skcurv[plot]'."
        ) from error
    return matplotlib.pyplot
