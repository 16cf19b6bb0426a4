"""Piecewise-linear activations on arrays that the caller hands over and that may be changed in place."""

from .namespace import namespace
from .passes import large


def activate(Z, b, leak):
    """max(z, 0) + leak min(z, 0) of z = Z + b, for Z (n, o) that is not needed any more and 0 <= leak <= 1."""
    if large(Z):
        from .fused import bias_leak

        bias_leak(Z, b, Z.dtype.type(leak))
        return Z
    xp = namespace(Z)
    Z += b
    if leak == 1:
        return Z
    return xp.maximum(Z, leak * Z if leak else xp.zeros((), dtype=Z.dtype))


def gate(V, a, leak):
    """V where a > 0, else leak V, for V (n, o) that is not needed any more: the product with the activation's slope."""
    if leak == 1:
        return V
    if large(V) and large(a):
        from .fused import gate_leak

        gate_leak(V, a, V.dtype.type(leak))
        return V
    V *= step(a, leak)
    return V


def step(a, leak):
    """1 where a > 0, else leak: by a maximum, for a choice costs six times as much where signs are random."""
    xp = namespace(a)
    above = xp.astype(a > 0, a.dtype)
    return xp.maximum(above, xp.full((), leak, dtype=a.dtype)) if leak else above
