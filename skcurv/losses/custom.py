r"""Losses of the user's own: what they leave out is found numerically.

With l(F, Y) (n,) given, e_c the unit vector of output c, and h = s max(1, |F_c|) row by row:

    gradient_c = (l(F + h e_c) - l(F - h e_c)) / 2h,                    s = eps^(1/3),
    Hessian_c  = the same difference of the gradient, symmetrised,      s = eps^(1/3), or eps^(1/4) in both differences
                                                                        where the gradient is one itself,
    S          = Q diag(sqrt(max(lambda, 0))) for Hessian = Q diag(lambda) Q': the nearest matrix S S' >= 0.

Each s balances the truncation h^2 against the rounding eps / h, or eps / h^2 (Nocedal & Wright 2006, section 8.1).
Differences are taken in float64. S is not the Hessian where that is indefinite: rows that bend down have no curvature.
"""

import numpy as np

from ..backend.namespace import finite, namespace
from .constant import best_constant

EPS = float(np.finfo(np.float64).eps)
FIRST, SECOND = EPS ** (1 / 3), EPS ** (1 / 4)  # steps, relative to max(1, |F|)
HOME = __name__.rpartition(".")[0]


def is_loss(loss):
    """Whether `adapted` can make a loss of it."""
    return not isinstance(loss, type) and (callable(loss) or hasattr(loss, "value") or hasattr(loss, "for_outputs"))


def adapted(loss):
    """The loss itself where it is one of the package's, else the user's with what it lacks."""
    home = type(loss).__module__
    return loss if home == HOME or home.startswith(f"{HOME}.") else UserLoss(loss)


class UserLoss:
    """A function or an object of the user's as a complete loss; that object is never changed.

    Parameters
    ----------
    source : callable (F, Y) -> (n,), or object with ``value(F, Y)``
        F (n, r) raw outputs, Y (n, k) targets, both always matrices. Any other part of `skcurv.losses.protocol.Loss`
        that the object has is used; its results take the dtype of F.
    derivatives : object, default=None
        With ``value``, ``grad`` and ``hessp`` that go before those of `source`.
    """

    fused = value_and_grad = None  # of a parent among the package's own losses, they know nothing of other values

    def __init__(self, source, derivatives=None):
        self.source, self.derivatives = source, derivatives
        self.name = getattr(source, "name", None) or getattr(source, "__name__", type(source).__name__)
        self.out_activation = getattr(source, "out_activation", "identity")
        self.location_scale = getattr(source, "location_scale", False)
        self.likelihood = getattr(source, "likelihood", "none")

    def __getattr__(self, name):
        """Whatever else the source has."""
        if name.startswith("_"):  # asked for by copies and pickles that have no source yet
            raise AttributeError(name)
        part = getattr(self.source, name)
        if name not in ("for_outputs", "for_targets"):
            return part
        again = type(self.derivatives).adapted if self.derivatives else adapted
        return lambda *args, **named: again(part(*args, **named))

    def own(self, part):
        """The part that the user gave, or None."""
        given = getattr(self.derivatives, part, None) or getattr(self.source, part, None)
        return self.source if given is None and part == "value" else given

    def _fitting(self, part, array, F, shape, remedy):
        """What a part returned, in the dtype of F; raise ValueError where its shape is another one."""
        array = namespace(F).asarray(array, dtype=F.dtype)
        if len(array.shape) != len(shape) or any(b not in (a, None) for a, b in zip(array.shape, shape, strict=True)):
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            raise ValueError(
                f"{part} of loss={self.name!r} returned shape {tuple(array.shape)} for raw outputs of shape "
                f"{tuple(F.shape)}. Allowed is shape ({wanted}{',' if len(shape) == 1 else ''}). {remedy}"
            )
        return array

    def raw_outputs(self, k):
        """k unless the source says otherwise."""
        given = self.own("raw_outputs")
        return k if given is None else given(k)

    def value(self, F, Y):
        """l, (n,)."""
        remedy = "Return one number a row: sum over outputs (axis=1), neither sum nor average over rows."
        return self._fitting("value", self.own("value")(F, Y), F, F.shape[:1], remedy)

    def grad(self, F, Y):
        """dl/dF, (n, r)."""
        given = self.own("grad")
        if given is not None:
            return self._like("grad", given(F, Y), F)
        return _differences(self.value, *_double(F, Y), FIRST, F.dtype)

    def _like(self, part, array, F):
        """What a part returned, in the shape and dtype of F."""
        return self._fitting(part, array, F, F.shape, "Return one number for each raw output.")

    def hessian(self, F, Y):
        """The symmetric matrix of second derivatives at each row, (n, r, r)."""
        xp, product = namespace(F), self.own("hessp")
        if product is not None:
            H = _by_columns(lambda V: self._like("hessp", product(F, Y, V), F), F)
        elif self.own("grad") is not None:
            H = _differences(self.grad, *_double(F, Y), FIRST, F.dtype)
        else:
            H = _differences(lambda F, Y: _differences(self.value, F, Y, SECOND), *_double(F, Y), SECOND, F.dtype)
        return 0.5 * (H + xp.matrix_transpose(H))

    def hessp(self, F, Y, V):
        """Hessian V, (n, r)."""
        product = self.own("hessp")
        if product is not None:
            return self._like("hessp", product(F, Y, V), F)
        return (self.hessian(F, Y) @ V[:, :, None])[:, :, 0]

    def factor(self, F, Y):
        """S, (n, r, c): the source's, a root of its `ggnp`, or one of the Hessian's positive part."""
        given, product = self.own("factor"), self.own("ggnp")
        if given is not None:
            remedy = "Return columns S for each row, S S' being the curvature."
            return self._fitting("factor", given(F, Y), F, (*F.shape, None), remedy)
        if product is not None:
            return _root(_by_columns(lambda V: self._like("ggnp", product(F, Y, V), F), F))
        return _root(self.hessian(F, Y))

    def ggnp(self, F, Y, V):
        """S S' V, (n, r)."""
        given = self.own("ggnp")
        if given is not None:
            return self._like("ggnp", given(F, Y, V), F)
        S = self.factor(F, Y)
        return (S @ (namespace(F).matrix_transpose(S) @ V[:, :, None]))[:, :, 0]

    def predict(self, F):
        """F unless the source says otherwise."""
        given = self.own("predict")
        if given is None:
            return F
        return self._fitting("predict", given(F), F, (F.shape[0], None), "Return one row of predictions for each row.")

    def start(self, Y, w):
        """The best constant output, (r,), found numerically unless the source has it."""
        given, r = self.own("start"), self.raw_outputs(Y.shape[1])
        if given is None:
            return best_constant(self, Y, w)
        return self._fitting("start", given(Y, w), Y, (r,), "Return one number for each raw output.")

    def check_targets(self, Y):
        """Any finite number is allowed unless the source says otherwise."""
        given = self.own("check_targets")
        if given is not None:
            given(Y)
        elif not finite(namespace(Y), Y):
            raise ValueError(
                f"y contains NaN or infinity. loss={self.name!r} allows any finite number. Remove or impute those rows."
            )


