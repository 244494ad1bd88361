"""What all cluster formulas share: the division of a tile over cores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy.typing as npt

from costmodels.arrays import ceil_div, floats
from costmodels.errors import UnsupportedKernel
from costmodels.work import FloatArray

ONE = floats(1)


def extent_of(extents: Mapping[str, npt.ArrayLike], dim: str) -> FloatArray:
    """Extent of a dimension, 1 where the kernel has no such dimension."""
    return floats(extents[dim]) if dim in extents else ONE


def product_of(extents: Mapping[str, npt.ArrayLike], dims: Sequence[str]) -> FloatArray:
    """Product of the extents of `dims`; 1 for none."""
    result = ONE
    for dim in dims:
        result = result * extent_of(extents, dim)
    return result


def busiest_share(
    extents: Mapping[str, npt.ArrayLike], dims: Sequence[str], split: Sequence[str], cores: int
) -> FloatArray:
    """Points of the sub-space `dims` that the busiest core gets when `split` is divided over `cores`.

    Chunk c of a product of P points is [c*ceil(P/cores), (c+1)*ceil(P/cores)), so core 0 has ceil(P/cores).
    Where no dimension of `dims` is split, every core gets all of them. Raises UnsupportedKernel if the
    split reaches beyond `dims` and into it.
    """
    inside = [dim for dim in dims if dim in split]
    if inside and len(inside) != len(split):
        raise UnsupportedKernel(f"no formula for dividing {tuple(split)} over cores")
    whole = product_of(extents, [dim for dim in dims if dim not in split])
    return whole * ceil_div(product_of(extents, inside), cores) if inside else whole
