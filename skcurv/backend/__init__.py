"""Array namespaces and compiled kernels: the only place that names numba or CuPy."""
