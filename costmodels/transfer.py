"""Time of transfers between memory levels.

Source of the form: HARDWARE.md, section "DMA", closed forms within 5 cycles over 46 simulated points
(L2->L1: 14 + max(ceil(bytes/8), lines); L1->L2: 12 + sum over lines and 256-byte bursts of
(ceil(bytes/8) + 1)), and MATCH's GAP9 model (driver software per transfer, a cycle a row).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from costmodels.arrays import floats, mean_of
from costmodels.copyloop import CopyLoop, aligned_share, copy_cycles
from costmodels.facts import POSITIVE
from costmodels.work import FloatArray

WORDS = 1 << 10
"""A grain that is a multiple of any word: nothing is known that would break words."""


@dataclass(frozen=True)
class Link:
    """One direction between two levels. All cycles are of `clock`.

    mover: "dma" moves data while cores compute; "core" is a copy loop on one core, which computes nothing
    meanwhile. Links of one `channel` cannot move data at the same time; those of two channels can.
    latency_cycles: from the first issue of a fetch to its completion, beyond moving the data; hidden for
    the later transfers of the same fetch. issue_cycles: time of the issuing core per transfer, while
    earlier transfers of the fetch move (the first one's is in the latency). driver_cycles: the same,
    while nothing moves.
    beat_bytes move in beat_cycles; with `lines_rounded` every line begins a beat of its own, otherwise
    every transfer does. line_cycles are added for each line; line_floor_cycles are the least that a line
    takes. burst_bytes: a line is cut into bursts of at most this size (0: no bursts), burst_cycles each.
    copy: the passes of a copy loop over a line, in place of the beats. tile_cycles: more for a fetch that
    cuts a tile out of a tensor, on the core (ranges and addresses).
    """

    name: str
    from_level: str
    to_level: str
    mover: Literal["dma", "core"]
    channel: str
    clock: str
    latency_cycles: float
    issue_cycles: float
    driver_cycles: float
    beat_bytes: float = field(metadata=POSITIVE)
    beat_cycles: float = field(metadata=POSITIVE)
    lines_rounded: bool
    line_cycles: float
    line_floor_cycles: float
    burst_bytes: float
    burst_cycles: float
    copy: CopyLoop | None = None
    tile_cycles: float = 0.0

    @property
    def asynchronous(self) -> bool:
        """Whether cores compute while data moves."""
        return self.mover == "dma"

    @property
    def occupies_core(self) -> bool:
        """Whether its transfers cost cycles of a core that would compute."""
        return not self.asynchronous or self.issue_cycles + self.driver_cycles > 0

    @property
    def bytes_per_cycle(self) -> float:
        """Peak bandwidth, in bytes per cycle of `clock`."""
        return self.beat_bytes / self.beat_cycles


def transfer_cycles(
    link: Link,
    transfers: npt.ArrayLike,
    lines: npt.ArrayLike,
    bytes_: npt.ArrayLike,
    fetches: npt.ArrayLike | None = None,
    grain: npt.ArrayLike = WORDS,
    cut: bool = False,
) -> FloatArray:
    """Cycles of `link.clock` in which a stream's transfers are under way, issue included.

    transfers, lines, bytes_: sums over all `fetches` (a fetch: transfers issued together and awaited
    together; by default each transfer is one), broadcast against each other. Lines are taken to be of
    equal length and spread evenly over the transfers, which is exact wherever they are. 0 transfers: 0.
    grain: bytes of which the lines' beginnings in their tensor are multiples, for copy loops. cut: whether
    tiles are cut out of tensors, not copied whole.
    """
    count, rows = floats(transfers), floats(lines)
    waits = count if fetches is None else floats(fetches)
    data = _data_cycles(link, count, rows, floats(bytes_))
    if link.copy is not None:
        data = _copied(link.copy, (count, rows, floats(bytes_)), waits, grain) + rows * link.line_cycles
    later = np.maximum(count - waits, 0.0)
    data = np.maximum(data, np.maximum(rows * link.line_floor_cycles, later * link.issue_cycles))
    each = link.latency_cycles + (link.tile_cycles if cut else 0.0)
    return np.asarray(waits * each + count * link.driver_cycles + data)


def issue_cycles(link: Link, transfers: npt.ArrayLike, elapsed_cycles: FloatArray) -> FloatArray:
    """Cycles that the issuing core itself spends on these transfers: all of them for a copy loop.

    A double-buffered loop issues the next tile's transfers before it starts its kernel, so they add to
    the compute side of a step (SIM: the tiled GEMM with 96 row transfers a tile, HARDWARE.md section 1).
    """
    if not link.asynchronous:
        return elapsed_cycles
    return floats(transfers) * (link.issue_cycles + link.driver_cycles)


def beats(link: Link, transfers: npt.ArrayLike, lines: npt.ArrayLike, bytes_: npt.ArrayLike) -> FloatArray:
    """Beats in which a link moves these sums of transfers, lines and bytes."""
    whole, bytes_ = (lines if link.lines_rounded else transfers), floats(bytes_)
    return np.asarray(floats(whole) * np.ceil(mean_of(bytes_, whole) / link.beat_bytes))


def _data_cycles(link: Link, transfers: FloatArray, lines: FloatArray, bytes_: FloatArray) -> FloatArray:
    cycles = beats(link, transfers, lines, bytes_) * link.beat_cycles
    if link.burst_bytes and link.burst_cycles:
        line_bytes = mean_of(bytes_, lines)
        cycles = cycles + lines * np.ceil(line_bytes / link.burst_bytes) * link.burst_cycles
    if link.line_cycles:
        cycles = cycles + lines * link.line_cycles
    return np.asarray(cycles)


def _copied(
    loop: CopyLoop,
    moved: tuple[FloatArray, FloatArray, FloatArray],
    fetches: FloatArray,
    grain: npt.ArrayLike,
) -> FloatArray:
    """Cycles of the passes over all lines; moved: transfers, lines and bytes.

    A tile is dense: the first line of a fetch begins on a word there, the others lie behind it.
    """
    transfers, lines, bytes_ = moved
    line_bytes = mean_of(bytes_, lines)
    share = aligned_share(loop, line_bytes, grain, mean_of(lines, fetches), mean_of(transfers, fetches))
    return np.asarray(lines * copy_cycles(loop, line_bytes, share))
