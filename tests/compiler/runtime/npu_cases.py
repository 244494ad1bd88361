"""Random NPU jobs with a definition of their own: loops over taps, bit planes packed one bit at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compiler.ir.tensor import IntArray
from compiler.ops.conv2d import Conv2d
from compiler.ops.engines import npu_blockers
from costmodels.engines.npu import NpuEngine
from costmodels.npu import NpuConstraints
from costmodels.platform import load_platform
from tests.compiler.ops.cases import Case, convolution, linear, pick
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
    # By chance a multiplier is wrong, or a Gemm with one weight is as well depthwise; nothing else may be.
    assert all(reason.startswith(("multiplier", "depthwise 1x1")) for reason in reasons), reasons
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


def random_job(rng: Rng, kind: NpuKind) -> JobCase:
    """A job with any weight width, scale width, output width, bias, ReLU, padding; extremes are likely."""
    mode = int(rng.integers(3))
    k_in, k_out = pick(rng, 1, 70), pick(rng, 1, 36)
    if mode == MODE_DW3X3:
        k_out = k_in
    elif mode == MODE_1X1 and rng.integers(4) == 0:
        k_in, k_out = pick(rng, 240, 600), pick(rng, 1, 3)  # More than the model decodes at once.
    bits = pick(rng, 2, 8)
    taps = 1 if mode == MODE_1X1 else 3
    pads = [0 if taps == 1 else pick(rng, 0, 2) for _ in range(4)]  # top, right, bottom, left
    h_out, w_out = (max(pick(rng, 1, 9), taps - 1) for _ in range(2))
    rows = (h_out - 1) * kind.stride + taps - pads[0] - pads[2]
    cols = (w_out - 1) * kind.stride + taps - pads[1] - pads[3]
    if min(rows, cols) < 1:
        return random_job(rng, kind)
    signed = bool(rng.integers(2))
    dtype = np.int8 if signed else np.uint8
    info = np.iinfo(dtype)
    x = rng.integers(info.min, info.max + 1, (rows, cols, k_in)).astype(dtype)
    pad_value = pick(rng, info.min, info.max)
    codes = rng.integers(0, 2**bits, (k_out, taps, taps, 1 if mode == MODE_DW3X3 else k_in))
    offset = -(2 ** (bits - 1)) if rng.integers(2) else pick(rng, -128, 128 - 2**bits)
    sums = accumulate(x, codes + offset, pads, pad_value, (h_out, w_out), mode, kind.stride)
    quantised, out_bits = bool(rng.integers(4)), 8 if rng.integers(2) else 32
    scale_bits = 8 if rng.integers(2) else 32
    scale = rng.integers(0, 2**scale_bits, k_out, dtype=np.uint64).astype(f"u{scale_bits // 8}")
    bias = rng.integers(-(2**31), 2**31, k_out).astype(np.int32) if rng.integers(3) else None
    relu, shift, out_signed = bool(rng.integers(2)), pick(rng, 0, 31), bool(rng.integers(2))
    expected: IntArray = sums
    if quantised:
        expected = saturate(normalise(sums, scale, bias, shift), out_bits, relu, out_signed)
    else:
        out_bits = 32
    weights = pack_bits(rng, codes, bits, mode, kind.layout == "ne16")
    placed = place(rng, x, 2)
    width = out_bits // 8
    raw = np.ascontiguousarray(expected).view(np.uint8).reshape(h_out, w_out, k_out * width)
    output = place(rng, np.zeros_like(raw), 3)
    job = NpuJob(
        weights=weights.ctypes.data,
        input=placed.address,
        output=output.address,
        scale=scale.ctypes.data if quantised else None,
        bias=bias.ctypes.data if bias is not None else None,
        in_pixel_stride=placed.pitch[1],
        in_row_stride=placed.pitch[0],
        out_pixel_stride=output.pitch[1],
        out_row_stride=output.pitch[0],
        h_out=h_out,
        w_out=w_out,
        k_in=k_in,
        k_out=k_out,
        layout=LAYOUTS[kind.layout],
        mode=mode,
        stride=kind.stride,
        weight_bits=bits,
        scale_bits=scale_bits,
        out_bits=out_bits,
        shift=shift,
        relu=relu,
        in_signed=signed,
        out_signed=out_signed,
        pad_top=pads[0],
        pad_right=pads[1],
        pad_bottom=pads[2],
        pad_left=pads[3],
        pad_value=pad_value,
        weight_offset=offset,
    )
    return JobCase(job, output, raw, (weights, placed, scale, bias))


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
