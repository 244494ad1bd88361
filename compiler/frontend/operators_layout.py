"""Handlers of operators that only move or rename elements, and of quantisation."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from compiler.frontend.constants import AnyArray, Const, dequantise, quantise
from compiler.frontend.errors import Refused
from compiler.frontend.reader import Reader, axis_of, integer, integers
from compiler.frontend.source import Node
from compiler.frontend.steps import Concat, Function, Pad, Quant, Resize, Unary, Value
from compiler.ir import IntType

_TYPES = {np.dtype(np.int8): IntType.I8, np.dtype(np.uint8): IntType.U8}


def activation_quant(scale: AnyArray, zero: AnyArray | None) -> Quant:
    """The quantisation of an activation; raises Refused for what has no 8-bit per-tensor form."""
    if scale.size != 1 or (zero is not None and zero.size != 1):
        raise Refused("scale", f"{scale.size} scales for an activation", "one scale per activation tensor")
    dtype = np.dtype(np.uint8) if zero is None else zero.dtype
    if dtype not in _TYPES:
        raise Refused("zero_point", f"activations of type {dtype}", "int8 and uint8")
    value = float(scale.reshape(-1)[0])
    if not math.isfinite(value) or value <= 0:
        raise Refused("scale", f"scale {value}", "a positive finite number")
    return Quant(value, 0 if zero is None else int(zero.reshape(-1)[0]), _TYPES[dtype])


def quantize_linear(reader: Reader, node: Node) -> None:
    scale, zero = _parameters(reader, node)
    const = reader.constant(node, 0)
    if const is not None:
        reader.define(node, Const(quantise(const, scale, zero, integer(node.attributes, "axis", 1))))
        return
    output = node.attributes.get("output_dtype", 0)
    if zero is None and output not in (0, 2):
        zero = np.zeros((), np.int8 if output == 3 else np.int16)
    x = reader.value(node)
    reader.step(node, Unary(), (x,), x.shape, activation_quant(scale, zero))


def dequantize_linear(reader: Reader, node: Node) -> None:
    scale, zero = _parameters(reader, node)
    const = reader.constant(node, 0)
    if const is not None:
        reader.define(node, dequantise(const.array, scale, zero, integer(node.attributes, "axis", 1)))
        return
    x = reader.value(node)
    if x.quant is None:
        raise Refused("x", "dequantises a tensor that was never quantised", "int8 and uint8 tensors")
    quant = activation_quant(scale, zero if zero is not None else np.zeros((), x.quant.dtype.dtype))
    if quant == x.quant:
        reader.alias(node, x)
        return
    # The same codes read with other parameters: a linear function of the values, and a table of identities.
    factor = quant.scale / x.quant.scale
    offset = quant.scale * (x.quant.zero_point - quant.zero_point)
    reader.step(node, Unary((Function("affine", (factor, offset)),)), (x,), x.shape, quant)


def _parameters(reader: Reader, node: Node) -> tuple[AnyArray, AnyArray | None]:
    scale = reader.required(node, 1, "scale").array
    zero = reader.required(node, 2, "zero_point").array if node.has_input(2) else None
    return scale, zero


def identity(reader: Reader, node: Node) -> None:
    const = reader.constant(node, 0)
    if const is not None:
        reader.define(node, const)
        return
    if node.operator == "Dropout":
        mode = reader.required(node, 2, "training_mode").array if node.has_input(2) else np.zeros(1)
        if bool(np.any(mode)):
            raise Refused("training_mode", "dropout while training", "inference")
    reader.alias(node, reader.value(node))


def _placed(reader: Reader, node: Node, shape: tuple[int, ...]) -> None:
    const = reader.constant(node, 0)
    if const is not None:
        reader.define(node, const.reshaped(shape))
    else:
        reader.reshape(node, reader.value(node), shape)


def _shape(reader: Reader, node: Node) -> tuple[int, ...]:
    const = reader.constant(node, 0)
    return const.shape if const is not None else reader.value(node).shape


def reshape(reader: Reader, node: Node) -> None:
    shape = _shape(reader, node)
    wanted = list(integers(reader.required(node, 1, "shape").array, "shape"))
    if not integer(node.attributes, "allowzero", 0):
        if any(v == 0 and k >= len(shape) for k, v in enumerate(wanted)):
            raise Refused("shape", f"0 beyond the rank of {shape}")
        wanted = [shape[k] if v == 0 else v for k, v in enumerate(wanted)]
    if wanted.count(-1) > 1 or any(v < -1 for v in wanted):
        raise Refused("shape", f"shape {tuple(wanted)}", "at most one -1")
    known = math.prod(v for v in wanted if v != -1)
    total = math.prod(shape)
    if -1 in wanted:
        wanted[wanted.index(-1)] = total // known if known else 0
    if math.prod(wanted) != total:
        raise Refused("shape", f"{shape} does not reshape to {tuple(wanted)}", "the same number of elements")
    _placed(reader, node, tuple(wanted))


def flatten(reader: Reader, node: Node) -> None:
    shape = _shape(reader, node)
    axis = integer(node.attributes, "axis", 1)
    axis = axis if axis == len(shape) else axis_of(axis, len(shape))
    _placed(reader, node, (math.prod(shape[:axis]), math.prod(shape[axis:])))


def _axes(reader: Reader, node: Node) -> tuple[int, ...] | None:
    if "axes" in node.attributes:
        return integers(np.asarray(node.attributes["axes"]), "axes")
    return integers(reader.required(node, 1, "axes").array, "axes") if node.has_input(1) else None


def squeeze(reader: Reader, node: Node) -> None:
    shape = _shape(reader, node)
    axes = _axes(reader, node)
    chosen = (
        [k for k, n in enumerate(shape) if n == 1]
        if axes is None
        else [axis_of(a, len(shape), "axes") for a in axes]
    )
    if any(shape[a] != 1 for a in chosen):
        raise Refused("axes", f"axes {chosen} of shape {shape}", "axes of extent 1")
    _placed(reader, node, tuple(n for k, n in enumerate(shape) if k not in chosen))


def unsqueeze(reader: Reader, node: Node) -> None:
    shape = _shape(reader, node)
    axes = _axes(reader, node)
    if axes is None:
        raise Refused("axes", "are missing", "the axes to insert")
    rank = len(shape) + len(axes)
    chosen = {axis_of(a, rank, "axes") for a in axes}
    rest = iter(shape)
    _placed(reader, node, tuple(1 if k in chosen else next(rest) for k in range(rank)))


def transpose(reader: Reader, node: Node) -> None:
    rank = len(_shape(reader, node))
    perm = node.attributes.get("perm", tuple(reversed(range(rank))))
    if sorted(perm) != list(range(rank)):
        raise Refused("perm", f"{perm} of a tensor of rank {rank}", "a permutation of the axes")
    const = reader.constant(node, 0)
    if const is not None:
        reader.define(node, const.mapped(lambda array: array.transpose(perm)))
    else:
        reader.transpose(node, reader.value(node), perm)


def shape_of(reader: Reader, node: Node) -> None:
    shape = _shape(reader, node)
    start, end = integer(node.attributes, "start", 0), integer(node.attributes, "end", len(shape))
    reader.define(node, Const(np.asarray(shape[slice(start, end)], np.int64)))


def constant(reader: Reader, node: Node) -> None:
    if len(node.attributes) != 1:
        raise Refused("value", f"attributes {sorted(node.attributes)}", "exactly one value")
    ((name, value),) = node.attributes.items()
    dtype = np.int64 if "int" in name else np.float32
    reader.define(node, Const(np.asarray(value) if name == "value" else np.asarray(value, dtype)))


def concat(reader: Reader, node: Node) -> None:
    kind, values, shape = joined(reader, node)
    reader.step(node, kind, values, shape)


def joined(reader: Reader, node: Node) -> tuple[Concat, list[Value], tuple[int, ...]]:
    """A concatenation, its operands and its shape; raises Refused where their shapes do not fit."""
    values = [reader.value(node, index) for index in range(len(node.inputs))]
    axis = axis_of(integer(node.attributes, "axis", 0), len(values[0].shape))
    rests = {(*v.shape[:axis], *v.shape[axis + 1 :]) for v in values}
    if len(rests) != 1 or len({len(v.shape) for v in values}) != 1:
        raise Refused("inputs", f"shapes {[v.shape for v in values]}", "shapes that differ in the axis only")
    total = sum(v.shape[axis] for v in values)
    return Concat(axis), values, (*values[0].shape[:axis], total, *values[0].shape[axis + 1 :])


def pad(reader: Reader, node: Node) -> None:
    x = reader.value(node)
    rank = len(x.shape)
    if "pads" in node.attributes:
        amounts = integers(np.asarray(node.attributes["pads"]), "pads")
        fill = float(node.attributes.get("value", 0.0))
    else:
        amounts = integers(reader.required(node, 1, "pads").array, "pads")
        fill = float(reader.required(node, 2, "value").real.reshape(-1)[0]) if node.has_input(2) else 0.0
    axes = tuple(range(rank))
    if node.has_input(3):
        listed = integers(reader.required(node, 3, "axes").array, "axes")
        axes = tuple(axis_of(a, rank, "axes") for a in listed)
    if len(amounts) != 2 * len(axes):
        raise Refused("pads", f"{len(amounts)} pads for {len(axes)} axes", "two for each axis")
    if min(amounts, default=0) < 0:
        raise Refused("pads", f"negative pads {amounts}", "pads of 0 and more")
    before = tuple(amounts[axes.index(a)] if a in axes else 0 for a in range(rank))
    after = tuple(amounts[axes.index(a) + len(axes)] if a in axes else 0 for a in range(rank))
    shape = tuple(n + b + e for n, b, e in zip(x.shape, before, after, strict=True))
    reader.step(node, Pad(before, after, fill), (x,), shape, _padded_quant(x, fill))


def _padded_quant(x: Value, fill: float) -> Quant | None:
    """The input's quantisation, if a code of it stands for the fill."""
    if x.quant is None or not x.quant.low - x.quant.scale / 2 <= fill <= x.quant.high + x.quant.scale / 2:
        return None
    return x.quant


