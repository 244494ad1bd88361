"""Kernels on a cluster of RISC-V cores, as loop nests with cycle coefficients from the platform file.

Sources: HARDWARE.md section "Cluster kernels" (4x2 register blocks of 6 loads and 8 dot products on four
int8 lanes, 15 cycles of set-up a block, 13 a requantised output; leftovers of Co%4, odd pixels and K%4;
work divided with ceil rounding). The portable C kernels have an engine of their own that counts their own
loops: costmodels/engines/portable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from costmodels.arrays import ceil_div, floats, floor_div
from costmodels.energy import EnginePower
from costmodels.engines.nests import busiest_share, extent_of, product_of, seen_share
from costmodels.errors import UnsupportedKernel
from costmodels.facts import POSITIVE
from costmodels.work import FloatArray, KernelSpec


@dataclass(frozen=True)
class StepCost:
    """One step along the reduction of a block of p pixels and o outputs.

    cycles = (p + o) * load_cycles + p * o * mac_cycles + loop_cycles.
    """

    load_cycles: float
    mac_cycles: float
    loop_cycles: float


@dataclass(frozen=True)
class MatmulCost:
    """The register-blocked dot-product nest of convolutions and linear layers.

    gather: "im2col" copies each pixel's window into one contiguous run first; "direct" walks the window,
    one run per contiguous piece of a window's row. Blocks are block_pixels x block_outputs; an odd pixel
    is done with odd_pixel_outputs outputs at a time. `vector` covers `lanes` elements of K (a SIMD
    instruction, or an unrolled loop), `scalar` one of the K % lanes left over in each run.
    run_cycles per run and block, block_cycles per block, requant_cycles per finished output,
    raw_store_cycles per 32-bit sum stored or reloaded, pixel_cycles per pixel block (addresses),
    im2col_row_cycles and im2col_byte_cycles per window row and byte copied.

    Bank conflicts: every block waits conflict_cycles for each other core that works in step with this one
    if the rows of its operands begin in the same bank (their length is a multiple of bank_row_bytes), else
    skewed_conflict_cycles. contention: a factor on the whole nest where several cores work, for what is
    not taken apart like this; by default the engine's.

    Products of activations (`matmul`) run the same nest, rows as pixels. transpose_cycles: for each vector
    of a strided operand, which is loaded across and turned in registers. A zero point of the second operand
    costs a product with ones for each vector of a block's rows, that of the first a pass over the second.
    """

    style: str
    gather: Literal["im2col", "direct"]
    block_pixels: int = field(metadata=POSITIVE)
    block_outputs: int = field(metadata=POSITIVE)
    odd_pixel_outputs: int = field(metadata=POSITIVE)
    lanes: int = field(metadata=POSITIVE)
    vector: StepCost
    scalar: StepCost
    run_cycles: float
    block_cycles: float
    requant_cycles: float
    raw_store_cycles: float
    pixel_cycles: float
    im2col_row_cycles: float
    im2col_byte_cycles: float
    bank_row_bytes: int = 0
    conflict_cycles: float = 0.0
    skewed_conflict_cycles: float = 0.0
    transpose_cycles: float = 0.0
    contention: float | None = None


@dataclass(frozen=True)
class PointCost:
    """A kernel without weight reuse: rows * row_cycles + elements * (element + taps * tap) cycles.

    `strided_tap_cycles` replaces tap_cycles where the stride is not 1 (no reuse of gathered columns).
    column_cycles: for each column of outputs of each channel, in kernels that gather the input column by
    column.
    """

    row_cycles: float
    element_cycles: float
    tap_cycles: float = 0.0
    strided_tap_cycles: float | None = None
    column_cycles: float = 0.0


@dataclass(frozen=True)
class KernelCosts:
    """One `PointCost` for each kernel of the vocabulary that is not a matrix product."""

    depthwise2d: PointCost
    add: PointCost
    mul: PointCost
    idiv: PointCost
    lut: PointCost
    requantise: PointCost
    maxpool: PointCost
    avgpool: PointCost
    softmax: PointCost
    isoftmax: PointCost
    itamax: PointCost
    inorm: PointCost
    rmsnorm: PointCost
    layernorm: PointCost
    rope: PointCost
    embed: PointCost
    concat: PointCost
    transpose: PointCost
    pad: PointCost
    resize: PointCost


@dataclass(frozen=True)
class ClusterEngine:
    """Cores that run one kernel together, fork to join.

    call_cycles: arguments and launch on the controlling core, fork_cycles until the cores run,
    barrier_cycles to join, each per call. contention: factor on kernel time when more than one core
    works (bank conflicts, shared instruction cache); `matmul` may have its own. beat_stall_cycles: what the
    cores lose to each beat of a DMA that uses L1 while they compute.
    """

    name: str
    kind: Literal["cluster"]
    clock: str
    cores: int = field(metadata=POSITIVE)
    contention: float = field(metadata=POSITIVE)
    call_cycles: float
    fork_cycles: float
    barrier_cycles: float
    matmul: MatmulCost
    kernels: KernelCosts
    power: EnginePower
    beat_stall_cycles: float = 0.0

    @property
    def stall_factor(self) -> float:
        """Factor on kernel time: `contention` where several cores work, else 1."""
        return self.contention if self.cores > 1 else 1.0

    @property
    def matmul_stall_factor(self) -> float:
        """The same for matrix products."""
        own = self.matmul.contention
        return self.stall_factor if own is None else own if self.cores > 1 else 1.0

    def without_conflicts(self) -> ClusterEngine:
        """The same cores on memories that never make one wait for another."""
        return replace(
            self,
            contention=1.0,
            beat_stall_cycles=0.0,
            matmul=replace(self.matmul, contention=1.0, conflict_cycles=0.0, skewed_conflict_cycles=0.0),
        )

    @property
    def overhead_cycles(self) -> float:
        """Cycles of one call beyond the kernel itself."""
        return self.call_cycles + self.fork_cycles + self.barrier_cycles


def cluster_cycles(
    engine: ClusterEngine,
    spec: KernelSpec,
    extents: Mapping[str, npt.ArrayLike],
    split: tuple[str, ...] = (),
    partial: npt.ArrayLike = 0.0,
) -> FloatArray:
    """Cycles of one kernel call on tiles of these extents; see `costmodels.engines.kernel_cycles`."""
    if spec.kernel in ("conv2d", "linear", "matmul"):
        return _matmul_cycles(engine, spec, extents, split, floats(partial))
    return _point_cycles(engine, spec, extents, split) * engine.stall_factor


def _matmul_cycles(
    engine: ClusterEngine,
    spec: KernelSpec,
    extents: Mapping[str, npt.ArrayLike],
    split: tuple[str, ...],
    partial: FloatArray,
) -> FloatArray:
    cost = engine.matmul
    pixels = busiest_share(extents, ("y", "x"), split, engine.cores)
    outputs = busiest_share(extents, ("o",), split, engine.cores)
    groups = busiest_share(extents, ("g", "h"), split, engine.cores)
    if split and not set(split) <= {"y", "x"} and split not in (("o",), ("g",), ("h",)):
        raise UnsupportedKernel(f"no formula for dividing {split} of {spec.kernel} over cores")
    # Factors of the pixels alone are multiplied first: the product with the blocks has the full shape.
    repeats = groups * engine.matmul_stall_factor
    width = extent_of(extents, "y" if spec.kernel == "matmul" else "x")
    pairs, odd = _blocks_in_rows(pixels, width, cost.block_pixels)
    depth = extent_of(extents, "i")
    others = engine.cores - 1 if split else 0
    fixed = cost.block_cycles + _conflict_cycles(cost, spec, depth, others)
    of_block = _OutputBlocks(cost, spec, depth, _store_cycles(cost, spec, partial), fixed)
    cycles = (pairs * repeats) * of_block.row(outputs, cost.block_pixels, cost.block_outputs)
    if cost.block_pixels > 1:
        cycles = cycles + (odd * repeats) * of_block.row(outputs, 1, cost.odd_pixel_outputs)
    if cost.gather == "im2col" and spec.window != (1, 1):
        cycles = cycles + (pixels * repeats) * _gather_cycles(cost, spec, depth)
    if spec.offsets[0]:
        of_vector = cost.vector.load_cycles + cost.vector.mac_cycles
        cycles = cycles + (outputs * repeats) * (ceil_div(depth, cost.lanes) * of_vector)
    return np.asarray(cycles)


@dataclass(frozen=True)
class _OutputBlocks:
    """Cycles of all output blocks of one block of pixels, whose depth (input channels) is an array.

    fixed: cycles of any block, whatever its size.
    """

    cost: MatmulCost
    spec: KernelSpec
    depth: FloatArray
    store: FloatArray
    fixed: FloatArray

    def row(self, outputs: FloatArray, pixels: int, block: int) -> FloatArray:
        """Cycles of `outputs` outputs in blocks of `block`, then one by one."""
        if block == 1:
            return outputs * self._block(pixels, 1) + self.cost.pixel_cycles
        full = floor_div(outputs, block)
        rest = outputs - full * block
        cycles = full * self._block(pixels, block) + rest * self._block(pixels, 1)
        return np.asarray(cycles + self.cost.pixel_cycles)

    def _block(self, pixels: int, outputs: int) -> FloatArray:
        cost, runs = self.cost, _runs(self.cost, self.spec)
        taps = self.spec.window[0] * self.spec.window[1]
        run = self.depth * (taps / runs)
        steps = floor_div(run, cost.lanes)
        left = run - steps * cost.lanes
        vector = _step(cost.vector, pixels, outputs) + outputs * self.spec.strided * cost.transpose_cycles
        vector += pixels * self.spec.offsets[1] * cost.vector.mac_cycles
        inner = steps * vector + left * _step(cost.scalar, pixels, outputs)
        block = runs * (inner + cost.run_cycles) + self.fixed
        return np.asarray(block + pixels * outputs * self.store)


def _conflict_cycles(cost: MatmulCost, spec: KernelSpec, depth: FloatArray, others: int) -> FloatArray:
    """Cycles that a block waits for banks that `others` use, by the length of its operands' rows."""
    if cost.conflict_cycles == cost.skewed_conflict_cycles or not (others and cost.bank_row_bytes):
        return floats(others * cost.conflict_cycles)
    taps = spec.window[0] * spec.window[1]
    lengths = depth * (taps * spec.input_bytes / cost.bank_row_bytes)
    waits = np.where(lengths == np.floor(lengths), cost.conflict_cycles, cost.skewed_conflict_cycles)
    return np.asarray(others * waits)


