"""Jobs of an NPU: one convolution written to its registers and run once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from costmodels.engines import NpuEngine, kernel_cycles
from costmodels.validation.banks import store_stall_cycles
from costmodels.validation.conditions import npu_of
from costmodels.validation.tables import Row
from costmodels.work import KernelSpec


@dataclass(frozen=True)
class NpuJob(Row):
    """One job. requantised: whether 32-bit outputs pass the requantiser; scale_bits, bias, shift: its
    registers. Extents are of the output; k_in is k_out where mode is depthwise. banked: whether stores of
    unaligned pixels wait for banks (`costmodels.validation.banks`).
    """

    variant: str
    mode: Literal["1x1", "3x3", "depthwise"]
    height: int
    width: int
    k_in: int
    k_out: int
    weight_bits: int
    out_bits: int
    requantised: bool
    scale_bits: int
    bias: bool
    shift: bool
    prefetch: bool
    banked: bool

    def predicted(self) -> float:
        """Cycles of the NPU's clock from trigger to end."""
        engine = npu_of(self.variant)
        timing = engine.timing.of_jobs(
            scale_bits=self.scale_bits,
            bias=self.bias,
            shift=self.shift,
            normquant=self.requantised,
            prefetch=self.prefetch,
        )
        spec = self._spec()
        cycles = float(kernel_cycles(replace(engine, timing=timing), spec, dict(spec.dims)))
        return cycles + (self._store_stalls(engine) if self.banked else 0)

    def _store_stalls(self, engine: NpuEngine) -> int:
        """Cycles that 8-bit outputs wait for banks, over all tiles; 32-bit ones are aligned."""
        if self.out_bits != 8:
            return 0
        side, limits = engine.timing.tile_side, engine.constraints
        tile = limits.depthwise_tile if self.mode == "depthwise" else limits.k_out_tile
        return sum(
            store_stall_cycles(
                [(row * self.width + column) * self.k_out + channel for row in rows for column in columns],
                min(tile, self.k_out - channel),
            )
            for rows in _tiles(self.height, side)
            for columns in _tiles(self.width, side)
            for channel in range(0, self.k_out, tile)
        )

    def _spec(self) -> KernelSpec:
        pixels = (("y", self.height), ("x", self.width))
        window = (1, 1) if self.mode == "1x1" else (3, 3)
        depthwise = self.mode == "depthwise"
        channels = (("g", self.k_out),) if depthwise else (("g", 1), ("o", self.k_out), ("i", self.k_in))
        return KernelSpec(
            "depthwise2d" if depthwise else "conv2d",
            (*pixels, *channels),
            window=window,
            output_bytes=self.out_bits // 8,
            weight_bits=self.weight_bits,
        )


def _tiles(extent: int, size: int) -> list[range]:
    return [range(start, min(start + size, extent)) for start in range(0, extent, size)]


@dataclass(frozen=True)
class NpuSetup(Row):
    """Writing the registers of one job, by a core."""

    variant: str

    def predicted(self) -> float:
        """Cycles of the core's clock."""
        return npu_of(self.variant).setup_cycles
