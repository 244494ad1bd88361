"""NPUs of the RBE family (N-EUREKA, NE16) as one hardware loop nest with timing from the platform file.

The nest, outermost first: tile of output channels > tile of output pixels > tile of input channels. Inputs
reload for every tile of output channels, weights stream again for every pixel tile. Per pixel tile of h x w
and k output channels:

    n_ki * (load + offset + matvec + update) + norm/quant + stream-out + tile overhead

Sources: HARDWARE.md sections "N-EUREKA" (SIM, closed form within 2.4 % over 19 jobs without prefetch; RTL
windows for 32-bit scales and bias) and "GAP8, GAP9" (NE16's published formula, shared by DORY, PLINIO and
MATCH). Both are this nest: N-EUREKA's load depends on the pixels of a border tile, NE16's does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from costmodels.arrays import ceil_div, floats, floor_div
from costmodels.energy import EnginePower
from costmodels.engines.nests import extent_of
from costmodels.errors import UnsupportedKernel
from costmodels.facts import POSITIVE
from costmodels.npu import NpuConstraints
from costmodels.work import FloatArray, KernelSpec

PORT_BYTES = 32
"""Bytes of one beat of the NPU's memory port (HARDWARE.md: 256 bit a cycle)."""


@dataclass(frozen=True)
class ModeTiming:
    """Cycles of one filter mode (pointwise, dense 3x3, depthwise 3x3).

    Per tile of input channels: load = load_cycles + load_pixel_cycles * pixels of the input patch;
    offset = offset_cycles + offset_channel_cycles * k; matvec = matvec_cycles + beat_cycles * beats, with
    beats = (k if channel_beats else 1) * (weight bits if bit_beats else 1); update_cycles.
    tile_cycles are added once per pixel tile and channel tile. prefetch_slack_cycles: how much longer than
    the matrix-vector phase a prefetched load may show.
    """

    load_cycles: float
    load_pixel_cycles: float
    offset_cycles: float
    offset_channel_cycles: float
    matvec_cycles: float
    beat_cycles: float
    channel_beats: bool
    bit_beats: bool
    update_cycles: float
    tile_cycles: float
    prefetch_slack_cycles: float = 0.0

    def beats(self, channels: FloatArray, weight_bits: int) -> FloatArray:
        """Cycles of one matrix-vector phase over `channels` output channels."""
        count = (channels if self.channel_beats else 1.0) * (weight_bits if self.bit_beats else 1)
        return np.asarray(self.matvec_cycles + count * self.beat_cycles)


@dataclass(frozen=True)
class NestTiming:
    """Timing of one NPU; cycles in its own clock.

    tile_side: rows and columns of the output pixel tile; strided_side: with stride 2 (0: cannot).
    normquant = normquant_cycles + ceil(k * scale_bits / scale_bits_per_cycle) + bias_cycles
    + ceil(k / bias_channels_per_cycle); a rate of 0 leaves its term out; 32-bit outputs skip it unless
    wide_normquant. streamout = streamout_cycles + pixels * ceil(k * output bytes / 32); of an h x w tile the
    pixels are its own, with "rows" those of a tile's pitch ((h-1) * side + w), with "tile" a whole tile's.
    job_cycles once a job. With `prefetch` later loads of a channel loop cost prefetched_load_cycles and
    overlap the matrix-vector phase before them. depthwise_prefetch: depthwise jobs, which have no such loop,
    do the same from tile to tile, and a prefetched load costs nothing itself. shift_cycles, for a job that
    shifts: where the shift is not in normquant_cycles.
    """

    tile_side: int = field(metadata=POSITIVE)
    strided_side: int
    pointwise: ModeTiming
    dense: ModeTiming
    depthwise: ModeTiming
    normquant_cycles: float
    scale_bits: int
    scale_bits_per_cycle: float
    bias_cycles: float
    bias_channels_per_cycle: float
    streamout_cycles: float
    streamout_pixels: Literal["pixels", "rows", "tile"]
    job_cycles: float
    prefetch: bool
    prefetched_load_cycles: float
    depthwise_prefetch: bool = False
    wide_normquant: bool = False
    shift_cycles: float = 0.0

    def of_jobs(
        self, *, scale_bits: int, bias: bool, shift: bool, normquant: bool, prefetch: bool
    ) -> NestTiming:
        """The timing of jobs that set these registers; `normquant` is about 32-bit outputs."""
        return replace(
            self,
            scale_bits=scale_bits,
            bias_cycles=self.bias_cycles if bias else 0.0,
            bias_channels_per_cycle=self.bias_channels_per_cycle if bias else 0.0,
            shift_cycles=self.shift_cycles if shift else 0.0,
            wide_normquant=normquant,
            prefetch=prefetch,
        )

    def normquant(self, channels: FloatArray) -> FloatArray:
        """Cycles to requantise one pixel tile of `channels` channels."""
        cycles = floats(self.normquant_cycles + self.shift_cycles + self.bias_cycles)
        if self.scale_bits_per_cycle:
            cycles = cycles + ceil_div(channels * self.scale_bits, self.scale_bits_per_cycle)
        if self.bias_channels_per_cycle:
            cycles = cycles + ceil_div(channels, self.bias_channels_per_cycle)
        return cycles


