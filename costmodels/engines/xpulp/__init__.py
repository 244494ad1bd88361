"""Cores that run the kernels of compiler/runtime/xpulp, priced by the loops of these very kernels.

As `costmodels.engines.portable`: every piece of a kernel is counted exactly for every core, and what a piece
costs is fitted to measured kernels by `dse calibrate`. Kernels of other libraries on such cores have their
nests in `costmodels.engines.cluster`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy.typing as npt

from costmodels.engines.counted import CountedEngine
from costmodels.engines.nests import extent_of
from costmodels.engines.portable.costs import ConcatCosts, CopyCosts, RowCosts, TableRowCosts
from costmodels.engines.portable.products import product_cycles
from costmodels.engines.portable.rows import concat_cycles, row_cycles, table_row_cycles
from costmodels.engines.portable.windowed import Walk, by_pixels, walk_of, window_cycles
from costmodels.engines.xpulp.costs import (
    BlockPoolCosts,
    ColdCosts,
    StripCosts,
    UnitConvCosts,
    UnitProductCosts,
    XpulpCosts,
)
from costmodels.engines.xpulp.pools import pool_weights
from costmodels.engines.xpulp.rowwalk import row_walk_weights
from costmodels.engines.xpulp.strips import LANES, fits_strips, strip_cycles
from costmodels.engines.xpulp.units import (
    conv_units_share,
    product_units_share,
    unit_conv_cycles,
    unit_product_cycles,
)
from costmodels.errors import UnsupportedKernel
from costmodels.work import FloatArray, KernelSpec

__all__ = ["XpulpCosts", "XpulpEngine", "xpulp_cycles"]


NEVER_COLD = ColdCosts()


@dataclass(frozen=True)
class XpulpEngine(CountedEngine):
    """Cores that run kernels with Xpulp instructions.

    cold: more for calls of cold kernels, and layer_cycles for the generated code around them. contention:
    factor on kernel time where several cores work, which meet at banks and in the instruction cache.
    beat_stall_cycles: what the cores lose to each beat of a DMA that uses L1 while they compute.
    """

    kind: Literal["xpulp"]
    kernels: XpulpCosts
    cold: ColdCosts = NEVER_COLD
    layer_cycles: float = 0.0
    contention: float = 1.0
    beat_stall_cycles: float = 0.0

    @property
    def late_cycles(self) -> float:
        """None: the event unit lets all cores go at once."""
        return 0.0

    def cold_cycles(self, kernel: str) -> float:
        """Cycles of a call whose code is cold beyond those of any."""
        return self.layer_cycles + float(getattr(self.cold, kernel, 0.0))

    def without_conflicts(self) -> XpulpEngine:
        """The same cores on memories that never make one wait for another."""
        return replace(self, contention=1.0, beat_stall_cycles=0.0)


def xpulp_cycles(
    engine: XpulpEngine,
    spec: KernelSpec,
    extents: Mapping[str, npt.ArrayLike],
    split: tuple[str, ...],
    unfinished: npt.ArrayLike,
    starts: Mapping[str, npt.ArrayLike],
) -> FloatArray:
    """Cycles of one kernel call; see `costmodels.engines.kernel_cycles`."""
    cores = engine.cores
    costs = getattr(engine.kernels, spec.kernel, None)
    factor = engine.contention if split and cores > 1 else 1.0
    if isinstance(costs, RowCosts):
        return factor * row_cycles(costs, cores, spec, extents, split)
    if isinstance(costs, ConcatCosts):
        return factor * concat_cycles(costs, cores, spec, extents, split)
    if isinstance(costs, TableRowCosts):
        return factor * table_row_cycles(costs, cores, spec, extents, split)
    if isinstance(costs, UnitProductCosts):
        return factor * _product_cycles(costs, cores, spec, extents, split, unfinished)
    if isinstance(costs, UnitConvCosts):
        return factor * _conv_cycles(costs, cores, spec, extents, split, unfinished, starts)
    if isinstance(costs, StripCosts):
        return factor * _depthwise_cycles(costs, cores, spec, extents, split, starts)
    walk = _walk_of(engine, spec, costs)
    return factor * window_cycles(walk, cores, spec, extents, split, unfinished, starts, engine.late_cycles)


def _walk_of(engine: XpulpEngine, spec: KernelSpec, costs: object) -> Walk:
    if isinstance(costs, BlockPoolCosts):
        return Walk(costs.core_cycles, costs.row_cycles, False, partial(pool_weights, costs))
    if isinstance(costs, CopyCosts):
        return walk_of(costs)
    raise UnsupportedKernel(f"{engine.name} has no kernel {spec.kernel!r}")


def _mixed(share: FloatArray, fast: Callable[[], FloatArray], other: Callable[[], FloatArray]) -> FloatArray:
    """The one for this share of the calls, the other for the rest; neither is computed where nobody asks."""
    if (share == 1.0).all():
        return fast()
    return share * fast() + (1.0 - share) * other() if share.any() else other()


def _conv_cycles(
    costs: UnitConvCosts,
    cores: int,
    spec: KernelSpec,
    extents: Mapping[str, npt.ArrayLike],
    split: tuple[str, ...],
    unfinished: npt.ArrayLike,
    starts: Mapping[str, npt.ArrayLike],
) -> FloatArray:
    """Units where they fit, else row by row."""
    by_pixels(spec, split)
    rows = costs.rows
    walk = Walk(rows.core_cycles, rows.row_cycles, True, partial(row_walk_weights, rows))
    return _mixed(
        conv_units_share(spec, extents, unfinished),
        lambda: unit_conv_cycles(costs, cores if split else 1, spec, extents, unfinished),
        lambda: window_cycles(walk, cores, spec, extents, split, unfinished, starts, 0.0),
    )


def _product_cycles(
    costs: UnitProductCosts,
    cores: int,
    spec: KernelSpec,
    extents: Mapping[str, npt.ArrayLike],
    split: tuple[str, ...],
    unfinished: npt.ArrayLike,
) -> FloatArray:
    """Units where they fit, else the portable loops."""
    return _mixed(
        product_units_share(spec, extents, unfinished),
        lambda: unit_product_cycles(costs, cores if split else 1, spec, extents, unfinished),
        lambda: product_cycles(costs.other, cores, spec, extents, split, unfinished),
    )


def _depthwise_cycles(
    costs: StripCosts,
    cores: int,
    spec: KernelSpec,
    extents: Mapping[str, npt.ArrayLike],
    split: tuple[str, ...],
    starts: Mapping[str, npt.ArrayLike],
) -> FloatArray:
    """Strips where they fit, else the portable kernel's walk."""
    walk = walk_of(costs.other)
    return _mixed(
        1.0 * ((extent_of(extents, "g") >= LANES) & fits_strips(spec)),
        lambda: strip_cycles(costs, cores, spec, extents, split),
        lambda: window_cycles(walk, cores, spec, extents, split, 0.0, starts, 0.0),
    )
