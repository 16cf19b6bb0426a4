"""What a loss is: a function of raw outputs F (n, k) and targets Y (n, k), per sample and unweighted."""

from typing import Any, Protocol


class Loss(Protocol):
    """The contract of a loss; ``tests/conformance/losses.py`` is its battery, `check_loss` that for everyone's.

    Attributes
    ----------
    name : str
        The public name.
    out_activation : str
        Name of the inverse link, as scikit-learn calls it.
    location_scale : bool
        Whether shifting and scaling the targets shifts and scales the model: such targets are standardised.
    fused : str or None
        Name of the compiled head in ``backend/fused.py``, if there is one.
    likelihood : {"exact", "dispersion", "none"}
        What exp(-l) is, and with it where standard errors come from. "exact": a density of the target, up to a factor
        without F; "dispersion": exp(-l / phi) is one, for a phi that is estimated from Pearson residuals by `variance`;
        "none": no density, as for robust losses, whose standard errors are a sandwich's.
    diagonal : bool
        Whether S S' is diagonal and the Fisher, as where outputs have independent targets; left out, it is not.

    Losses may have more raw outputs than targets: F (n, r) with r = ``raw_outputs(k)``. Where nothing else is said, r
    is k. Losses with numbers of their own are `BaseEstimator`s with few fields, as solvers are, so that a grid can
    search them; their ``domains`` say what is allowed. Losses that depend on the targets' scale have
    ``for_targets(Y, w)``, which returns a loss bound to it and leaves the first as it is. Losses with kinks, whose
    Hessian is zero almost everywhere, have ``for_errors(F, Y, w)``: a loss whose Hessian's mean estimates that of the
    mean loss.
    """

    name: str
    out_activation: str
    location_scale: bool
    fused: str | None
    likelihood: str
    diagonal: bool

    def raw_outputs(self, k) -> int:
        """Raw outputs for k columns of targets."""

    def value(self, F, Y) -> Any:
        """l(F_i, Y_i), (n,)."""

    def grad(self, F, Y) -> Any:
        """dl/dF, (n, k)."""

    def value_and_grad(self, F, Y) -> Any:
        """The two together; a loss that does not save work by it leaves it out."""

    def hessp(self, F, Y, V) -> Any:
        """(d2l/dF2) V, (n, k): exact, may be indefinite."""

    def ggnp(self, F, Y, V) -> Any:
        """S S' V, (n, k), without forming S."""

    def factor(self, F, Y) -> Any:
        """S (n, k, c) with S S' >= 0 the Hessian d2l/dF2 or a stated surrogate of it."""

    def sample(self, F, m, rng) -> Any:
        """Gradients at m targets drawn from the model, (n, k, m); E[s s'] is the Fisher.

        A loss that is no density may leave it out: `losses/draws.py` then draws S xi.
        """

    def predict(self, F) -> Any:
        """The inverse link: the model's mean, (n, k); for several quantiles (n, k m), those of one target together."""

    def start(self, Y, w) -> Any:
        """The best constant raw output, (r,), for weights w (n,)."""

    def check_targets(self, Y) -> None:
        """Raise ValueError when Y leaves the domain."""

    def variance(self, M) -> Any:
        """V(mean), (n, k), with Var y = phi V(mean) / weight; where `likelihood` is "dispersion" alone."""

    def log_normaliser(self, Y) -> Any:
        """c (n,) with -log p(Y_i) = l + c; where `likelihood` is "exact" alone."""
