"""Handlers of Slice, Split and Gather of one index: they cut a tensor, as padding by less than nothing."""

from __future__ import annotations

import numpy as np

from compiler.frontend.errors import Refused
from compiler.frontend.reader import Reader, axis_of, integer, integers
from compiler.frontend.source import Node
from compiler.frontend.steps import Pad, Value

Ints = tuple[int, ...]


def slice_(reader: Reader, node: Node) -> None:
    """Slice with constant bounds and steps of 1."""
    x = reader.value(node)
    rank = len(x.shape)
    starts, ends = _bounds(reader, node, 1, "starts"), _bounds(reader, node, 2, "ends")
    axes = _bounds(reader, node, 3, "axes", tuple(range(len(starts))))
    steps = _bounds(reader, node, 4, "steps", (1,) * len(starts))
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise Refused(
            "starts", f"{len(starts)} starts, {len(ends)} ends, {len(axes)} axes", "as many of each"
        )
    if set(steps) != {1}:
        raise Refused("steps", f"steps {steps}", "steps of 1")
    low, high = [0] * rank, list(x.shape)
    for start, end, axis in zip(starts, ends, (axis_of(a, rank, "axes") for a in axes), strict=True):
        low[axis], high[axis], _ = slice(start, end).indices(x.shape[axis])
    _cut(reader, node, x, (tuple(low), tuple(high)), 0)


def _bounds(
    reader: Reader, node: Node, index: int, name: str, default: tuple[int, ...] | None = None
) -> tuple[int, ...]:
    if name in node.attributes:
        return integers(np.asarray(node.attributes[name]), name)
    if default is not None and not node.has_input(index):
        return default
    return integers(reader.required(node, index, name).array, name)


def split(reader: Reader, node: Node) -> None:
    """Split into parts of constant or equal sizes."""
    x, count = reader.value(node), len(node.outputs)
    axis = axis_of(integer(node.attributes, "axis", 0), len(x.shape))
    extent = x.shape[axis]
    part = -(-extent // count)
    equal = (*[part] * (count - 1), extent - part * (count - 1))
    sizes = _bounds(reader, node, 1, "split", equal)
    if len(sizes) != count or sum(sizes) != extent or min(sizes) < 1:
        raise Refused("split", f"parts {sizes} of {extent}, {count} outputs", "a part for each output")
    low = 0
    for place, size in enumerate(sizes):
        starts, ends = [0] * len(x.shape), list(x.shape)
        starts[axis], ends[axis] = low, low + size
        if node.outputs[place]:
            _cut(reader, node, x, (tuple(starts), tuple(ends)), place)
        low += size


def taken(reader: Reader, node: Node) -> None:
    """Gather of one constant index: the axis vanishes, or keeps extent 1 where the index is a list."""
    x, index = reader.value(node), reader.required(node, 1, "indices").array
    axis = axis_of(integer(node.attributes, "axis", 0), len(x.shape))
    if index.size != 1 or index.dtype.kind not in "iu" or index.ndim > 1:
        raise Refused("indices", f"{index.dtype} of shape {index.shape}", "one constant integer")
    at = axis_of(int(index.reshape(-1)[0]), x.shape[axis], "indices")
    before = tuple(-at if k == axis else 0 for k in range(len(x.shape)))
    after = tuple(at + 1 - n if k == axis else 0 for k, n in enumerate(x.shape))
    shape = tuple(1 if k == axis else n for k, n in enumerate(x.shape))
    part = x
    if shape != x.shape:
        part = reader.step(node, Pad(before, after, 0.0), (x,), shape, x.quant, inner=":part")
    rest = tuple(n for k, n in enumerate(shape) if k != axis or index.ndim)
    reader.reshape(node, part, rest)


def _cut(
    reader: Reader, node: Node, x: Value, box: tuple[tuple[int, ...], tuple[int, ...]], place: int
) -> None:
    """Output `place` of the node is the box [low, high) of x."""
    low, high = box
    shape = tuple(end - start for start, end in zip(low, high, strict=True))
    if shape == x.shape:
        reader.alias(node, x, place)
        return
    before = tuple(-start for start in low)
    after = tuple(end - extent for end, extent in zip(high, x.shape, strict=True))
    reader.step(node, Pad(before, after, 0.0), (x,), shape, x.quant, place=place)
