"""Packed weights bit by bit, as the hardware's documentation indexes them."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.ops.base import OperatorError
from compiler.ops.npu_weights import WIDTHS, pack, packed_bytes, unpack, weight_offset


def bit(data: bytes, position: int) -> int:
    return data[position // 8] >> (position % 8) & 1


def code_neureka_1x1(data: bytes, channels: int, bits: int, o: int, k: int) -> int:
    """bringup/t_neureka.c: word o*nki + k/32, bit ((k%32)/4)*32 + b*4 + k%4."""
    word = (o * -(-channels // 32) + k // 32) * 32 * 8
    return sum(bit(data, word + (k % 32) // 4 * 32 + b * 4 + k % 4) << b for b in range(bits))


def code_neureka_3x3(data: bytes, channels: int, bits: int, o: int, k: int, tap: int) -> int:
    """Word (o*nki + k/28)*bits + b, bit tap*28 + k%28."""
    first = (o * -(-channels // 28) + k // 28) * bits
    return sum(bit(data, (first + b) * 256 + tap * 28 + k % 28) << b for b in range(bits))


def code_ne16(data: bytes, channels: int, taps: int, bits: int, o: int, k: int, tap: int) -> int:
    """16-bit word ((o*nki + k/16)*bits + b)*taps + tap, bit k%16."""
    first = (o * -(-channels // 16) + k // 16) * bits
    return sum(bit(data, ((first + b) * taps + tap) * 16 + k % 16) << b for b in range(bits))


def code(
    layout: str, data: bytes, shape: tuple[int, int, int, int], bits: int, o: int, k: int, tap: int
) -> int:
    taps, channels = shape[1] * shape[2], shape[3]
    if layout == "ne16":
        return code_ne16(data, channels, taps, bits, o, k, tap)
    if taps == 1:
        return code_neureka_1x1(data, channels, bits, o, k)
    return code_neureka_3x3(data, channels, bits, o, k, tap)


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("layout", ["neureka", "ne16"])
@pytest.mark.parametrize("shape", [(3, 1, 1, 33), (2, 1, 1, 32), (2, 3, 3, 29), (1, 3, 3, 5), (1, 3, 3, 56)])
def test_every_weight_is_where_the_npu_reads_it(
    layout: str, shape: tuple[int, int, int, int], bits: int
) -> None:
    half = weight_offset(bits)
    weights = np.random.default_rng(bits).integers(-half, half, shape).astype(np.int8)
    data = pack(layout, weights, bits)
    assert len(data) == packed_bytes(layout, (shape[1], shape[2]), shape[0], shape[3], bits)
    for o, ky, kx, k in np.ndindex(*shape):
        assert code(layout, data, shape, bits, o, k, ky * shape[2] + kx) - half == weights[o, ky, kx, k]
    np.testing.assert_array_equal(unpack(layout, data, shape, bits), weights)


@pytest.mark.parametrize("bits", [1, 9])
def test_other_widths_are_refused(bits: int) -> None:
    with pytest.raises(OperatorError, match="2 to 8 bits"):
        pack("neureka", np.zeros((1, 1, 1, 1), np.int8), bits)


def test_weights_that_do_not_fit_are_refused() -> None:
    with pytest.raises(OperatorError, match="from 0 to 8 do not fit 4 bits"):
        pack("neureka", np.array([0, 8], np.int8).reshape(1, 1, 1, 2), 4)


@pytest.mark.parametrize(
    ("layout", "shape", "size"),
    [
        ("neureka", (64, 1, 1, 64), 32 * 64 * 2),
        ("neureka", (64, 3, 3, 57), 32 * 8 * 64 * 3),
        ("neureka", (1, 3, 3, 57), 32 * 8 * 3),
        ("ne16", (64, 1, 1, 33), 64 * 3 * 8 * 2),
        ("ne16", (64, 3, 3, 32), 64 * 2 * 8 * 9 * 2),
    ],
)
def test_sizes_are_those_of_the_hardware_facts(layout: str, shape: tuple[int, ...], size: int) -> None:
    window = (shape[1], shape[2])
    assert int(packed_bytes(layout, window, shape[0], shape[3])) == size
    assert len(pack(layout, np.zeros(shape, np.int8))) == size


def test_other_windows_have_no_packing() -> None:
    with pytest.raises(OperatorError, match="neureka has no 5x5 window"):
        pack("neureka", np.zeros((1, 5, 5, 1), np.int8))
