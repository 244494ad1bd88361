"""Steps to integer operators: the handler of every kind, and the choice of input layouts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from compiler.frontend import functions, steps
from compiler.frontend.constants import FloatArray
from compiler.frontend.emitter import Emitter, suffix_layout
from compiler.frontend.errors import Finding, Refused
from compiler.frontend.layout import Layout, channels_last, grouped_by, row_major
from compiler.frontend.steps import Net, Step, Value
from compiler.ir import Constant, Tensor
from compiler.ops.add import add_from_scales
from compiler.ops.avgpool import avgpool_from_scales
from compiler.ops.base import OperatorError
from compiler.ops.broadcast import Broadcast
from compiler.ops.concat import concat_from_scales
from compiler.ops.conv2d import Conv2d, conv_requant
from compiler.ops.lut import lut_from_function
from compiler.ops.maxpool import MaxPool
from compiler.ops.mul import mul_from_scales
from compiler.ops.pad import Pad
from compiler.ops.resize import Resize
from compiler.ops.softmax import softmax_from_scales

MAX_LAYOUT_TRIALS = 16


def emit(net: Net) -> tuple[Emitter, tuple[Finding, ...]]:
    """The operators of `net` in its order, with the input layouts that move the fewest bytes.

    Inputs are stored as the model has them, or channels-last where that saves transposes.
    """
    best: tuple[Emitter, tuple[Finding, ...]] | None = None
    for layouts in itertools.islice(_input_layouts(net), MAX_LAYOUT_TRIALS):
        trial = _emit(net, layouts)
        if best is None or trial[0].moved_bytes < best[0].moved_bytes:
            best = trial
        if best[0].moved_bytes == 0:
            break
    assert best is not None
    return best


def _input_layouts(net: Net) -> Iterator[Mapping[str, Layout]]:
    choices = []
    for name in net.inputs:
        shape = net.values[name].shape
        choices.append(tuple(dict.fromkeys((row_major(shape), channels_last(shape)))))
    for layouts in itertools.product(*choices):
        yield dict(zip(net.inputs, layouts, strict=True))


def _emit(net: Net, layouts: Mapping[str, Layout]) -> tuple[Emitter, tuple[Finding, ...]]:
    emitter = Emitter(net, layouts)
    findings: list[Finding] = []
    for step in net.steps:
        try:
            HANDLERS[type(step.kind)](emitter, step, step.kind)
        except (OperatorError, Refused) as error:
            attribute = error.attribute if isinstance(error, Refused) else ""
            advice = error.supported if isinstance(error, Refused) else ""
            findings.append(Finding(step.node, step.operator, attribute, str(error), advice))
            emitter.output(step, row_major(net.values[step.output].shape))
    return emitter, tuple(findings)


def _bounds(emitter: Emitter, step: Step, kind: steps.Bounded) -> tuple[int, int]:
    return kind.bounds.codes(emitter.quant(emitter.value(step.output)))


def _source(emitter: Emitter, step: Step) -> Value:
    return emitter.value(step.inputs[0])


def _image(value: Value) -> tuple[int, int, int]:
    """(H, W, C) of a logical (1, C, H, W)."""
    _, channels, height, width = value.shape
    return height, width, channels


def conv(emitter: Emitter, step: Step, kind: steps.Conv) -> None:
    x = _source(emitter, step)
    source = emitter.arranged(x, channels_last(x.shape))
    weights = np.moveaxis(kind.codes, 1, -1)
    fill = int(emitter.quant(x).encode(kind.pad_value))
    _convolution(
        emitter,
        step,
        kind,
        source,
        weights,
        channels_last(emitter.value(step.output).shape),
        in_shape=_image(x),
        groups=kind.groups,
        stride=kind.stride,
        dilation=kind.dilation,
        pads=kind.pads,
        pad_value=fill,
    )


def linear(emitter: Emitter, step: Step, kind: steps.Linear) -> None:
    """A 1x1 convolution over rows; the weights follow the memory order of the last axis."""
    x = _source(emitter, step)
    last = len(x.shape) - 1
    layout = emitter.layout(x)
    if grouped_by(layout, (range(last), (last,))) is None:
        layout = row_major(x.shape)
    source = emitter.arranged(x, layout)
    depth = x.shape[last]
    order = suffix_layout(layout, (last,)).stored(np.arange(depth))
    weights = kind.codes[:, order][:, None, None, :]
    rows = math.prod(x.shape[:last])
    outputs = _with_last(suffix_layout(layout, range(last)), kind.codes.shape[0])
    _convolution(emitter, step, kind, source, weights, outputs, in_shape=(rows, 1, depth))


def _with_last(layout: Layout, extent: int) -> Layout:
    """A layout whose last axis of extent 1 becomes `extent`, innermost in memory."""
    if extent == 1:
        return layout
    return Layout((*layout.factors[:-1], (extent,)), (*layout.order, len(layout.flat)))


def _convolution(
    emitter: Emitter,
    step: Step,
    kind: steps.Weighted,
    source: Tensor,
    weights: npt.NDArray[Any],
    layout: Layout,
    **geometry: Any,
) -> None:
    name, target = emitter.output(step, layout)
    codes = np.ascontiguousarray(weights, np.int8)
    bounds = _bounds(emitter, step, kind)
    requant = conv_requant(codes, source, kind.scale, kind.bias, target, bounds)
    emitter.add(
        Conv2d(
            name=name,
            inputs=(source.name,),
            output=target.name,
            weights=Constant(codes),
            requant=requant,
            input_type=source.dtype,
            output_type=target.dtype,
            **geometry,
        )
    )


def affine(emitter: Emitter, step: Step, kind: steps.Affine) -> None:
    """A depthwise 1x1 convolution with weights of -1, 0 and 1 on the innermost memory."""
    x = _source(emitter, step)
    layout = emitter.layout(x)
    varying = {
        axis
        for constant in (kind.factor, kind.offset)
        for axis, extent in enumerate(constant.shape)
        if extent > 1
    }
    first = next((k for k, axis in enumerate(layout.memory_axes) if axis in varying), len(layout.memory))
    channels = math.prod(layout.memory[first:])
    factor, offset = (_inner(c, x.shape, layout, channels) for c in (kind.factor, kind.offset))
    scale = np.where(factor == 0, 1.0, np.abs(factor))
    unit = steps.Conv(
        bounds=kind.bounds, codes=np.sign(factor).astype(np.int8), scale=scale, bias=offset, groups=channels
    )
    weights = unit.codes.reshape(channels, 1, 1, 1)
    rows = math.prod(x.shape) // channels
    source = emitter.tensor(x)
    _convolution(emitter, step, unit, source, weights, layout, in_shape=(rows, 1, channels), groups=channels)


def _inner(constant: FloatArray, shape: tuple[int, ...], layout: Layout, channels: int) -> FloatArray:
    full: FloatArray = layout.stored(np.broadcast_to(constant, shape)).reshape(-1, channels)[0]
    return full


def unary(emitter: Emitter, step: Step, kind: steps.Unary) -> None:
    x = _source(emitter, step)
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


def _operands(emitter: Emitter, step: Step) -> tuple[Tensor, Tensor, Layout, Broadcast]:
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
        layout = _in_order(a.shape, (*rest, *shared))
    inner = suffix_layout(layout, shared)
    return emitter.arranged(a, layout), emitter.arranged(b, inner), layout, "channel"


def _in_order(shape: Sequence[int], axes: Sequence[int]) -> Layout:
    """The layout that stores whole axes in the order `axes`."""
    stored = row_major([shape[axis] for axis in axes])
    return stored.transposed([list(axes).index(axis) for axis in range(len(shape))])


def total(emitter: Emitter, step: Step, kind: steps.Sum) -> None:
    a, b, layout, form = _operands(emitter, step)
    name, target = emitter.output(step, layout)
    bounds = _bounds(emitter, step, kind)
    emitter.add(add_from_scales(name, (a, b), target, broadcast=form, bounds=bounds))


def product(emitter: Emitter, step: Step, kind: steps.Product) -> None:
    a, b, layout, form = _operands(emitter, step)
    name, target = emitter.output(step, layout)
    bounds = _bounds(emitter, step, kind)
    emitter.add(mul_from_scales(name, (a, b), target, broadcast=form, bounds=bounds))


def max_pool(emitter: Emitter, step: Step, kind: steps.MaxPool) -> None:
    x, y = _source(emitter, step), emitter.value(step.output)

    def build(name: str, source: Tensor, target: Tensor) -> MaxPool:
        return MaxPool(
            name=name,
            inputs=(source.name,),
            output=target.name,
            in_shape=_image(x),
            out_hw=_image(y)[:2],
            window=kind.window,
            stride=kind.stride,
            dilation=kind.dilation,
            pads=kind.pads,
            data_type=source.dtype,
        )

    _moving(emitter, step, channels_last(x.shape), channels_last(y.shape), build)


def _moving(
    emitter: Emitter,
    step: Step,
    before: Layout,
    after: Layout,
    build: Callable[[str, Tensor, Tensor], Any],
) -> None:
    """An operator whose output codes are input codes, then a requantisation where the two sides differ."""
    x = _source(emitter, step)
    source, quant = emitter.arranged(x, before), emitter.quant(x)
    if quant == emitter.quant(emitter.value(step.output)):
        name, target = emitter.output(step, after)
        emitter.add(build(name, source, target))
        return
    name, between = emitter.intermediate(step, after, quant, "codes")
    emitter.add(build(name, source, between))
    emitter.requantised(step, between, after)


def average_pool(emitter: Emitter, step: Step, kind: steps.AvgPool) -> None:
    x, y = _source(emitter, step), emitter.value(step.output)
    source = emitter.arranged(x, channels_last(x.shape))
    name, target = emitter.output(step, channels_last(y.shape))
    emitter.add(
        avgpool_from_scales(
            name,
            source,
            target,
            in_shape=_image(x),
            out_hw=_image(y)[:2],
            window=kind.window,
            stride=kind.stride,
            pads=kind.pads,
            count_include_pad=kind.count_include_pad,
            bounds=_bounds(emitter, step, kind),
        )
    )


def mean(emitter: Emitter, step: Step, kind: steps.Mean) -> None:
    """Average pooling over (outer, reduced, inner), which memory must hold in that order."""
    x = _source(emitter, step)
    layout = emitter.layout(x)
    reduced = [axis in kind.axes for axis in layout.memory_axes]
    places = [place for place, is_reduced in enumerate(reduced) if is_reduced]
    if places and places != list(range(places[0], places[-1] + 1)):
        kept = [axis for axis in range(len(x.shape)) if axis not in kind.axes]
        layout = _in_order(x.shape, (*kind.axes, *kept))
        places = [place for place, axis in enumerate(layout.memory_axes) if axis in kind.axes]
    source = emitter.arranged(x, layout)
    low, high = (places[0], places[-1] + 1) if places else (0, 0)
    outer, inner = math.prod(layout.memory[:low]), math.prod(layout.memory[high:])
    if outer == 1:
        middle = (layout.memory[low] if places else 1, math.prod(layout.memory[low + 1 : high]))
        window, out_hw = middle, (1, 1)
    else:
        middle = (outer, math.prod(layout.memory[low:high]))
        window, out_hw = (1, middle[1]), (outer, 1)
    rest = [axis for axis in range(len(x.shape)) if axis not in kind.axes]
    name, target = emitter.output(step, suffix_layout(layout, rest))
    bounds = _bounds(emitter, step, kind)
    emitter.add(
        avgpool_from_scales(
            name,
            source,
            target,
            in_shape=(*middle, inner),
            out_hw=out_hw,
            window=window,
            stride=window,
            bounds=bounds,
        )
    )


def softmax(emitter: Emitter, step: Step, kind: steps.Softmax) -> None:
    x = _source(emitter, step)
    others = [axis for axis in range(len(x.shape)) if axis != kind.axis]
    layout = emitter.layout(x)
    if grouped_by(layout, (others, (kind.axis,))) is None:
        layout = _in_order(x.shape, (*others, kind.axis))
    source = emitter.arranged(x, layout)
    name, target = emitter.output(step, layout)
    channels = x.shape[kind.axis]
    emitter.add(softmax_from_scales(name, math.prod(x.shape) // channels, channels, source, target))


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


def pad(emitter: Emitter, step: Step, kind: steps.Pad) -> None:
    x, y = _source(emitter, step), emitter.value(step.output)
    rank = len(x.shape)
    last = rank > 2 and emitter.layout(x) == channels_last(x.shape)
    arrange = channels_last if last else row_major
    order = (0, *range(2, rank), 1) if last else tuple(range(rank))
    boxes = _boxes([(x.shape[a], kind.before[a], kind.after[a]) for a in order])
    value = int(emitter.quant(x).encode(kind.value))

    def build(name: str, source: Tensor, target: Tensor) -> Pad:
        in_shape, before, after = zip(*boxes, strict=True)
        return Pad(
            name=name,
            inputs=(source.name,),
            output=target.name,
            in_shape=in_shape,
            before=before,
            after=after,
            value=value,
            data_type=source.dtype,
        )

    _moving(emitter, step, arrange(x.shape), arrange(y.shape), build)


def _boxes(axes: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """(extent, before, after) of exactly three axes: neighbours without padding merged, ones dropped."""
    merged: list[tuple[int, int, int]] = []
    for extent, before, after in axes:
        bare = before == after == 0
        if bare and extent == 1:
            continue
        if bare and merged and merged[-1][1:] == (0, 0):
            merged[-1] = (merged[-1][0] * extent, 0, 0)
        else:
            merged.append((extent, before, after))
    if len(merged) > 3:
        raise Refused("pads", "pads more separate axes than a kernel has", "height, width and channels")
    return [(1, 0, 0)] * (3 - len(merged)) + merged


def resize(emitter: Emitter, step: Step, kind: steps.Resize) -> None:
    x, y = _source(emitter, step), emitter.value(step.output)

    def build(name: str, source: Tensor, target: Tensor) -> Resize:
        return Resize(
            name=name,
            inputs=(source.name,),
            output=target.name,
            in_shape=_image(x),
            up=kind.up,
            down=kind.down,
            offset=kind.offset,
            data_type=source.dtype,
        )

    _moving(emitter, step, channels_last(x.shape), channels_last(y.shape), build)


def reshape(emitter: Emitter, step: Step, kind: steps.Reshape) -> None:
    """No data move unless a new axis cuts across the memory order of an old one."""
    x = _source(emitter, step)
    shape = emitter.value(step.output).shape
    seen = emitter.layout(x).reshaped(shape)
    source = emitter.tensor(x) if seen is not None else emitter.arranged(x, row_major(x.shape))
    emitter.requantised(step, source, seen if seen is not None else row_major(shape))


def transpose(emitter: Emitter, step: Step, kind: steps.Transpose) -> None:
    x = _source(emitter, step)
    emitter.requantised(step, emitter.tensor(x), emitter.layout(x).transposed(kind.perm))


HANDLERS: Mapping[type[steps.Kind], Callable[[Emitter, Step, Any], None]] = MappingProxyType(
    {
        steps.Affine: affine,
        steps.AvgPool: average_pool,
        steps.Concat: concat,
        steps.Conv: conv,
        steps.Linear: linear,
        steps.MaxPool: max_pool,
        steps.Mean: mean,
        steps.Pad: pad,
        steps.Product: product,
        steps.Reshape: reshape,
        steps.Resize: resize,
        steps.Softmax: softmax,
        steps.Sum: total,
        steps.Transpose: transpose,
        steps.Unary: unary,
    }
)
