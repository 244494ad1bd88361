"""Elementwise steps, softmax and concatenation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from compiler.frontend import functions, steps
from compiler.frontend.emit_base import bounds_of, in_order, is_by_query, source_of
from compiler.frontend.emitter import Emitter, suffix_layout
from compiler.frontend.errors import Refused
from compiler.frontend.layout import Layout, channels_last, grouped_by, row_major
from compiler.frontend.steps import Step, Value
from compiler.ir import Tensor
from compiler.ops.add import add_from_scales
from compiler.ops.broadcast import Broadcast
from compiler.ops.concat import concat_from_scales
from compiler.ops.lut import lut_from_function
from compiler.ops.mul import mul_from_scales
from compiler.ops.norm import RealNorm, norm_from_scales
from compiler.ops.softmax import softmax_from_scales


def unary(emitter: Emitter, step: Step, kind: steps.Unary) -> None:
    x = source_of(emitter, step)
    layout, source = emitter.layout(x), emitter.tensor(x)
    if not kind.functions:
        emitter.requantised(step, source, layout)
        return
    name, target = emitter.output(step, layout)
    operator = lut_from_function(name, lambda v: functions.evaluate(kind.functions, v), source, target)
    same = (source.scale, source.zero_point, source.dtype) == (target.scale, target.zero_point, target.dtype)
    codes = np.arange(source.dtype.low, source.dtype.high + 1)
    if same and np.array_equal(operator.table.array, codes):
        emitter.place(emitter.value(step.output), source.name, layout)
    else:
        emitter.add(operator)


def operands(emitter: Emitter, step: Step) -> tuple[Tensor, Tensor, Layout, Broadcast]:
    """Both operands in memory orders in which the second repeats on the rows of the first."""
    a, b = (emitter.value(name) for name in step.inputs)
    layout = emitter.layout(a)
    if a.shape == b.shape:
        if emitter.layout(b) == channels_last(b.shape):
            layout = emitter.layout(b)
        return emitter.arranged(a, layout), emitter.arranged(b, layout), layout, "none"
    if math.prod(b.shape) == 1:
        return emitter.tensor(a), emitter.tensor(b), layout, "scalar"
    shared = [axis for axis, extent in enumerate(b.shape) if extent > 1]
    rest = [axis for axis in range(len(a.shape)) if axis not in shared]
    if grouped_by(layout, (rest, shared)) is None:
        layout = in_order(a.shape, (*rest, *shared))
    inner = suffix_layout(layout, shared)
    return emitter.arranged(a, layout), emitter.arranged(b, inner), layout, "channel"


def total(emitter: Emitter, step: Step, kind: steps.Sum | steps.Difference) -> None:
    a, b, layout, form = operands(emitter, step)
    name, target = emitter.output(step, layout)
    bounds = bounds_of(emitter, step, kind)
    signs = (1, -1) if isinstance(kind, steps.Difference) else (1, 1)
    emitter.add(add_from_scales(name, (a, b), target, broadcast=form, signs=signs, bounds=bounds))


def quotient(emitter: Emitter, step: Step, kind: steps.Quotient) -> None:
    why = "of two activations, outside a normalisation whose inside is not quantised"
    raise Refused("inputs", why, "a constant divisor or dividend, x / sqrt(mean(x^2) + e)")


def product(emitter: Emitter, step: Step, kind: steps.Product) -> None:
    a, b, layout, form = operands(emitter, step)
    name, target = emitter.output(step, layout)
    bounds = bounds_of(emitter, step, kind)
    emitter.add(mul_from_scales(name, (a, b), target, broadcast=form, bounds=bounds))


def rows_along(emitter: Emitter, x: Value, axis: int) -> Layout:
    """A memory order of `x` with `axis` innermost: its own where that is so."""
    others = [k for k in range(len(x.shape)) if k != axis]
    layout = emitter.layout(x)
    return layout if grouped_by(layout, (others, (axis,))) is not None else in_order(x.shape, (*others, axis))


def norm(emitter: Emitter, step: Step, kind: steps.Norm) -> None:
    x = source_of(emitter, step)
    layout = rows_along(emitter, x, len(x.shape) - 1)
    source = emitter.arranged(x, layout)
    name, target = emitter.output(step, layout)
    real = RealNorm(kind.centred, kind.gamma, kind.beta, kind.epsilon)
    rows = math.prod(x.shape[:-1])
    emitter.add(norm_from_scales(name, real, rows, source, target, bounds_of(emitter, step, kind)))


def softmax(emitter: Emitter, step: Step, kind: steps.Softmax) -> None:
    x = source_of(emitter, step)
    layout, heads = rows_along(emitter, x, kind.axis), 1
    if kind.causal is not None and is_by_query(layout, kind.causal[0]):
        heads = math.prod(x.shape[:-2])
    elif kind.causal is not None:
        layout = row_major(x.shape)
    source = emitter.arranged(x, layout)
    name, target = emitter.output(step, layout)
    channels = x.shape[kind.axis]
    rows = math.prod(x.shape) // channels
    position = emitter.tensor(emitter.value(step.inputs[1])) if len(step.inputs) > 1 else None
    mask = (kind.causal, position, heads)
    emitter.add(softmax_from_scales(name, rows, channels, source, target, *mask))


def repeat(emitter: Emitter, step: Step, kind: steps.Repeat) -> None:
    """A concatenation of one tensor with itself."""
    concat(emitter, replace(step, inputs=step.inputs * kind.count), steps.Concat(kind.axis))


def concat(emitter: Emitter, step: Step, kind: steps.Concat) -> None:
    """Whole axes, row-major or channels-last, whichever moves fewer bytes."""
    values = [emitter.value(name) for name in step.inputs]
    rank = len(values[0].shape)
    orders = ((row_major, tuple(range(rank))), (channels_last, (0, *range(2, rank), 1)))

    def moved(arrange: Callable[[Sequence[int]], Layout]) -> int:
        return sum(math.prod(v.shape) for v in values if emitter.layout(v) != arrange(v.shape))

    arrange, order = min(orders if rank > 2 else orders[:1], key=lambda o: (moved(o[0]), o[0] is row_major))
    sources = [emitter.arranged(v, arrange(v.shape)) for v in values]
    rows = math.prod(values[0].shape[axis] for axis in order[: order.index(kind.axis)])
    name, target = emitter.output(step, arrange(emitter.value(step.output).shape))
    emitter.add(concat_from_scales(name, rows, sources, target))
