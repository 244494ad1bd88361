"""Constant tensors with the quantisation they came with, and folding of constant subgraphs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from compiler.frontend.errors import Refused

AnyArray = npt.NDArray[Any]
FloatArray = npt.NDArray[np.float64]

MAX_ELEMENTS = 1 << 28
"""Tensors beyond this are refused: 256 M elements, far over any memory this tool plans."""


@dataclass(frozen=True, eq=False)
class Const:
    """A constant of any ONNX type.

    Where it went through DequantizeLinear, `codes` are the integers that were stored, `scale` and
    `zero` broadcast against it at full rank, and `array` is scale * (codes - zero).
    """

    array: AnyArray
    codes: AnyArray | None = None
    scale: FloatArray | None = None
    zero: AnyArray | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape)

    @property
    def real(self) -> FloatArray:
        """The values as float64."""
        return np.asarray(self.array, np.float64)

    def mapped(self, change: Callable[[AnyArray], AnyArray]) -> Const:
        """This constant with its axes permuted by `change`; quantisation follows."""
        if self.codes is None or self.scale is None or self.zero is None:
            return Const(change(self.array))
        return Const(change(self.array), change(self.codes), change(self.scale), change(self.zero))

    def reshaped(self, shape: Sequence[int]) -> Const:
        """This constant in another shape; a quantisation by axis is spread over the elements."""
        if self.codes is None or self.scale is None or self.zero is None:
            return Const(self.array.reshape(shape))
        if self.scale.size == 1:
            ones = (1,) * len(shape)
            return Const(
                self.array.reshape(shape),
                self.codes.reshape(shape),
                self.scale.reshape(ones),
                self.zero.reshape(ones),
            )
        scale = np.broadcast_to(self.scale, self.array.shape).reshape(shape)
        zero = np.broadcast_to(self.zero, self.array.shape).reshape(shape)
        return Const(self.array.reshape(shape), self.codes.reshape(shape), scale, zero)


def broadcast_parameter(array: AnyArray, rank: int, axis: int) -> AnyArray:
    """A scale or zero point of DequantizeLinear at the rank of its tensor."""
    if array.size == 1:
        return array.reshape((1,) * rank)
    if array.ndim != 1 or rank == 0:
        raise Refused("scale", "blocked quantisation", "one scale per tensor or per index of one axis")
    axis = axis + rank if axis < 0 else axis
    if not 0 <= axis < rank:
        raise Refused("axis", f"axis {axis} of a tensor of rank {rank}")
    return array.reshape([-1 if k == axis else 1 for k in range(rank)])


def dequantise(codes: AnyArray, scale: AnyArray, zero: AnyArray | None, axis: int) -> Const:
    """DequantizeLinear of constant `codes`."""
    factor = broadcast_parameter(scale.astype(np.float64), codes.ndim, axis)
    offset = np.zeros((), np.int64) if zero is None else zero.astype(np.int64)
    shift = broadcast_parameter(offset, codes.ndim, axis)
    wide = codes.astype(np.int64)
    try:
        return Const(factor * (wide - shift), wide, factor, shift)
    except ValueError as error:
        raise Refused("scale", f"{factor.size} scales for shape {codes.shape}") from error


def quantise(const: Const, scale: AnyArray, zero: AnyArray | None, axis: int) -> AnyArray:
    """QuantizeLinear of a constant: round half to even, saturate to the type of `zero`."""
    target = np.dtype(np.uint8) if zero is None else zero.dtype
    factor = broadcast_parameter(scale.astype(np.float32), const.array.ndim, axis)
    shift = np.zeros((), np.int64) if zero is None else zero.astype(np.int64)
    shift = broadcast_parameter(shift, const.array.ndim, axis)
    info = np.iinfo(target)
    codes = np.rint(const.array.astype(np.float32) / factor).astype(np.float64) + shift
    return np.clip(codes, info.min, info.max).astype(target)


Fold = Callable[[Sequence[AnyArray], Mapping[str, Any]], AnyArray]


def _slice(arrays: Sequence[AnyArray], attributes: Mapping[str, Any]) -> AnyArray:
    data, starts, ends = arrays[:3]
    axes = arrays[3] if len(arrays) > 3 else np.arange(len(starts))
    steps = arrays[4] if len(arrays) > 4 else np.ones(len(starts), np.int64)
    index = [slice(None)] * data.ndim
    for axis, low, high, step in zip(axes, starts, ends, steps, strict=True):
        # ONNX's "to the very end" for a negative step lies below any -size; numpy calls it None.
        stop = None if step < 0 and high < -data.shape[int(axis)] else int(high)
        index[int(axis)] = slice(int(low), stop, int(step))
    return data[tuple(index)]


def _cast(arrays: Sequence[AnyArray], attributes: Mapping[str, Any]) -> AnyArray:
    types = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 9: np.bool_, 11: np.float64}
    if (target := types.get(attributes.get("to", 0))) is None:
        raise Refused("to", f"cast to ONNX type {attributes.get('to')}", "float32, float64, int8 to int64")
    return arrays[0].astype(target)


def _divide(arrays: Sequence[AnyArray], attributes: Mapping[str, Any]) -> AnyArray:
    if arrays[0].dtype.kind not in "iu":
        return np.divide(arrays[0], arrays[1])
    # ONNX divides integers towards zero, numpy's // towards minus infinity.
    return np.trunc(np.divide(arrays[0], arrays[1])).astype(arrays[0].dtype)


def _fill(arrays: Sequence[AnyArray], attributes: Mapping[str, Any]) -> AnyArray:
    value = np.asarray(attributes.get("value", np.zeros(1, np.float32))).reshape(-1)
    check_elements(tuple(int(v) for v in arrays[0]))
    return np.full(tuple(arrays[0]), value[0])


def _expand(arrays: Sequence[AnyArray], attributes: Mapping[str, Any]) -> AnyArray:
    shape = np.broadcast_shapes(arrays[0].shape, tuple(int(v) for v in arrays[1]))
    check_elements(shape)
    return np.broadcast_to(arrays[0], shape)


def _range(arrays: Sequence[AnyArray], attributes: Mapping[str, Any]) -> AnyArray:
    start, limit, step = (array.reshape(-1)[0] for array in arrays)
    check_elements((int(abs((limit - start) / step)),))
    return np.arange(start, limit, step, dtype=arrays[0].dtype)


def _triangle(arrays: Sequence[AnyArray], attributes: Mapping[str, Any]) -> AnyArray:
    shift = int(arrays[1].reshape(-1)[0]) if len(arrays) > 1 else 0
    return np.triu(arrays[0], shift) if attributes.get("upper", 1) else np.tril(arrays[0], shift)


def _cumulated(arrays: Sequence[AnyArray], attributes: Mapping[str, Any]) -> AnyArray:
    if attributes.get("exclusive", 0) or attributes.get("reverse", 0):
        raise Refused("exclusive", "exclusive or reversed sums", "sums from the first element on")
    return np.cumsum(arrays[0], axis=int(arrays[1].reshape(-1)[0]), dtype=arrays[0].dtype)


FOLDS: Mapping[str, Fold] = {
    "Abs": lambda a, _: np.abs(a[0]),
    "Add": lambda a, _: a[0] + a[1],
    "And": lambda a, _: np.logical_and(a[0], a[1]),
    "Cos": lambda a, _: np.cos(a[0]),
    "CumSum": _cumulated,
    "Equal": lambda a, _: np.equal(a[0], a[1]),
    "Exp": lambda a, _: np.exp(a[0]),
    "Floor": lambda a, _: np.floor(a[0]),
    "Greater": lambda a, _: np.greater(a[0], a[1]),
    "GreaterOrEqual": lambda a, _: np.greater_equal(a[0], a[1]),
    "Less": lambda a, _: np.less(a[0], a[1]),
    "LessOrEqual": lambda a, _: np.less_equal(a[0], a[1]),
    "Log": lambda a, _: np.log(a[0]),
    "Not": lambda a, _: np.logical_not(a[0]),
    "Or": lambda a, _: np.logical_or(a[0], a[1]),
    "Sin": lambda a, _: np.sin(a[0]),
    "Tile": lambda a, _: np.tile(a[0], tuple(int(v) for v in a[1])),
    "Trilu": _triangle,
    "Sub": lambda a, _: a[0] - a[1],
    "Mul": lambda a, _: a[0] * a[1],
    "Div": _divide,
    "Sqrt": lambda a, _: np.sqrt(a[0]),
    "Neg": lambda a, _: np.negative(a[0]),
    "Pow": lambda a, _: np.power(a[0], a[1]).astype(a[0].dtype),
    "Reciprocal": lambda a, _: np.reciprocal(a[0]),
    "Cast": _cast,
    "Concat": lambda a, at: np.concatenate(a, axis=at.get("axis", 0)),
    "ConstantOfShape": _fill,
    "Expand": _expand,
    "Gather": lambda a, at: np.take(a[0], a[1].astype(np.int64), axis=at.get("axis", 0)),
    "Range": _range,
    "Slice": _slice,
    "Where": lambda a, _: np.where(a[0], a[1], a[2]),
}
"""Operators that are folded where every input is constant, as ONNX's operator documentation defines them."""


def check_elements(shape: tuple[int, ...]) -> None:
    """Raises Refused for a shape with a negative extent or more than MAX_ELEMENTS elements."""
    if any(extent < 0 for extent in shape):
        raise Refused("shape", f"shape {shape} has a negative extent", "extents known before run time")
    if math.prod(shape) > MAX_ELEMENTS:
        raise Refused("shape", f"{math.prod(shape)} elements", f"at most {MAX_ELEMENTS} elements a tensor")
