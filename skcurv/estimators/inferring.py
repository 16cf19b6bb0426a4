"""Standard errors, intervals and the report of estimators of a model function."""

import warnings

import numpy as np
from scipy import stats
from sklearn.utils.validation import check_is_fitted

from ..inference import Profile, covariance, log_likelihood, report
from ..inference.delta import slopes
from ..inference.report import strong_correlations
from ..models import ModelFunction, network
from ..network.differences import STEPS
from ..solvers.registry import resolve


class Inferring:
    """Base of estimators with `theta_`, `labels_`, `function_`, `objective_` and `loss_function_`."""

    def _infer(self, here):
        """Set what the data say of the parameters at a Point."""
        known = getattr(self, "absolute_sigma", False)
        self.covariance_ = found = covariance(here, self.cov_type, known, self.targets_.exclusive)
        self.cov_, self.cov_type_, self.dispersion_, self.dof_ = (
            found.matrix,
            found.kind,
            found.dispersion,
            found.degrees,
        )
        self.undetermined_ = [label for label, loose in zip(self.labels_, found.undetermined, strict=True) if loose]
        self.held_ = [label for label, held in zip(self.labels_, found.held, strict=True) if held]
        whole = self.function_.parameters
        stderr = np.full(whole.full.shape, np.nan)
        stderr[whole.free] = found.stderr
        self.stderr_ = whole.plain(stderr)
        likelihood = log_likelihood(here, known)
        if likelihood is not None:
            ll, count = likelihood
            self.log_likelihood_ = ll
            self.aic_, self.bic_ = 2 * count - 2 * ll, count * np.log(here.batch.Y.shape[0]) - 2 * ll
        if found.degrees <= 0:
            p = len(self.labels_)
            warnings.warn(
                f"{found.degrees + p} targets were given for {p} free parameters. Standard errors need more targets "
                "than parameters, and are NaN. Fix parameters, or add rows.",
                stacklevel=6,
            )
        elif self.undetermined_:
            warnings.warn(
                f"The data do not determine {', '.join(self.undetermined_)}: other values fit as well. Their standard "
                "errors are infinite. Fix some of them with fixed=, or write the model with fewer parameters.",
                stacklevel=6,
            )
        elif np.isnan(found.stderr[~found.held]).any():
            warnings.warn(
                "The curvature at the estimates is not finite, so that standard errors are NaN. They need derivatives "
                "of the model that are. Scale the data, or start elsewhere.",
                stacklevel=6,
            )

    def _quantile(self, level):
        """Of Student's t where the dispersion is estimated, of the normal distribution where it is known."""
        estimated = self.loss_function_.likelihood != "exact" and not getattr(self, "absolute_sigma", False)
        return stats.t.ppf(0.5 + level / 2, self.dof_) if estimated else stats.norm.ppf(0.5 + level / 2)

    def conf_interval(self, names=None, level=0.95, method="profile"):
        """Confidence intervals of parameters.

        Parameters
        ----------
        names : str or sequence of str, default=None
            Which of `labels_`; None takes all.
        level : float, default=0.95
            Probability of coverage, between 0 and 1.
        method : {"profile", "stderr"}, default="profile"
            "profile" finds where the objective, minimised over the other parameters, has risen by the level's quantile;
            it follows curved confidence regions and takes some ten fits a parameter. "stderr" is the estimate plus and
            minus the quantile times the standard error.

        Returns
        -------
        intervals : dict of str -> (float, float)
            An end is infinite, or the parameter's bound, where the objective never rises so far.

        Raises
        ------
        ValueError
            For unknown names or a level outside (0, 1), or where there are no degrees of freedom left; "profile" also
            where the loss is no density and the quantile of its rise is unknown.

        References
        ----------
        D. M. Bates and D. G. Watts, "Nonlinear regression analysis and its applications", Wiley 1988, section 6.1.
        """
        check_is_fitted(self, "theta_")
        names = self.labels_ if names is None else [names] if isinstance(names, str) else list(names)
        self._check_interval(names, level, method)
        quantile, intervals = self._quantile(level), {}
        for name in names:
            place = self.labels_.index(name)
            centre, error = float(self.theta_[place]), float(np.sqrt(self.cov_[place, place]))
            if method == "stderr":
                intervals[name] = (centre - quantile * error, centre + quantile * error)
            else:
                intervals[name] = self._profiled(place, quantile, centre, error)
        return {name: (float(low), float(high)) for name, (low, high) in intervals.items()}

    def _profiled(self, place, quantile, centre, error):
        objective = self.objective_
        here, box = objective.point(self.theta_), objective.box
        step = error if np.isfinite(error) and error > 0 else STEPS["3-point"] ** 0.5 * (abs(centre) or 1.0)
        lower, upper = (-np.inf, np.inf) if box is None else (float(box.lower[place]), float(box.upper[place]))
        profile = Profile(self._holding, here, place, resolve(self.solver), int(self.max_iter), self.dispersion_)
        ends = [
            end if centre == limit else profile.end(quantile, sign * step, limit)
            for sign, limit, end in ((-1, lower, lower), (1, upper, upper))
        ]
        if profile.least < self.loss_ - 1e-6 * abs(self.loss_):
            warnings.warn(
                f"With {self.labels_[place]} held, a lower loss ({profile.least:.8g}) than that of the fit "
                f"({self.loss_:.8g}) was found: the fit is at a local minimum, and its intervals are not valid. Fit "
                "again with n_starts above 1 or another start.",
                stacklevel=4,
            )
        return tuple(ends)

    def _holding(self, place, value):
        """The model with one free parameter held at a value."""
        function = self.function_
        found = function.parameters.starting_at(self.theta_).holding(place, value)
        held = ModelFunction(function.model, found, function.width, function.flat)
        return network(held, self.jac, self.n_features_in_)

    def _check_interval(self, names, level, method):
        unknown = [name for name in names if name not in self.labels_]
        if unknown:
            raise ValueError(
                f"names={unknown} were given to conf_interval. Allowed are {self.labels_}. Choose among them."
            )
        if not 0 < level < 1:
            raise ValueError(f"level={level!r} was given. Allowed is a number between 0 and 1. Pass for example 0.95.")
        if method not in ("profile", "stderr"):
            raise ValueError(f"method={method!r} was given. Allowed are 'profile' and 'stderr'. Pass one of them.")
        if self.dof_ <= 0:
            raise ValueError(
                f"conf_interval was asked of a fit with {self.dof_} degrees of freedom. Allowed are fits with more "
                "targets than free parameters. Fix parameters, or add rows."
            )
        if method == "profile" and self.loss_function_.likelihood == "none":
            raise ValueError(
                f"method='profile' was given for loss={self.loss!r}, which is no likelihood. Allowed is 'stderr', from "
                "the sandwich covariance. Pass method='stderr'."
            )

    @property
    def corr_(self):
        """Correlations of the free parameters (p, p)."""
        error = np.sqrt(np.diagonal(self.cov_))
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.cov_ / np.outer(error, error)

    def summary(self):
        """A report to read: how the fit ended, and a table of the parameters.

        Returns
        -------
        str
        """
        check_is_fitted(self, "theta_")
        whole = self.function_.parameters
        stderr, notes = np.full(whole.full.shape, np.nan), np.full(whole.full.shape, "fixed", dtype=object)
        stderr[whole.free] = np.sqrt(np.diagonal(self.cov_))
        notes[whole.free] = [self._note(label) for label in self.labels_]
        values = whole.starting_at(self.theta_).full
        scale = [] if self.dispersion_ == 1 else [("dispersion", f"{self.dispersion_:.6g}")]
        criteria = [("AIC, BIC", f"{self.aic_:.6g}, {self.bic_:.6g}")] if hasattr(self, "aic_") else []
        facts = [
            ("loss", f"{self.loss_function_.name}, {self.loss_:.8g} at the end"),
            (
                "solver",
                f"{resolve(self.solver).name}, {self.n_iter_} iterations, "
                + ("converged" if self.converged_ else "NOT converged"),
            ),
            ("data", f"{self.objective_.data.n} rows, {self.dof_} degrees of freedom"),
            ("std. errors", f"{self.cov_type_} covariance"),
            *scale,
            *criteria,
        ]
        estimated = self.loss_function_.likelihood != "exact" and not getattr(self, "absolute_sigma", False)
        text = report(
            f"{type(self).__name__}: {getattr(self.model, '__name__', repr(self.model))}",
            facts,
            whole.labels,
            values,
            list(notes),
            stderr,
            self.dof_ if estimated else None,
        )
        strong = strong_correlations(self.labels_, self.cov_)
        return text + ("\n\nstrong correlations\n" + "\n".join(strong) if strong else "")

    def _note(self, label):
        if label in self.held_:
            return "at its bound"
        if label in self.undetermined_:
            return "not determined by the data"
        if self.dof_ <= 0:
            return "no degrees of freedom left"
        place = self.labels_.index(label)
        return "no finite curvature" if np.isnan(self.cov_[place, place]) else ""

    def _std(self, F, J):
        """The predicted mean's standard error (n, k), from the parameters' covariance by the delta method.

        It is infinite where the mean depends on what the data do not determine, and NaN without degrees of freedom.

        Var mean_i = (dM_i / dF_i) J_i cov J_i' (dM_i / dF_i)', the link's derivative by differences of each raw output.
        """
        G = slopes(self.loss_function_, F)
        with np.errstate(invalid="ignore", over="ignore"):
            return self.covariance_.stderr_of(G @ J)
