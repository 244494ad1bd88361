"""Random NPU jobs with a definition of their own: loops over taps, bit planes packed one bit at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compiler.ir.tensor import IntArray
from compiler.ops.conv2d import Conv2d
from compiler.ops.engines import npu_blockers
from compiler.ops.npu_weights import pack, weight_offset
from costmodels.engines.npu import NpuEngine
from costmodels.npu import NpuConstraints
from costmodels.platform import load_platform
from tests.compiler.ops.cases import convolution, linear
from tests.compiler.ops.drawn import Case, pick
from tests.compiler.runtime.abi import LAYOUTS, NpuJob
from tests.compiler.runtime.placed import Placed, Rng, place

MODE_3X3, MODE_DW3X3, MODE_1X1 = 0, 1, 2


@dataclass(frozen=True)
class NpuKind:
    """An engine by its weight layout, and a stride that it has."""

    layout: str
    stride: int


NPU_KINDS = (NpuKind("neureka", 1), NpuKind("ne16", 1), NpuKind("ne16", 2))


def platform_limits(platform: str) -> NpuConstraints:
    """What the NPU of a platform file can run."""
    engine = load_platform(platform).engine_of["npu"]
    assert isinstance(engine, NpuEngine)
    return engine.constraints


LIMITS = {limits.layout: limits for limits in map(platform_limits, ("siracusa", "gap9"))}


def npu_layer(rng: Rng, kind: NpuKind) -> Case:
    """A layer that the compiler would give to the NPU."""
    made = any_layer(rng, kind.stride)
    assert isinstance(made.op, Conv2d)
    reasons = npu_blockers(made.op, LIMITS[kind.layout])
    if not reasons:
        return made
    # By chance a multiplier is wrong, padding is too much, or a Gemm with one weight is as well depthwise.
    known = ("multiplier", "padding 2 above", "depthwise 1x1")
    assert all(reason.startswith(known) for reason in reasons), reasons
    return npu_layer(rng, kind)


def any_layer(rng: Rng, stride: int) -> Case:
    """A Gemm (stride 1), or a depthwise 3x3, 1x1 or 3x3 convolution."""
    which = rng.integers(4 if stride == 1 else 3)
    if which == 3:
        return linear(rng)
    if which == 0:
        return convolution(rng, pick(rng, 2, 60), 1, 1, (3, 3), stride)
    window = ((1, 1), (3, 3))[which - 1]
    return convolution(rng, 1, pick(rng, 1, 70), pick(rng, 2, 40), window, stride)


@dataclass(frozen=True)
class JobCase:
    """A job in memory and the output it must leave."""

    job: NpuJob
    output: Placed
    expected: IntArray
    keep: tuple[object, ...]


@dataclass(frozen=True)
class Shape:
    """The geometry of a random job; pads are top, right, bottom, left."""

    mode: int
    k_in: int
    k_out: int
    taps: int
    pads: tuple[int, int, int, int]
    h_out: int
    w_out: int
    rows: int
    cols: int


def random_shape(rng: Rng, kind: NpuKind) -> Shape:
    """Any geometry with at least one stored pixel."""
    mode = int(rng.integers(3))
    k_in, k_out = pick(rng, 1, 70), pick(rng, 1, 36)
    if mode == MODE_DW3X3:
        k_out = k_in
    elif mode == MODE_1X1 and rng.integers(4) == 0:
        k_in, k_out = pick(rng, 240, 600), pick(rng, 1, 3)  # More than the model decodes at once.
    taps = 1 if mode == MODE_1X1 else 3
    top, right, bottom, left = (0 if taps == 1 else pick(rng, 0, 2) for _ in range(4))
    h_out, w_out = (max(pick(rng, 1, 9), taps - 1) for _ in range(2))
    rows = (h_out - 1) * kind.stride + taps - top - bottom
    cols = (w_out - 1) * kind.stride + taps - right - left
    if min(rows, cols) < 1:
        return random_shape(rng, kind)
    return Shape(mode, k_in, k_out, taps, (top, right, bottom, left), h_out, w_out, rows, cols)


@dataclass(frozen=True)
class Norm:
    """How a random job ends; scale is None where it stores raw sums of 32 bits."""

    scale: IntArray | None
    scale_bits: int
    bias: IntArray | None
    out_bits: int
    relu: bool
    shift: int
    out_signed: bool

    def of(self, sums: IntArray) -> IntArray:
        """What the job shall store."""
        if self.scale is None:
            return sums
        return saturate(
            normalise(sums, self.scale, self.bias, self.shift), self.out_bits, self.relu, self.out_signed
        )


def random_norm(rng: Rng, k_out: int) -> Norm:
    quantised, out_bits = bool(rng.integers(4)), 8 if rng.integers(2) else 32
    scale_bits = 8 if rng.integers(2) else 32
    scale = rng.integers(0, 2**scale_bits, k_out, dtype=np.uint64).astype(f"u{scale_bits // 8}")
    bias = rng.integers(-(2**31), 2**31, k_out).astype(np.int32) if rng.integers(3) else None
    relu, shift, out_signed = bool(rng.integers(2)), pick(rng, 0, 31), bool(rng.integers(2))
    if not quantised:
        return Norm(None, scale_bits, bias, 32, relu, shift, out_signed)
    return Norm(scale, scale_bits, bias, out_bits, relu, shift, out_signed)


def random_job(rng: Rng, kind: NpuKind) -> JobCase:
    """A job with any weight width, scale width, output width, bias, ReLU, padding; extremes are likely."""
    shape = random_shape(rng, kind)
    bits, signed = pick(rng, 2, 8), bool(rng.integers(2))
    dtype = np.int8 if signed else np.uint8
    info = np.iinfo(dtype)
    x = rng.integers(info.min, info.max + 1, (shape.rows, shape.cols, shape.k_in)).astype(dtype)
    pad_value = pick(rng, info.min, info.max)
    per_filter = 1 if shape.mode == MODE_DW3X3 else shape.k_in
    codes = rng.integers(0, 2**bits, (shape.k_out, shape.taps, shape.taps, per_filter))
    offset = -(2 ** (bits - 1)) if rng.integers(2) else pick(rng, -128, 128 - 2**bits)
    size = (shape.h_out, shape.w_out)
    sums = accumulate(x, codes + offset, list(shape.pads), pad_value, size, shape.mode, kind.stride)
    norm = random_norm(rng, shape.k_out)
    weights = pack_bits(rng, codes, bits, shape.mode, kind.layout == "ne16")
    if rng.integers(2):
        weights = compiled_weights(kind.layout, codes, bits, shape.mode)
    placed = place(rng, x, 2)
    raw = np.ascontiguousarray(norm.of(sums)).view(np.uint8).reshape(*size, shape.k_out * norm.out_bits // 8)
    output = place(rng, np.zeros_like(raw), 3)
    job = _job(shape, norm, kind, weights, placed, output)
    job.weight_bits, job.in_signed = bits, signed
    job.pad_value, job.weight_offset = pad_value, offset
    return JobCase(job, output, raw, (weights, placed, norm.scale, norm.bias))


def _job(
    shape: Shape, norm: Norm, kind: NpuKind, weights: IntArray, placed: Placed, output: Placed
) -> NpuJob:
    top, right, bottom, left = shape.pads
    return NpuJob(
        weights=weights.ctypes.data,
        input=placed.address,
        output=output.address,
        scale=None if norm.scale is None else norm.scale.ctypes.data,
        bias=None if norm.bias is None else norm.bias.ctypes.data,
        in_pixel_stride=placed.pitch[1],
        in_row_stride=placed.pitch[0],
        out_pixel_stride=output.pitch[1],
        out_row_stride=output.pitch[0],
        h_out=shape.h_out,
        w_out=shape.w_out,
        k_in=shape.k_in,
        k_out=shape.k_out,
        layout=LAYOUTS[kind.layout],
        mode=shape.mode,
        stride=kind.stride,
        scale_bits=norm.scale_bits,
        out_bits=norm.out_bits,
        shift=norm.shift,
        relu=norm.relu,
        out_signed=norm.out_signed,
        pad_top=top,
        pad_right=right,
        pad_bottom=bottom,
        pad_left=left,
    )


def accumulate(
    x: IntArray,
    weights: IntArray,
    pads: list[int],
    fill: int,
    out: tuple[int, int],
    mode: int,
    stride: int,
) -> npt.NDArray[np.int32]:
    """The sums [h_out, w_out, k_out]."""
    top, right, bottom, left = pads
    whole = np.pad(x.astype(np.int64), ((top, bottom), (left, right), (0, 0)), constant_values=fill)
    sums = np.zeros((*out, weights.shape[0]), np.int64)
    for ky, kx in np.ndindex(weights.shape[1:3]):
        window = whole[ky::stride, kx::stride][: out[0], : out[1]]
        tap = weights[:, ky, kx]
        sums += window * tap[:, 0] if mode == MODE_DW3X3 else window @ tap.T
    return sums.astype(np.int32)


def normalise(sums: IntArray, scale: IntArray, bias: IntArray | None, shift: int) -> npt.NDArray[np.int64]:
    """The product cut to 32 bits, the bias added with saturation, shifted without rounding."""
    product = (sums.astype(np.int64) * scale.astype(np.int64)) & 0xFFFFFFFF
    product = np.where(product >= 2**31, product - 2**32, product)
    total = product + (0 if bias is None else bias.astype(np.int64))
    shifted: npt.NDArray[np.int64] = np.clip(total, -(2**31), 2**31 - 1) >> shift
    return shifted


def saturate(value: IntArray, bits: int, relu: bool, signed: bool) -> IntArray:
    """Clipped to the output type, as dse_npu.h has it."""
    if bits == 32:
        return np.clip(value, 0 if relu else -(2**31), 2**31 - 1).astype(np.int32)
    if signed and not relu:
        return np.clip(value, -128, 127).astype(np.int8)
    return np.clip(value, 0, 255).astype(np.uint8)


def compiled_weights(layout: str, codes: IntArray, bits: int, mode: int) -> npt.NDArray[np.uint8]:
    """The same codes as the compiler packs them."""
    weights = (codes - weight_offset(bits)).astype(np.int8)
    data = pack(layout, weights.transpose(3, 1, 2, 0) if mode == MODE_DW3X3 else weights, bits)
    return np.frombuffer(data + bytes(-len(data) % 4), np.uint8).copy()


def pack_bits(rng: Rng, codes: IntArray, bits: int, mode: int, ne16: bool) -> npt.NDArray[np.uint8]:
    """The packed words, one bit at a time, from the layouts' definition; bits without meaning are random."""
    if mode == MODE_DW3X3:
        codes = codes.transpose(3, 1, 2, 0)
    taps = codes.shape[1] * codes.shape[2]
    tile = 16 if ne16 else 32 if taps == 1 else 28
    majors = -(-codes.shape[3] // tile)
    group = bits * taps * 2 if ne16 else 32 * (1 if taps == 1 else bits)
    words = rng.integers(0, 256, codes.shape[0] * majors * group).astype(np.uint8)
    for o, ky, kx, i in np.ndindex(codes.shape):
        major, k = divmod(i, tile)
        for b in range(bits):
            tap = ky * codes.shape[2] + kx
            if ne16:
                at = (b * taps + tap) * 16 + k
            elif taps == 1:
                at = k // 4 * 32 + b * 4 + k % 4
            else:
                at = b * 256 + tap * 28 + k
            bit = (int(codes[o, ky, kx, i]) >> b) & 1
            byte = (o * majors + major) * group + at // 8
            words[byte] = int(words[byte]) & ~(1 << at % 8) | bit << at % 8
    padding = -words.size % 4
    return np.concatenate([words, np.zeros(padding, np.uint8)])
