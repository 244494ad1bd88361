"""Cycle coefficients of the runtime's portable C kernels, one record a loop nest.

Every field is the cycles of one pass of one piece of a kernel (compiler/runtime/kernels): what a core does
once a call, a row of pixels, a pixel, a block, a run of taps. They are what `dse calibrate` fits; how often
each piece runs is counted exactly (`costmodels.engines.portable`).
"""

from __future__ import annotations

from dataclasses import dataclass

from costmodels.copyloop import CopyLoop


@dataclass(frozen=True)
class DotCost:
    """A dot product of patches with filters (dot.c).

    block_cycles: once a block; row_cycles: a row of taps; run_cycles: a contiguous run; unrolled_cycles: four
    steps of a run; step_cycles: one of the steps left over.
    """

    block_cycles: float
    row_cycles: float
    run_cycles: float
    unrolled_cycles: float
    step_cycles: float


@dataclass(frozen=True)
class ConvCosts:
    """dse_conv2d. Pixels of a row go in pairs where all their columns of taps lie inside, else one by one;
    filters in blocks of four (dot_4x2, dot_4x1), those left over alone on one or two pixels (dot_1x2).

    core_cycles: once a core; row_cycles: a row of pixels that it begins; pair_cycles, single_cycles: a
    pair or a pixel; border_cycles: more for a pixel with columns in the padding; group_cycles: a group of it.
    requant_cycles: a finished output; partial_cycles: a partial sum, stored and later reloaded.
    padding_cycles: a block of a pixel with taps in a padding that is not zero; padding_run_cycles: a run of
    such taps; padding_step_cycles: a weight of each filter there.
    """

    core_cycles: float
    row_cycles: float
    pair_cycles: float
    single_cycles: float
    border_cycles: float
    group_cycles: float
    dot_4x2: DotCost
    dot_4x1: DotCost
    dot_1x2: DotCost
    requant_cycles: float
    partial_cycles: float
    padding_cycles: float
    padding_run_cycles: float
    padding_step_cycles: float


@dataclass(frozen=True)
class ProductBlock:
    """Sums of a block of rows and outputs: block_cycles once, then four steps at a time, then one by one."""

    block_cycles: float
    unrolled_cycles: float
    step_cycles: float


@dataclass(frozen=True)
class ProductCosts:
    """dse_matmul: heads, blocks of four outputs (dot where both operands are contiguous along the depth,
    across where the second one is strided) on pairs of rows and on one; outputs left over on two rows (line).

    core_cycles: once a core; head_cycles: a head; column_cycles: a block of outputs, or one left over.
    requant_cycles: a finished output; partial_cycles: a partial sum, stored and later reloaded.
    row_sum_cycles, output_sum_cycles: the sum of the codes of a row, of an output, which takes back the zero
    point of the other operand; code_cycles: each of these codes.
    """

    core_cycles: float
    head_cycles: float
    column_cycles: float
    dot_4x2: ProductBlock
    dot_4x1: ProductBlock
    across_4x2: ProductBlock
    across_4x1: ProductBlock
    line_1x2: ProductBlock
    requant_cycles: float
    partial_cycles: float
    row_sum_cycles: float
    output_sum_cycles: float
    code_cycles: float


@dataclass(frozen=True)
class TapCost:
    """A channelwise sum over a window: block_cycles once, row_cycles a row of taps, tap_cycles a tap."""

    block_cycles: float
    row_cycles: float
    tap_cycles: float


@dataclass(frozen=True)
class DepthwiseCosts:
    """dse_depthwise2d: blocks of four channels on a pair of pixels or on one, the last block overlapping the
    one before; a core with fewer than four channels takes them `one` by one.

    padding, one_padding: sums of weights in a padding that is not zero, by blocks and for one channel (which
    looks at every tap of the window).
    """

    core_cycles: float
    row_cycles: float
    pair_cycles: float
    single_cycles: float
    border_cycles: float
    block_4x2: TapCost
    block_4x1: TapCost
    one: TapCost
    padding: TapCost
    one_padding_cycles: float
    one_padding_tap_cycles: float


@dataclass(frozen=True)
class PoolCosts:
    """dse_maxpool, dse_avgpool: `taps` for each channel of each pixel; those in the padding are skipped."""

    core_cycles: float
    row_cycles: float
    pixel_cycles: float
    border_cycles: float
    taps: TapCost


@dataclass(frozen=True)
class RowCosts:
    """Kernels that walk rows of elements (add, mul, lut, requantise, softmax, normalisations, rope,
    transpose)."""

    core_cycles: float
    row_cycles: float
    element_cycles: float


@dataclass(frozen=True)
class TableRowCosts:
    """dse_embed: a row of a table is found (row_cycles) and copied."""

    core_cycles: float
    row_cycles: float
    copy: CopyLoop


@dataclass(frozen=True)
class ConcatCosts:
    """dse_concat: part_cycles an input, row_cycles a row of an input."""

    core_cycles: float
    part_cycles: float
    row_cycles: float
    element_cycles: float


@dataclass(frozen=True)
class FillCost:
    """A pixel that is set (memset): pixel_cycles once, column_cycles more for one in a padded column.

    It has bytes before its first word (head), words, and bytes behind (tail): each kind has its cycles once
    and its cycles a piece.
    """

    pixel_cycles: float
    column_cycles: float
    head_cycles: float
    head_byte_cycles: float
    words_cycles: float
    word_cycles: float
    tail_cycles: float
    tail_byte_cycles: float


@dataclass(frozen=True)
class CopyCosts:
    """Kernels that copy whole pixels (pad, resize), by `copy`, or set them, by `fill`.

    copied_cycles: a pixel that is copied, beside its bytes.
    """

    core_cycles: float
    row_cycles: float
    copied_cycles: float
    fill: FillCost
    copy: CopyLoop


@dataclass(frozen=True)
class PortableCosts:
    """All kernels of the runtime, by the names of the vocabulary (`costmodels.work.KernelSpec`)."""

    conv2d: ConvCosts
    depthwise2d: DepthwiseCosts
    matmul: ProductCosts
    add: RowCosts
    mul: RowCosts
    idiv: RowCosts
    lut: RowCosts
    requantise: RowCosts
    maxpool: PoolCosts
    avgpool: PoolCosts
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
