"""Running an operator tile by tile in C and holding every tile to compute()."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from compiler.ir import Operator, TileCall
from compiler.ir.operator import BOTH, WEIGHTS
from compiler.ir.tensor import IntArray
from costmodels.work import KernelSpec
from tests.compiler.ops.drawn import Case
from tests.compiler.ops.tiles import boxes, tile_call
from tests.compiler.runtime.abi import SPLITS
from tests.compiler.runtime.arguments import Job, arguments
from tests.compiler.runtime.library import Kernels
from tests.compiler.runtime.placed import Rng, place

SPLIT_OF = {"y": "pixels", "x": "pixels", "a0": "pixels", "o": "channels", "g": "channels", "c": "channels"}
SPLIT_OF |= {"n": "elements", "h": "heads"}


@dataclass(frozen=True)
class Setting:
    """How tiles are run: cores, layout ("plain": on cores, else on the NPU), spare bytes between pitches.

    units: kernels may divide convolutions and products by units of their own, whatever the split.
    """

    cores: int
    layout: str
    spare: int
    units: bool = False


def random_sizes(rng: Rng, case: Case, reductions: bool) -> Mapping[str, int]:
    """Tile extents that cut every tileable dimension into at most three."""
    dims = case.op.space(case.tensors).dims
    free = [dim for dim in dims if dim.tileable and (reductions or not dim.reduction)]
    return {dim.name: int(rng.integers(-(-dim.extent // 3), dim.extent + 1)) for dim in free}


def check_case(kernels: Kernels, rng: Rng, case: Case, setting: Setting) -> int:
    """Assert that C and compute() agree on every tile of a random grid; the number of tiles."""
    space, op = case.op.space(case.tensors), case.op
    views = [a.reshape(access.shape) for a, access in zip(case.arrays, space.inputs, strict=True)]
    splits = [SPLITS["none"], *(SPLITS[SPLIT_OF[names[0]]] for names in space.spec.splits)]
    sums: dict[tuple[int, ...], IntArray] = {}
    count = 0
    for box in boxes(space, random_sizes(rng, case, setting.layout == "plain"), ()):
        call = tile_call(space, box)
        tiles = [view[region.slices] for view, region in zip(views, call.inputs, strict=True)]
        block = op.param_block(setting.layout, BOTH, box, call.last)
        key = call.output.low
        expected = op.compute(call, tiles, block, setting.layout, sums.get(key))
        job = make_job(rng, op, call, tiles, block, box, setting, int(rng.choice(splits)))
        if not (call.first and call.last):
            fresh = np.full(call.output.shape, -1, np.int32)
            job = with_accumulator(job, sums[key].copy() if not call.first else fresh)
        run_job(kernels, op, job, setting)
        if call.last:
            np.testing.assert_array_equal(job.output.view, expected)
        else:
            np.testing.assert_array_equal(job.accumulator, expected)
            sums[key] = expected
        assert job.output.untouched_outside()
        check_counters(kernels, case, call, setting, job.split)
        count += 1
    return count


def make_job(
    rng: Rng,
    op: Operator,
    call: TileCall,
    tiles: list[IntArray],
    block: bytes,
    box: Mapping[str, tuple[int, int]],
    setting: Setting,
    split: int,
) -> Job:
    dtype = np.dtype(op.output_type.dtype if hasattr(op, "output_type") else tiles[0].dtype)
    out = rng.integers(0, 100, call.output.shape).astype(dtype)
    aligned = np.frombuffer(block, np.uint8).copy()
    weights = len(op.param_block(setting.layout, frozenset((WEIGHTS,)), box, call.last))
    inputs = [place(rng, tile, setting.spare) for tile in tiles]
    return Job(call, inputs, place(rng, out, setting.spare), aligned, weights, split, setting.layout)


def with_accumulator(job: Job, accumulator: IntArray) -> Job:
    return replace(job, accumulator=accumulator.astype(np.int32))


def run_job(kernels: Kernels, op: Operator, job: Job, setting: Setting) -> None:
    entry, args = arguments(op, job)
    kernels.reset(setting.cores)
    kernels.call(entry if setting.layout == "plain" else f"{entry}_npu", args)


def check_counters(kernels: Kernels, case: Case, call: TileCall, setting: Setting, split: int) -> None:
    spec = case.op.space(case.tensors).spec
    on_cores = setting.layout == "plain"
    extents = {name: np.array(high - low) for name, low, high in call.box}
    macs = int(spec.macs(extents))
    assert kernels.macs == (macs if on_cores else 0)
    assert (kernels.calls, kernels.jobs) == ((1, 0) if on_cores else (0, 1))
    if on_cores and macs:
        cores = setting.cores if split else 1
        share = units_share if "o" in extents else rows_share
        by_units = share(macs, extents, cores) if setting.units else -1
        assert kernels.largest_share in (largest_share(macs, spec, extents, setting.cores, split), by_units)


def units_share(macs: int, extents: Mapping[str, IntArray], cores: int) -> int:
    """MACs of the busiest core where pairs of pixels (rows) times blocks of four outputs are divided."""
    pixels = int(extents["y"]) * int(extents.get("x", np.array(1)))
    heads, outputs = int(extents.get("h", np.array(1))), int(extents["o"])
    pairs = np.array([min(2, pixels - at) for at in range(0, pixels, 2)])
    blocks = np.array([min(4, outputs - at) for at in range(0, outputs, 4)])
    work = np.tile(np.outer(pairs, blocks).ravel(), heads)
    size = -(-work.size // cores)
    most = max(int(work[at : at + size].sum()) for at in range(0, work.size, size))
    return macs // (heads * pixels * outputs) * most


def rows_share(macs: int, extents: Mapping[str, IntArray], cores: int) -> int:
    """MACs of the busiest core where rows of blocks of four channels are divided, block by block."""
    rows, channels = int(extents["y"]), int(extents["g"])
    work = np.repeat([min(4, channels - at) for at in range(0, channels, 4)], rows)
    size = -(-work.size // cores)
    most = max(int(work[at : at + size].sum()) for at in range(0, work.size, size))
    return macs // (rows * channels) * most


def largest_share(
    macs: int, spec: KernelSpec, extents: Mapping[str, IntArray], cores: int, split: int
) -> int:
    """MACs of the busiest core: ceil(P/n) of the P iterations that are divided."""
    names = next((names for names in spec.splits if SPLITS[SPLIT_OF[names[0]]] == split), ())
    if names == ("g",) and int(extents["g"]) == 1 and "o" in extents:
        names = ("o",)  # A grouped convolution's tile of a single group is divided by outputs.
    iterations = math.prod(int(extents[name]) for name in names)
    return macs // iterations * -(-iterations // (cores if names else 1))
