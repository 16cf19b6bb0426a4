"""A box lower <= theta <= upper, infinite where there is no bound."""

from typing import Any, NamedTuple

from ..backend.namespace import namespace


class Box(NamedTuple):
    """Bounds (p,)."""

    lower: Any
    upper: Any

    def inside(self, theta):
        """The point of the box nearest to theta; NaN stays."""
        xp = namespace(theta)
        return xp.minimum(xp.maximum(theta, self.lower), self.upper)

    def holds(self, theta):
        """Whether theta lies in the box."""
        return bool(namespace(theta).all((self.lower <= theta) & (theta <= self.upper)))

    def free(self, theta, grad):
        """A mask (p,) like theta: 0 where theta is on a bound and -grad points outwards, else 1."""
        held = ((theta <= self.lower) & (grad > 0)) | ((theta >= self.upper) & (grad < 0))
        return namespace(theta).astype(~held, theta.dtype)
