"""Steps with constant weights become convolutions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from compiler.frontend import steps
from compiler.frontend.emit_base import bounds_of, image_of, note_coarse, source_of
from compiler.frontend.emitter import Emitter, suffix_layout
from compiler.frontend.layout import Layout, channels_last, grouped_by, row_major
from compiler.frontend.steps import Step
from compiler.ir import Constant, Tensor
from compiler.ops.conv2d import Conv2d, conv_affine
from compiler.ops.requant import Requant


def conv(emitter: Emitter, step: Step, kind: steps.Conv) -> None:
    x = source_of(emitter, step)
    source = emitter.arranged(x, channels_last(x.shape))
    weights = np.moveaxis(kind.codes, 1, -1)
    fill = int(emitter.quant(x).encode(kind.pad_value))
    convolution(
        emitter,
        step,
        kind,
        source,
        weights,
        channels_last(emitter.value(step.output).shape),
        in_shape=image_of(x),
        groups=kind.groups,
        stride=kind.stride,
        dilation=kind.dilation,
        pads=kind.pads,
        pad_value=fill,
    )


def linear(emitter: Emitter, step: Step, kind: steps.Linear) -> None:
    """A 1x1 convolution over rows; the weights follow the memory order of the last axis."""
    x = source_of(emitter, step)
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
    convolution(emitter, step, kind, source, weights, outputs, in_shape=(rows, 1, depth))


def _with_last(layout: Layout, extent: int) -> Layout:
    """A layout whose last axis of extent 1 becomes `extent`, innermost in memory."""
    if extent == 1:
        return layout
    return Layout((*layout.factors[:-1], (extent,)), (*layout.order, len(layout.flat)))


def convolution(
    emitter: Emitter,
    step: Step,
    kind: steps.Weighted,
    source: Tensor,
    weights: npt.NDArray[Any],
    layout: Layout,
    **geometry: Any,
) -> None:
    """Add a convolution with `weights` [O, kh, kw, C/groups] that makes the output of `step`."""
    name, target = emitter.output(step, layout)
    codes = np.ascontiguousarray(weights, np.int8)
    requant = kind.exact or _rounded(emitter, step, kind, source, codes, target)
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


def _rounded(
    emitter: Emitter,
    step: Step,
    kind: steps.Weighted,
    source: Tensor,
    codes: npt.NDArray[np.int8],
    target: Tensor,
) -> Requant:
    """The requantisation that comes closest to the real scales."""
    bounds = bounds_of(emitter, step, kind)
    real = conv_affine(codes, source, kind.scale, kind.bias, target, bounds)
    requant = real.requant()
    note_coarse(emitter, step, float(real.error_steps(requant.shift).max(initial=0)))
    return requant


def affine(emitter: Emitter, step: Step, kind: steps.Affine) -> None:
    """A depthwise 1x1 convolution with weights of -1, 0 and 1 on the innermost memory."""
    x = source_of(emitter, step)
    layout = emitter.layout(x)
    varying = {
        axis
        for constant in (kind.factor, kind.offset)
        for axis, extent in enumerate(constant.shape)
        if extent > 1
    }
    first = next((k for k, axis in enumerate(layout.memory_axes) if axis in varying), len(layout.memory))
    channels = math.prod(layout.memory[first:])
    factor, offset = (inner(c, x.shape, layout, channels) for c in (kind.factor, kind.offset))
    scale = np.where(factor == 0, 1.0, np.abs(factor))
    unit = steps.Conv(
        bounds=kind.bounds, codes=np.sign(factor).astype(np.int8), scale=scale, bias=offset, groups=channels
    )
    weights = unit.codes.reshape(channels, 1, 1, 1)
    rows = math.prod(x.shape) // channels
    source = emitter.tensor(x)
    convolution(emitter, step, unit, source, weights, layout, in_shape=(rows, 1, channels), groups=channels)


def inner(
    constant: npt.NDArray[Any], shape: tuple[int, ...], layout: Layout, channels: int
) -> npt.NDArray[Any]:
    """A constant that varies over the innermost memory only: its value for each of those channels."""
    full: npt.NDArray[Any] = layout.stored(np.broadcast_to(constant, shape)).reshape(-1, channels)[0]
    return full
