"""Kernels that slide a window over pixels: their time as sums over sites times weights of the channels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from costmodels.arrays import floats, floor_div
from costmodels.copyloop import copy_cycles
from costmodels.engines.nests import extent_of
from costmodels.engines.portable.costs import (
    ConvCosts,
    CopyCosts,
    DepthwiseCosts,
    DotCost,
    PoolCosts,
)
from costmodels.engines.portable.latest import latest_summed
from costmodels.engines.portable.padding import aligned_pixels, fill_cycles
from costmodels.engines.portable.sites import Sites, Tiles, largest_shares, sites_of
from costmodels.errors import UnsupportedKernel
from costmodels.work import FloatArray, KernelSpec

WindowCosts = ConvCosts | DepthwiseCosts | PoolCosts | CopyCosts
Weights = FloatArray
"""[3 * K, ...]: cycles of a site, of a row of taps, of a site that misses a row; by kind of site."""


@dataclass(frozen=True, eq=False)
class Channels:
    """Extents of the channel dimensions of the shares of one core or two, and the share of unfinished calls;
    [S, V] each."""

    groups: FloatArray
    outputs: FloatArray
    inputs: FloatArray
    channels: FloatArray
    partial: FloatArray


@dataclass(frozen=True, eq=False)
class Distinct:
    """Rows of several arrays that differ: their values [n, columns], and for every place which row it is."""

    rows: FloatArray
    number: npt.NDArray[np.int64]

    @classmethod
    def of(cls, *columns: npt.ArrayLike) -> Distinct:
        arrays = np.broadcast_arrays(*(floats(column) for column in columns))
        flat = np.stack([array.ravel() for array in arrays], axis=1)
        code = np.zeros(len(flat))
        for column in flat.T:
            values, number = np.unique(column, return_inverse=True)
            code = code * len(values) + number
        _, first, number = np.unique(code, return_index=True, return_inverse=True)
        return cls(flat[first], number.reshape(arrays[0].shape))


@dataclass(frozen=True)
class Site:
    """A pixel, or a pair of them, with so many columns of taps."""

    spec: KernelSpec
    pixels: int
    width: int

    @property
    def narrow(self) -> bool:
        return self.width < self.spec.window[1]


SiteWeights = tuple[FloatArray, FloatArray, FloatArray]
"""Cycles of a site, of a row of taps, of a site that misses a row; by sets of channels."""


@dataclass(frozen=True)
class Walk:
    """A kernel that goes over its pixels row by row, site by site.

    core_cycles, row_cycles: once a core, and a row of pixels that it begins. paired: whether neighbours with
    all their taps inside go together. weigh: the cycles of a kind of site.
    """

    core_cycles: float
    row_cycles: float
    paired: bool
    weigh: Callable[[Site, Channels], SiteWeights]


def walk_of(costs: WindowCosts) -> Walk:
    """How a portable kernel goes over its pixels."""
    paired = isinstance(costs, ConvCosts | DepthwiseCosts)
    return Walk(costs.core_cycles, costs.row_cycles, paired, partial(_site_weights, costs))


def window_cycles(
    walk: Walk,
    cores: int,
    spec: KernelSpec,
    extents: Mapping[str, npt.ArrayLike],
    split: tuple[str, ...],
    unfinished: npt.ArrayLike,
    starts: Mapping[str, npt.ArrayLike],
    late_cycles: float,
) -> FloatArray:
    """Cycles of the last core to end, from its share on; shapes and arguments as `kernel_cycles`.

    late_cycles: by how much the first core, which starts the others, begins later than they do. It counts as
    part of the fork, so that the others end so much earlier.

    Raises UnsupportedKernel for a division that the runtime does not know.
    """
    divided = by_pixels(spec, split)
    places = [starts.get(name, 0.0) for name in "yx"]
    pixels = Distinct.of(extent_of(extents, "y"), extent_of(extents, "x"), *places)
    inner = Distinct.of(*(extent_of(extents, name) for name in "goic"), unfinished)
    shares = shares_of(inner.rows, split, cores)
    table = _table(walk, spec, pixels.rows, shares, cores if divided else 1, late_cycles)
    return np.asarray(table[pixels.number, inner.number])


def by_pixels(spec: KernelSpec, split: tuple[str, ...]) -> bool:
    """Whether pixels are divided, rather than channels or nothing. Raises UnsupportedKernel."""
    if split and split != ("y", "x") and split not in (("o",), ("g",), ("c",)):
        raise UnsupportedKernel(f"no formula for dividing {split} of {spec.kernel} over cores")
    return split == ("y", "x")


def shares_of(rows: FloatArray, split: tuple[str, ...], cores: int) -> Channels:
    """Channels of the first core [1, V], and of the last one, if they are divided [2, V]."""
    count = 2 if set(split) & set("goic") else 1
    extents = [largest_shares(rows[:, k], cores, split == (name,))[:count] for k, name in enumerate("goic")]
    groups, outputs, inputs, channels = extents
    return Channels(groups, outputs, inputs, channels, np.stack([rows[:, 4]] * count))


def _table(
    walk: Walk,
    spec: KernelSpec,
    tiles: FloatArray,
    channels: Channels,
    cores: int,
    late_cycles: float,
) -> FloatArray:
    """Cycles [U, V] of each tile with each set of channels; cores: over which its pixels are divided."""
    sites = sites_of(spec, _tiles(spec, tiles), cores, walk.paired)
    fixed = sites.rows * walk.row_cycles
    fixed[1:] -= late_cycles
    sums = sites.sums.reshape(-1, *fixed.shape)
    visited = np.concatenate([sums, fixed[None], np.ones_like(fixed)[None]]) * sites.weight
    weights = _weights(walk, spec, sites, channels).swapaxes(0, 1)
    once = np.ones((1, weights.shape[-1]))
    # The core with the last share of channels is no first core, and so begins earlier.
    shares = [
        np.concatenate([share, once, once * before])
        for share, before in zip(weights, (0.0, -late_cycles), strict=False)
    ]
    return latest_summed(visited, sites.tile, shares) + walk.core_cycles


def _tiles(spec: KernelSpec, values: FloatArray) -> Tiles:
    """From rows (y, x, start in y, start in x). Remainders that do not occur have no extent: they get one."""
    rows, cols, start_y, start_x = values.astype(np.int64).T
    rows, cols = np.maximum(rows, 1), np.maximum(cols, 1)
    last_y, last_x = dict(spec.dims)["y"] - rows, dict(spec.dims)["x"] - cols
    return Tiles(rows, cols, np.minimum(start_y, last_y), np.minimum(start_x, last_x))


def _weights(walk: Walk, spec: KernelSpec, sites: Sites, channels: Channels) -> Weights:
    """[3 * K, S, V]."""
    kinds = zip(sites.pixels, sites.widths, strict=True)
    found = [walk.weigh(Site(spec, int(n), int(width)), channels) for n, width in kinds]
    shape = channels.partial.shape
    return np.stack([np.broadcast_to(kind[k], shape) for k in range(3) for kind in found])


def _site_weights(costs: WindowCosts, site: Site, of: Channels) -> SiteWeights:
    if isinstance(costs, ConvCosts):
        return _conv_weights(costs, site, of)
    if isinstance(costs, DepthwiseCosts):
        return _depthwise_weights(costs, site, of)
    if isinstance(costs, PoolCosts):
        return _pool_weights(costs, site, of)
    return _copy_weights(costs, site, of)


def _pixel_cycles(costs: ConvCosts | DepthwiseCosts, site: Site) -> float:
    here = costs.pair_cycles if site.pixels == 2 else costs.single_cycles
    return here + (costs.border_cycles if site.narrow else 0.0)


def _conv_weights(costs: ConvCosts, site: Site, of: Channels) -> SiteWeights:
    blocks = floor_div(of.outputs, 4)
    left = of.outputs - 4 * blocks
    result = (1.0 - of.partial) * costs.requant_cycles + of.partial * costs.partial_cycles
    wide = costs.dot_4x2 if site.pixels == 2 else costs.dot_4x1
    block = wide.block_cycles + 4 * site.pixels * result
    # A filter left over is computed on two pixels, or twice on the same one.
    alone = costs.dot_1x2.block_cycles + 2 * result
    count = of.groups * (costs.group_cycles + blocks * block + left * alone) + _pixel_cycles(costs, site)
    row = of.groups * (blocks * _row(wide, site, of) + left * _row(costs.dot_1x2, site, of))
    if not site.spec.padding_adds:
        return count, row, floats(0.0)
    calls = of.groups * (blocks + left)
    return _with_padding(costs, site, (count, row), calls, of.inputs * calls)


def _with_padding(
    costs: ConvCosts,
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


def _row(dot: DotCost, site: Site, of: Channels) -> FloatArray:
    """Cycles of a block's row of taps: one run if the taps lie side by side, else one a tap."""
    contiguous = site.spec.dilation[1] == 1 and dict(site.spec.dims).get("g", 1) == 1
    runs, run = (1, of.inputs * site.width) if contiguous else (site.width, of.inputs)
    unrolled = floor_div(run, 4)
    steps = unrolled * dot.unrolled_cycles + (run - 4 * unrolled) * dot.step_cycles
    return np.asarray(dot.row_cycles + runs * (dot.run_cycles + steps))


