"""A copy loop of a core: blocks of words where both sides are aligned, else of bytes; then single ones."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from costmodels.arrays import floats, floor_div
from costmodels.facts import POSITIVE
from costmodels.work import FloatArray


@dataclass(frozen=True)
class CopyLoop:
    """Cycles of each pass: block_cycles moves block_bytes, word_cycles word_bytes, byte_cycles one byte;
    skewed_cycles moves skewed_bytes of a line that is not aligned to words on both sides.
    """

    block_bytes: int = field(metadata=POSITIVE)
    word_bytes: int = field(metadata=POSITIVE)
    skewed_bytes: int = field(metadata=POSITIVE)
    block_cycles: float
    skewed_cycles: float
    word_cycles: float
    byte_cycles: float


def copy_cycles(loop: CopyLoop, line_bytes: npt.ArrayLike, aligned: npt.ArrayLike) -> FloatArray:
    """Cycles of one line of line_bytes, of which a share `aligned` begins on words on both sides."""
    size, share = floats(line_bytes), floats(aligned)
    blocks = floor_div(size, loop.block_bytes)
    rest = size - blocks * loop.block_bytes
    words = floor_div(rest, loop.word_bytes)
    left = rest - words * loop.word_bytes
    quick = blocks * loop.block_cycles + words * loop.word_cycles + left * loop.byte_cycles
    skewed = floor_div(size, loop.skewed_bytes)
    slow = skewed * loop.skewed_cycles + (size - skewed * loop.skewed_bytes) * loop.byte_cycles
    return np.asarray(share * quick + (1.0 - share) * slow)


def aligned_share(
    loop: CopyLoop,
    dense_bytes: npt.ArrayLike,
    grain: npt.ArrayLike,
    lines: npt.ArrayLike,
    transfers: npt.ArrayLike = 1.0,
) -> FloatArray:
    """Share of lines that begin on a word on both sides.

    dense_bytes: length of lines that lie behind each other on one side, the first of each fetch on a word;
    grain: bytes of which their beginnings on the other side are multiples; a fetch has so many lines in so
    many transfers. Every n-th multiple of b bytes is one of a word, n = word / gcd(b, word), and these are
    powers of 2: on both sides it is every larger n-th of the first transfer. The later ones begin anywhere,
    so that it is one line in n of one side times n of the other. Mean lengths are rounded to whole bytes.
    """
    count = np.maximum(floats(lines), 1.0)
    apart, dense = _every(loop, grain), _every(loop, dense_bytes)
    each = count / np.maximum(floats(transfers), 1.0)
    first = np.ceil(each / np.maximum(dense, apart))
    aligned = first + (count - each) / (dense * apart)
    return np.asarray(np.where(count > 1.0, aligned / count, 1.0 / apart))


def _every(loop: CopyLoop, step: npt.ArrayLike) -> FloatArray:
    whole = np.rint(floats(step)).astype(np.int64)
    return np.asarray(loop.word_bytes / np.gcd(whole, loop.word_bytes))


def pixel_share(loop: CopyLoop, pixel_bytes: npt.ArrayLike) -> FloatArray:
    """The same for pixels of two tensors that lie differently: one in n of each, independently."""
    return np.asarray(1.0 / _every(loop, pixel_bytes) ** 2)
