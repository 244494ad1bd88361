"""Convolutions and products as lists of units, divided evenly over the cores: what each core visits, counted.

A unit is a pair of pixels (or rows) times a block of four filters (or outputs); pairs are outermost, so that
a core's interval of units is the rest of a pair's blocks, whole pairs, and the beginning of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from costmodels.arrays import ceil_div, floats, floor_div
from costmodels.engines.nests import extent_of
from costmodels.engines.portable.latest import latest_summed
from costmodels.engines.portable.windowed import Distinct
from costmodels.engines.xpulp.costs import BlockCost, UnitConvCosts, UnitProductCosts
from costmodels.work import FloatArray, KernelSpec

LANES = 4
GATHERED_BYTES = 288
"""The largest window that is gathered (X_GATHERED of runtime/xpulp/conv2d.c), and the buffer's half."""
OUTPUTS_AT_ONCE = 64
"""Outputs whose zero points' share is found at once (X_OUTPUTS of runtime/xpulp/matmul.c)."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Every combination of the rows of two sets [D, columns], and for every place which one it is."""

    rows: FloatArray
    number: npt.NDArray[np.int64]

    @classmethod
    def of(cls, first: Distinct, second: Distinct) -> Pairs:
        count = len(second.rows)
        left, right = np.repeat(first.rows, count, axis=0), np.tile(second.rows, (len(first.rows), 1))
        return cls(np.concatenate([left, right], axis=1), first.number * count + second.number)


@dataclass(frozen=True, eq=False)
class Units:
    """What each core gets of P pairs times B blocks, arrays [cores, D].

    parts: intervals that are done together; ends: those with the last block of their pairs; pairs: begun;
    whole: of these, those with all their blocks; units: on two pixels; alone: on the last one of an odd
    number.
    """

    parts: FloatArray
    ends: FloatArray
    pairs: FloatArray
    whole: FloatArray
    units: FloatArray
    alone: FloatArray

    @classmethod
    def of(cls, points: FloatArray, blocks: FloatArray, repeats: FloatArray, cores: int) -> Units:
        """points: pixels or rows [D]; blocks, repeats (heads): [D]."""
        pairs = ceil_div(points, 2)
        total = pairs * blocks * repeats
        size = ceil_div(total, cores)
        low = np.minimum(np.arange(cores)[:, None] * size, total)
        count = np.minimum(size, total - low)
        head = np.minimum(-low % blocks, count)
        whole = np.floor((count - head) / blocks)
        tail = count - head - whole * blocks
        begun, ended = (head > 0) * 1.0, (tail > 0) * 1.0
        odd = pairs * 2 > points
        alone = odd * (_last(low + count, pairs, blocks) - _last(low, pairs, blocks))
        parts = begun + (whole > 0) + ended
        return cls(parts, begun + (whole > 0), begun + whole + ended, whole, count - alone, alone)


def _last(end: FloatArray, pairs: FloatArray, blocks: FloatArray) -> FloatArray:
    """How many of the first `end` units are of the last pair of a head."""
    of_head = pairs * blocks
    heads = np.floor(end / of_head)
    return heads * blocks + np.maximum(end - heads * of_head - (of_head - blocks), 0.0)