def resize(reader: Reader, node: Node) -> None:
    x = reader.value(node)
    if len(x.shape) != 4 or "axes" in node.attributes:
        raise Refused("axes", f"an input of rank {len(x.shape)}", "(1, C, H, W), scales for all axes")
    scales, sizes = _resize_targets(reader, node, x)
    if scales[:2] != [1.0, 1.0]:
        raise Refused("scales", f"scales {scales[:2]} of batch and channels", "1")
    if min(sizes[2:]) < 1 or max(sizes) > 1 << 20:
        raise Refused("sizes", f"output size {sizes}", "1 to 1048576")
    maps = [_nearest(x.shape[a], sizes[a], scales[a], node) for a in (2, 3)]
    fits = [_rational(index, x.shape[a]) for a, index in zip((2, 3), maps, strict=True)]
    up, down, offset = zip(*fits, strict=True)
    reader.step(node, Resize(up, down, offset), (x,), sizes, x.quant)


def _resize_targets(reader: Reader, node: Node, x: Value) -> tuple[list[float], list[int]]:
    if node.has_input(3):
        sizes = list(integers(reader.required(node, 3, "sizes").array, "sizes"))
        return [s / n for s, n in zip(sizes, x.shape, strict=True)], sizes
    place = 1 if reader.opset < 11 else 2
    scales = [float(v) for v in reader.required(node, place, "scales").real.reshape(-1)]
    return scales, [math.floor(n * s) for n, s in zip(x.shape, scales, strict=True)]


