"""Cycle coefficients of the kernels with Xpulp instructions, one record a loop nest.

Every field is the cycles of one pass of one piece of a kernel (compiler/runtime/xpulp); how often each piece
runs is counted exactly. Kernels that have no Xpulp form are the portable ones, with the same records.
"""

from __future__ import annotations

from dataclasses import dataclass

from costmodels.engines.portable.costs import (
    ConcatCosts,
    CopyCosts,
    DepthwiseCosts,
    ProductCosts,
    RowCosts,
    TableRowCosts,
    TapCost,
)


@dataclass(frozen=True)
class BlockCost:
    """Four filters (outputs) on two pixels (rows): block_cycles once, word_cycles four steps of the depth,
    tail_cycles the steps left over, unaligned_cycles a word that is loaded from between two;
    alone_block_cycles, alone_word_cycles: on one pixel."""

    block_cycles: float
    word_cycles: float
    tail_cycles: float
    unaligned_cycles: float
    alone_block_cycles: float
    alone_word_cycles: float


@dataclass(frozen=True)
class GatherCost:
    """A window copied into a buffer: pixel_cycles once, row_cycles a row of taps, double_cycles eight bytes
    of it, rest_cycles the bytes behind."""

    pixel_cycles: float
    row_cycles: float
    double_cycles: float
    rest_cycles: float


@dataclass(frozen=True)
class RunCost:
    """A block of filters at a site, walked by rows of taps: block_cycles once, row_cycles a row (a run of
    words, or a call for each run with a tail), word_cycles four steps, step_cycles any step left over."""

    block_cycles: float
    row_cycles: float
    word_cycles: float
    step_cycles: float


@dataclass(frozen=True)
class RowWalkCosts:
    """dse_conv2d row by row: large windows, groups, few filters.

    Pairs of pixels of a row whose taps are all inside go together where they are strips (pair_cycles each),
    everything else site by site (single_cycles). border_cycles: more for a site with
    columns in the padding; group_cycles: a group of a site.
    strip: blocks of four filters on two pixels, or twice on one; four, two: dot products where strips do not
    fit, and filters left over; deep: blocks on a single pixel. padding_cycles: a block whose sums start from
    a padding that is not zero; padding_run_cycles: a run of such taps; padding_step_cycles: a weight of each.
    """

    core_cycles: float
    row_cycles: float
    pair_cycles: float
    single_cycles: float
    border_cycles: float
    group_cycles: float
    strip: RunCost
    deep: RunCost
    four: RunCost
    two: RunCost
    requant_cycles: float
    partial_cycles: float
    padding_cycles: float
    padding_run_cycles: float
    padding_step_cycles: float


@dataclass(frozen=True)
class UnitConvCosts:
    """dse_conv2d as a list of units, which are divided evenly whatever the split: two neighbours in the list
    of a tile's pixels (the last of an odd number alone) times a block of four filters.

    core_cycles: once a core; part_cycles: the rest of a pair's blocks, whole pairs, the beginning of one;
    strip_cycles: pairs whose windows are there together; short_cycles: more for a strip whose windows are a
    word, and which has one pair; pair_cycles: a pair of a part. requant_cycles: a
    block that finishes, partial_cycles: one that stores sums, or adds to them. gather: of windows of several
    pixels. Other tiles are walked row by row (`rows`).
    """

    core_cycles: float
    part_cycles: float
    strip_cycles: float
    short_cycles: float
    pair_cycles: float
    block: BlockCost
    requant_cycles: float
    partial_cycles: float
    gather: GatherCost
    rows: RowWalkCosts


@dataclass(frozen=True)
class UnitProductCosts:
    """dse_matmul as a list of units, head by head: pairs of rows times blocks of four outputs.

    head_cycles: a head that a core begins; part_cycles, strip_cycles, pair_cycles, block: as convolutions.
    sum_cycles, code_cycles: the sum of the codes of a row or an output, which takes back the zero point of
    the other operand: once, and a word of it; offset_cycles: a block whose sums start from these. Strided
    operands, and products of less than four outputs or steps, run the portable loops (`other`).
    """

    core_cycles: float
    head_cycles: float
    part_cycles: float
    pair_cycles: float
    block: BlockCost
    requant_cycles: float
    partial_cycles: float
    sum_cycles: float
    code_cycles: float
    offset_cycles: float
    other: ProductCosts


@dataclass(frozen=True)
class StripCosts:
    """dse_depthwise2d on 3x3 windows: blocks of four channels outermost, then strips of columns of at most
    18 input rows, turned once in registers for the four channels, then the windows of one channel after the
    other down the strip, for two neighbouring outputs or for one. Other windows, and tiles of less than four
    channels, are walked by the portable kernel (`other`).

    core_cycles: once a core; block_cycles: four channels, whose weights are turned; rectangle_cycles: whole
    rows, or a part of one, in a block; pair_cycles, single_cycles: a strip for two columns of outputs, or for
    one; turned_cycles: a row of input of a strip; channel_cycles: a channel of a strip; two_cycles,
    one_cycles: two neighbouring outputs, or one, of a channel.
    """

    core_cycles: float
    block_cycles: float
    rectangle_cycles: float
    pair_cycles: float
    single_cycles: float
    turned_cycles: float
    channel_cycles: float
    two_cycles: float
    one_cycles: float
    other: DepthwiseCosts


@dataclass(frozen=True)
class BlockPoolCosts:
    """dse_maxpool, dse_avgpool: `four` channels at once, the last ones overlapping those before; a core with
    less than four channels takes them `one` by one."""

    core_cycles: float
    row_cycles: float
    pixel_cycles: float
    border_cycles: float
    four: TapCost
    one: TapCost


@dataclass(frozen=True)
class ColdCosts:
    """What a call costs more whose kernel is not in the instruction caches, by kernel: the first call of a
    layer, or of each stripe where layers take turns."""

    conv2d: float = 0.0
    depthwise2d: float = 0.0
    matmul: float = 0.0
    add: float = 0.0
    mul: float = 0.0
    idiv: float = 0.0
    lut: float = 0.0
    requantise: float = 0.0
    maxpool: float = 0.0
    avgpool: float = 0.0
    softmax: float = 0.0
    isoftmax: float = 0.0
    itamax: float = 0.0
    inorm: float = 0.0
    rmsnorm: float = 0.0
    layernorm: float = 0.0
    rope: float = 0.0
    embed: float = 0.0
    concat: float = 0.0
    transpose: float = 0.0
    pad: float = 0.0
    resize: float = 0.0


@dataclass(frozen=True)
class XpulpCosts:
    """All kernels, by the names of the vocabulary (`costmodels.work.KernelSpec`)."""

    conv2d: UnitConvCosts
    depthwise2d: StripCosts
    matmul: UnitProductCosts
    add: RowCosts
    mul: RowCosts
    idiv: RowCosts
    lut: RowCosts
    requantise: RowCosts
    maxpool: BlockPoolCosts
    avgpool: BlockPoolCosts
    softmax: RowCosts
    isoftmax: RowCosts
    itamax: RowCosts
    inorm: RowCosts
    rmsnorm: RowCosts
    layernorm: RowCosts
    rope: RowCosts
    embed: TableRowCosts
    concat: ConcatCosts
    transpose: RowCosts
    pad: CopyCosts
    resize: CopyCosts
