"""Convolutions row by row: the cycles of a kind of site (runtime/xpulp/conv_rows.h)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from costmodels.arrays import floats, floor_div
from costmodels.engines.portable.windowed import Channels, Site, SiteWeights
from costmodels.engines.xpulp.costs import RowWalkCosts, RunCost
from costmodels.work import FloatArray, KernelSpec

LANES = 4
BoolArray = npt.NDArray[np.bool_]
DEEP_WORDS = 24
"""Words of a run from which a single pixel has blocks of its own (X_DEEP)."""


def row_walk_weights(costs: RowWalkCosts, site: Site, of: Channels) -> SiteWeights:
    """Cycles of a site, of a row of its taps, of a site that misses rows."""
    spec = site.spec
    blocks = floor_div(of.outputs, LANES)
    left = of.outputs - LANES * blocks
    result = (1.0 - of.partial) * costs.requant_cycles + of.partial * costs.partial_cycles
    runs, run = _runs(spec, site, of.inputs)
    strips = _in_strips(spec, site, runs, run)
    dot = costs.four if site.pixels == 2 else costs.deep
    block = np.where(strips, costs.strip.block_cycles, dot.block_cycles)
    row = np.where(strips, _row(costs.strip, runs, run), _row(dot, runs, run))
    pixels = np.where(strips, 2.0, site.pixels)
    block = block + LANES * pixels * result
    alone = costs.two.block_cycles + 2 * result
    together = strips & (site.pixels == 2) & (left == 0)
    here = np.where(together, costs.pair_cycles, costs.single_cycles)
    border = costs.border_cycles if site.narrow else 0.0
    count = here + border + of.groups * (costs.group_cycles + blocks * block + left * alone)
    rows = of.groups * (blocks * row + left * _row(costs.two, runs, run))
    if not spec.padding_adds:
        return count, rows, floats(0.0)
    calls = of.groups * (np.where(together & np.bool_(not site.narrow), blocks / 2, blocks) + left)
    return _with_padding(costs, site, (count, rows), calls, of.inputs * calls)


def _runs(spec: KernelSpec, site: Site, inputs: FloatArray) -> tuple[int, FloatArray]:
    """Contiguous runs of a row of taps, and their length."""
    contiguous = spec.dilation[1] == 1 and dict(spec.dims).get("g", 1) == 1
    return (1, inputs * site.width) if contiguous else (site.width, inputs)


def _in_strips(spec: KernelSpec, site: Site, runs: int, run: FloatArray) -> BoolArray:
    """Whether a site's blocks are strips: one level of runs, of whole words or a single one."""
    single = runs == 1 and spec.window[0] == 1
    deep = (site.pixels == 1) & single & (run >= LANES * DEEP_WORDS)
    padded = spec.padding_adds and any(map(any, spec.padding))
    grouped = dict(spec.dims).get("g", 1) > 1
    allowed = (runs == 1 or spec.window[0] == 1) and not (padded and grouped)
    whole = (run % LANES == 0) | np.bool_(single)
    return np.asarray((run >= LANES) & whole & ~deep & np.bool_(allowed))


def _row(cost: RunCost, runs: int, run: FloatArray) -> FloatArray:
    words = floor_div(run, LANES)
    return np.asarray(
        runs * (cost.row_cycles + words * cost.word_cycles + (run > words * LANES) * cost.step_cycles)
    )


def _with_padding(
    costs: RowWalkCosts,
    site: Site,
    known: tuple[FloatArray, FloatArray],
    calls: FloatArray,
    weights: FloatArray,
) -> SiteWeights:
    """Sums of weights over the missing taps: those before, between the rows, and behind the valid ones."""
    (height, width), (count, row) = site.spec.window, known
    step = weights * costs.padding_step_cycles
    count, row = count + step * (height * width), row - step * site.width
    if site.narrow:
        once = calls * (costs.padding_cycles + costs.padding_run_cycles)
        return count + once, row + calls * costs.padding_run_cycles, floats(0.0)
    return count, row, calls * (costs.padding_cycles + 2 * costs.padding_run_cycles)