def unit_conv_cycles(
    costs: UnitConvCosts,
    cores: int,
    spec: KernelSpec,
    extents: Mapping[str, npt.ArrayLike],
    unfinished: npt.ArrayLike,
) -> FloatArray:
    """Cycles of the last core to end; arguments as `kernel_cycles`, of tiles that units compute."""
    width = extent_of(extents, "x")
    # Rows matter only where they do not follow each other.
    cols = width if _rows_apart(spec) else np.ones_like(width)
    places = Distinct.of(extent_of(extents, "y") * width, cols)
    tiles = Pairs.of(places, Distinct.of(extent_of(extents, "o")))
    inner = Distinct.of(extent_of(extents, "i"), unfinished)
    # Remainders that do not occur have no extent: they get one.
    pixels, cols, outputs = np.maximum(tiles.rows.T, 1.0)
    units = Units.of(pixels, ceil_div(outputs, LANES), np.ones_like(pixels), cores)
    depth, partial = inner.rows.T
    taps = spec.window[0] * spec.window[1]
    rests = 1.0 + (outputs % LANES > 0)
    rows = _rows_of_strips(spec, units, cols)
    strips = units.parts + units.ends * (rests - 1.0)
    more = (rows + ((units.alone > 0) & (units.whole > 1))) * rests
    further = np.maximum(units.whole - 1.0, 0.0) * rests
    gathered = 2 * units.pairs if taps > 1 else 0 * units.pairs
    visited = np.stack([units.parts, strips, more, further, units.pairs, gathered, units.units, units.alone])
    block, alone = _blocks(costs.block, taps * depth, LANES if taps > 1 else LANES + 2)
    result = (1.0 - partial) * costs.requant_cycles + partial * costs.partial_cycles
    one = np.ones_like(depth)
    gather = _gather(costs, spec, depth)
    short = (taps * depth == LANES) * costs.short_cycles
    weights = np.stack(
        [
            one * costs.part_cycles,
            one * costs.strip_cycles,
            (taps * depth != LANES) * costs.strip_cycles,
            costs.strip_cycles * _strips_of_pair(taps, depth) + short,
            one * costs.pair_cycles,
            gather,
            block + result,
            alone + result,
        ]
    )
    table = latest_summed(visited, np.arange(len(pixels)), [weights]) + costs.core_cycles
    return np.asarray(table[tiles.number, inner.number])


def _strips_of_pair(taps: int, depth: FloatArray) -> FloatArray:
    """Further strips for each whole pair: those in place are one, unless a window is a single word."""
    window = np.ceil(taps * depth / LANES) * LANES
    most = np.maximum(np.floor(GATHERED_BYTES / np.maximum(window, 1.0)), 1.0)
    gathered = 1.0 / most if taps > 1 else np.zeros_like(depth)
    return np.where(taps * depth == LANES, 1.0, gathered)


def _rows_apart(spec: KernelSpec) -> bool:
    """Whether windows are read in place, from rows that do not follow each other."""
    return spec.stride != (1, 1) and spec.window == (1, 1)


def _rows_of_strips(spec: KernelSpec, units: Units, cols: FloatArray) -> FloatArray:
    """Strips beyond the first of whole pairs, where strided rows in place do not follow each other: one a
    row, three in two rows of an odd length, whose last pixel goes with the next one's first.
    """
    if not _rows_apart(spec):
        return np.zeros_like(units.whole)
    each = np.where(cols % 2 == 0, 1.0, np.where(cols > 1, 1.5, 0.5))
    return np.asarray(np.maximum(np.ceil(2 * units.whole / cols * each) - 1.0, 0.0))


def _blocks(cost: BlockCost, depth: FloatArray, loads: int) -> tuple[FloatArray, FloatArray]:
    """Cycles of a block on two pixels, and on one, beside what becomes of the sums.

    loads: of a word of the depth that begin anywhere, where the depth is no multiple of words.
    """
    words = floor_div(depth, LANES)
    rest = depth - words * LANES
    tail = (rest > 0) * cost.tail_cycles
    unaligned = np.where(rest == 0, 0.0, np.where(rest == 2, 0.5, 0.75)) * cost.unaligned_cycles
    word = cost.word_cycles + unaligned * loads
    block = cost.block_cycles + words * word + tail
    alone = cost.alone_block_cycles + words * (cost.alone_word_cycles + unaligned * (loads - 1)) + tail
    return block, alone


def _gather(costs: UnitConvCosts, spec: KernelSpec, depth: FloatArray) -> FloatArray:
    """Cycles to gather the window of a pixel; borders are taken as any."""
    gather, (height, width) = costs.gather, spec.window
    run = width * depth
    doubles = floor_div(run, 8)
    row = gather.row_cycles + doubles * gather.double_cycles + (run > 8 * doubles) * gather.rest_cycles
    return np.asarray(gather.pixel_cycles + height * row)


