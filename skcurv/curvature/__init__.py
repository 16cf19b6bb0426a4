"""Curvature J'SS'J of the mean loss: what (columns S) x how (the structure it is held in)."""

from .columns import empirical_fisher, ggn, sampled_fisher
from .products import ggn_product, hessian_product, slopes_and_gram
from .structures import by_layer, dense, diagonal, entries_per_row, gram, kronecker

__all__ = [
    "by_layer",
    "dense",
    "diagonal",
    "empirical_fisher",
    "entries_per_row",
    "ggn",
    "ggn_product",
    "gram",
    "hessian_product",
    "kronecker",
    "sampled_fisher",
    "slopes_and_gram",
]
