"""Is a loss what the solvers take it for? Every check at several output counts, and what is wrong in words."""

import warnings
from dataclasses import dataclass

import numpy as np

from ..losses.registry import CLASSIFICATION, REGRESSION, concrete, resolve
from .loss_checks import CHECKS, Case, attempt, dtypes, parts

MANY = 10  # times the rows, for the best constant output


@dataclass(frozen=True)
class LossReport:
    """What `check_loss` finds; ``print`` lists it.

    Attributes
    ----------
    name : str
        The loss's name.
    outputs : tuple of int
        The numbers of targets it was checked at.
    findings : tuple of str
        A sentence for each thing that is wrong: what, where, what was given, what is expected.
    """

    name: str
    outputs: tuple
    findings: tuple

    @property
    def ok(self):
        """Whether nothing was found."""
        return not self.findings

    def __str__(self):
        counts = ", ".join(map(str, self.outputs)) or "none"
        if self.ok:
            return f"loss {self.name!r}: nothing is wrong at k = {counts}."
        count = f"{len(self.findings)} finding{'s' if len(self.findings) > 1 else ''}"
        return "\n- ".join([f"loss {self.name!r}: {count} at k = {counts}.", *self.findings])


def check_loss(loss, outputs=(1, 2, 5), n=4, targets=None, rng=0):
    """Check everything that solvers and estimators expect of a loss.

    Shapes and dtypes; gradient and Hessian products against differences; the curvature S S' against `ggnp`, and that it
    is positive semi-definite; the start against the best constant output; targets that must be refused; large outputs;
    drawn gradients. What a loss leaves out is found numerically where it is used, and only checked to run.

    Parameters
    ----------
    loss : str, loss object or callable (F, Y) -> (n,)
        What an estimator takes as `loss`. Losses of labels are checked in both of their forms.
    outputs : sequence of int, default=(1, 2, 5)
        Numbers k of targets; those for which no targets are found in the domain are left out.
    n : int, default=4
        Rows, at least 2.
    targets : callable (generator, n, k) -> Y (n, k), default=None
        Targets in the loss's domain. By default the first that `check_targets` accepts, with a finite value: means that
        the loss predicts, normal, positive, whole or uniform numbers, or one-hot rows.
    rng : int, Generator or None, default=0
        Determines outputs, targets and directions.

    Returns
    -------
    LossReport
        ``ok``, and ``findings`` in words.

    Examples
    --------
    >>> import numpy as np
    >>> from skcurv.diagnostics import check_loss
    >>> print(check_loss("squared_error"))
    loss 'squared_error': nothing is wrong at k = 1, 2, 5.
    >>> print(check_loss(lambda F, Y: np.mean((F - Y) ** 2), outputs=(1,)).findings[0][:49])
    k = 1: value raised ValueError: value of loss='<l
    """
    loss, rng = resolve(loss, CLASSIFICATION | REGRESSION), np.random.default_rng(rng)
    forms = [concrete(loss, exclusive) for exclusive in (False, True)] if hasattr(loss, "for_outputs") else [loss]
    findings, checked = {}, set()
    for form in forms:
        prefix = f"{type(form).__name__}, " if len(forms) > 1 else ""
        for k in outputs:
            case = _case(form, rng, n, k, targets)
            if case is None:
                continue
            checked.add(k)
            for key, sentence in _run(case):
                findings.setdefault((prefix, key), f"{prefix}k = {k}: {sentence}")
    if not checked:
        findings[None] = (
            "No targets were found that check_targets accepts and at which value is finite. Pass targets=, a function "
            "of (generator, n, k)."
        )
    return LossReport(loss.name, tuple(k for k in outputs if k in checked), tuple(findings.values()))


def _run(case):
    """(check and part, sentence) of every finding; parts that do not run are told alone."""
    broken = [((parts, *sentence.split()[:2]), sentence) for sentence in parts(case)]
    yield from broken
    yield from (((dtypes, sentence.split()[0]), sentence) for sentence in dtypes(case))
    if broken:
        return
    for check in CHECKS:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # `parts` and `extremes` tell them
                sentences = list(check(case))
        except Exception as error:  # as in `attempt`
            sentences = [f"The check of {check.__name__} stopped at {type(error).__name__}: {error}"]
        yield from (((check, place), sentence) for place, sentence in enumerate(sentences))


def _case(loss, rng, n, k, targets):
    """The loss at random outputs and targets in its domain, or None where there are no such targets."""
    raw = getattr(loss, "raw_outputs", None)
    r = k if raw is None else raw(k)
    if r < 1:
        return None
    F, V = rng.normal(size=(2, n, r))
    for Y in _candidates(loss, rng, MANY * n, k, r, targets):
        if _fits(loss, F, Y):
            return Case(loss, F, Y[:n], V, Y)
    return None


def _fits(loss, F, Y):
    """Whether targets are accepted and give a finite value, or an error that is reported later."""
    try:
        loss.check_targets(Y)
    except ValueError:
        return False
    value, _ = attempt("value", loss.value, F, Y[: len(F)])
    return value is None or bool(np.isfinite(value).all())


def _candidates(loss, rng, n, k, r, targets):
    """Targets to try, the likeliest first."""
    if targets is not None:
        yield targets(rng, n, k)
        return
    means, _ = attempt("predict", loss.predict, rng.normal(size=(n, r)))
    if means is not None and means.shape == (n, k):
        yield means
    yield rng.normal(size=(n, k))
    yield np.exp(rng.normal(size=(n, k)))
    yield rng.poisson(1.5, size=(n, k)).astype(float)
    yield rng.random((n, k))
    yield np.eye(k)[rng.integers(0, k, n)]
