"""Kernel time of a whole product of tile sizes: every distinct tile priced once, then summed axis by axis.

A tiling with size s of a dimension N has N // s tiles of s and, if it is not 0, one of N % s. Over all sizes
of a dimension few distinct tiles occur, so a kernel is priced for the product of the distinct tiles of every
dimension, and the total of a tiling is a sum along one axis after the other: along an axis, full tiles times
their price, and the price of the remainder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from costmodels.arrays import floats
from costmodels.engines import CountedEngine, Engine, NpuEngine, kernel_cycles, share_at_work
from costmodels.layer import KernelTime
from costmodels.pipeline import quickest
from costmodels.work import FloatArray, IntArray, KernelSpec


@dataclass(frozen=True, eq=False)
class _Axis:
    """The tiles of one dimension, for S sizes.

    extent, start, finished [U]: of each distinct tile, with the share of the calls that finish their
    reduction; the full tiles of every size come first. rest [S]: which of them the remainder of a size is.
    full_tiles, rest_tiles [S]: how many of each there are. Where a kernel does not look at starts, a
    remainder as long as a full tile of another size is that tile.
    """

    extent: FloatArray
    start: FloatArray
    finished: FloatArray
    rest: IntArray
    full_tiles: FloatArray
    rest_tiles: FloatArray

    @classmethod
    def of(cls, extent: int, sizes: IntArray, reduction: bool, placed: bool) -> _Axis:
        """placed: whether the kernel's time depends on where a tile starts."""
        count, rest = extent // sizes, extent % sizes
        finished = 1.0 / -(-extent // sizes) if reduction else np.ones(len(sizes))
        where, left = _remainders(sizes.tolist(), rest.tolist(), reduction, placed)
        return cls(
            floats(np.concatenate([sizes, rest[left]])),
            floats(np.concatenate([np.zeros_like(sizes), extent - rest[left]])),
            np.concatenate([finished, finished[left]]),
            np.array(where),
            floats(count),
            floats(rest > 0),
        )

    @property
    def sizes(self) -> FloatArray:
        """Extents of the full tiles [S]."""
        return self.extent[: len(self.rest)]

    def summed(self, cycles: FloatArray, axis: int) -> FloatArray:
        """Cycles by distinct tile along `axis`, to sums by size along it; an axis of 1 does not tell tiles
        apart."""
        shape = (-1,) + (1,) * (cycles.ndim - axis - 1)
        full, rest = self.full_tiles.reshape(shape), self.rest_tiles.reshape(shape)
        if cycles.shape[axis] == 1:
            return np.asarray(cycles * (full + rest))
        total = cycles[(slice(None),) * axis + (slice(len(self.rest)),)] * full
        if self.rest_tiles.any():
            total += np.take(cycles, self.rest, axis=axis) * rest
        return np.asarray(total)


def _remainders(
    sizes: Sequence[int], rest: Sequence[int], reduction: bool, placed: bool
) -> tuple[list[int], list[int]]:
    """Which distinct tile the remainder of every size is, and of which sizes those are that no full tile is.

    A remainder of a reduction is its own: how many calls finish depends on the size. Others of one length are
    one: it says where they start.
    """
    known = {} if reduction or placed else {size: number for number, size in enumerate(sizes)}
    where, left = list(range(len(sizes))), list[int]()
    for number, length in enumerate(rest):
        if length and (reduction or length not in known):
            known[length] = len(sizes) + len(left)
            left.append(number)
        if length:
            where[number] = known[length]
    return where, left


def product_kernel_time(
    engine: Engine,
    spec: KernelSpec,
    sizes: Mapping[str, IntArray],
    splits: Sequence[tuple[str, ...]] = (),
    reduction: frozenset[str] = frozenset(("i",)),
) -> KernelTime:
    """`pipeline.kernel_time` of all combinations of `sizes` by dimension, each [S_d].

    In arrays [S_1, ..., S_n], with the axes in the order of the spec's dimensions.

    A dimension that is missing is not tiled. Raises UnsupportedKernel.
    """
    placed = isinstance(engine, CountedEngine)
    axes = [
        _Axis.of(extent, np.asarray(sizes.get(name, np.array([extent]))), name in reduction, placed)
        for name, extent in spec.dims
    ]
    names = [name for name, _ in spec.dims]
    extents = dict(zip(names, np.ix_(*(axis.extent for axis in axes)), strict=True))
    starts = dict(zip(names, np.ix_(*(axis.start for axis in axes)), strict=True))
    finished = floats(1)
    for share in np.ix_(*(axis.finished for axis in axes)):
        finished = finished * share if np.any(share != 1.0) else finished
    chosen = ((),) if isinstance(engine, NpuEngine) else (splits or spec.splits)
    priced = [kernel_cycles(engine, spec, extents, split, 1.0 - finished, starts) for split in chosen]
    shape = tuple(len(axis.rest) for axis in axes)
    whole = np.broadcast_to(floats(0), shape)
    best = quickest(
        [_summed(cycles, axes) + whole for cycles in priced],
        [_share(engine, names, axes, split) for split in chosen],
    )
    return KernelTime(best.cycles, best.split, np.broadcast_to(best.share, shape))


def _share(engine: Engine, names: Sequence[str], axes: Sequence[_Axis], split: tuple[str, ...]) -> FloatArray:
    """`share_at_work` of the full tiles, at the shape of the dimensions that are split."""
    if not split:
        return np.reshape(share_at_work(engine, {}), (1,) * len(axes))
    divided = [name in split for name in names]
    sizes = [axis.sizes if d else np.ones(1) for axis, d in zip(axes, divided, strict=True)]
    full = np.broadcast_arrays(*np.ix_(*sizes))
    extents = {name: array.ravel() for name, array in zip(names, full, strict=True)}
    return np.reshape(share_at_work(engine, extents, split), full[0].shape)


def _summed(cycles: FloatArray, axes: Sequence[_Axis]) -> FloatArray:
    """Sums over all axes, those first that have most tiles for their sizes."""
    cycles = cycles.reshape((1,) * (len(axes) - cycles.ndim) + cycles.shape)
    for place in sorted(range(len(axes)), key=lambda k: -len(axes[k].extent) / len(axes[k].rest)):
        cycles = axes[place].summed(cycles, place)
    return cycles
