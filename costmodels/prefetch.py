"""Parameters that arrive while earlier layers compute: which part of such a copy shows, and where.

A layer in time is what comes `before` its loop (whole operands brought from L3, waited for), the loop, and
what comes `after` it. It starts the copies for later layers between the first two. The link from L3 carries
one copy at a time, in the order of issue, so that whatever else needs it queues behind a copy on its way: a
loop that streams over it waits for the copy before its first tile, a layer's last copies wait until it is
free.

Derivation of the closed form (`added_cycles`), for copies that the layer before starts: a layer begins with
the link free, because it has waited for its own parameters. Let the copy last F, of which the core issues i,
and let `cover` be the layer's cycles from the start of its loop during which the link carries nothing else
(0 if the loop uses it). Then loop and copy end together after max(cover + i, F) instead of cover, wherever
the waiting is done: by what comes after the loop, or by the next layer. `timetable` walks any copies, and
`walk_layers` equals the closed form where both are defined; a property test says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from costmodels.arrays import floats
from costmodels.work import FloatArray

LINK = "l3_l2"
"""The link that copies go over."""


def added_cycles(
    elapsed_cycles: npt.ArrayLike, issue_cycles: npt.ArrayLike, cover_cycles: npt.ArrayLike
) -> FloatArray:
    """By how much a copy for the next layer prolongs what it runs under; all in one unit, broadcast."""
    return np.maximum(floats(issue_cycles), floats(elapsed_cycles) - floats(cover_cycles))


@dataclass(frozen=True)
class Copy:
    """A copy for the layer `distance` steps on: cycles from issue to completion on a free link, and cycles of
    the core that issues it."""

    distance: int
    elapsed: float
    issue: float


@dataclass(frozen=True)
class Span:
    """A layer in time, in cycles; `shared`: whether before, loop and after use the link of the copies."""

    before: float
    loop: float
    after: float
    shared: tuple[bool, bool, bool]
    copies: tuple[Copy, ...] = ()

    @property
    def alone(self) -> float:
        """Without any copy for another layer."""
        return self.before + self.loop + self.after


@dataclass(frozen=True)
class PlacedCopy:
    """A copy for the layer `distance` steps on: the core issues it in [issued, released), data moves in
    [begins, ends).
    """

    distance: int
    issued: float
    released: float
    begins: float
    ends: float


@dataclass(frozen=True)
class Placed:
    """A layer of a walk, in cycles from its own beginning: where what comes before its loop, the loop, and
    what comes after it start, and where it ends. What lies between them is issue and waiting.
    """

    before: float
    loop: float
    after: float
    end: float
    copies: tuple[PlacedCopy, ...]


def timetable(spans: Sequence[Span]) -> tuple[Placed, ...]:
    """All layers in time."""
    free = 0.0
    arrivals: dict[int, float] = {}
    placed = []
    for number, span in enumerate(spans):  # all times are counted from the beginning of this layer
        now = max(0.0, arrivals.pop(number, 0.0))
        now, free = _run(span.before, span.shared[0], now, free)
        before, copies = now - span.before, []
        for copy in span.copies:
            begin = max(now, free)
            arrivals[number + copy.distance] = free = begin + copy.elapsed
            copies.append(PlacedCopy(copy.distance, now, now + copy.issue, begin, free))
            now += copy.issue
        now, free = _run(span.loop, span.shared[1], now, free)
        loop = now - span.loop
        now, free = _run(span.after, span.shared[2], now, free)
        placed.append(Placed(before, loop, now - span.after, now, tuple(copies)))
        arrivals = {target: when - now for target, when in arrivals.items()}
        free -= now
    return tuple(placed)


def walk_layers(spans: Sequence[Span]) -> tuple[float, ...]:
    """Cycles by layer that copies add to what it lasts alone: issued, waited for, or queued behind."""
    return tuple(
        max(0.0, placed.end - span.alone) for placed, span in zip(timetable(spans), spans, strict=True)
    )


def _run(cycles: float, shared: bool, now: float, free: float) -> tuple[float, float]:
    """(end, when the link is free) of a part of a layer."""
    if not shared or not cycles:
        return now + cycles, free
    end = max(now, free) + cycles
    return end, end
