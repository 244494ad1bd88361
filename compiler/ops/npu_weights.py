"""How the NPUs pack weights of 2 to 8 bits: planes of unsigned codes (weight + 2^(bits-1)), tiled channels.

Layouts (READ: pulp-nnx, Deeploy; of these the neureka 1x1 words were also checked on GVSoC):
- neureka 1x1: [o][ki/32] words of 32 bytes, bit (k/4)*32 + b*4 + k%4 of a word, whatever the width.
- neureka 3x3: [o][ki/28][b] words of 32 bytes, bit tap*28 + k.
- ne16: [o][ki/16][b][tap] 16-bit words, bit k.
Depthwise weights are packed as one output channel whose input channels are the channels.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from compiler.ir.tensor import IntArray
from compiler.ops.base import OperatorError

BITS = 8
WIDTHS = range(2, BITS + 1)
NEUREKA_WORD_BITS = 256


def weight_offset(bits: int) -> int:
    """What makes a weight a code: 2^(bits-1); raises OperatorError for a width that no NPU has."""
    if bits not in WIDTHS:
        raise OperatorError(f"NPU weights have {WIDTHS[0]} to {WIDTHS[-1]} bits, not {bits}")
    return 1 << (bits - 1)


def channel_tile(layout: str, window: tuple[int, int]) -> int:
    """Input channels of one weight word; raises OperatorError for a window the layout has not."""
    if window in ((1, 1), (3, 3)):
        if layout == "neureka":
            return 32 if window == (1, 1) else 28
        if layout == "ne16":
            return 16
    raise OperatorError(f"weight layout {layout} has no {window[0]}x{window[1]} window")


def group_bytes(layout: str, window: tuple[int, int], bits: int = BITS) -> int:
    """Bytes of the packed weights of one output channel and one tile of input channels."""
    tile = channel_tile(layout, window)
    if layout == "ne16":
        return bits * math.prod(window) * tile // 8
    return NEUREKA_WORD_BITS // 8 * (1 if window == (1, 1) else bits)


def packed_bytes(
    layout: str,
    window: tuple[int, int],
    out_channels: IntArray | int,
    in_channels: IntArray | int,
    bits: int = BITS,
) -> IntArray:
    """Size of the packed weights, array shaped (depthwise: one output channel)."""
    tile = channel_tile(layout, window)
    groups = (np.asarray(in_channels, np.int64) + tile - 1) // tile
    return np.asarray(out_channels, np.int64) * groups * group_bytes(layout, window, bits)


def pack(layout: str, weights: IntArray, bits: int = BITS) -> bytes:
    """Pack [o, kh, kw, i] weights in [-2^(bits-1), 2^(bits-1)); raises OperatorError for others."""
    out, kh, kw, channels = weights.shape
    tile, offset = channel_tile(layout, (kh, kw)), weight_offset(bits)
    if weights.size and not -offset <= weights.min() <= weights.max() < offset:
        raise OperatorError(f"weights from {weights.min()} to {weights.max()} do not fit {bits} bits")
    codes = np.zeros((out, kh * kw, -(-channels // tile) * tile), np.uint8)
    codes[:, :, :channels] = (weights.reshape(out, kh * kw, channels).astype(np.int16) + offset).astype(
        np.uint8
    )
    one_word = layout == "neureka" and kh == 1
    planes = BITS if one_word else bits
    # [o, tap, major, k, b] from here.
    bit = np.unpackbits(codes[..., None], axis=-1, bitorder="little")[..., :planes]
    bit = bit.reshape(out, kh * kw, -1, tile, planes)
    if one_word:
        words = (
            bit.reshape(out, -1, tile // 4, 4, BITS).transpose(0, 1, 2, 4, 3).reshape(-1, NEUREKA_WORD_BITS)
        )
    else:
        words = bit.transpose(0, 2, 4, 1, 3).reshape(-1, kh * kw * tile)
        if layout == "neureka":
            words = np.pad(words, ((0, 0), (0, NEUREKA_WORD_BITS - kh * kw * tile)))
    return np.packbits(words, axis=-1, bitorder="little").tobytes()


def unpack(
    layout: str, data: bytes, shape: tuple[int, int, int, int], bits: int = BITS
) -> npt.NDArray[np.int8]:
    """The int8 [o, kh, kw, i] weights that `pack` packed; what the NPU makes of the words."""
    out, kh, kw, channels = shape
    tile, taps, offset = channel_tile(layout, (kh, kw)), kh * kw, weight_offset(bits)
    plain = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    if layout == "neureka" and kh == 1:
        bit = plain.reshape(out, -1, tile // 4, BITS, 4).transpose(0, 1, 2, 4, 3)[..., :bits]
    else:
        width = NEUREKA_WORD_BITS if layout == "neureka" else taps * tile
        words = plain.reshape(out, -1, bits, width)[..., : taps * tile]
        bit = words.reshape(out, -1, bits, taps, tile).transpose(0, 3, 1, 4, 2)
    codes = np.packbits(bit.reshape(out, taps, -1, bits), axis=-1, bitorder="little")[..., 0]
    weights = (codes[:, :, :channels].astype(np.int16) - offset).astype(np.int8)
    return weights.reshape(shape)
