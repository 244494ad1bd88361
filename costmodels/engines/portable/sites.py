"""How often the portable kernels visit what, core by core: the walk over the pixels of a tile, counted.

A core takes an interval of the tile's pixels, flattened row by row (compiler/runtime/kernels/window.h). Where
columns are paired, two neighbours with all columns of taps inside go together. Sites are told apart by
their columns of taps, and summed with their rows of taps, so that every cost that is linear in the rows is
a product of these sums with weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from costmodels.arrays import ceil_div
from costmodels.work import FloatArray, KernelSpec

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Tiles:
    """U tiles: extents in pixels, and where the first of their kind begins in the layer, each [U]."""

    rows: Ints
    cols: Ints
    start_y: Ints
    start_x: Ints


@dataclass(frozen=True, eq=False)
class Sites:
    """What each core visits in E tiles at their places.

    sums [3, K, cores, E]: sites, their rows of taps, and sites that miss a row; by kind of site. widths [K]:
    columns of taps of each kind; pixels [K]: 2 for pairs, else 1. rows [cores, E]: rows of pixels that a core
    begins. tile, weight [E]: which of the tiles this is, and how large a part of them.
    """

    sums: FloatArray
    widths: Ints
    pixels: Ints
    rows: FloatArray
    tile: Ints
    weight: FloatArray


@dataclass(frozen=True, eq=False)
class _Axis:
    """Valid taps of every output index of a layer's axis [extent], and their running sums [extent + 1]."""

    valid: Ints
    before: Ints

    @classmethod
    def of(cls, spec: KernelSpec, axis: int) -> _Axis:
        extent = dict(spec.dims)["yx"[axis]]
        taps, stride, dilation = spec.window[axis], spec.stride[axis], spec.dilation[axis]
        before, after = spec.padding[axis]
        stored = (extent - 1) * stride + (taps - 1) * dilation + 1 - before - after
        first = np.arange(extent) * stride - before
        at = first[:, None] + np.arange(taps) * dilation
        valid = ((at >= 0) & (at < stored)).sum(axis=1).astype(np.int64)
        return cls(valid, _running(valid))


def _running(values: npt.NDArray[np.integer[Any] | np.bool_]) -> Ints:
    return np.concatenate([[0], np.cumsum(values)]).astype(np.int64)


def sites_of(spec: KernelSpec, tiles: Tiles, cores: int, pairs: bool) -> Sites:
    """The sites of each core when the pixels of every tile are divided over `cores`."""
    tile, start_y, start_x, weight = _places(spec, tiles)
    rows, cols = tiles.rows[tile], tiles.cols[tile]
    size = np.ceil(rows * cols / cores).astype(np.int64)
    low = np.minimum(np.arange(cores)[:, None] * size, rows * cols)
    high = np.minimum(low + size, rows * cols)
    segments = _Segments.of(low, high, cols)
    widths, counts = _by_width(_Axis.of(spec, 1), start_x, segments, spec.window[1], pairs)
    heights = _by_height(_Axis.of(spec, 0), start_y, segments, spec.window[0])
    sums = np.einsum("qsce,ksce->qkce", heights, counts)
    pixels = np.where(np.arange(len(widths)) < len(widths) - len(np.unique(widths)), 2, 1)
    return Sites(sums, widths, pixels, segments.rows, tile, weight)


@dataclass(frozen=True, eq=False)
class _Segments:
    """A core's interval of pixels as a first row, whole rows, a last row: [3, cores, E] each.

    Columns [low, high) of rows [top, bottom).
    """

    low: Ints
    high: Ints
    top: Ints
    bottom: Ints

    @classmethod
    def of(cls, low: Ints, high: Ints, cols: Ints) -> _Segments:
        top, first = low // cols, low % cols
        bottom = np.maximum(high - 1, low) // cols
        some = high > low
        same = top == bottom
        end = high - bottom * cols
        first_end = np.where(same, end, cols)
        zeros = np.zeros_like(low)
        return cls(
            np.stack([first, zeros, zeros]),
            np.stack([first_end, np.broadcast_to(cols, low.shape), end]),
            np.stack([top, top + 1, bottom]),
            np.stack([top + some, np.maximum(bottom, top + 1), bottom + (some & ~same)]),
        )

    @property
    def rows(self) -> FloatArray:
        return np.asarray((self.bottom - self.top).sum(axis=0), np.float64)


