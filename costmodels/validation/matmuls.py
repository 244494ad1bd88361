"""Matrix products on the cluster: operands in L1, and tiled from L2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from costmodels.classes import tile_classes
from costmodels.engines import kernel_cycles
from costmodels.layer import Hop, LayerWork, StreamWork
from costmodels.pipeline import price_layer
from costmodels.platform import Platform
from costmodels.validation.conditions import Conflicts, cluster_of, platform_as
from costmodels.validation.tables import Row
from costmodels.variants import load_variant
from costmodels.work import IntArray, KernelSpec

ROWS = ("y", "x")


def _spec(pixels: int, outputs: int, depth: int, output_bytes: int) -> KernelSpec:
    dims = (("y", 1), ("x", pixels), ("g", 1), ("o", outputs), ("i", depth))
    return KernelSpec("conv2d", dims, output_bytes=output_bytes, splits=(ROWS,))


@dataclass(frozen=True)
class Matmul(Row):
    """pixels x depth by depth x outputs with 32-bit sums, rows divided over the cores, one barrier; `times`
    of them. beside: what else uses L1 meanwhile, for which the model has no term.
    """

    variant: str
    cores: int
    conflicts: Conflicts
    pixels: int
    outputs: int
    depth: int
    times: int
    beside: str

    def predicted(self) -> float:
        """Cycles of the cluster's clock."""
        engine = cluster_of(platform_as(self.variant, self.cores, self.conflicts))
        spec = _spec(self.pixels, self.outputs, self.depth, 4)
        kernel = float(kernel_cycles(engine, spec, dict(spec.dims), ROWS))
        return self.times * (kernel + engine.barrier_cycles)


@dataclass(frozen=True)
class TiledMatmul(Row):
    """A requantised product whose operands travel from L2 for every tile of pixels and outputs.

    row_transfers: every row is a transfer of its own, into padded rows. part: what of it was timed.
    """

    variant: str
    cores: int
    conflicts: Conflicts
    pixels: int
    outputs: int
    depth: int
    tile_pixels: int
    tile_outputs: int
    buffering: int
    row_transfers: bool
    part: Literal["whole", "compute", "transfers"]

    def predicted(self) -> float:
        """Cycles of the cluster's clock."""
        platform = platform_as(self.variant, self.cores, self.conflicts)
        price = price_layer(platform, self._work(platform))
        compute, moving = price.compute_cycles + price.setup_cycles, price.load_cycles + price.store_cycles
        parts = {"whole": price.total_cycles, "compute": compute, "transfers": moving}
        return float(parts[self.part][0])

    def _work(self, platform: Platform) -> LayerWork:
        spec = _spec(self.pixels, self.outputs, self.depth, 1)
        trips = self.pixels // self.tile_pixels, self.outputs // self.tile_outputs
        tiles, rows = trips[0] * trips[1], self.tile_pixels + self.tile_outputs
        jobs = tiles * (rows if self.row_transfers else 2)
        inward = Hop("l2_l1", _ints(jobs), _ints(jobs), _ints(tiles * rows * self.depth))
        lines = tiles * self.tile_pixels
        outward = Hop("l1_l2", _ints(tiles), _ints(lines), _ints(lines * self.tile_outputs))
        streams = (
            StreamWork("input", (inward,), _ints(tiles), _ints(2)),
            StreamWork("output", (outward,), _ints(tiles), _ints(2)),
        )
        classes = tile_classes(spec, {"x": _ints(self.tile_pixels), "o": _ints(self.tile_outputs)})
        engine = cluster_of(platform).name
        return LayerWork(spec, engine, classes, tuple(map(_ints, trips)), streams, self.buffering)


@dataclass(frozen=True)
class Barrier(Row):
    """One barrier of all cores."""

    variant: str

    def predicted(self) -> float:
        """Cycles of the cluster's clock."""
        return cluster_of(load_variant(self.variant)).barrier_cycles


def _ints(value: int) -> IntArray:
    return np.array([value])
