"""`check_loss` passes right losses, and names what is wrong with wrong ones."""

import re
import warnings

import jax.numpy as jnp
import numpy as np
import pytest

from skcurv import losses
from skcurv.diagnostics import check_loss
from skcurv.losses.registry import CLASSIFICATION, REGRESSION


def quartic(F, Y):
    return (0.25 * (F - Y) ** 4 + 0.5 * (F - Y) ** 2).sum(axis=1)


class Quartic:
    """Every part written out, and right."""

    name = "quartic"
    likelihood = "none"

    def value(self, F, Y):
        return quartic(F, Y)

    def grad(self, F, Y):
        return (F - Y) ** 3 + (F - Y)

    def hessp(self, F, Y, V):
        return (3 * (F - Y) ** 2 + 1) * V

    def ggnp(self, F, Y, V):
        return (3 * (F - Y) ** 2 + 1) * V

    def factor(self, F, Y):
        return np.sqrt(3 * (F - Y) ** 2 + 1)[:, :, None] * np.eye(F.shape[1], dtype=F.dtype)

    def predict(self, F):
        return F

    def start(self, Y, w):
        low, high = Y.min(axis=0), Y.max(axis=0)
        for _ in range(60):
            middle = 0.5 * (low + high)
            rises = w @ self.grad(middle[None, :], Y) > 0
            low, high = np.where(rises, low, middle), np.where(rises, middle, high)
        return middle

    def check_targets(self, Y):
        if not np.isfinite(Y).all():
            raise ValueError("y is not finite.")


@pytest.mark.parametrize("name", [*CLASSIFICATION, *REGRESSION])
def test_every_named_loss_passes(name):
    report = check_loss(name)
    assert report.ok, str(report)
    assert re.fullmatch(r"loss '\w+': nothing is wrong at k = (1, )?2, 5\.", str(report))
    assert report.name == name


@pytest.mark.parametrize(
    "loss",
    [
        Quartic(),
        quartic,
        losses.LogLoss(0.1),
        losses.Focal(0.5),
        losses.BernoulliFocal(),
        losses.from_jax(lambda F, Y: jnp.sum(jnp.where(jnp.abs(F) < 100, (F - Y) ** 2, 1e4), axis=1)),
    ],
    ids=["object", "function", "smoothed", "focal", "one form", "jax"],
)
def test_right_losses_pass(loss):
    report = check_loss(loss)
    assert report.ok, str(report)


def test_an_ordinal_loss_is_checked_where_it_has_targets():
    assert check_loss("ordinal").outputs == (2, 5)
    assert check_loss("ordinal", outputs=(1,)).outputs == ()
    assert "Pass targets=" in check_loss("ordinal", outputs=(1,)).findings[0]


def _wrong(**parts):
    return type("Wrong", (Quartic,), parts)()


def _plus(part, size):
    """A part of Quartic with one wrong entry, at row 2 and output 0 of two."""
    right = getattr(Quartic(), part)

    def wrong(self, F, *rest):
        return right(F, *rest) + size * (np.arange(F.size).reshape(F.shape) == 4).astype(F.dtype)

    return {part: wrong}


def _in_place(self, F, Y):
    F -= Y
    return quartic(F, 0 * F)


def _whole(self, Y):
    if not (np.isfinite(Y).all() and (np.round(Y) == Y).all()):
        raise ValueError("y is not whole.")


