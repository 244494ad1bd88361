"""A tiling for a measured layer whose own is not on record: the largest tiles that a simple rule finds.

The rule: two tiles of input, weights and output fit L1 (double buffering). A tile begins as the whole layer.
Kernels that divide rows over the cores halve its rows down to one a core, then, as often as it takes, what is
larger: the tensors (by the width, down to two pixels) or the weights (by the output channels). Depthwise
kernels and others without a sum over channels halve the channels down to one a core, then the rows. The loop
over channels is outside, so that weights stay for all the pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from costmodels.layer import Hop, StreamWork
from costmodels.work import IntArray, KernelSpec

BUFFERS = 2


@dataclass(frozen=True)
class LayerShape:
    """A layer in NHWC, extents of the output; `inputs` are the channels that an output channel reads from
    (1 where it reads its own channel), `outputs` the output channels. weight_bytes: per output channel."""

    spec: KernelSpec
    height: int
    width: int
    inputs: int
    outputs: int
    weight_bytes: int

    @property
    def own_channel(self) -> bool:
        """Whether an output channel reads one input channel only."""
        return "i" not in dict(self.spec.dims)

    def patch(self, tile: LayerTile) -> tuple[int, int]:
        """Input rows and columns of a tile; padding counts along the rows only."""
        (down, across), (height, width) = self.spec.stride, self.spec.window
        columns = (tile.width - 1) * across + width
        return (tile.rows - 1) * down + height, min(columns, self.width * across)

    def input_bytes(self, tile: LayerTile) -> int:
        """Input bytes of a tile."""
        rows, columns = self.patch(tile)
        return rows * columns * (tile.channels if self.own_channel else self.inputs)

    def parameter_bytes(self, tile: LayerTile) -> int:
        """Weight and requantisation bytes of a tile."""
        return tile.channels * self.weight_bytes

    def output_bytes(self, tile: LayerTile) -> int:
        """Output bytes of a tile."""
        return tile.rows * tile.width * tile.channels

    @property
    def whole(self) -> LayerTile:
        """The layer as one tile."""
        return LayerTile(self.height, self.width, self.outputs)


@dataclass(frozen=True)
class LayerTile:
    """Output rows, columns and channels of a tile."""

    rows: int
    width: int
    channels: int


def choose_tile(shape: LayerShape, capacity_bytes: int, cores: int) -> LayerTile:
    """The first tile of the rule that fits. Raises ValueError where none does."""
    tile = shape.whole
    while BUFFERS * _bytes(shape, tile) > capacity_bytes:
        smaller = _by_channels(tile, cores) if shape.own_channel else _by_pixels(shape, tile, cores)
        if smaller == tile:
            raise ValueError(f"no tile of {shape.spec.kernel} fits {capacity_bytes} bytes")
        tile = smaller
    return tile


def _bytes(shape: LayerShape, tile: LayerTile) -> int:
    return shape.input_bytes(tile) + shape.parameter_bytes(tile) + shape.output_bytes(tile)


def _by_channels(tile: LayerTile, cores: int) -> LayerTile:
    if tile.channels > cores:
        return replace(tile, channels=_half(tile.channels))
    return replace(tile, rows=_half(tile.rows))


def _by_pixels(shape: LayerShape, tile: LayerTile, cores: int) -> LayerTile:
    if tile.rows > cores:
        return replace(tile, rows=_half(tile.rows))
    weights = shape.parameter_bytes(tile)
    if tile.width > 2 and (2 * weights < _bytes(shape, tile) or tile.channels == 1):
        return replace(tile, width=_half(tile.width))
    return replace(tile, channels=_half(tile.channels))


def _half(extent: int) -> int:
    return -(-extent // 2)


def trips_of(shape: LayerShape, tile: LayerTile) -> tuple[int, int, int]:
    """Tiles along the channels (outermost loop), the rows and the columns."""
    pairs = (shape.outputs, tile.channels), (shape.height, tile.rows), (shape.width, tile.width)
    across, down, along = (-(-extent // size) for extent, size in pairs)
    return across, down, along


def streams_of(shape: LayerShape, tile: LayerTile) -> tuple[StreamWork, ...]:
    """Traffic between L2 and L1; lines are runs of contiguous bytes, and halos move again."""
    trips = trips_of(shape, tile)
    split, tiles = trips[0] > 1, prod(trips)
    innermost = max((depth for depth, trip in enumerate(trips, start=1) if trip > 1), default=0)
    moves = shape.own_channel or innermost > 1
    rows, columns = shape.patch(tile)
    lines = _lines(rows, columns, shape.own_channel and split, trips[2] > 1)
    fetches = tiles if moves else 1
    loads = _hop("l2_l1", fetches, lines, shape.input_bytes(tile))
    back = _hop("l1_l2", tiles, _lines(tile.rows, tile.width, split, trips[2] > 1), shape.output_bytes(tile))
    streams = [StreamWork("input", (loads,), _ints(fetches), _ints(innermost if moves else 0))]
    if shape.weight_bytes:
        weights = _hop("l2_l1", trips[0], 1, shape.parameter_bytes(tile))
        streams.append(StreamWork("params", (weights,), _ints(trips[0]), _ints(int(split))))
    return *streams, StreamWork("output", (back,), _ints(tiles), _ints(innermost))


def _lines(rows: int, columns: int, channels_split: bool, width_split: bool) -> int:
    """Contiguous runs of a tile in NHWC: pixels if its channels are cut, rows if its width is."""
    return rows * columns if channels_split else rows if width_split else 1


def _hop(link: str, fetches: int, lines: int, bytes_: int) -> Hop:
    return Hop(link, _ints(fetches), _ints(fetches * lines), _ints(fetches * bytes_))


def _ints(value: int) -> IntArray:
    return np.array([value])
