"""Tile classes: the few distinct tile shapes of a tiling, and how many tiles have each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from costmodels.arrays import floats
from costmodels.work import FloatArray, IntArray, KernelSpec


@dataclass(frozen=True, eq=False)
class TileClasses:
    """Distinct tile shapes of C candidates. The candidate axis is the last one of every array.

    extents: by dimension, arrays that broadcast to [*K, C]; counts: tiles of a class, [*K, C] (or
    broadcasting to it), 0 where a class does not occur. K may be one axis or, faster, one axis for every
    dimension that has a remainder (`tile_classes` makes that form). partial: share of the calls that do
    not finish their reduction, broadcasting to [*K, C]. starts: where the first tile of a class begins, by
    dimension, in the shape of the extents; 0 for dimensions that are not there.
    """

    extents: Mapping[str, FloatArray]
    counts: FloatArray
    partial: FloatArray
    starts: Mapping[str, FloatArray] = field(default_factory=dict)

    def weighted(self, cycles: FloatArray) -> FloatArray:
        """Sum over all tiles of per-class cycles: [C]."""
        shape = np.broadcast_shapes(cycles.shape, self.counts.shape)
        per_class = np.broadcast_to(cycles, shape).reshape(-1, shape[-1])
        counts = np.broadcast_to(self.counts, shape).reshape(-1, shape[-1])
        return np.asarray(np.einsum("kc,kc->c", per_class, counts))


def tile_classes(
    spec: KernelSpec, tiles: Mapping[str, IntArray], reduction: frozenset[str] = frozenset(("i",))
) -> TileClasses:
    """Classes of C tilings in factorised form, one class axis of two for each dimension with remainders.

    tiles: tile extent by dimension, each [C]; a dimension that is missing is not tiled. Tiles along a
    dimension of extent N are N // t full ones and, if it is not 0, one of N % t.
    """
    candidates = np.broadcast_shapes((1,), *(np.shape(tile) for tile in tiles.values()))[-1]
    whole = {name: np.full(1, extent) for name, extent in spec.dims}
    sizes = {name: np.asarray(tiles.get(name, whole[name])) for name, _ in spec.dims}
    cut = [name for name, extent in spec.dims if np.any(extent % sizes[name])]
    extents: dict[str, FloatArray] = {}
    starts: dict[str, FloatArray] = {}
    counts, partial = np.ones(candidates), np.zeros(1)
    for name, extent in spec.dims:
        size = sizes[name]
        full, rest = extent // size, extent % size
        if name in reduction:
            trips = full + (rest > 0)
            partial = 1.0 - (1.0 - partial) / trips
        if name not in cut:
            extents[name] = floats(size)
            counts = counts * full
            continue
        shape = [1] * len(cut) + [len(size)]
        shape[cut.index(name)] = 2
        extents[name] = floats(np.stack([size, rest])).reshape(shape)
        starts[name] = floats(np.stack([np.zeros_like(size), full * size])).reshape(shape)
        counts = counts * floats(np.stack([full, (rest > 0) * 1])).reshape(shape)
    return TileClasses(extents, counts, partial, starts)


NO_CLASSES = TileClasses({}, np.ones(1), np.zeros(1))
"""Stands for the tiles of candidates whose kernel time is known."""
