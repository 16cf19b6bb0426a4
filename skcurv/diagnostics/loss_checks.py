"""The checks of a loss, each a generator of sentences about what is wrong.

`derivatives` compares with central differences (`gradcheck`); `curvature` asks S S' V = ggnp, symmetric and at least 0;
`start` asks that no constant output has a lower mean loss; `samples` that gradients at drawn targets have mean 0 and,
where S S' does not depend on targets, second moment S S', to DEVIATIONS standard errors. The others need no tolerance.
"""

import warnings
from typing import Any, NamedTuple

import numpy as np
import scipy.optimize

from ..losses.custom import UserLoss
from .gradcheck import compare, gradcheck, signs

LIKELIHOODS = {"exact": "log_normaliser", "dispersion": "variance", "none": None}
EXTREMES = (30.0, 1e4)
PROBES = (-1.0, 0.5, 2.0)  # targets that some losses must refuse
DRAWS, DEVIATIONS = 4000, 6
SLACK = 1e-5  # of the mean loss, by which `start` may miss the least


class Case(NamedTuple):
    """A loss at raw outputs F (n, r), targets Y (n, k), a tangent V (n, r), and more rows of targets `many`."""

    loss: Any
    F: Any
    Y: Any
    V: Any
    many: Any

    def own(self, part):
        """What the author wrote: a part, or None."""
        return self.loss.own(part) if isinstance(self.loss, UserLoss) else getattr(self.loss, part, None)

    def calls(self, F, Y, V):
        """Each part that the solvers use: arguments, and the shape of what it returns."""
        n, r = F.shape
        return {
            "value": ((F, Y), (n,)),
            "grad": ((F, Y), (n, r)),
            "hessp": ((F, Y, V), (n, r)),
            "ggnp": ((F, Y, V), (n, r)),
            "factor": ((F, Y), (n, r, None)),
            "predict": ((F,), (n, None)),
        }


