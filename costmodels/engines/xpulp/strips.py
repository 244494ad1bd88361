"""Depthwise 3x3 convolutions by strips: what each core turns and computes, counted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from costmodels.arrays import ceil_div, floor_div
from costmodels.engines.nests import extent_of
from costmodels.engines.portable.latest import latest_summed
from costmodels.engines.portable.sites import largest_shares
from costmodels.engines.portable.windowed import Distinct, by_pixels
from costmodels.engines.xpulp.costs import StripCosts
from costmodels.work import FloatArray, KernelSpec

STRIP_ROWS = 18
"""Rows of input that are turned at once (X_STRIP_ROWS of runtime/xpulp/depthwise2d.c)."""
LANES = 4
"""Channels of a block."""


def fits_strips(spec: KernelSpec) -> bool:
    """Whether strips compute it where a tile has four channels at least."""
    return spec.window == (3, 3) and spec.dilation == (1, 1) and spec.stride[0] <= STRIP_ROWS - 3


def strip_cycles(
    costs: StripCosts,
    cores: int,
    spec: KernelSpec,
    extents: Mapping[str, npt.ArrayLike],
    split: tuple[str, ...],
) -> FloatArray:
    """Cycles of the last core to end; arguments as `kernel_cycles`, tiles of four channels at least.

    Raises UnsupportedKernel for a division that the runtime does not know.
    """
    divided = by_pixels(spec, split)
    pixels = Distinct.of(extent_of(extents, "y"), extent_of(extents, "x"))
    channels = Distinct.of(extent_of(extents, "g"))
    visited = _visited(spec, pixels.rows, cores if divided else 1)
    (widest, _) = largest_shares(channels.rows[:, 0], cores, split == ("g",))
    tile = np.arange(len(pixels.rows))
    table = latest_summed(visited, tile, [_weights(costs, widest)]) + costs.core_cycles
    return np.asarray(table[pixels.number, channels.number])


def _visited(spec: KernelSpec, tiles: FloatArray, cores: int) -> FloatArray:
    """[8, cores, U]: a block's own, rectangles, strips for two columns, for one, rows turned, strips, outputs
    in pairs, outputs alone; tiles: rows and columns of outputs [U, 2]."""
    rows, cols = np.maximum(tiles.T, 1.0)  # remainders that do not occur get an extent
    size = ceil_div(rows * cols, cores)
    low = np.minimum(np.arange(cores)[:, None] * size, rows * cols)
    count = np.minimum(size, rows * cols - low)
    # The rest of a row that another core began, whole rows together, and the beginning of a last one.
    head = np.minimum(-low % cols, count)
    whole = np.floor((count - head) / cols)
    tail = count - head - whole * cols
    parts = (
        _rectangle(spec, (head > 0) * 1.0, head),
        _rectangle(spec, whole, cols),
        _rectangle(spec, (tail > 0) * 1.0, tail),
    )
    return np.concatenate([np.ones_like(count)[None], sum(parts)])


def _rectangle(spec: KernelSpec, rows: FloatArray, cols: FloatArray) -> FloatArray:
    """[7, cores, U] of `rows` rows of `cols` columns."""
    stride = spec.stride[0]
    longest = (STRIP_ROWS - 3) // stride + 1
    strips = ceil_div(rows, longest)
    pairs = floor_div(cols, 2) if spec.stride[1] == 1 else np.zeros_like(cols)
    singles = cols - 2 * pairs
    turned = (pairs + singles) * (rows * stride + strips * (3 - stride))
    both = strips * (pairs + singles)
    found = ((rows > 0) * 1.0, strips * pairs, strips * singles, turned, both, rows * pairs, rows * singles)
    return np.stack([np.broadcast_to(one, rows.shape) for one in found])


def _weights(costs: StripCosts, channels: FloatArray) -> FloatArray:
    """[8, V]: cycles of what is visited."""
    blocks = ceil_div(channels, LANES)
    of_blocks = (
        costs.block_cycles,
        costs.rectangle_cycles,
        costs.pair_cycles,
        costs.single_cycles,
        costs.turned_cycles,
    )
    of_channels = (costs.channel_cycles, costs.two_cycles, costs.one_cycles)
    return np.stack([*(cost * blocks for cost in of_blocks), *(cost * channels for cost in of_channels)])
