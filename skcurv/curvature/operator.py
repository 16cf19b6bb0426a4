r"""The curvature of a fitted estimator as a linear operator: what x how, at its parameters and on any rows.

With J_i (k, p) the Jacobian of the raw outputs at row i, w_i = v_i / sum_j v_j the share of its weight, and M_i (k, k)
the curvature of its loss in output space,

    C = sum_i w_i J_i' M_i J_i          (+ sum_i w_i sum_c (dl_i / dF_c) d2 F_ic  for the Hessian)

is the curvature of the weighted mean of the losses (Martens 2020, sections 8 and 9):

* ggn:               M_i = S_i S_i', the loss Hessian or its positive surrogate
* fisher:            M_i = sum_m s_im s_im' / m over m gradients at targets drawn from the model
* empirical-fisher:  M_i = s_i s_i', s_i the gradient at the true target (Kunstner, Balles & Hennig 2019)
* hessian:           M_i = the loss Hessian; may be indefinite

The penalty l2 / 2 |weights|^2 is no part of C: its diagonal is `penalty`.
"""

from numbers import Integral

import numpy as np
from scipy.sparse.linalg import LinearOperator
from sklearn.utils import check_random_state

from ..objective import Objective
from .assemble import HOWS, columns_of, form_of, point, product_of
from .products import ggn_product, hessian_product

WHATS = ("ggn", "fisher", "empirical-fisher", "hessian")


def curvature(estimator, X, y, what="ggn", how="kron", *, sample_weight=None, n_draws=1, random_state=None):
    r"""The curvature of a fitted estimator's mean loss, as an operator on its parameters.

    With :math:`J_i` the Jacobian of the raw outputs at row :math:`i`, and :math:`w_i` the weights' shares of their sum,

    .. math:: C = \sum_i w_i J_i' M_i J_i,

    taken at `theta_`, in float64, in the units in which the estimator was trained (scaled targets). The penalty is not
    in it.

    Parameters
    ----------
    estimator : fitted CurvatureMLPClassifier or CurvatureMLPRegressor
        It is not changed.
    X : {array-like, CSR matrix or array, data frame} of shape (n_samples, n_features)
        Rows, those of the fit or others.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Their targets.
    what : {"ggn", "fisher", "empirical-fisher", "hessian"}, default="ggn"
        :math:`M_i`: "ggn", the Hessian of the loss in the outputs; "fisher", an unbiased estimate of the Fisher matrix
        from `n_draws` targets drawn from the model; "empirical-fisher", the product of the loss gradient with itself;
        "hessian", the exact Hessian, second derivatives of the outputs included, possibly indefinite.
    how : {"dense", "diag", "layer", "unit", "kron", "ekfac", "tridiagonal", "gram", "matrix-free"}, default="kron"
        How it is held. With p parameters, n rows, c columns (outputs; draws for "fisher"; 1 for "empirical-fisher")
        and layers of i inputs and o outputs: "dense", all p x p numbers; "diag", its diagonal; "layer" and "unit", the
        diagonal blocks of layers and of single units; "kron", a Kronecker product a layer, (i + 1)^2 + o^2 numbers;
        "ekfac", the same with corrected eigenvalues; "tridiagonal", with the blocks between neighbouring layers, whose
        products are NaN where a factor is singular; "gram", the n c rows of length p, all held; "matrix-free",
        products alone, which is all that "hessian" has.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights; the estimator's class weights come on top, as in its `fit`.
    n_draws : int, default=1
        Draws for each row, at least 1; for "fisher" alone.
    random_state : int, RandomState instance or None, default=None
        Determines the draws. They are the same for every `how`.

    Returns
    -------
    C : Curvature

    Raises
    ------
    ValueError
        For an argument outside its domain, or "hessian" in a form that needs columns.

    References
    ----------
    J. Martens, "New insights and perspectives on the natural gradient method", Journal of Machine Learning Research 21
    (2020); F. Kunstner, L. Balles and P. Hennig, "Limitations of the empirical Fisher approximation for natural
    gradient descent", NeurIPS 2019; N. N. Schraudolph, "Fast curvature matrix-vector products for second-order
    gradient descent", Neural Computation 14 (2002).

    Examples
    --------
    >>> from scipy.sparse.linalg import eigsh
    >>> from sklearn.datasets import load_iris
    >>> from skcurv import CurvatureMLPClassifier
    >>> from skcurv.curvature import curvature
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = CurvatureMLPClassifier((4,), "tanh", max_iter=20, tol=0, random_state=0).fit(X, y)
    >>> C = curvature(clf, X, y, what="ggn", how="dense")
    >>> C.shape
    (35, 35)
    >>> bool(eigsh(C, 1, return_eigenvectors=False)[0] <= C.diag().sum())
    True
    """
    _check_choices(what, how, n_draws)
    here = point(estimator, X, y, sample_weight)
    if how not in ("dense", "diag", "gram", "matrix-free") and not here.objective.network.layout.shapes:
        raise ValueError(
            f"how={how!r} was given for a model without layers. Allowed are 'dense', 'diag', 'gram' and 'matrix-free'. "
            "Set how='dense'."
        )
    penalty = here.objective.shift(here.theta)
    here = Objective(here.objective.network, here.objective.loss, here.objective.data, 0.0).point(here.theta)
    if what == "hessian":
        return Curvature(what, how, None, lambda u: hessian_product(here, u), penalty)
    if how == "matrix-free" and what == "ggn":
        return Curvature(what, how, None, lambda u: ggn_product(here, u), penalty)
    seed = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))

    def pass_over():
        return columns_of(what, int(n_draws), seed)

    if how == "matrix-free":
        return Curvature(what, how, None, product_of(here, pass_over()(here)), penalty)
    form = form_of(how, here, pass_over, max(here.k, int(n_draws)))
    return Curvature(what, how, form, form.mv, penalty)