def unit_product_cycles(
    costs: UnitProductCosts,
    cores: int,
    spec: KernelSpec,
    extents: Mapping[str, npt.ArrayLike],
    unfinished: npt.ArrayLike,
) -> FloatArray:
    """The same of a product of two activations."""
    places = Distinct.of(extent_of(extents, "h"), extent_of(extents, "y"))
    tiles = Pairs.of(places, Distinct.of(extent_of(extents, "o")))
    inner = Distinct.of(extent_of(extents, "i"), unfinished)
    heads, rows, outputs = np.maximum(tiles.rows.T, 1.0)
    blocks = ceil_div(outputs, LANES)
    units = Units.of(rows, blocks, heads, cores)
    depth, partial = inner.rows.T
    begun = np.ceil(units.pairs / ceil_div(rows, 2))
    # Parts of several heads are apart.
    parts = np.maximum(units.parts, begun)
    strips = parts + begun * (outputs % LANES > 0)
    of_b = LANES * np.minimum(units.units + units.alone, begun * blocks) * spec.offsets[0]
    of_a = 2 * units.pairs * np.ceil(outputs / OUTPUTS_AT_ONCE) * spec.offsets[1]
    visited = np.stack([begun, strips, units.pairs, of_a + of_b, units.units, units.alone])
    block, alone = _blocks(costs.block, depth, LANES + 2)
    result = (1.0 - partial) * costs.requant_cycles + partial * costs.partial_cycles
    result = result + (costs.offset_cycles if any(spec.offsets) else 0.0)
    one, words = np.ones_like(depth), ceil_div(depth, LANES)
    weights = np.stack(
        [
            one * costs.head_cycles,
            one * costs.part_cycles,
            one * costs.pair_cycles,
            costs.sum_cycles + words * costs.code_cycles,
            block + result,
            alone + result,
        ]
    )
    table = latest_summed(visited, np.arange(len(rows)), [weights]) + costs.core_cycles
    return np.asarray(table[tiles.number, inner.number])


def conv_units_share(
    spec: KernelSpec, extents: Mapping[str, npt.ArrayLike], unfinished: npt.ArrayLike
) -> FloatArray:
    """Share of a convolution's calls that are computed by units.

    A block that ends with the outputs may overlap the one before, but not where sums are added in place: not
    in the middle calls of a reduction, which are all but two.
    """
    outputs, inputs = extent_of(extents, "o"), extent_of(extents, "i")
    depth = inputs * (spec.window[0] * spec.window[1])
    in_place = spec.window == (1, 1) and not any(map(any, spec.padding))
    gathers = (depth <= GATHERED_BYTES) & (spec.dilation == (1, 1))
    fits = (outputs >= LANES) & (depth >= LANES) & (gathers | in_place)
    fits = fits & (dict(spec.dims).get("g", 1) == 1) & (spec.output_bytes == 1)
    middle = np.maximum(2.0 * floats(unfinished) - 1.0, 0.0)
    return np.asarray(np.where(outputs % LANES == 0, 1.0, 1.0 - middle) * fits)


def product_units_share(
    spec: KernelSpec, extents: Mapping[str, npt.ArrayLike], unfinished: npt.ArrayLike
) -> FloatArray:
    """The same of a product of two activations, whose first call alone may overlap blocks."""
    outputs, depth = extent_of(extents, "o"), extent_of(extents, "i")
    deep = (depth > LANES) & ((depth >= 2 * LANES) | (depth % LANES > 0))
    fits = (outputs >= LANES) & deep & (not spec.strided) & (spec.output_bytes == 1)
    return np.asarray(np.where(outputs % LANES == 0, 1.0, 1.0 - floats(unfinished)) * fits)