def _double(*arrays):
    """The arrays in float64."""
    return [namespace(array).astype(array, namespace(array).float64) for array in arrays]


def _units(F):
    """The unit vectors as rows (1, r)."""
    eye = namespace(F).eye(F.shape[1], dtype=F.dtype)
    return [eye[c : c + 1, :] for c in range(F.shape[1])]


def _by_columns(product, F):
    """The matrices (n, r, r) whose columns are products with unit vectors."""
    xp = namespace(F)
    return xp.stack([product(xp.zeros_like(F) + e) for e in _units(F)], axis=-1)


def _differences(function, F, Y, step, dtype=None):
    """Central differences of function(F, Y), (n,) or (n, r), by each raw output as last axis."""
    xp, slopes = namespace(F), []
    h = step * xp.maximum(xp.abs(F), xp.ones_like(F))
    for e in _units(F):
        upper, lower = F + h * e, F - h * e
        rise = function(upper, Y) - function(lower, Y)
        width = xp.sum(upper - lower, axis=1)  # as the rounded places lie
        slopes.append(rise / (width if len(rise.shape) == 1 else width[:, None]))
    slopes = xp.stack(slopes, axis=-1)
    return slopes if dtype is None else xp.astype(slopes, dtype)


def _root(M):
    """S with S S' the positive part of each symmetric M (n, r, r), NaN where M is not finite."""
    xp = namespace(M)
    sound = xp.all(xp.isfinite(M), axis=(1, 2), keepdims=True)
    eigenvalues, Q = xp.linalg.eigh(xp.where(sound, M, xp.zeros_like(M)))
    S = Q * xp.sqrt(xp.maximum(eigenvalues, xp.zeros_like(eigenvalues)))[:, None, :]
    return xp.where(sound, S, xp.full_like(S, xp.nan))