def _depthwise_weights(costs: DepthwiseCosts, site: Site, of: Channels) -> SiteWeights:
    blocks = np.where(of.groups >= 4, np.ceil(of.groups / 4), 0.0)
    odd = np.where(of.groups >= 4, 0.0, of.groups * site.pixels)
    wide = costs.block_4x2 if site.pixels == 2 else costs.block_4x1
    count = _pixel_cycles(costs, site) + blocks * wide.block_cycles + odd * costs.one.block_cycles
    row = blocks * (wide.row_cycles + site.width * wide.tap_cycles)
    row = row + odd * (costs.one.row_cycles + site.width * costs.one.tap_cycles)
    if not site.spec.padding_adds:
        return count, row, floats(0.0)
    taps = site.spec.window[0] * site.spec.window[1]
    once = odd * (costs.one_padding_cycles + taps * costs.one_padding_tap_cycles)
    fixed = once + blocks * (costs.padding.block_cycles + costs.padding.row_cycles)
    step = blocks * costs.padding.tap_cycles
    count, row = count + step * taps, row - step * site.width
    if site.narrow:
        return count + fixed, row + blocks * costs.padding.row_cycles, floats(0.0)
    # A site that misses rows only has empty gaps between its rows of taps: about as many as the window has.
    return count, row, fixed + blocks * costs.padding.row_cycles * (site.spec.window[0] - 1)


def _pool_weights(costs: PoolCosts, site: Site, of: Channels) -> SiteWeights:
    taps = costs.taps
    border = costs.border_cycles if site.narrow else 0.0
    count = costs.pixel_cycles + border + of.channels * taps.block_cycles
    row = of.channels * (taps.row_cycles + site.width * taps.tap_cycles) if site.width else floats(0.0)
    return count, row, floats(0.0)


def _copy_weights(costs: CopyCosts, site: Site, of: Channels) -> SiteWeights:
    """A pixel whose only tap is in the padding is filled, any other copied."""
    if site.width == 0:
        return fill_cycles(costs, site.spec, of.channels, True), floats(0.0), floats(0.0)
    share = aligned_pixels(costs.copy, site.spec, of.channels)
    copied = costs.copied_cycles + copy_cycles(costs.copy, of.channels, share)
    return floats(0.0), copied, fill_cycles(costs, site.spec, of.channels, False)
