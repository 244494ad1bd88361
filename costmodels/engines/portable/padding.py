"""Where pixels of padded tensors begin, and what setting them costs.

Pixels of C bytes lie one behind the other, so that where one begins on a word hangs on the remainders of its
row and column. Copies and fills go by words only where they begin on one, so these remainders are counted,
for the layer as a whole; a tile of it is taken to have the same share of each.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from costmodels.arrays import floats
from costmodels.copyloop import CopyLoop, pixel_share
from costmodels.engines.portable.costs import CopyCosts
from costmodels.work import FloatArray, IntArray, KernelSpec

WORD_BYTES = 4


def fill_cycles(costs: CopyCosts, spec: KernelSpec, channels: FloatArray, column: bool) -> FloatArray:
    """Mean cycles to set a pixel of so many channels: one of the padded columns, or between them in a row."""
    fill = costs.fill
    inner, (left, right), width = *spec.padding, dict(spec.dims)["x"]
    height = dict(spec.dims)["y"]
    border = {*range(left), *range(width - right, width)}
    rows = range(height) if column else (*range(inner[0]), *range(height - inner[1], height))
    columns: Iterable[int] = border if column else range(left, width - right)
    share = _shares(rows)[:, None] * _shares(columns)
    y, x = np.indices(share.shape)
    size = channels.astype(np.int64)[..., None, None]
    head = np.minimum(-(y * width + x) * size % WORD_BYTES, size)
    words, tail = np.divmod(size - head, WORD_BYTES)
    cycles = (
        fill.pixel_cycles
        + column * fill.column_cycles
        + (head > 0) * fill.head_cycles
        + head * fill.head_byte_cycles
        + (words > 0) * fill.words_cycles
        + words * fill.word_cycles
        + (tail > 0) * fill.tail_cycles
        + tail * fill.tail_byte_cycles
    )
    return np.asarray((cycles * share).sum(axis=(-1, -2)))


def aligned_pixels(loop: CopyLoop, spec: KernelSpec, channels: FloatArray) -> FloatArray:
    """Share of pixels that begin on a word in input and output.

    Padding shifts the pixels of both by known distances. Other kernels take them from anywhere.
    """
    if not any(map(any, spec.padding)):
        return pixel_share(loop, channels)
    (top, bottom), (left, right) = spec.padding
    width = dict(spec.dims)["x"]
    share = _shares(range(top, dict(spec.dims)["y"] - bottom))[:, None] * _shares(range(left, width - right))
    y, x = np.indices(share.shape)
    size = channels.astype(np.int64)[..., None, None]
    to = (y * width + x) * size % WORD_BYTES
    source = ((y - top) * (width - left - right) + x - left) * size % WORD_BYTES
    return np.asarray((((to == 0) & (source == 0)) * share).sum(axis=(-1, -2)))


def _shares(positions: Iterable[int]) -> FloatArray:
    """Share of positions with each remainder by the bytes of a word [4]; even ones where there are none."""
    remainders: IntArray = np.array([position % WORD_BYTES for position in positions], np.int64)
    counts = np.bincount(remainders, minlength=WORD_BYTES)
    return floats(counts / len(remainders) if len(remainders) else np.full(WORD_BYTES, 1 / WORD_BYTES))
