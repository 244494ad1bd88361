"""Which tile a policy takes of those that fit: rules on arrays of candidates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from costmodels.work import FloatArray, IntArray
from dse.baselines.policies import Tiles
from dse.options.candidates import Candidates
from dse.solver.pareto import BoolArray

Score = Callable[[Candidates, IntArray], FloatArray]

# DORY's terms by dimension: (weight, multiple). Rows go over 8 cores, two columns share an im2col buffer,
# four output channels share a matrix multiplication.
_DORY_TERMS: Mapping[str, tuple[float, int]] = MappingProxyType(
    {"y": (2.0, 8), "x": (3.0, 2), "o": (1.0, 4), "g": (1.0, 4), "c": (1.0, 4)}
)
_DORY_AREA = 16


def largest_score(c: Candidates, bytes_: IntArray) -> FloatArray:
    """Bytes [C] of one tile of every stream."""
    return bytes_.astype(np.float64)


def dory_score(c: Candidates, bytes_: IntArray) -> FloatArray:
    """DORY's objective [C]: shape of the tile first, its bytes second.

    shape = 2 ((y - 1) mod 8) + 3 ((x - 1) mod 2) + ((o - 1) mod 4) + [y x >= 16], as in its PULP tiler
    (Burrello et al., IEEE TC 2021, section 4.2; its weights are in units of 10^6 beside bytes of L1, so that
    bytes only decide between equal shapes). A last tile shorter than the halo between tiles is the worst
    shape, for its rows are loaded more often than used.
    """
    sizes = {dim.name: c.grid.tile(dim.name) for dim in c.space.dims}
    shape = np.zeros(c.grid.count)
    for name, (weight, multiple) in _DORY_TERMS.items():
        if name in sizes:
            shape += weight * ((sizes[name] - 1) % multiple)
    if "y" in sizes and "x" in sizes:
        shape += sizes["y"] * sizes["x"] >= _DORY_AREA
    shape = np.where(_short_ends(c), -1.0, shape)
    return np.asarray(shape + bytes_ / (1.0 + bytes_.max(initial=0)))


def _tiles_a_reduction(c: Candidates) -> BoolArray:
    split = [c.grid.trip(dim.name) > 1 for dim in c.space.dims if dim.reduction]
    return np.asarray(np.any(split, axis=0)) if split else np.zeros(c.grid.count, np.bool_)


def _short_ends(c: Candidates) -> BoolArray:
    """Whether the last tile in y or x is shorter than the overlap of neighbours, window - stride."""
    short = np.zeros(c.grid.count, np.bool_)
    spec = c.space.spec
    for dim in c.space.dims:
        if dim.name in ("y", "x"):
            axis = ("y", "x").index(dim.name)
            halo = max(0, spec.window[axis] - spec.stride[axis])
            size = c.grid.tile(dim.name)
            last = dim.extent - (c.grid.trip(dim.name) - 1) * size
            short |= last < np.minimum(halo, dim.extent)
    return short


SCORES: Mapping[Tiles, Score] = MappingProxyType({Tiles.LARGEST: largest_score, Tiles.DORY: dory_score})


def best_tile(
    rule: Tiles, c: Candidates, bytes_: IntArray, need_bytes: IntArray, room_bytes: int
) -> int | None:
    """The tiling that a rule takes; None if none fits. bytes_ [C]: one tile of every stream, without partial
    sums; need_bytes [C]: all buffers in L1, of which there are `room_bytes`.

    A layer that fits whole is not tiled, and a reduction only where nothing else fits, as in Deeploy's and
    DORY's constraints. Of equal scores the tiling with the largest volume, then the first.
    """
    fits = np.flatnonzero(need_bytes <= room_bytes)
    if len(fits) == 0:
        return None
    unbroken = fits[~_tiles_a_reduction(c)[fits]]
    fits = unbroken if len(unbroken) else fits
    whole = fits[c.grid.steps[fits] == 1]
    if len(whole):
        return int(whole[0])
    score = SCORES[rule](c, bytes_)[fits]
    volume = np.prod(c.grid.tiles[fits].astype(np.float64), axis=1)
    return int(fits[np.lexsort((-volume, -score))[0]])
