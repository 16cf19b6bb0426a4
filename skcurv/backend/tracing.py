"""JAX, loaded where it is asked for, in float64 inside a context alone: its precision is a setting of the process."""


def double():
    """A context in which JAX computes in 64 bits.

    Raises
    ------
    ImportError
        Without JAX.
    """
    try:
        import jax
    except ImportError as missing:
        raise ImportError(
            "Derivatives by JAX were asked for, but JAX is not installed. Allowed without it are '3-point', '2-point' "
            "and 'cs' differences and functions of your own. Install it with pip install jax."
        ) from missing
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    from jax.experimental import enable_x64  # before JAX 0.8

    return enable_x64()
