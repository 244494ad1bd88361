"""Cores that run the portable C kernels of compiler/runtime, priced by the loops of these very kernels.

Where a chip's own kernel library has its nests in `costmodels.engines.cluster`, this is the code that we
emit: every loop is known, so that each piece of a kernel is counted exactly for every core (rows and pixels
begun, pairs and single pixels, blocks and filters left over, taps in the padding), and the coefficients are
cycles of a piece, fitted to measured kernels by `dse calibrate`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy.typing as npt

from costmodels.energy import EnginePower
from costmodels.engines.portable.costs import (
    ConcatCosts,
    PortableCosts,
    ProductCosts,
    RowCosts,
    TableRowCosts,
)
from costmodels.engines.portable.products import product_cycles
from costmodels.engines.portable.rows import concat_cycles, row_cycles, table_row_cycles
from costmodels.engines.portable.windowed import window_cycles
from costmodels.errors import UnsupportedKernel
from costmodels.facts import POSITIVE
from costmodels.work import FloatArray, KernelSpec

__all__ = ["PortableCosts", "PortableEngine", "portable_cycles"]


@dataclass(frozen=True)
class PortableEngine:
    """Cores that run one portable kernel together, fork to join.

    call_cycles: arguments and tile bookkeeping on the controlling core, per call, and axis_cycles more for
    each axis of the tiles (dimensions of several elements, three at most); double_cycles more where tiles are
    double-buffered (the next tile's ranges, which of two slots); fork_cycles and barrier_cycles:
    starting and joining the cores, whatever their number; fork_core_cycles: more for each core beyond the
    first.
    """

    name: str
    kind: Literal["portable"]
    clock: str
    cores: int = field(metadata=POSITIVE)
    call_cycles: float
    axis_cycles: float
    fork_cycles: float
    fork_core_cycles: float
    barrier_cycles: float
    kernels: PortableCosts
    power: EnginePower
    double_cycles: float = 0.0

    @property
    def forked_cycles(self) -> float:
        """Cycles to start and join all cores."""
        return self.fork_cycles + self.barrier_cycles + self.late_cycles

    @property
    def late_cycles(self) -> float:
        """By how much the first core, which starts the others, begins later than they do."""
        return self.fork_core_cycles * (self.cores - 1)

    def overhead_of(self, spec: KernelSpec, buffering: int) -> float:
        """Cycles of one call beyond the kernel itself."""
        axes = min(sum(extent > 1 for _, extent in spec.dims), 3)
        doubled = self.double_cycles if buffering == 2 else 0.0
        return self.call_cycles + self.axis_cycles * axes + doubled + self.forked_cycles


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
    return window_cycles(costs, engine.cores, spec, extents, split, partial, starts, engine.late_cycles)