@dataclass(frozen=True)
class NpuEngine:
    """An NPU with its limits. setup_cycles (of `setup_clock`): a core writes the registers of one job.

    beat_stall_cycles: what the engine loses to each beat of a DMA that uses L1 while it computes.
    """

    name: str
    kind: Literal["neureka", "ne16"]
    clock: str
    setup_clock: str
    setup_cycles: float
    timing: NestTiming
    constraints: NpuConstraints
    power: EnginePower
    beat_stall_cycles: float = 0.0

    @property
    def overhead_cycles(self) -> float:
        """Cycles of `setup_clock` of one call beyond the job itself."""
        return self.setup_cycles


@dataclass(frozen=True)
class _Pixels:
    """Pixel tiles of a job: their number, output pixels streamed, and load cycles, each summed over them."""

    tiles: FloatArray
    streamed: FloatArray
    load: FloatArray


def npu_cycles(engine: NpuEngine, spec: KernelSpec, extents: Mapping[str, npt.ArrayLike]) -> FloatArray:
    """Cycles of one job on tiles of these extents; see `costmodels.engines.kernel_cycles`."""
    mode, channel_dim, k_in, k_out = _mode(engine, spec)
    pixels = _pixel_tiles(engine.timing, mode, spec, extents)
    steps = floats(1) if channel_dim == "g" else ceil_div(extent_of(extents, "i"), k_in)
    channels = extent_of(extents, channel_dim)
    full = floor_div(channels, k_out)
    rest = channels - full * k_out
    job = _ChannelTile(engine.timing, mode, spec, pixels, steps)
    cycles = full * job.cycles(floats(k_out))
    if np.any(rest):
        cycles = cycles + (rest > 0) * job.cycles(rest)
    if job.chained:
        cycles = cycles + job.ends(np.where(rest > 0, rest, float(k_out)))
    return np.asarray(cycles + engine.timing.job_cycles)


def _mode(engine: NpuEngine, spec: KernelSpec) -> tuple[ModeTiming, str, int, int]:
    """(timing, channel dimension, input channels a step, output channels a tile) for a kernel."""
    limits, timing = engine.constraints, engine.timing
    depthwise = spec.kernel == "depthwise2d"
    windows = limits.depthwise_windows if depthwise else limits.windows
    if spec.kernel not in ("conv2d", "linear", "depthwise2d") or spec.window not in windows:
        raise UnsupportedKernel(f"{engine.name} cannot run {spec.kernel} with window {spec.window}")
    if spec.stride not in limits.strides or spec.dilation != (1, 1):
        raise UnsupportedKernel(f"{engine.name}: stride {spec.stride}, dilation {spec.dilation}")
    if depthwise:
        return timing.depthwise, "g", 1, limits.depthwise_tile
    mode = timing.pointwise if spec.window == (1, 1) else timing.dense
    return mode, "o", dict(limits.k_in_tile)[spec.window], limits.k_out_tile


