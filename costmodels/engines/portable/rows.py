"""Kernels that walk rows of elements."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from costmodels.copyloop import copy_cycles, pixel_share
from costmodels.engines.nests import busiest_share, extent_of, product_of, seen_share
from costmodels.engines.portable.costs import ConcatCosts, RowCosts, TableRowCosts
from costmodels.errors import UnsupportedKernel
from costmodels.work import FloatArray, KernelSpec


def row_cycles(
    costs: RowCosts,
    cores: int,
    spec: KernelSpec,
    extents: Mapping[str, npt.ArrayLike],
    split: tuple[str, ...],
) -> FloatArray:
    """Cycles of the busiest core. Raises UnsupportedKernel for a division that the runtime does not know."""
    dims = tuple(name for name, _ in spec.dims)
    inner = dims[-1:]
    if split not in ((), inner, dims[:-1]):
        raise UnsupportedKernel(f"no formula for dividing {split} of {spec.kernel} over cores")
    rows = busiest_share(extents, dims[:-1], split, cores) if len(dims) > 1 else product_of(extents, ())
    length = busiest_share(extents, inner, split, cores)
    seen = seen_share(spec, product_of(extents, dims[:-1]), rows)
    return np.asarray(costs.core_cycles + rows * (costs.row_cycles + length * seen * costs.element_cycles))


def concat_cycles(
    costs: ConcatCosts,
    cores: int,
    spec: KernelSpec,
    extents: Mapping[str, npt.ArrayLike],
    split: tuple[str, ...],
) -> FloatArray:
    """The same for inputs side by side on every row. Raises UnsupportedKernel."""
    if split not in ((), ("y",)):
        raise UnsupportedKernel(f"no formula for dividing {split} of {spec.kernel} over cores")
    rows = busiest_share(extents, ("y",), split, cores)
    each = spec.fan_in * costs.row_cycles + extent_of(extents, "c") * costs.element_cycles
    return np.asarray(costs.core_cycles + spec.fan_in * costs.part_cycles + rows * each)


def table_row_cycles(
    costs: TableRowCosts,
    cores: int,
    spec: KernelSpec,
    extents: Mapping[str, npt.ArrayLike],
    split: tuple[str, ...],
) -> FloatArray:
    """The same for rows of a table, each copied whole. Raises UnsupportedKernel."""
    if split not in ((), ("y",)):
        raise UnsupportedKernel(f"no formula for dividing {split} of {spec.kernel} over cores")
    rows = busiest_share(extents, ("y",), split, cores)
    row_bytes = np.asarray(extent_of(extents, "c")) * spec.output_bytes
    copied = copy_cycles(costs.copy, row_bytes, pixel_share(costs.copy, row_bytes))
    return np.asarray(costs.core_cycles + rows * (costs.row_cycles + copied))
