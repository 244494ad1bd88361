"""Jobs of an NPU: one convolution written to its registers and run once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from costmodels.engines import kernel_cycles
from costmodels.validation.conditions import npu_of
from costmodels.validation.tables import Row
from costmodels.work import KernelSpec


@dataclass(frozen=True)
class NpuJob(Row):
    """One job. requantised: whether 32-bit outputs pass the requantiser; scale_bits, bias, shift: its
    registers. Extents are of the output; k_in is k_out where mode is depthwise.
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
        return float(kernel_cycles(replace(engine, timing=timing), spec, dict(spec.dims)))

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


@dataclass(frozen=True)
class NpuSetup(Row):
    """Writing the registers of one job, by a core."""

    variant: str

    def predicted(self) -> float:
        """Cycles of the core's clock."""
        return npu_of(self.variant).setup_cycles