def attempt(part, function, *args):
    """What a call returns as an array, or None, and a list of sentences about errors and warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result, problems = np.asarray(function(*args)), []
        except Exception as error:  # anyone's code may raise anything: it is reported
            return None, [f"{part} raised {type(error).__name__}: {error}"]
    told = dict.fromkeys(f"{part} warned: {warning.message}." for warning in caught)
    return result, [*problems, *told]


def parts(case):
    """Every part runs, has its shape and the dtype of F, and leaves its arguments as they are."""
    start = {"start": ((case.Y, np.ones(len(case.Y))), (case.F.shape[1],))}
    for part, (args, shape) in (case.calls(case.F, case.Y, case.V) | start).items():
        before = [array.copy() for array in args]
        result, problems = attempt(part, getattr(case.loss, part), *args)
        yield from problems
        if result is None and part == "value":
            return  # nothing else can be right
        if result is None:
            continue
        if len(result.shape) != len(shape) or any(b not in (a, None) for a, b in zip(result.shape, shape, strict=True)):
            wanted = str(shape).replace("None", "any")
            yield f"{part} returned shape {result.shape} for F of shape {case.F.shape}; expected is {wanted}."
        elif not np.isfinite(result).all():
            yield f"{part} is not finite at outputs of moderate size: {result[~np.isfinite(result)][0]} was given."
        if any(not np.array_equal(a, b) for a, b in zip(args, before, strict=True)):
            yield f"{part} changes its arguments in place; expected is a new array."


def dtypes(case):
    """float32 in, float32 out; the losses of users are seen to (`losses/custom.py`)."""
    F, Y, V = (array.astype(np.float32) for array in (case.F, case.Y, case.V))
    for part, (args, _) in case.calls(F, Y, V).items():
        result, _ = attempt(part, getattr(case.loss, part), *args)
        if result is not None and result.dtype != np.float32:
            yield f"{part} returned {result.dtype} for float32 outputs and targets; expected is float32."


def attributes(case):
    """`likelihood` is a known one, and what belongs to it is there."""
    likelihood = getattr(case.loss, "likelihood", None)
    if likelihood not in LIKELIHOODS:
        yield f"likelihood is {likelihood!r}; allowed are {', '.join(map(repr, LIKELIHOODS))}."
        return
    part = LIKELIHOODS[likelihood]
    if part is None:
        return
    if not hasattr(case.loss, part):
        yield f"likelihood is {likelihood!r}, but {part} is missing."
        return
    arg, shape = (case.Y, case.Y.shape[:1]) if part == "log_normaliser" else (case.loss.predict(case.F), case.Y.shape)
    result, problems = attempt(part, getattr(case.loss, part), arg)
    yield from problems
    if result is not None and result.shape != shape:
        yield f"{part} returned shape {result.shape}; expected is {shape}."


def rows(case):
    """The loss of a row does not depend on other rows."""
    whole, alone = case.loss.value(case.F, case.Y)[0], case.loss.value(case.F[:1], case.Y[:1])[0]
    if not abs(whole - alone) <= 1e-10 * max(1.0, abs(whole)):
        yield f"value of row 0 is {alone:.9g} alone and {whole:.9g} among others; a row must not depend on others."


def derivatives(case):
    """`grad` and `hessp` agree with differences."""
    loss, Y = case.loss, case.Y
    check = gradcheck(lambda F: loss.value(F, Y).sum(), lambda F: loss.grad(F, Y), case.F)
    if case.own("grad") is not None and not check.ok:
        yield _told(check, "value")
        return  # products would be compared with differences of a wrong gradient
    if case.own("hessp") is None:
        return
    for V in signs(0, case.F.shape):
        check = _along(loss, case.F, Y, V)
        if not check.ok:
            yield _told(check, "grad")
            return


def curvature(case):
    """ggnp is S S' V, symmetric and at least 0, and there is some."""
    loss, F, Y = case.loss, case.F, case.Y
    S = loss.factor(F, Y)
    for V in signs(0, F.shape):
        product = (S @ (np.swapaxes(S, 1, 2) @ V[:, :, None]))[:, :, 0]
        check = compare("ggnp", loss.ggnp(F, Y, V), lambda h, exact=product: exact, 0.0)
        if not check.ok:
            yield _told(check, "factor: S S' V", difference=False)
            break
    M = np.stack([loss.ggnp(F, Y, np.tile(e, (len(F), 1))) for e in np.eye(F.shape[1])], axis=2)
    scale, skew = max(np.abs(M).max(), np.finfo(float).tiny), np.abs(M - np.swapaxes(M, 1, 2)).max()
    least = np.linalg.eigvalsh(M).min(axis=1)
    if skew > 1e-8 * scale:
        yield f"ggnp is not symmetric: entries of its matrix differ by {skew:.3g}; expected is 0."
    elif least.min() < -1e-8 * scale:
        yield f"ggnp at row {least.argmin()} has the eigenvalue {least.min():.3g}; expected is at least 0."
    apart = np.abs(M * (1 - np.eye(F.shape[1]))).max()
    if getattr(loss, "diagonal", False) and apart > 1e-8 * scale:
        yield f"diagonal is True, but ggnp has an entry of {apart:.3g} off the diagonal; leave `diagonal` out."
    if not M.any() and np.any(loss.grad(F, Y)):
        yield (
            "The curvature is 0 at every row where the gradient is not: solvers that use it only have their damping. "
            "Give `factor`, for example that of a quadratic upper bound."
        )


def start(case):
    """No constant output is better than `start`, which is finite also where all targets are equal."""
    if case.own("start") is None:
        return
    loss, Y = case.loss, case.many
    w = np.random.default_rng(0).uniform(0.5, 2.0, len(Y))
    w /= w.sum()
    first = np.asarray(loss.start(Y, w * len(Y)), dtype=np.float64)

    def mean(f):
        F = np.tile(f, (len(Y), 1))
        value, grad = w @ loss.value(F, Y), w @ loss.grad(F, Y)
        return (value, grad) if np.isfinite(value) and np.isfinite(grad).all() else (np.inf, np.zeros_like(f))

    (value, grad), best = mean(first), scipy.optimize.minimize(mean, first, jac=True, method="BFGS")
    if not value - best.fun <= SLACK * max(abs(best.fun), w @ np.abs(loss.value(np.tile(first, (len(Y), 1)), Y))):
        yield (
            f"start gave {_short(first)} with mean loss {value:.6g} and gradient {_short(grad)}; {_short(best.x)} has "
            f"{best.fun:.6g}, and expected is a gradient of 0."
        )
    equal = np.tile(Y[:1], (8, 1))
    if not np.isfinite(loss.start(equal, np.ones(8))).all():
        yield "start is not finite where all targets are equal; keep it away from infinity."


