"""Products of two activations: blocks of rows and outputs, counted for the busiest core."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from costmodels.arrays import floats, floor_div
from costmodels.engines.nests import extent_of
from costmodels.engines.portable.costs import ProductBlock, ProductCosts
from costmodels.engines.portable.sites import largest_shares
from costmodels.errors import UnsupportedKernel
from costmodels.work import FloatArray, KernelSpec


def product_cycles(
    costs: ProductCosts,
    cores: int,
    spec: KernelSpec,
    extents: Mapping[str, npt.ArrayLike],
    split: tuple[str, ...],
    partial: npt.ArrayLike,
) -> FloatArray:
    """Cycles of the busiest core; arguments as `kernel_cycles`.

    Raises UnsupportedKernel for a division that the runtime does not know.
    """
    if split not in ((), ("h",), ("y",), ("o",)):
        raise UnsupportedKernel(f"no formula for dividing {split} of {spec.kernel} over cores")
    depth, unfinished = extent_of(extents, "i"), floats(partial)
    sizes = {name: extent_of(extents, name) for name in ("h", "y", "o")}
    # The cores' axis goes in front of all others, so that it meets none of them.
    rank = max(array.ndim for array in (depth, unfinished, *sizes.values()))
    heads, rows, outputs = (
        largest_shares(size.reshape((1,) * (rank - size.ndim) + size.shape), cores, split == (name,))
        for name, size in sizes.items()
    )
    result = (1.0 - unfinished) * costs.requant_cycles + unfinished * costs.partial_cycles
    pairs, blocks = floor_div(rows, 2), floor_div(outputs, 4)
    odd, left = rows - 2 * pairs, outputs - 4 * blocks
    wide, alone = (costs.across_4x2, costs.across_4x1) if spec.strided else (costs.dot_4x2, costs.dot_4x1)
    of_a = costs.row_sum_cycles + depth * costs.code_cycles if spec.offsets[1] else 0.0
    of_b = costs.output_sum_cycles + depth * costs.code_cycles if spec.offsets[0] else 0.0
    of_pair = _block(wide, depth) + 8 * result + 2 * of_a
    of_row = _block(alone, depth) + 4 * result + of_a
    of_block = costs.column_cycles + 4 * of_b + pairs * of_pair + odd * of_row
    # An output left over is computed on two rows, or twice on the same one and stored once.
    single = _block(costs.line_1x2, depth) + 2 * of_a
    of_left = costs.column_cycles + of_b + (pairs + odd) * single + rows * result
    cycles = heads * (costs.head_cycles + blocks * of_block + left * of_left)
    return np.asarray(costs.core_cycles + cycles.max(axis=0))


def _block(block: ProductBlock, depth: FloatArray) -> FloatArray:
    unrolled = floor_div(depth, 4)
    steps = unrolled * block.unrolled_cycles + (depth - 4 * unrolled) * block.step_cycles
    return np.asarray(block.block_cycles + steps)