def _step(step: StepCost, pixels: int, outputs: int) -> float:
    return (pixels + outputs) * step.load_cycles + pixels * outputs * step.mac_cycles + step.loop_cycles


def _runs(cost: MatmulCost, spec: KernelSpec) -> int:
    """Contiguous pieces of one window: one after im2col; a row of a dense undilated window; else a tap."""
    height, width = spec.window
    if cost.gather == "im2col":
        return 1
    contiguous = spec.dilation[1] == 1 and dict(spec.dims).get("g", 1) == 1
    return height if contiguous else height * width


def _blocks_in_rows(pixels: FloatArray, width: FloatArray, block: int) -> tuple[FloatArray, FloatArray]:
    """Blocks of neighbouring pixels of one row, and single pixels left over, in a chunk of `pixels`."""
    if block == 1:
        return pixels, floats(0)
    row = np.minimum(width, pixels)
    rows = pixels / np.maximum(row, 1.0)
    blocks = rows * floor_div(row, block)
    return blocks, pixels - blocks * block


def _store_cycles(cost: MatmulCost, spec: KernelSpec, partial: FloatArray) -> FloatArray:
    """Cycles per output: requantised, raw, or a partial sum that is stored now and reloaded later."""
    final = cost.requant_cycles if spec.output_bytes < 4 else cost.raw_store_cycles
    return np.asarray(final + partial * (2.0 * cost.raw_store_cycles - final))