def _by_height(axis: _Axis, start: Ints, of: _Segments, taps: int) -> FloatArray:
    """Over the rows of each segment: their number, rows of taps, those that miss any [3, 3, cores, E]."""
    missing = _running(axis.valid < taps)
    top, bottom = start + of.top, start + of.bottom
    last = len(axis.valid)
    top, bottom = np.minimum(top, last), np.minimum(bottom, last)
    sums = [of.bottom - of.top, axis.before[bottom] - axis.before[top], missing[bottom] - missing[top]]
    return np.stack(sums).astype(np.float64)


def _by_width(axis: _Axis, start: Ints, of: _Segments, taps: int, pairs: bool) -> tuple[Ints, FloatArray]:
    """Kinds of sites and how many of each there are in one row of each segment [K, 3, cores, E]."""
    widths = np.unique(axis.valid)
    running = np.stack([_running(axis.valid == width) for width in widths])
    counts = (running[:, start + of.high] - running[:, start + of.low]).astype(np.float64)
    if not pairs or widths[-1] < taps:
        return widths, counts
    paired = np.floor(counts[-1] / 2.0)
    counts[-1] -= 2.0 * paired
    return np.concatenate([[taps], widths]), np.concatenate([paired[None], counts])


def _places(spec: KernelSpec, tiles: Tiles) -> tuple[Ints, Ints, Ints, FloatArray]:
    """(tile, start in y, start in x, weight) of tiles at the places where padding tells them apart."""
    everything = np.arange(len(tiles.rows))
    tile, start_y, weight = _along(spec, 0, tiles.rows, tiles.start_y, everything)
    inner, start_x, part = _along(spec, 1, tiles.cols[tile], tiles.start_x[tile], np.arange(len(tile)))
    return tile[inner], start_y[inner], start_x, weight[inner] * part


def _along(
    spec: KernelSpec, axis: int, size: Ints, start: Ints, index: Ints
) -> tuple[Ints, Ints, FloatArray]:
    """The two first, a middle and the two last tiles of each kind along an axis; one where no padding is.

    Padding that reaches farther is wider than two tiles, and taken to be in these. Tiles that it does not
    reach are one. By ascending index.
    """
    if not any(spec.padding[axis]):
        return index, np.zeros_like(start), np.ones(len(index))
    of = _Axis.of(spec, axis)
    extent = len(of.valid)
    repeats = np.where(start > 0, 1, np.maximum(extent // size, 1))
    none, one = np.zeros_like(repeats), np.ones_like(repeats)
    places = start + size * np.stack([none, one, repeats // 2, repeats - 2, repeats - 1])
    several = [repeats > 0, repeats > 1, np.maximum(repeats - 4, 0), repeats > 3, repeats > 2]
    counts = np.stack([number.astype(np.int64) for number in several])
    missing = _running(of.valid < spec.window[axis])
    reached = missing[np.clip(places + size, 0, extent)] > missing[np.clip(places, 0, extent)]
    inner = np.where(reached, 0, counts)
    counts = np.where(reached, counts, 0)
    counts[inner.argmax(axis=0), np.arange(len(index))] += inner.sum(axis=0)
    which, kind = np.nonzero(counts.T)
    weights = counts[kind, which] / repeats[which]
    return index[which], places[kind, which], np.asarray(weights, np.float64)


def largest_shares(extent: FloatArray, cores: int, divided: bool) -> FloatArray:
    """[2, ...]: what most cores get of an extent that is divided over them, and what the last one gets.

    The last may have less and still work longer, if it cannot fill blocks.
    """
    if not divided:
        return np.stack([extent, extent])
    size = ceil_div(extent, cores)
    rest = extent - np.floor((extent - 1.0) / np.maximum(size, 1.0)) * size
    return np.stack([size, np.maximum(rest, 1.0)])