WRONG = {
    "gradient": (_plus("grad", 1e-3), r"k = 2: grad at row 2, output 0: [-\d.]+ was given, the difference of value is"),
    "gradient that is no number": (_plus("grad", np.nan), r"grad is not finite at outputs of moderate size"),
    "Hessian": (_plus("hessp", 1e-3), r"hessp at row 2, output 0: .* the difference of grad is"),
    "curvature": (_plus("ggnp", 1e-3), r"ggnp at row 2, output 0: .* factor: S S' V is"),
    "factor": (
        {"factor": lambda self, F, Y: 1.01 * Quartic().factor(F, Y)},
        r"ggnp at row \d, output \d: .* factor: S S' V is",
    ),
    "a curvature that is not diagonal": (
        {
            "diagonal": True,
            "factor": lambda self, F, Y: np.stack([F / F, F * F], axis=2),
            "ggnp": lambda self, F, Y, V: V.sum(axis=1, keepdims=True) + F * F * (F * F * V).sum(axis=1, keepdims=True),
        },
        r"k = 2: diagonal is True, but ggnp has an entry of [\d.]+ off the diagonal; leave `diagonal` out\.",
    ),
    "negative curvature": (
        {"ggnp": lambda self, F, Y, V: -V},
        r"ggnp at row \d has the eigenvalue -1; expected is at least 0",
    ),
    "skew curvature": (
        {"ggnp": lambda self, F, Y, V: V + np.cumsum(V, axis=1)},
        r"ggnp is not symmetric: entries of its matrix differ by 1;",
    ),
    "start": (
        {"start": lambda self, Y, w: Y.mean(axis=0) + 0.5},
        r"start gave .* with mean loss .* has .* gradient of 0",
    ),
    "start without weights": (
        {"start": lambda self, Y, w: Quartic().start(Y, 1 + 0 * w)},
        r"start gave .* gradient of 0",
    ),
    "start that is no number": (
        {"start": lambda self, Y, w: Quartic().start(Y, w) / (len(np.unique(Y, axis=0)) > 1)},
        r"start is not finite where all targets are equal",
    ),
    "no check of targets": ({"check_targets": lambda self, Y: None}, r"check_targets accepted a target of nan"),
    "infinite targets": (
        {"check_targets": lambda self, Y: Quartic().check_targets(np.where(np.isinf(Y), 0, Y))},
        r"check_targets accepted a target of inf",
    ),
    "large outputs": (
        {"value": lambda self, F, Y: quartic(F, Y) + 0 * np.exp(0.01 * F).sum(axis=1)},
        r"At outputs of 10000 in float32: value gave nan",
    ),
    "warnings": (
        {"value": lambda self, F, Y: [warnings.warn("odd", stacklevel=1), quartic(F, Y)][1]},
        r"value warned: odd",
    ),
    "shape": (
        {"grad": lambda self, F, Y: Quartic().grad(F, Y)[:, 0]},
        r"grad raised ValueError: .* returned shape \(4,\)",
    ),
    "mean over rows": ({"value": lambda self, F, Y: quartic(F, Y) / len(F)}, r"value of row 0 is .* must not depend"),
    "changed arguments": ({"value": _in_place}, r"value changes its arguments in place"),
    "error": ({"hessp": lambda self, F, Y: F}, r"hessp raised TypeError"),
    "likelihood": ({"likelihood": "normal"}, r"likelihood is 'normal'; allowed are"),
    "no normaliser": ({"likelihood": "exact"}, r"likelihood is 'exact', but log_normaliser is missing"),
    "shape of the normaliser": (
        {"likelihood": "exact", "log_normaliser": lambda self, Y: Y},
        r"log_normaliser returned shape \(4, 1\); expected is \(4,\)",
    ),
    "no variance": ({"likelihood": "dispersion"}, r"variance is missing"),
    "no targets": ({"check_targets": _whole, "value": lambda self, F, Y: np.nan * F[:, 0]}, r"Pass targets="),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_named(wrong):
    parts, words = WRONG[wrong]
    report = check_loss(_wrong(**parts), outputs=(2,) if "row 2" in words else (1, 2))
    assert not report.ok
    assert any(re.search(words, finding) for finding in report.findings), str(report)
    assert str(report).startswith(f"loss 'quartic': {len(report.findings)} finding")
    assert str(report).count("\n- ") == len(report.findings)


@pytest.mark.parametrize("wrong", ["gradient", "Hessian", "start", "factor", "likelihood"])
def test_nothing_else_is_named(wrong):
    assert len(check_loss(_wrong(**WRONG[wrong][0]), outputs=(2,)).findings) == 1


def test_targets_at_which_the_value_is_no_number_must_be_refused():
    class Logs(Quartic):
        def value(self, F, Y):
            return quartic(F, Y) + 0 * np.log(Y).sum(axis=1)

        def predict(self, F):
            return np.exp(np.clip(F, -5, 5))

        def check_targets(self, Y):
            if not (np.isfinite(Y).all() and (allowed < Y).all()):
                raise ValueError("y is not positive.")

    allowed = 0
    assert check_loss(Logs()).ok
    allowed = -5
    assert "accepted a target of -1.0, where value is nan" in str(check_loss(Logs()))


@pytest.mark.parametrize(("scale", "shift", "what"), [(1.1, 0, "second moment"), (1, 0.2, "mean")])
def test_draws_of_another_model_are_found(scale, shift, what):
    class WrongError(losses.SquaredError):
        def sample(self, F, m, rng):
            return scale * super().sample(F, m, rng) + shift

    assert re.search(rf"The {what} of sample at row \d is", str(check_loss(WrongError())))


def test_another_dtype_is_found_in_a_loss_of_the_package():
    """The results of users' losses are converted, and float64 is nothing wrong there."""
    parts = {"grad": lambda self, F, Y: (F - Y).astype(float)}
    for module, found in (("skcurv.losses.new", 1), ("mine", 0)):
        loss = type("WrongError", (losses.SquaredError,), {**parts, "__module__": module})()
        report = check_loss(loss)
        assert len(report.findings) == found
        assert found == str(report).count("grad returned float64 for float32 outputs and targets; expected is float32.")


def test_a_loss_without_curvature_is_found():
    assert "The curvature is 0 at every row" in str(check_loss(lambda F, Y: np.abs(F - Y).sum(axis=1)))


def test_a_value_of_the_wrong_shape_is_told_once():
    report = check_loss(lambda F, Y: np.mean((F - Y) ** 2))
    assert len(report.findings) == 1
    assert "Return one number a row" in report.findings[0]


def test_targets_can_be_given():
    drawn = []

    def targets(rng, n, k):
        drawn.append(k)
        return rng.normal(size=(n, k))

    assert check_loss(losses.SquaredError(), (1, 3), targets=targets).ok
    assert drawn == [1, 3]
