"""Running an operator whole or tile by tile, the way a deployment does, on plain arrays."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from compiler.ir import Operator, Space, Tensor, TileCall
from compiler.ir.operator import BOTH, TABLES, WEIGHTS, Parts
from compiler.ir.tensor import IntArray

Boxes = Iterator[dict[str, tuple[int, int]]]


def run_whole(
    op: Operator, tensors: Mapping[str, Tensor], arrays: Sequence[IntArray], layout: str = "plain"
) -> IntArray:
    """The operator's output, in the shape of its output view."""
    return run_tiles(op, tensors, arrays, layout)


def run_tiles(
    op: Operator,
    tensors: Mapping[str, Tensor],
    arrays: Sequence[IntArray],
    layout: str = "plain",
    sizes: Mapping[str, int] | None = None,
    order: Sequence[str] = (),
) -> IntArray:
    """The output computed from tiles of `sizes`, visited with the dimensions of `order` outermost.

    Asserts on the way that every output element is written once, that blocks have the promised length
    and that the type is right.
    """
    space = op.space(tensors)
    views = [a.reshape(access.shape) for a, access in zip(arrays, space.inputs, strict=True)]
    dtype = tensors[op.output].dtype.dtype
    out = np.zeros(space.output.shape, dtype)
    written = np.zeros(out.shape, np.int64)
    partial: dict[tuple[int, ...], IntArray] = {}
    for box in boxes(space, sizes or {}, order):
        call = tile_call(space, box)
        block = checked_block(op, layout, box, call.last)
        inputs = [view[region.slices] for view, region in zip(views, call.inputs, strict=True)]
        accumulator = None if call.first else partial[call.output.low]
        result = op.compute(call, inputs, block, layout, accumulator)
        assert result.shape == call.output.shape
        if not call.last:
            assert result.dtype == np.int32
            partial[call.output.low] = result
            continue
        assert result.dtype == dtype
        out[call.output.slices] = result
        written[call.output.slices] += 1
    assert (written == 1).all()
    return out


def boxes(space: Space, sizes: Mapping[str, int], order: Sequence[str]) -> Boxes:
    """All tiles; dimensions outside `order` and reductions innermost."""
    rank = {name: k for k, name in enumerate(order)}
    dims = sorted(space.dims, key=lambda dim: (dim.reduction, rank.get(dim.name, len(rank))))
    ranges = []
    for dim in dims:
        size = sizes.get(dim.name, dim.extent) if dim.tileable else dim.extent
        ranges.append([(lo, min(lo + size, dim.extent)) for lo in range(0, dim.extent, size)])
    for intervals in itertools.product(*ranges):
        yield {dim.name: interval for dim, interval in zip(dims, intervals, strict=True)}


def tile_call(space: Space, box: Mapping[str, tuple[int, int]]) -> TileCall:
    reductions = [dim for dim in space.dims if dim.reduction]
    return TileCall(
        box=tuple((name, low, high) for name, (low, high) in box.items()),
        inputs=tuple(access.region(box) for access in space.inputs),
        output=space.output.region(box),
        first=all(box[dim.name][0] == 0 for dim in reductions),
        last=all(box[dim.name][1] == dim.extent for dim in reductions),
    )


def checked_block(op: Operator, layout: str, box: Mapping[str, tuple[int, int]], last: bool) -> bytes:
    """The tile's block, after checking its length and that it is its weights then its tables."""
    extents = {name: np.array([high - low]) for name, (low, high) in box.items()}

    def part(parts: Parts) -> bytes:
        block = op.param_block(layout, parts, box, last)
        size = op.param_bytes(layout, parts, extents, np.array([last]))
        assert size.tolist() == [len(block)]
        assert len(block) % 4 == 0
        return block

    block = part(BOTH)
    assert part(frozenset((WEIGHTS,))) + part(frozenset((TABLES,))) == block
    assert op.has_weights == bool(part(frozenset((WEIGHTS,))))
    return block
