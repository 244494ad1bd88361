"""What all cluster formulas share: the division of a tile over cores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from costmodels.arrays import ceil_div, floats
from costmodels.errors import UnsupportedKernel
from costmodels.work import FloatArray, KernelSpec

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


def seen_share(spec: KernelSpec, tile_rows: FloatArray, core_rows: FloatArray) -> FloatArray:
    """Share of the columns that the rows of the busiest core see, mean over the tiles of a layer.

    A core has consecutive rows. Where its share and the tile are shorter than a period, the last core has the
    longest rows: half the difference longer than those of the tile on average, as each row is longer by one.
    """
    period, offset = spec.mask
    if not period:
        return ONE
    columns = dict(spec.dims)["c"]
    late = np.maximum(np.minimum(tile_rows, period) - core_rows, 0.0) / 2
    return np.asarray(np.minimum(((period + 1) / 2 + offset + late) / columns, 1.0))


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
