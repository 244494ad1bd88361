"""Cores that run the portable C kernels of compiler/runtime, priced by the loops of these very kernels.

Where a chip's own kernel library has its nests in `costmodels.engines.cluster`, this is the code that we
emit: every loop is known, so that each piece of a kernel is counted exactly for every core (rows and pixels
begun, pairs and single pixels, blocks and filters left over, taps in the padding), and the coefficients are
cycles of a piece, fitted to measured kernels by `dse calibrate`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy.typing as npt

from costmodels.engines.counted import CountedEngine
from costmodels.engines.portable.costs import (
    ConcatCosts,
    PortableCosts,
    ProductCosts,
    RowCosts,
    TableRowCosts,
)
from costmodels.engines.portable.products import product_cycles
from costmodels.engines.portable.rows import concat_cycles, row_cycles, table_row_cycles
from costmodels.engines.portable.windowed import walk_of, window_cycles
from costmodels.errors import UnsupportedKernel
from costmodels.work import FloatArray, KernelSpec

__all__ = ["PortableCosts", "PortableEngine", "portable_cycles"]


@dataclass(frozen=True)
class PortableEngine(CountedEngine):
    """Cores that run the portable kernels."""

    kind: Literal["portable"]
    kernels: PortableCosts


def portable_cycles(
    engine: PortableEngine,
    spec: KernelSpec,
    extents: Mapping[str, npt.ArrayLike],
    split: tuple[str, ...],
    partial: npt.ArrayLike,
    starts: Mapping[str, npt.ArrayLike],
) -> FloatArray:
    """Cycles of one kernel call; see `costmodels.engines.kernel_cycles`."""
    costs = getattr(engine.kernels, spec.kernel, None)
    if costs is None:
        raise UnsupportedKernel(f"{engine.name} has no kernel {spec.kernel!r}")
    if isinstance(costs, RowCosts):
        return row_cycles(costs, engine.cores, spec, extents, split)
    if isinstance(costs, ConcatCosts):
        return concat_cycles(costs, engine.cores, spec, extents, split)
    if isinstance(costs, TableRowCosts):
        return table_row_cycles(costs, engine.cores, spec, extents, split)
    if isinstance(costs, ProductCosts):
        return product_cycles(costs, engine.cores, spec, extents, split, partial)
    walk, late = walk_of(costs), engine.late_cycles
    return window_cycles(walk, engine.cores, spec, extents, split, partial, starts, late)
