"""Handlers of Slice, Split and Gather of constant indices: cuts, as padding by less than nothing."""

from __future__ import annotations

import numpy as np

from compiler.frontend.errors import Refused
from compiler.frontend.reader import Reader, axis_of, integer, integers
from compiler.frontend.source import Node
from compiler.frontend.steps import Concat, Pad, Value

Ints = tuple[int, ...]

MAX_RUNS = 16
"""Runs of neighbours that a choice of indices may have: each is copied by an operator of its own."""


def slice_(reader: Reader, node: Node) -> None:
    """Slice with constant bounds."""
    x = reader.value(node)
    rank = len(x.shape)
    starts, ends = _bounds(reader, node, 1, "starts"), _bounds(reader, node, 2, "ends")
    axes = _bounds(reader, node, 3, "axes", tuple(range(len(starts))))
    steps = _bounds(reader, node, 4, "steps", (1,) * len(starts))
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise Refused(
            "starts", f"{len(starts)} starts, {len(ends)} ends, {len(axes)} axes", "as many of each"
        )
    low, high = [0] * rank, list(x.shape)
    for start, end, step, axis in zip(starts, ends, steps, axes, strict=True):
        axis = axis_of(axis, rank, "axes")
        chosen = _chosen(start, end, step, x.shape[axis])
        if step == 1:
            low[axis], high[axis] = chosen.start, chosen.stop
        else:
            x = _every(reader, node, x, axis, chosen)
            high[axis] = x.shape[axis]
    _cut(reader, node, x, (tuple(low), tuple(high)), 0)


def _chosen(start: int, end: int, step: int, extent: int) -> range:
    """The indices of a slice, as ONNX counts: an end below -extent of a negative step is the very end."""
    if not step:
        raise Refused("steps", "a step of 0", "other steps")
    whole = step < 0 and end < -extent
    chosen = range(*slice(start, None if whole else end, step).indices(extent))
    if not chosen:
        raise Refused("starts", f"{start} to {end} by {step} of {extent} is empty", "at least one index")
    return chosen


def _every(reader: Reader, node: Node, x: Value, axis: int, chosen: range) -> Value:
    """x at the indices `chosen` of an axis: one column of (count, step) where that fits, else by runs."""
    count, step, extent = len(chosen), chosen.step, x.shape[axis]
    base = min(chosen.start, extent - count * step)
    if step < 0 or base < 0:
        return picked(reader, node, x, axis, tuple(chosen), inner=f":{axis}picked")
    shape = (*x.shape[:axis], count * step, *x.shape[axis + 1 :])
    span = _piece(reader, node, x, axis, range(base, base + count * step), f":{axis}span")
    pairs = (*shape[:axis], count, step, *shape[axis + 1 :])
    apart = reader.reshape(node, span, pairs, inner=f":{axis}apart")
    first = chosen.start - base
    one = _piece(reader, node, apart, axis + 1, range(first, first + 1), f":{axis}column")
    return reader.reshape(node, one, (*shape[:axis], count, *shape[axis + 1 :]), inner=f":{axis}every")


def _piece(reader: Reader, node: Node, x: Value, axis: int, part: range, inner: str) -> Value:
    """The indices `part`, which follow each other, of an axis."""
    if part == range(x.shape[axis]):
        return x
    before = tuple(-part.start if k == axis else 0 for k in range(len(x.shape)))
    after = tuple(part.stop - n if k == axis else 0 for k, n in enumerate(x.shape))
    shape = tuple(len(part) if k == axis else n for k, n in enumerate(x.shape))
    return reader.step(node, Pad(before, after, 0.0), (x,), shape, x.quant, inner=inner)


def picked(reader: Reader, node: Node, x: Value, axis: int, chosen: Ints, inner: str) -> Value:
    """x at any constant indices of an axis: runs of neighbours, joined. Raises Refused for many runs."""
    runs: list[range] = []
    for at in chosen:
        if runs and runs[-1].stop == at:
            runs[-1] = range(runs[-1].start, at + 1)
        else:
            runs.append(range(at, at + 1))
    if len(runs) > MAX_RUNS:
        raise Refused("indices", f"{len(runs)} runs of neighbours", f"at most {MAX_RUNS}")
    parts = [_piece(reader, node, x, axis, run, f"{inner}:{k}") for k, run in enumerate(runs)]
    if len(parts) == 1:
        return parts[0]
    shape = (*x.shape[:axis], len(chosen), *x.shape[axis + 1 :])
    return reader.step(node, Concat(axis), parts, shape, x.quant, inner=inner)


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
    """Gather of constant indices: an axis of them, or no axis for a scalar; the dialect has one index."""
    x, index = reader.value(node), reader.required(node, 1, "indices").array
    axis = axis_of(integer(node.attributes, "axis", 0), len(x.shape))
    if index.dtype.kind not in "iu" or not index.size:
        raise Refused("indices", f"{index.dtype} of shape {index.shape}", "constant integers")
    chosen = tuple(axis_of(int(at), x.shape[axis], "indices") for at in index.reshape(-1))
    part = picked(reader, node, x, axis, chosen, inner=":part")
    reader.reshape(node, part, (*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]))


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
