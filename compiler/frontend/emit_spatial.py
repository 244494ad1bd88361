"""Pools, means, pads and resizing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from compiler.frontend import steps
from compiler.frontend.emit_base import bounds_of, emit_moving, image_of, in_order, source_of
from compiler.frontend.emitter import Emitter, suffix_layout
from compiler.frontend.errors import Refused
from compiler.frontend.layout import Layout, channels_last, row_major
from compiler.frontend.steps import Step
from compiler.ir import Tensor
from compiler.ops.avgpool import avgpool_from_scales
from compiler.ops.maxpool import MaxPool
from compiler.ops.pad import Pad
from compiler.ops.resize import Resize


def max_pool(emitter: Emitter, step: Step, kind: steps.MaxPool) -> None:
    x, y = source_of(emitter, step), emitter.value(step.output)

    def build(name: str, source: Tensor, target: Tensor) -> MaxPool:
        return MaxPool(
            name=name,
            inputs=(source.name,),
            output=target.name,
            in_shape=image_of(x),
            out_hw=image_of(y)[:2],
            window=kind.window,
            stride=kind.stride,
            dilation=kind.dilation,
            pads=kind.pads,
            data_type=source.dtype,
        )

    emit_moving(emitter, step, channels_last(x.shape), channels_last(y.shape), build)


def average_pool(emitter: Emitter, step: Step, kind: steps.AvgPool) -> None:
    x, y = source_of(emitter, step), emitter.value(step.output)
    source = emitter.arranged(x, channels_last(x.shape))
    name, target = emitter.output(step, channels_last(y.shape))
    emitter.add(
        avgpool_from_scales(
            name,
            source,
            target,
            in_shape=image_of(x),
            out_hw=image_of(y)[:2],
            window=kind.window,
            stride=kind.stride,
            pads=kind.pads,
            count_include_pad=kind.count_include_pad,
            bounds=bounds_of(emitter, step, kind),
        )
    )


@dataclass(frozen=True)
class Reduction:
    """One window over each row of (H, W, C) memory."""

    in_shape: tuple[int, int, int]
    out_hw: tuple[int, int]
    window: tuple[int, int]


def mean(emitter: Emitter, step: Step, kind: steps.Mean) -> None:
    source, over, layout = reduction(emitter, step, kind.axes)
    name, target = emitter.output(step, layout)
    emitter.add(
        avgpool_from_scales(
            name,
            source,
            replace(target, scale=target.scale / kind.factor),
            in_shape=over.in_shape,
            out_hw=over.out_hw,
            window=over.window,
            stride=over.window,
            bounds=bounds_of(emitter, step, kind),
        )
    )


def reduction(emitter: Emitter, step: Step, axes: tuple[int, ...]) -> tuple[Tensor, Reduction, Layout]:
    """Pooling over (outer, reduced, inner), which memory must hold in that order; and the result's layout."""
    x = source_of(emitter, step)
    layout = emitter.layout(x)
    reduced = [axis in axes for axis in layout.memory_axes]
    places = [place for place, is_reduced in enumerate(reduced) if is_reduced]
    if places and places != list(range(places[0], places[-1] + 1)):
        kept = [axis for axis in range(len(x.shape)) if axis not in axes]
        layout = in_order(x.shape, (*axes, *kept))
        places = [place for place, axis in enumerate(layout.memory_axes) if axis in axes]
    source = emitter.arranged(x, layout)
    low, high = (places[0], places[-1] + 1) if places else (0, 0)
    outer, inner = math.prod(layout.memory[:low]), math.prod(layout.memory[high:])
    if outer == 1:
        middle = (layout.memory[low] if places else 1, math.prod(layout.memory[low + 1 : high]))
        window, out_hw = middle, (1, 1)
    else:
        middle = (outer, math.prod(layout.memory[low:high]))
        window, out_hw = (1, middle[1]), (outer, 1)
    rest = [axis for axis in range(len(x.shape)) if axis not in axes]
    return source, Reduction((*middle, inner), out_hw, window), suffix_layout(layout, rest)


def pad(emitter: Emitter, step: Step, kind: steps.Pad) -> None:
    x, y = source_of(emitter, step), emitter.value(step.output)
    layout = emitter.layout(x)
    if any(len(factors) > 1 for factors in layout.factors):
        layout = row_major(x.shape)
    alone = (axis for axis in range(len(x.shape)) if axis not in layout.memory_axes)
    order = (*alone, *layout.memory_axes)
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

    emit_moving(emitter, step, layout, in_order(y.shape, order), build)


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
    x, y = source_of(emitter, step), emitter.value(step.output)

    def build(name: str, source: Tensor, target: Tensor) -> Resize:
        return Resize(
            name=name,
            inputs=(source.name,),
            output=target.name,
            in_shape=image_of(x),
            up=kind.up,
            down=kind.down,
            offset=kind.offset,
            data_type=source.dtype,
        )

    emit_moving(emitter, step, channels_last(x.shape), channels_last(y.shape), build)
