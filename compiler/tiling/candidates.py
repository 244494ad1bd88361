"""Which tiles are worth pricing: every distinct ceil(N/k), and the aligned sizes next to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from compiler.ir import Dim, Space
from compiler.ir.tensor import IntArray


@dataclass(frozen=True)
class TileLimits:
    """How many sizes to try by dimension, and multiples to prefer (an NPU's channel tile).

    `whole` names dimensions that this engine cannot tile (a reduction that it cannot accumulate).
    """

    sizes_per_dim: int = 14
    preferred: Mapping[str, int] = field(default_factory=dict)
    whole: frozenset[str] = frozenset()

    def sizes(self, dim: Dim) -> IntArray:
        """Ascending tile sizes of one dimension: int64."""
        if dim.name in self.whole:
            return np.array([dim.extent])
        return tile_sizes(dim, self.sizes_per_dim, self.preferred.get(dim.name, 1))


def tile_sizes(dim: Dim, limit: int, preferred: int = 1) -> IntArray:
    """Ascending tile sizes of one dimension, at most `limit`, always with the whole extent.

    Only the distinct values of ceil(N/k) matter (a size between two of them costs memory without
    saving a tile), and their roundings up to `preferred`. Where there are too many, they are thinned
    evenly over the ranks, so that the ends stay.
    """
    if not dim.tileable or dim.extent == 1:
        return np.array([dim.extent])
    step = max(dim.granule, 1)
    parts = (
        np.arange(1, dim.extent + 1)
        if dim.extent <= 4096
        else np.unique(np.geomspace(1, dim.extent, 512).astype(np.int64))
    )
    base = -(-dim.extent // parts)
    sizes = np.concatenate([base, -(-base // preferred) * preferred])
    sizes = np.unique(np.minimum(-(-sizes // step) * step, dim.extent))
    if len(sizes) > limit:
        ranks = np.unique(np.round(np.linspace(0, len(sizes) - 1, limit)).astype(np.int64))
        aligned = sizes[sizes % preferred == 0] if preferred > 1 else sizes[:0]
        keep = aligned[:: max(1, -(-len(aligned) // limit))]
        sizes = np.unique(np.concatenate([sizes[ranks], keep, sizes[-1:]]))
    return sizes


def enumerate_tiles(space: Space, limits: TileLimits) -> IntArray:
    """All tiles of a space: int64 [candidates, dims], columns in the order of `space.dims`."""
    axes = [limits.sizes(dim) for dim in space.dims]
    grids = np.meshgrid(*axes, indexing="ij")
    return np.stack([grid.ravel() for grid in grids], axis=1).astype(np.int64)