class Curvature(LinearOperator):
    """A symmetric matrix C (p, p) in float64 that SciPy's iterative methods take; `curvature` makes it.

    All forms have products: ``C @ v``, ``C.mv(v)``. All but "matrix-free" have `solve`, `sqrt_solve`, `logdet` and
    `diag`; where a form lacks one, the call raises TypeError. Where C + diag(shift) is not positive definite the
    answer is NaN.

    Parameters
    ----------
    what, how : str
        Which curvature, and how it is held.
    form : Factored or None
        The structure.
    product : callable (p,) -> (p,)
    penalty : ndarray (p,)

    Attributes
    ----------
    what, how, form
        As above.
    penalty : ndarray (p,)
        The Hessian's diagonal of the penalty, l2 at weights and 0 at biases, which C leaves out; with total weight W of
        the rows, l2 = alpha / W.

    Examples
    --------
    >>> import numpy as np
    >>> from skcurv.curvature import Curvature
    >>> from skcurv.linalg import Diagonal
    >>> form = Diagonal(np.array([1.0, 3.0]))
    >>> C = Curvature("ggn", "diag", form, form.mv, penalty=np.array([0.5, 0.0]))
    >>> C @ np.ones(2), C.solve(np.ones(2), shift=1.0)
    (array([1., 3.]), array([0.5 , 0.25]))
    """

    def __init__(self, what, how, form, product, penalty):
        super().__init__(np.dtype(np.float64), (penalty.shape[0],) * 2)
        self.what, self.how, self.form, self.penalty = what, how, form, penalty
        self._product = product

    def __repr__(self):
        return f"Curvature(what={self.what!r}, how={self.how!r}, shape={self.shape})"

    def _matvec(self, v):
        return self._product(np.asarray(v, dtype=np.float64).reshape(-1))

    def _matmat(self, V):
        if self.how in ("dense", "gram"):
            return self._product(np.asarray(V, dtype=np.float64))
        return np.stack([self._matvec(v) for v in V.T], axis=1) if V.shape[1] else np.zeros(V.shape)

    def _adjoint(self):
        return self

    _transpose = _adjoint

    def mv(self, v):
        """C v.

        Parameters
        ----------
        v : array-like (p,)

        Returns
        -------
        ndarray (p,)
        """
        return self.matvec(np.asarray(v, dtype=np.float64))

    def solve(self, b, shift=0.0):
        """(C + diag(shift))^-1 b.

        Parameters
        ----------
        b : array-like (p,)
        shift : float or array-like (p,), default=0.0
            "gram" needs every entry above 0; "tridiagonal" takes a scalar, "kron" and "ekfac" one number a layer too.
            "tridiagonal" splits the scalar between its factors, which is not exactly C + shift I.

        Returns
        -------
        ndarray (p,)
        """
        return self._call("solve", shift, np.asarray(b, dtype=np.float64))

    def sqrt_solve(self, z, shift=0.0):
        """B z with B B' = (C + diag(shift))^-1: a draw with that covariance when z is standard normal.

        Parameters
        ----------
        z : array-like (p,)
        shift : float or array-like (p,), default=0.0
            As for `solve`.

        Returns
        -------
        ndarray (p,)
        """
        return self._call("sqrt_solve", shift, np.asarray(z, dtype=np.float64))

    def logdet(self, shift=0.0):
        """log det(C + diag(shift)).

        Parameters
        ----------
        shift : float or array-like (p,), default=0.0
            As for `solve`.

        Returns
        -------
        float
        """
        return self._call("logdet", shift)

    def diag(self):
        """The diagonal of C.

        Returns
        -------
        ndarray (p,)
        """
        return self._method("diag")()

    def _method(self, name):
        method = getattr(self.form, name, None)
        if method is None:
            raise TypeError(
                f"{name} was asked of a curvature held as how={self.how!r}. Allowed are the methods of that form, "
                f"which has no {name}. Make it with how='dense', 'gram' or 'kron', or use products: "
                "scipy.sparse.linalg.cg solves, skcurv.diagnostics estimates traces and spectra."
            )
        return method

    def _call(self, name, shift, *vector):
        method = self._method(name)
        shift = np.asarray(shift, dtype=np.float64)
        length = self._shift_length()
        if shift.ndim and shift.shape != (length,):
            vector = f" or shape ({length},)" if length else ""
            raise ValueError(
                f"A shift of shape {shift.shape} was given to a curvature held as how={self.how!r}. Allowed is a "
                f"scalar{vector}. Pass a scalar such as C.penalty.max(), or use how='dense', 'diag' or 'unit' for one "
                "number a parameter."
            )
        with np.errstate(all="ignore"):
            return method(*vector, shift if shift.ndim else float(shift))

    def _shift_length(self):
        """Of a vector of shifts; None where the form takes none."""
        if self.how in ("kron", "ekfac"):
            return len(self.form.layout.shapes)
        return None if self.how == "tridiagonal" else self.shape[0]


def _check_choices(what, how, n_draws):
    for name, value, allowed in (("what", what, WHATS), ("how", how, (*HOWS, "matrix-free"))):
        if value not in allowed:
            known = ", ".join(map(repr, allowed))
            raise ValueError(f"{name}={value!r} was given to curvature. Allowed is one of {known}. Set {name} to one.")
    if what == "hessian" and how != "matrix-free":
        raise ValueError(
            f"how={how!r} was given with what='hessian', which is no sum of products of columns. Allowed is "
            "how='matrix-free'. Use that, or what='ggn', its positive semi-definite part."
        )
    if not isinstance(n_draws, Integral) or isinstance(n_draws, bool) or n_draws < 1:
        raise ValueError(
            f"n_draws={n_draws!r} was given to curvature. Allowed is an integer of at least 1. Set n_draws to one."
        )