def _pixel_tiles(
    timing: NestTiming, mode: ModeTiming, spec: KernelSpec, extents: Mapping[str, npt.ArrayLike]
) -> _Pixels:
    """Sums over pixel tiles. They factorise: sum of (h+2)*(w+2) over a grid is (H + 2*n_h)*(W + 2*n_w)."""
    side = timing.tile_side if spec.stride == (1, 1) else timing.strided_side
    if side == 0:
        raise UnsupportedKernel(f"no pixel tile for stride {spec.stride}")
    height, width = extent_of(extents, "y"), extent_of(extents, "x")
    rows, cols = ceil_div(height, side), ceil_div(width, side)
    tiles = rows * cols
    load = tiles * mode.load_cycles
    if mode.load_pixel_cycles:
        load = load + mode.load_pixel_cycles * (_patch(height, rows, spec, 0) * _patch(width, cols, spec, 1))
    streamed = {
        "pixels": height * width,
        "rows": (height - rows) * cols * side + rows * width,
        "tile": tiles * side**2,
    }[timing.streamout_pixels]
    return _Pixels(tiles, np.asarray(streamed), np.asarray(load))


def _patch(outputs: FloatArray, tiles: FloatArray, spec: KernelSpec, axis: int) -> FloatArray:
    """Input positions loaded along an axis, summed over its tiles."""
    stride = spec.stride[axis]
    return np.asarray(outputs * stride + tiles * (spec.window[axis] - stride))


@dataclass(frozen=True)
class _ChannelTile:
    """One tile of output channels over all pixel tiles of a job; `steps` tiles of input channels."""

    timing: NestTiming
    mode: ModeTiming
    spec: KernelSpec
    pixels: _Pixels
    steps: FloatArray

    @property
    def chained(self) -> bool:
        """Whether loads are prefetched from tile to tile, not within a loop over input channels."""
        depthwise = self.spec.kernel == "depthwise2d"
        return self.timing.prefetch and self.timing.depthwise_prefetch and depthwise

    def cycles(self, channels: FloatArray) -> FloatArray:
        """Cycles of a tile of `channels` output channels; if `chained`, between others of its kind."""
        timing, mode = self.timing, self.mode
        ends = floats(timing.streamout_cycles + mode.tile_cycles)
        if self.spec.output_bytes < 4 or timing.wide_normquant:
            ends = ends + timing.normquant(channels)
        words = ceil_div(channels * self.spec.output_bytes, PORT_BYTES)
        return np.asarray(self._reduction(channels) + self.pixels.tiles * ends + self.pixels.streamed * words)

    def ends(self, channels: FloatArray) -> FloatArray:
        """What the first load and the last, shorter matrix-vector phase of a chained job add."""
        hidden, matvec = self._hidden(channels), self.mode.beats(channels, self.spec.weight_bits)
        return np.asarray((self.pixels.load - hidden) / self.pixels.tiles + matvec)

    def _offset(self, channels: FloatArray) -> FloatArray:
        return np.asarray(self.mode.offset_cycles + self.mode.offset_channel_cycles * channels)

    def _hidden(self, channels: FloatArray) -> FloatArray:
        """Matrix-vector phases that a prefetched load overlaps, over all pixel tiles."""
        tiles, mode = self.pixels.tiles, self.mode
        lead = self._offset(channels) - mode.prefetch_slack_cycles
        return np.maximum(
            tiles * mode.beats(channels, self.spec.weight_bits), self.pixels.load - tiles * lead
        )

    def _reduction(self, channels: FloatArray) -> FloatArray:
        """Cycles of the loop over input channels, over all pixel tiles."""
        tiles, load, mode = self.pixels.tiles, self.pixels.load, self.mode
        fixed = self._offset(channels) + mode.update_cycles
        if self.chained:
            return np.asarray(tiles * fixed + self._hidden(channels))
        first = load + tiles * (fixed + mode.beats(channels, self.spec.weight_bits))
        if not self.timing.prefetch:
            return np.asarray(self.steps * first)
        later = tiles * (self.timing.prefetched_load_cycles + fixed) + self._hidden(channels)
        return np.asarray(first + (self.steps - 1.0) * later)
