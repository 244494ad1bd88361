"""What all operators share: their error, view checks and the padding of a tile."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from compiler.ir.access import Access, Axis, Region
from compiler.ir.tensor import IntArray, IntType, Tensor


class OperatorError(ValueError):
    """An operator whose fields contradict each other or its tensors; the message names it."""


def require(condition: bool, message: str) -> None:
    """Raise OperatorError(message) unless `condition` holds."""
    if not condition:
        raise OperatorError(message)


def access(tensors: Mapping[str, Tensor], name: str, axes: tuple[Axis, ...], dtype: IntType) -> Access:
    """An access to tensor `name` viewed with `axes`.

    Raises OperatorError where the view's element count or type is not the tensor's.
    """
    tensor = tensors[name]
    size = math.prod(axis.extent for axis in axes)
    require(size == tensor.elements, f"tensor {name}: a view of {size} elements on {tensor.elements}")
    require(dtype is tensor.dtype, f"tensor {name}: is {tensor.dtype.value}, the operator has {dtype.value}")
    return Access(name, axes, dtype.bytes)


def window_axis(
    extent: int, dim: str, stride: int = 1, window: int = 1, dilation: int = 1, pad: int = 0
) -> Axis:
    """The input axis under a sliding window of `window` taps along loop dimension `dim`."""
    return Axis(extent, ((dim, stride),), (window - 1) * dilation + 1, -pad)


def window_span(outputs: int, stride: int, window: int, dilation: int) -> int:
    """Input positions under `outputs` consecutive positions of a window, padding included."""
    return (outputs - 1) * stride + (window - 1) * dilation + 1


def padding_of(
    extent: int, outputs: int, stride: int, window: int, dilation: int, before: int
) -> tuple[int, int]:
    """Positions of padding before and behind an axis of `extent` under all windows of `outputs` outputs."""
    return before, max(0, window_span(outputs, stride, window, dilation) - before - extent)


def padded(tile: IntArray, region: Region, spans: Sequence[int], fill: int) -> IntArray:
    """The unclipped operand: `tile` with the positions outside the tensor set to `fill`.

    `spans` are the unclipped extents of the leading axes; the other axes are kept. Stored position j
    is position j - shift of the result (`Region.shift`).
    """
    result = np.full((*spans, *tile.shape[len(spans) :]), fill, tile.dtype)
    source, target = [], []
    for span, stored, shift in zip(spans, tile.shape, region.shift, strict=False):
        low, high = max(shift, 0), min(stored, span + shift)
        source.append(slice(low, max(high, low)))
        target.append(slice(low - shift, max(high, low) - shift))
    if all(s.stop > s.start for s in source):
        result[tuple(target)] = tile[tuple(source)]
    return result


def windows(
    tile: IntArray,
    out: tuple[int, int],
    window: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
) -> IntArray:
    """A read-only strided view [y, x, ky, kx, ...] of the windows on an unclipped tile [rows, cols, ...]."""
    row, col, *rest = tile.strides
    shape = (*out, *window, *tile.shape[2:])
    strides = (row * stride[0], col * stride[1], row * dilation[0], col * dilation[1], *rest)
    return np.lib.stride_tricks.as_strided(tile, shape, strides, writeable=False)