def domain(case):
    """NaN and infinity are refused, and so is every target at which the loss is no number."""
    loss = case.loss
    for bad in (np.nan, np.inf):
        if _accepts(loss, _with(case.Y, bad)):
            yield f"check_targets accepted a target of {bad}; expected is a ValueError."
    if not _accepts(loss, case.Y.astype(np.float32)):
        yield "check_targets refused in float32 what it accepted in float64."
    for probe in PROBES:
        Y = _with(case.Y, probe)
        if _accepts(loss, Y):
            with np.errstate(all="ignore"):
                value = loss.value(case.F, Y)[0]
            if not np.isfinite(value):
                yield f"check_targets accepted a target of {probe}, where value is {value}; expected is a ValueError."


def extremes(case):
    """Large outputs give finite numbers without warnings, in float32."""
    F, Y, V = (array.astype(np.float32) for array in (case.F, case.Y, np.ones_like(case.F)))
    row, output = np.arange(len(F))[:, None], np.arange(F.shape[1])
    pattern = np.where((row + row // 2 * output) % 2, -1, 1)  # all of one sign, then alternating
    found = set()
    for size in EXTREMES:
        wide = (size * pattern).astype(np.float32)
        for part, (args, _) in case.calls(wide, Y, V).items():
            if case.own(part) is None:
                continue  # differences of `value`, which is told itself
            result, problems = attempt(part, getattr(case.loss, part), *args)
            if result is not None and not np.isfinite(result).all():
                problems = [f"{part} gave {result[~np.isfinite(result)][0]}; expected are finite numbers.", *problems]
            if problems and part not in found:
                found.add(part)
                yield f"At outputs of {size:g} in float32: {problems[0]}"


def samples(case):
    """Gradients at drawn targets have mean 0, and S S' as second moment where that does not depend on targets."""
    loss, F = case.loss, case.F[:2]
    if not hasattr(loss, "sample") or loss.likelihood == "none":
        return
    s = np.asarray(loss.sample(F, DRAWS, np.random.default_rng(0)))
    if s.shape != (*F.shape, DRAWS):
        yield f"sample returned shape {s.shape}; expected is {(*F.shape, DRAWS)}."
        return
    one, other = (S @ np.swapaxes(S, 1, 2) for S in (loss.factor(F, Y[:2]) for Y in (case.Y, case.Y[::-1])))
    moments = [("mean", s, np.zeros(F.shape))]
    if np.allclose(one, other, rtol=1e-10, atol=1e-12):
        moments.append(("second moment", s[:, :, None, :] * s[:, None, :, :], one))
    for what, drawn, exact in moments:
        error = np.abs(drawn.mean(axis=-1) - exact)
        allowed = DEVIATIONS * drawn.std(axis=-1) / DRAWS**0.5 + 1e-8 * max(1.0, np.abs(exact).max())
        if not (error <= allowed).all():
            place = np.unravel_index(np.argmax(error / allowed), error.shape)
            given, expected = drawn.mean(axis=-1)[place], exact[place]
            of = "" if what == "mean" else ", that of factor"
            yield f"The {what} of sample at row {place[0]} is {given:.4g}; expected is {expected:.4g}{of}."


CHECKS = (attributes, rows, derivatives, curvature, start, domain, extremes, samples)


def _along(loss, F, Y, V):
    """`hessp` against the difference of `grad` along V."""

    def difference(h):
        return (loss.grad(F + h * V, Y) - loss.grad(F - h * V, Y)) / (2 * h)

    return compare("hessp", loss.hessp(F, Y, V), difference, float(np.abs(loss.grad(F, Y)).max()))


def _told(check, by, difference=True):
    """A comparison as a sentence."""
    row, output = check.where
    part = {"gradient": "grad"}.get(check.what, check.what)
    if not check.clear:
        return f"{part} at row {row}, output {output} cannot be told: {by} has a kink there, or too few digits."
    expected = f"the difference of {by} is" if difference else f"{by} is"
    return f"{part} at row {row}, output {output}: {check.given:.9g} was given, {expected} {check.difference:.9g}."


def _short(x):
    return np.array2string(np.asarray(x), precision=4, separator=", ")


def _with(Y, value):
    """Y with another first target."""
    Y = Y.copy()
    Y[0, 0] = value
    return Y


def _accepts(loss, Y):
    """Whether `check_targets` lets Y pass."""
    try:
        loss.check_targets(Y)
    except ValueError:
        return False
    return True
