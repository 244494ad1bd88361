"""Convolution with constant weights: dense, grouped, depthwise; Gemm and MatMul as 1x1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from compiler.ir.access import Axis, Box, Dim, Space, TileCall
from compiler.ir.operator import TABLES, WEIGHTS, Operator, Parts, align4
from compiler.ir.tensor import Constant, IntArray, IntType, Tensor
from compiler.ops import npu_weights
from compiler.ops.accumulate import accumulator_range, dense_sums, depthwise_sums
from compiler.ops.base import access, padded, padding_of, require, window_axis, window_span, windows
from compiler.ops.requant import RealAffine, Reals, Requant, requantise
from costmodels.work import KernelSpec


@dataclass(frozen=True, kw_only=True)
class Conv2d(Operator):
    """y[oy,ox,o] = requant(sum over taps and i of x[oy*sy + ky*dy - top, ...] * w[o,ky,kx,i]).

    Views: input (H, W, C), output (Ho, Wo, O). Raw codes are multiplied; the input's zero point is
    folded into `requant.add`, and taps outside the input read `pad_value` (its zero point). Gemm and
    MatMul with constant weights have in_shape (rows, 1, K) and a 1x1 window.

    in_shape (H, W, C); weights int8 [O, kh, kw, C/groups]; pads (top, left, bottom, right).
    Inputs have 8 bits; outputs, too, or they are int16 or int32 (not depthwise).
    Raises OperatorError where shapes contradict or the requantisation could overflow 32 bits.
    """

    kind: ClassVar[str] = "conv2d"
    in_shape: tuple[int, int, int]
    weights: Constant
    requant: Requant
    groups: int = 1
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    pad_value: int = 0
    input_type: IntType = IntType.I8
    output_type: IntType = IntType.I8

    def __post_init__(self) -> None:
        weights = self.weights.array
        good = weights.ndim == 4 and weights.dtype == np.int8
        require(good, f"{self.name}: weights must be int8 [O, kh, kw, C/groups]")
        out, *_, per_group = weights.shape
        fits = per_group * self.groups == self.in_shape[2] and out % self.groups == 0
        require(fits, f"{self.name}: {weights.shape} weights in {self.groups} groups on {self.in_shape}")
        require(min(self.pads) >= 0, f"{self.name}: negative padding {self.pads}")
        require(min(self.out_hw) >= 1, f"{self.name}: the window is larger than the input {self.in_shape}")
        types = self.input_type.bytes == 1 and (self.output_type.bytes == 1 or not self.depthwise)
        require(types, f"{self.name}: a convolution takes 8-bit codes, and gives them if it is depthwise")
        low, high = self.input_type.low, self.input_type.high
        require(low <= self.pad_value <= high, f"{self.name}: padding code {self.pad_value} is no input code")
        self.requant.check(self.name, out, self.output_type, accumulator_range(weights, low, high))

    @property
    def window(self) -> tuple[int, int]:
        """(kh, kw) taps."""
        _, kh, kw, _ = self.weights.array.shape
        return kh, kw

    @property
    def out_channels(self) -> int:
        return int(self.weights.array.shape[0])

    @cached_property
    def out_hw(self) -> tuple[int, int]:
        """(Ho, Wo) of the output."""
        top, left, bottom, right = self.pads
        sizes = (self.in_shape[0] + top + bottom, self.in_shape[1] + left + right)
        spans = ((k - 1) * d + 1 for k, d in zip(self.window, self.dilation, strict=True))
        low, high = ((s - span) // t + 1 for s, span, t in zip(sizes, spans, self.stride, strict=True))
        return low, high

    @property
    def depthwise(self) -> bool:
        """One input and one output channel per group."""
        return self.groups == self.in_shape[2] == self.out_channels

    @property
    def has_weights(self) -> bool:
        return True

    def space(self, tensors: Mapping[str, Tensor]) -> Space:
        dims = self._dims()
        dense = self.groups == 1 and not self.depthwise
        per_in, per_out = self.in_shape[2] // self.groups, self.out_channels // self.groups
        in_channels, out_channels = _channel_axes(self.groups, per_in, per_out, dense)
        (height, width, _), (kh, kw) = self.in_shape, self.window
        rows = window_axis(height, "y", self.stride[0], kh, self.dilation[0], self.pads[0])
        columns = window_axis(width, "x", self.stride[1], kw, self.dilation[1], self.pads[1])
        outputs = (Axis(self.out_hw[0], (("y", 1),)), Axis(self.out_hw[1], (("x", 1),)), out_channels)
        inner = "o" if dense else "g"
        reduction = ("i",) if dense else ()
        spec = KernelSpec(
            kernel="depthwise2d" if self.depthwise else "conv2d",
            dims=tuple((dim.name, dim.extent) for dim in dims),
            window=self.window,
            stride=self.stride,
            dilation=self.dilation,
            input_bytes=self.input_type.bytes,
            output_bytes=self.output_type.bytes,
            splits=(("y", "x"), (inner,)),
            padding=(
                padding_of(height, self.out_hw[0], self.stride[0], kh, self.dilation[0], self.pads[0]),
                padding_of(width, self.out_hw[1], self.stride[1], kw, self.dilation[1], self.pads[1]),
            ),
            padding_adds=self.pad_value != 0,
        )
        return Space(
            spec=spec,
            dims=dims,
            inputs=(access(tensors, self.inputs[0], (rows, columns, in_channels), self.input_type),),
            output=access(tensors, self.output, outputs, self.output_type),
            orders=((inner, "y", "x", *reduction), ("y", "x", inner, *reduction)),
            param_dims=(inner, *reduction),
            accumulator_bytes=4 if dense else 0,
        )

    def _dims(self) -> tuple[Dim, ...]:
        spatial = (Dim("y", self.out_hw[0]), Dim("x", self.out_hw[1]))
        if self.depthwise:
            return (*spatial, Dim("g", self.groups))
        dense = self.groups == 1
        return (
            *spatial,
            Dim("g", self.groups, tileable=not dense),
            Dim("o", self.out_channels // self.groups, tileable=dense),
            Dim("i", self.in_shape[2] // self.groups, reduction=True, tileable=dense),
        )

    def compute(
        self,
        call: TileCall,
        inputs: Sequence[IntArray],
        block: bytes,
        layout: str,
        accumulator: IntArray | None,
    ) -> IntArray:
        rows, columns, channels = call.output.shape
        spans = (
            window_span(rows, self.stride[0], self.window[0], self.dilation[0]),
            window_span(columns, self.stride[1], self.window[1], self.dilation[1]),
        )
        tile = padded(inputs[0], call.inputs[0], spans, self.pad_value)
        taps = windows(tile, (rows, columns), self.window, self.stride, self.dilation)
        groups = call.extent("g")
        per_out, per_in = (1, 1) if self.depthwise else (call.extent("o"), call.extent("i"))
        weights, rest = self._unpack(block, layout, (groups, per_out, per_in))
        acc = depthwise_sums(taps, weights[:, 0, :, :, 0]) if self.depthwise else dense_sums(taps, weights)
        if accumulator is not None:
            acc = acc + accumulator.astype(np.int32)
        if not call.last:
            return acc
        mul, add = np.frombuffer(rest, np.int32).reshape(2, channels)
        out = requantise(acc, mul, add, self.requant.shift, self.requant.low, self.requant.high)
        return out.astype(self.output_type.dtype)

    def _unpack(
        self, block: bytes, layout: str, extents: tuple[int, int, int]
    ) -> tuple[npt.NDArray[np.int8], bytes]:
        """The weights [g, o, kh, kw, i] of a parameter block, and its bytes after them."""
        groups, per_out, per_in = extents
        size = int(self._weight_bytes(layout, groups, per_out, per_in))
        rest = block[int(align4(size)) :]
        shape = (groups, per_out, *self.window, per_in)
        if layout != "plain":
            packed = (1, *self.window, groups) if self.depthwise else (per_out, *self.window, per_in)
            weights = npu_weights.unpack(layout, block[:size], packed)
            return (np.moveaxis(weights, 3, 0)[..., None] if self.depthwise else weights[None]), rest
        flat = np.frombuffer(block, np.int8, size)
        if self.depthwise:
            return np.moveaxis(flat.reshape(*self.window, groups), 2, 0)[:, None, :, :, None], rest
        return flat.reshape(shape), rest

    def _weight_bytes(
        self, layout: str, groups: IntArray | int, per_out: IntArray | int, per_in: IntArray | int
    ) -> IntArray:
        if layout == "plain":
            taps = self.window[0] * self.window[1]
            return np.asarray(groups, np.int64) * per_out * per_in * taps
        require(self.depthwise or self.groups == 1, f"{self.name}: no {layout} layout for grouped weights")
        if self.depthwise:
            return npu_weights.packed_bytes(layout, self.window, 1, groups)
        return npu_weights.packed_bytes(layout, self.window, per_out, per_in)

    def param_bytes(
        self, layout: str, parts: Parts, extents: Mapping[str, IntArray], last: IntArray | bool
    ) -> IntArray:
        shape = np.broadcast_shapes(*(np.shape(v) for v in extents.values()), np.shape(last))
        groups = extents["g"]
        per_out, per_in = (1, 1) if self.depthwise else (extents["o"], extents["i"])
        size = np.zeros(shape, np.int64)
        if WEIGHTS in parts:
            size = size + align4(self._weight_bytes(layout, groups, per_out, per_in))
        if TABLES in parts:
            size = size + np.where(last, np.asarray(groups, np.int64) * per_out * 8, 0)
        return size

    def param_block(self, layout: str, parts: Parts, box: Box, last: bool) -> bytes:
        per_out = self.out_channels // self.groups
        low, high = (self._channel(box, k, per_out) for k in (0, 1))
        weights = self.weights.array[low:high]
        if not self.depthwise:
            weights = weights[..., slice(*box["i"])]
        block = b""
        if WEIGHTS in parts:
            block = self._pack(layout, weights)
            block += bytes(-len(block) % 4)
        if TABLES in parts and last:
            block += self.requant.mul.array[low:high].tobytes() + self.requant.add.array[low:high].tobytes()
        return block

    def _channel(self, box: Box, end: int, per_out: int) -> int:
        """First (end 0) or one past the last (end 1) output channel of a tile."""
        inner = (0, 1) if self.depthwise else box["o"]
        return (box["g"][end] - end) * per_out + inner[end]

    def _pack(self, layout: str, weights: IntArray) -> bytes:
        if self.depthwise:
            channels_last = np.moveaxis(weights[..., 0], 0, -1)
            return (
                channels_last.tobytes()
                if layout == "plain"
                else npu_weights.pack(layout, channels_last[None])
            )
        return weights.tobytes() if layout == "plain" else npu_weights.pack(layout, weights)


def _channel_axes(groups: int, per_in: int, per_out: int, dense: bool) -> tuple[Axis, Axis]:
    """The channel axes of input and output."""
    if dense:
        return Axis(per_in, (("i", 1),)), Axis(per_out, (("o", 1),))
    return (
        Axis(groups * per_in, (("g", per_in),), per_in),
        Axis(groups * per_out, (("g", per_out),), per_out),
    )


def conv_requant(
    weights: IntArray,
    x: Tensor,
    weight_scales: Reals | float,
    bias: Reals | float,
    y: Tensor,
    bounds: tuple[int, int] | None = None,
) -> Requant:
    """The requantisation of a convolution from its real-valued quantisation; arguments: `conv_affine`.

    Raises OperatorError where 32 bits do not hold it.
    """
    return conv_affine(weights, x, weight_scales, bias, y, bounds).requant()


def conv_affine(
    weights: IntArray,
    x: Tensor,
    weight_scales: Reals | float,
    bias: Reals | float,
    y: Tensor,
    bounds: tuple[int, int] | None = None,
) -> RealAffine:
    """What a convolution does to its accumulators, in real values.

    weights: int8 codes [O, kh, kw, C/groups], zero point 0, with scales [O] or one; bias: real, [O] or
    one; bounds: clamp in output codes (default: the type's range).
    """
    sums = weights.reshape(weights.shape[0], -1).sum(1, dtype=np.int64)
    multipliers = np.broadcast_to(np.asarray(weight_scales, np.float64) * x.scale / y.scale, sums.shape)
    real_bias = np.broadcast_to(np.asarray(bias, np.float64) / y.scale, sums.shape)
    correction = -multipliers * x.zero_point * sums
    sums_range = accumulator_range(weights, x.dtype.low, x.dtype.high)
    limits = bounds if bounds is not None else (y.dtype.low, y.dtype.high)
    return RealAffine(multipliers, (real_bias, correction), y.zero_point, sums_range, limits)
