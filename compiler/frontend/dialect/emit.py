"""Steps of the dialect to integer operators."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from compiler.frontend.dialect.kinds import (
    ChannelShift,
    HeadProduct,
    IntegerMean,
    IntegerNorm,
    IntegerSoftmax,
    ItaSoftmax,
    RowLinear,
    Shift,
    ShiftedProduct,
    ShiftedRatio,
    ShiftedSum,
    Table,
)
from compiler.frontend.dialect.means import exact_mean
from compiler.frontend.dialect.requantshift import word
from compiler.frontend.emit_base import source_of
from compiler.frontend.emit_matmul import of_heads, stored
from compiler.frontend.emit_pointwise import operands, rows_along
from compiler.frontend.emit_spatial import reduction
from compiler.frontend.emit_weighted import convolution, inner
from compiler.frontend.emitter import Emitter, suffix_layout
from compiler.frontend.layout import row_major
from compiler.frontend.steps import Conv, Step
from compiler.ir.tensor import Constant
from compiler.ops.add import Add
from compiler.ops.avgpool import AvgPool
from compiler.ops.inorm import INorm
from compiler.ops.integer_div import IntegerDiv
from compiler.ops.isoftmax import ISoftmax
from compiler.ops.itamax import ITAMax
from compiler.ops.lut import Lut
from compiler.ops.matmul import MatMul
from compiler.ops.mul import Mul
from compiler.ops.requant import Requant


def table(emitter: Emitter, step: Step, kind: Table) -> None:
    x = source_of(emitter, step)
    source = emitter.tensor(x)
    name, target = emitter.output(step, emitter.layout(x))
    emitter.add(
        Lut(
            name=name,
            inputs=(source.name,),
            output=target.name,
            count=source.elements,
            table=Constant(kind.codes),
            input_type=source.dtype,
            output_type=target.dtype,
        )
    )


def shifted_sum(emitter: Emitter, step: Step, kind: ShiftedSum) -> None:
    mul = kind.shift.mul
    emitter.add(Add(**_of_two(emitter, step, kind.shift), mul_a=mul, mul_b=mul))


def shifted_product(emitter: Emitter, step: Step, kind: ShiftedProduct) -> None:
    emitter.add(Mul(**_of_two(emitter, step, kind.shift), mul=kind.shift.mul, zero_a=0, zero_b=0))


def shifted_ratio(emitter: Emitter, step: Step, kind: ShiftedRatio) -> None:
    own: dict[str, Any] = {"factor": kind.factor, "eta": kind.eta, "eps": kind.eps, "mul": kind.shift.mul}
    emitter.add(IntegerDiv(**_of_two(emitter, step, kind.shift), **own))


def _of_two(emitter: Emitter, step: Step, by: Shift) -> dict[str, Any]:
    """The fields that all elementwise operators on two tensors have."""
    a, b, layout, form = operands(emitter, step)
    name, target = emitter.output(step, layout)
    return {
        "name": name,
        "inputs": (a.name, b.name),
        "output": target.name,
        "count": target.elements,
        "channels": b.elements if form == "channel" else 0,
        "broadcast": form,
        "add": by.add,
        "shift": by.shift,
        "low": by.low,
        "high": by.high,
        "type_a": a.dtype,
        "type_b": b.dtype,
        "output_type": target.dtype,
    }


def row_linear(emitter: Emitter, step: Step, kind: RowLinear) -> None:
    """A grouped 1x1 convolution, a group for every row: the weights are repeated, for tables differ."""
    x = source_of(emitter, step)
    rows, depth = math.prod(x.shape[:-1]), x.shape[-1]
    weights = np.tile(kind.codes, (rows, 1))[:, None, None, :]
    emitter.notes.append(
        f"{step.node} ({step.operator}): requantised by row; the weights are stored {rows} times"
    )
    convolution(
        emitter,
        step,
        kind,
        emitter.arranged(x, row_major(x.shape)),
        weights,
        row_major(emitter.value(step.output).shape),
        in_shape=(1, 1, rows * depth),
        groups=rows,
    )


def channel_shift(emitter: Emitter, step: Step, kind: ChannelShift) -> None:
    """A depthwise 1x1 convolution with weights of 1 over the innermost memory."""
    x = source_of(emitter, step)
    layout = emitter.layout(x)
    varying = {
        axis for table in (kind.mul, kind.add) for axis, extent in enumerate(table.shape) if extent > 1
    }
    first = next((k for k, axis in enumerate(layout.memory_axes) if axis in varying), len(layout.memory))
    channels = math.prod(layout.memory[first:])
    mul, add = (inner(constant, x.shape, layout, channels) for constant in (kind.mul, kind.add))
    ones = np.ones((channels, 1, 1, 1), np.int8)
    requant = Requant(Constant(word(mul)), Constant(word(add)), kind.shift, kind.low, kind.high)
    unit = Conv(codes=ones, scale=np.ones(channels), bias=np.zeros(channels), exact=requant, groups=channels)
    rows = math.prod(x.shape) // channels
    convolution(
        emitter,
        step,
        unit,
        emitter.tensor(x),
        ones,
        layout,
        in_shape=(rows, 1, channels),
        groups=channels,
    )


def integer_softmax(emitter: Emitter, step: Step, kind: IntegerSoftmax) -> None:
    x = source_of(emitter, step)
    layout = rows_along(emitter, x, len(x.shape) - 1)
    source = emitter.arranged(x, layout)
    name, target = emitter.output(step, layout)
    emitter.add(
        ISoftmax(
            name=name,
            inputs=(source.name,),
            output=target.name,
            rows=source.elements // x.shape[-1],
            channels=x.shape[-1],
            table=kind.table,
            levels=kind.levels,
            input_type=source.dtype,
            output_type=target.dtype,
        )
    )


def ita_softmax(emitter: Emitter, step: Step, kind: ItaSoftmax) -> None:
    x = source_of(emitter, step)
    layout = rows_along(emitter, x, len(x.shape) - 1)
    source = emitter.arranged(x, layout)
    name, target = emitter.output(step, layout)
    emitter.add(
        ITAMax(
            name=name,
            inputs=(source.name,),
            output=target.name,
            rows=source.elements // x.shape[-1],
            channels=x.shape[-1],
            part=kind.part,
            streams=kind.streams,
            input_type=source.dtype,
        )
    )


def integer_mean(emitter: Emitter, step: Step, kind: IntegerMean) -> None:
    """Average pooling whose only divisor is the number of codes."""
    source, window, layout = reduction(emitter, step, kind.axes)
    taps = math.prod(window.window)
    exact = exact_mean(taps, source.dtype)
    mul, add = (np.zeros(taps + 1, np.int32) for _ in range(2))
    mul[taps], add[taps] = exact.mul, exact.add
    name, target = emitter.output(step, layout)
    emitter.add(
        AvgPool(
            name=name,
            inputs=(source.name,),
            output=target.name,
            in_shape=window.in_shape,
            out_hw=window.out_hw,
            window=window.window,
            stride=window.window,
            mul=Constant(mul),
            add=Constant(add),
            shift=exact.shift,
            low=exact.low,
            high=exact.high,
            input_type=source.dtype,
            output_type=target.dtype,
        )
    )


def integer_norm(emitter: Emitter, step: Step, kind: IntegerNorm) -> None:
    """Weights and biases follow the memory order of the last axis."""
    x = source_of(emitter, step)
    last, channels = len(x.shape) - 1, x.shape[-1]
    layout = rows_along(emitter, x, last)
    source = emitter.arranged(x, layout)
    order = suffix_layout(layout, (last,)).stored(np.arange(channels))
    name, target = emitter.output(step, layout)
    emitter.add(
        INorm(
            name=name,
            inputs=(source.name,),
            output=target.name,
            rows=source.elements // channels,
            channels=channels,
            centred=kind.centred,
            weight=Constant(kind.weight[order]),
            bias=Constant(kind.bias[order] if kind.centred else kind.bias),
            shift=kind.shift,
            low=kind.low,
            high=kind.high,
            input_type=source.dtype,
            output_type=target.dtype,
        )
    )


def head_product(emitter: Emitter, step: Step, kind: HeadProduct) -> None:
    operands = stored(emitter, step)
    name, target = emitter.output(step, operands.output)
    heads, rows, outputs, depth = operands.extents
    emitter.add(
        MatMul(
            name=name,
            inputs=(operands.a.name, operands.b.name),
            output=target.name,
            heads=heads,
            rows=rows,
            outputs=outputs,
            depth=depth,
            ratio=operands.ratio,
            layouts=operands.layouts,
            requant=of_heads(kind.requant, heads),
            type_a=operands.a.dtype,
            type_b=operands.b.dtype,
            output_type=target.dtype,
        )
    )
