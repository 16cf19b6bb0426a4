"""What a loss is: a function of raw outputs F (n, k) and targets Y (n, k), per sample and unweighted."""

from typing import Any, Protocol


class Loss(Protocol):
    """The contract of a loss; ``tests/conformance/losses.py`` is its battery.

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
    """

    name: str
    out_activation: str
    location_scale: bool
    fused: str | None

    def value(self, F, Y) -> Any:
        """l(F_i, Y_i), (n,)."""

    def grad(self, F, Y) -> Any:
        """dl/dF, (n, k)."""

    def hessp(self, F, Y, V) -> Any:
        """(d2l/dF2) V, (n, k): exact, may be indefinite."""

    def ggnp(self, F, Y, V) -> Any:
        """S S' V, (n, k), without forming S."""

    def factor(self, F, Y) -> Any:
        """S (n, k, c) with S S' >= 0 the Hessian d2l/dF2 or a stated surrogate of it."""

    def sample(self, F, m, rng) -> Any:
        """Gradients at m targets drawn from the model, (n, k, m); E[s s'] is the Fisher."""

    def predict(self, F) -> Any:
        """The inverse link: the model's mean, (n, k)."""

    def start(self, Y, w) -> Any:
        """The best constant raw output, (k,), for weights w (n,)."""

    def check_targets(self, Y) -> None:
        """Raise ValueError when Y leaves the domain."""
