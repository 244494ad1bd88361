"""How a tensor of logical (ONNX) shape lies in memory, as an algebra without data movement.

Every logical axis is a product of factors; memory holds all factors in some order. Transpose permutes
the axes and leaves memory alone; Reshape regroups factors; Flatten of an NHWC-stored feature map is thus
a tensor whose one axis has the factors (C, H, W) stored in the order (H, W, C).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

AnyArray = npt.NDArray[Any]
CHANNELS_LAST = (0, 2, 3, 1)


@dataclass(frozen=True)
class Layout:
    """A storage order of a logical shape, in normal form (equal memory orders compare equal).

    factors[k]: the extents, all over 1, that axis k splits into, outermost first. order: the indices of
    the flattened factor list as memory holds them, outermost first.
    """

    factors: tuple[tuple[int, ...], ...]
    order: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The logical shape."""
        return tuple(math.prod(axis) for axis in self.factors)

    @property
    def flat(self) -> tuple[int, ...]:
        """All factors in logical order."""
        return tuple(extent for axis in self.factors for extent in axis)

    @property
    def owners(self) -> tuple[int, ...]:
        """The axis that each factor of `flat` belongs to."""
        return tuple(k for k, axis in enumerate(self.factors) for _ in axis)

    @property
    def memory(self) -> tuple[int, ...]:
        """Extents of the factors as memory holds them."""
        return tuple(self.flat[index] for index in self.order)

    @property
    def memory_axes(self) -> tuple[int, ...]:
        """Logical axis of each factor, as memory holds them."""
        return tuple(self.owners[index] for index in self.order)

    @property
    def is_row_major(self) -> bool:
        return self.order == tuple(range(len(self.order)))

    @property
    def storage_shape(self) -> tuple[int, ...]:
        """A shape to show: the logical one, its permutation to channels-last, or the bare factors."""
        shape = self.shape
        if self.is_row_major:
            return shape
        if self == channels_last(shape):
            return (shape[0], *shape[2:], shape[1])
        return (1, *self.memory)

    def transposed(self, perm: Sequence[int]) -> Layout:
        """The same memory seen through Transpose: axis k of the result is axis perm[k]."""
        starts = np.cumsum([0, *(len(axis) for axis in self.factors)])
        old = [int(starts[a]) + j for a in perm for j in range(len(self.factors[a]))]
        place = {index: k for k, index in enumerate(old)}
        return _normal(tuple(self.factors[a] for a in perm), tuple(place[i] for i in self.order))

    def reshaped(self, shape: Sequence[int]) -> Layout | None:
        """The same memory seen through Reshape; None where a new axis would cut across a factor."""
        cuts = _common(self.flat, tuple(shape))
        return None if cuts is None else _normal(_grouped(cuts, shape), self._refined_order(cuts))

    def _refined_order(self, cuts: tuple[int, ...]) -> tuple[int, ...]:
        pieces: list[list[int]] = []
        position = 0
        for extent in self.flat:
            piece: list[int] = []
            while math.prod((cuts[i] for i in piece), start=1) < extent:
                piece.append(position)
                position += 1
            pieces.append(piece)
        return tuple(i for index in self.order for i in pieces[index])

    def stored(self, array: AnyArray) -> AnyArray:
        """`array` of the logical shape, as a flat array in memory order."""
        return array.reshape(self.flat).transpose(self.order).reshape(-1)

    def logical(self, memory: AnyArray) -> AnyArray:
        """The logical array of flat `memory`."""
        return memory.reshape(self.memory).transpose(np.argsort(self.order)).reshape(self.shape)

    def permutation_to(self, target: Layout) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """(shape, perm) of the smallest Transpose that turns this memory into `target`'s.

        None where the two split an axis incompatibly (then row-major lies between them).
        """
        cuts = _common(self.flat, target.flat)
        if cuts is None:
            return None
        source, wanted = self._refined_order(cuts), target._refined_order(cuts)
        return _collapsed(tuple(cuts[i] for i in source), tuple(source.index(i) for i in wanted))


def row_major(shape: Sequence[int]) -> Layout:
    """Memory in logical order."""
    factors = tuple((extent,) if extent > 1 else () for extent in shape)
    return _normal(factors, tuple(range(sum(map(len, factors)))))


def channels_last(shape: Sequence[int]) -> Layout:
    """(N, C, spatial...) stored as (N, spatial..., C); row-major below rank 3."""
    if len(shape) < 3:
        return row_major(shape)
    stored = row_major((shape[0], *shape[2:], shape[1]))
    return stored.transposed((0, len(shape) - 1, *range(1, len(shape) - 1)))


def state_layout(shape: Sequence[int]) -> Layout:
    """(1, heads, capacity, depth) stored as (capacity, heads, depth): a new row is one piece."""
    one, heads, capacity, depth = shape
    return row_major((one, capacity, heads, depth)).transposed((0, 2, 1, 3))


def grouped_by(layout: Layout, groups: Sequence[Sequence[int]]) -> tuple[int, ...] | None:
    """Extents of axis groups if memory holds group after group, each in any inner order; else None."""
    where = {axis: k for k, group in enumerate(groups) for axis in group}
    places = [where[axis] for axis in layout.memory_axes]
    if places != sorted(places):
        return None
    shape = layout.shape
    return tuple(math.prod(shape[axis] for axis in group) for group in groups)


def _normal(factors: Sequence[Sequence[int]], order: Sequence[int]) -> Layout:
    """Merge factors of one axis that are neighbours both in the axis and in memory."""
    flat = [extent for axis in factors for extent in axis]
    owner = [k for k, axis in enumerate(factors) for _ in axis]
    merged: list[list[int]] = []
    for index in order:
        if merged and index == merged[-1][-1] + 1 and owner[index] == owner[merged[-1][-1]]:
            merged[-1].append(index)
        else:
            merged.append([index])
    logical = sorted(range(len(merged)), key=lambda k: merged[k][0])
    rank = {k: place for place, k in enumerate(logical)}
    result: list[list[int]] = [[] for _ in factors]
    for k in logical:
        result[owner[merged[k][0]]].append(math.prod(flat[i] for i in merged[k]))
    return Layout(tuple(map(tuple, result)), tuple(rank[k] for k in range(len(merged))))


def _common(a: Sequence[int], b: Sequence[int]) -> tuple[int, ...] | None:
    """The coarsest split of a flat index space that refines both products; None where there is none."""
    bounds = sorted({*_suffixes(a), *_suffixes(b)}, reverse=True)
    if any(high % low for high, low in itertools.pairwise(bounds)):
        return None
    return tuple(high // low for high, low in itertools.pairwise(bounds))


def _suffixes(extents: Sequence[int]) -> list[int]:
    result = [1]
    for extent in reversed(extents):
        result.append(result[-1] * extent)
    return result


def _grouped(cuts: Sequence[int], shape: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """`cuts` dealt out to the axes of `shape`."""
    result: list[tuple[int, ...]] = []
    position = 0
    for extent in shape:
        start = position
        while math.prod(cuts[start:position]) < extent:
            position += 1
        result.append(tuple(cuts[start:position]))
    return tuple(result)


def _collapsed(shape: tuple[int, ...], perm: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Merge axes that stay neighbours under `perm`."""
    runs: list[list[int]] = []
    for axis in perm:
        if runs and axis == runs[-1][-1] + 1:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    order = sorted(range(len(runs)), key=lambda k: runs[k][0])
    extents = tuple(math.prod(shape[a] for a in runs[k]) for k in order)
    return extents, tuple(order.index(k) for k in range(len(runs)))
