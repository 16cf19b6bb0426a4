"""Curvature J'SS'J of the mean loss: what (columns S) x how (the structure it is held in)."""

from .columns import empirical_fisher, ggn, sampled_fisher
from .operator import Curvature, curvature
from .products import Images, ggn_product, hessian_product, slopes_and_gram
from .structures import (
    by_layer,
    by_unit,
    dense,
    diagonal,
    ekfac,
    entries_per_row,
    gram,
    in_basis,
    kronecker,
    rows_with_exact_output,
    tridiagonal,
    with_exact_output,
)

__all__ = [
    "Curvature",
    "Images",
    "by_layer",
    "by_unit",
    "curvature",
    "dense",
    "diagonal",
    "ekfac",
    "empirical_fisher",
    "entries_per_row",
    "ggn",
    "ggn_product",
    "gram",
    "hessian_product",
    "in_basis",
    "kronecker",
    "rows_with_exact_output",
    "sampled_fisher",
    "slopes_and_gram",
    "tridiagonal",
    "with_exact_output",
]
