"""A copy loop of a core: blocks of words while both sides are aligned, words, bytes; all bytes if not."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from costmodels.arrays import floats, floor_div
from costmodels.facts import POSITIVE
from costmodels.work import FloatArray


@dataclass(frozen=True)
class CopyLoop:
    """Cycles of each pass: block_cycles moves block_bytes, word_cycles word_bytes, byte_cycles one byte."""

    block_bytes: int = field(metadata=POSITIVE)
    word_bytes: int = field(metadata=POSITIVE)
    block_cycles: float
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
    return np.asarray(share * quick + (1.0 - share) * size * loop.byte_cycles)


def aligned_share(loop: CopyLoop, line_bytes: npt.ArrayLike) -> FloatArray:
    """Share of equally long lines, each behind the one before, that begin on a word on both sides.

    Of lines of n bytes one in word_bytes / gcd(n, word_bytes) begins on a word; two tensors whose lines lie
    differently agree as rarely once more. Bytes of mean lines are rounded to whole ones.
    """
    size = np.rint(floats(line_bytes)).astype(np.int64)
    each = np.gcd(size, loop.word_bytes) / loop.word_bytes
    return np.asarray(each * each)