def _nearest(extent: int, size: int, scale: float, node: Node) -> AnyArray:
    """The input index of every output index (the formulas of ONNX's Resize)."""
    o = np.arange(size, dtype=np.float64)
    mode = node.attributes.get("coordinate_transformation_mode", "half_pixel")
    adjust = 0.5 * extent * (1.0 - size / (extent * scale)) if mode == "half_pixel_symmetric" else 0.0
    source = {
        "asymmetric": o / scale,
        "align_corners": o * ((extent - 1) / max(size - 1, 1)),
        "pytorch_half_pixel": (o + 0.5) / scale - 0.5 if size > 1 else 0.0 * o,
    }.get(mode, adjust + (o + 0.5) / scale - 0.5)
    rounding = {
        "floor": np.floor(source),
        "ceil": np.ceil(source),
        "round_prefer_ceil": np.floor(source + 0.5),
    }.get(node.attributes.get("nearest_mode", "round_prefer_floor"), np.ceil(source - 0.5))
    return np.clip(rounding, 0, extent - 1).astype(np.int64)


def _rational(index: AnyArray, extent: int) -> tuple[int, int, int]:
    """(up, down, offset) with index[o] = (o*down) // up + offset; raises Refused where there is none."""
    factor = Fraction(len(index), extent)
    up, down, offset = factor.numerator, factor.denominator, int(index[0])
    if np.array_equal(np.arange(len(index)) * down // up + offset, index):
        return up, down, offset
    raise Refused(
        "scales",
        f"no integer rule takes {extent} to {len(index)} as these modes round",
        "integer factors, or asymmetric with floor",
    )