def _gather_cycles(cost: MatmulCost, spec: KernelSpec, depth: FloatArray) -> FloatArray:
    """Cycles to copy one pixel's window into a contiguous run."""
    height, width = spec.window
    return np.asarray(height * cost.im2col_row_cycles + height * width * cost.im2col_byte_cycles * depth)


def _point_cycles(
    engine: ClusterEngine, spec: KernelSpec, extents: Mapping[str, npt.ArrayLike], split: tuple[str, ...]
) -> FloatArray:
    cost = getattr(engine.kernels, spec.kernel, None)
    if not isinstance(cost, PointCost):
        raise UnsupportedKernel(f"{engine.name} has no kernel {spec.kernel!r}")
    dims = tuple(name for name, _ in spec.dims)
    points = busiest_share(extents, dims, split, engine.cores) if split else product_of(extents, dims)
    rows = _rows(spec, extents, split, points)
    taps = spec.window[0] * spec.window[1]
    strided = spec.stride != (1, 1) and cost.strided_tap_cycles is not None
    tap = cost.strided_tap_cycles if strided and cost.strided_tap_cycles is not None else cost.tap_cycles
    elements = points * spec.elements_per_point * seen_share(spec, product_of(extents, dims[:-1]), rows)
    cycles = rows * cost.row_cycles + elements * (cost.element_cycles + taps * tap)
    if cost.column_cycles:
        cycles = cycles + _columns(spec, extents, split, points) * cost.column_cycles
    return np.asarray(cycles)


def _columns(
    spec: KernelSpec, extents: Mapping[str, npt.ArrayLike], split: tuple[str, ...], points: FloatArray
) -> FloatArray:
    """Columns of outputs that the busiest core begins: in every channel, those that its pixels touch."""
    channels = dict(spec.dims).keys() - {"y", "x"}
    inner = tuple(name for name, _ in spec.dims if name in channels)
    if set(split) <= channels:
        return points / np.maximum(extent_of(extents, "y"), 1.0)
    whole = product_of(extents, inner)
    return whole * np.minimum(extent_of(extents, "x"), points / np.maximum(whole, 1.0))


def _rows(
    spec: KernelSpec, extents: Mapping[str, npt.ArrayLike], split: tuple[str, ...], points: FloatArray
) -> FloatArray:
    """Inner loops that the busiest core starts; the last dimension is the inner one.

    Where the elements of a row are not in the dims (concat), every point is a row of each input.
    """
    dims = tuple(name for name, _ in spec.dims)
    if spec.elements_per_point > 1:
        return points * spec.fan_in
    if split == dims[-1:]:
        return product_of(extents, dims[:-1])
    return np.ceil(points / np.maximum(extent_of(extents, dims[-1]), 1.0))
