"""Piecewise-linear activations on arrays that the caller hands over: large NumPy arrays are changed in place.

The array expressions are the definitions; the compiled loops of `fused` give the same bits in one pass.
"""

from .namespace import namespace

LARGE = 2**14  # entries from which a compiled pass pays


def _compiled(x):
    return type(x).__module__ == "numpy" and x.size >= LARGE and x.flags.c_contiguous


def activate(Z, b, leak):
    """max(z, 0) + leak min(z, 0) of z = Z + b, for Z (n, o) that is not needed any more."""
    if _compiled(Z):
        from .fused import bias_leak

        bias_leak(Z, b, Z.dtype.type(leak))
        return Z
    xp, Z = namespace(Z), Z + b
    return Z if leak == 1 else xp.where(Z > 0, Z, leak * Z)


def gate(V, a, leak):
    """V where a > 0, else leak V, for V (n, o) that is not needed any more: the product with the activation's slope."""
    if leak == 1:
        return V
    if _compiled(V) and _compiled(a):
        from .fused import gate_leak

        gate_leak(V, a, V.dtype.type(leak))
        return V
    return namespace(V).where(a > 0, V, leak * V)
