"""Greedy allocation: place buffers one by one in a fixed order, each into a gap left by those before it.

Real networks on microcontrollers meet the lower bound with the first of these orders, in a fraction of a
millisecond, so plain lists beat arrays here.  Ideas: greedy by size and by breadth after Pisarchyk and Lee, "Efficient Memory
Management for Deep Neural Net Inference", arXiv:2001.03288.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from compiler.memory.problem import (
    Allocation,
    Buffer,
    Problem,
    align_up,
    live_profile,
    max_live_bytes,
    peak_of,
)

Order = Callable[[Problem], list[int]]
"""Indices into `problem.buffers` in the order of placement."""

_Interval = tuple[int, int]
"""(offset, end) of a placed buffer; lists of these stay sorted."""

_Life = tuple[int, int, int, int]
"""(offset, end, first, last) of a placed buffer; likewise."""


def by_size(problem: Problem) -> list[int]:
    """Largest first; of equals the longer-lived."""
    return _ordered(problem, lambda b: (-b.size_bytes, b.first - b.last, b.first))


def by_area(problem: Problem) -> list[int]:
    """Largest size times lifetime first."""
    return _ordered(problem, lambda b: (-b.size_bytes * (b.last - b.first), -b.size_bytes, b.first))


def by_lifetime(problem: Problem) -> list[int]:
    """Longest-lived first, so that residents end up at the bottom."""
    return _ordered(problem, lambda b: (b.first - b.last, -b.size_bytes, b.first))


def by_start(problem: Problem) -> list[int]:
    """In schedule order, as a run-time allocator would."""
    return _ordered(problem, lambda b: (b.first, -b.size_bytes, -b.last))


def by_breadth(problem: Problem) -> list[int]:
    """Buffers of the fullest step first, largest first within a step."""
    profile = live_profile(problem)

    def breadth(buffer: Buffer) -> int:
        return max(live for step, live in profile if buffer.first <= step < buffer.last)

    return _ordered(problem, lambda b: (-breadth(b), -b.size_bytes, b.first))


ORDERS: tuple[tuple[str, Order], ...] = (
    ("size", by_size),
    ("area", by_area),
    ("breadth", by_breadth),
    ("lifetime", by_lifetime),
    ("start", by_start),
)
"""Tried in this order; the first that meets the lower bound ends the search."""


def greedy_allocate(problem: Problem) -> Allocation:
    """The smallest peak over every order with first and best fit, ignoring the capacity."""
    bound_bytes = max_live_bytes(problem)
    best: Allocation | None = None
    for found in _attempts(problem, bound_bytes):
        if best is None or found.peak_bytes < best.peak_bytes:
            best = found
        if best.proven_optimal:
            break
    assert best is not None  # ORDERS is not empty
    return best


def place_in_order(problem: Problem, order: list[int], *, best_fit: bool) -> tuple[int, ...]:
    """Offsets in bytes after placing fixed buffers, then `order`, each into the first or the tightest gap."""
    buffers = problem.buffers
    placed = _Placed.of(buffers)
    fit = _tightest_offset if best_fit else _first_offset
    offsets = [b.fixed_offset_bytes or 0 for b in buffers]
    for index in order:
        buffer = buffers[index]
        if buffer.fixed_offset_bytes is None:
            offsets[index] = fit(buffer, placed.beside(buffer))
            placed.add(buffer, offsets[index])
    return tuple(offsets)


def _attempts(problem: Problem, bound_bytes: int) -> Iterator[Allocation]:
    for name, order_of in ORDERS:
        order = order_of(problem)
        for fit, best_fit in (("first", False), ("best", True)):
            offsets = place_in_order(problem, order, best_fit=best_fit)
            peak = peak_of(problem.buffers, offsets)
            yield Allocation(offsets, peak, bound_bytes, f"greedy {name}, {fit} fit")


@dataclass(frozen=True, slots=True)
class _Placed:
    """Placed buffers by offset: all of them, and those that are alive in a step.

    A step is listed once a buffer that lives in it alone asks for it: most tile slots do, and have few
    contemporaries.
    """

    everything: list[_Life]
    by_step: dict[int, list[_Interval]]

    @classmethod
    def of(cls, buffers: Sequence[Buffer]) -> _Placed:
        """The fixed buffers."""
        placed = cls([], {})
        for buffer in buffers:
            if buffer.fixed_offset_bytes is not None:
                placed.add(buffer, buffer.fixed_offset_bytes)
        return placed

    def add(self, buffer: Buffer, offset: int) -> None:
        end, first, last = offset + buffer.size_bytes, buffer.first, buffer.last
        insort(self.everything, (offset, end, first, last))
        if last - first == 1:
            if first in self.by_step:
                insort(self.by_step[first], (offset, end))
            return
        for step, live in self.by_step.items():
            if first <= step < last:
                insort(live, (offset, end))

    def beside(self, buffer: Buffer) -> list[_Interval]:
        """Intervals of the contemporaries of a buffer, by offset."""
        born, dies = buffer.first, buffer.last
        if dies - born == 1 and born in self.by_step:
            return self.by_step[born]
        found = [(low, high) for low, high, first, last in self.everything if first < dies and born < last]
        if dies - born == 1:
            self.by_step[born] = found
        return found


def _first_offset(buffer: Buffer, beside: Sequence[_Interval]) -> int:
    """The offset in the lowest gap between contemporaries, else above them all."""
    size, mask, slack = buffer.size_bytes, -buffer.alignment_bytes, buffer.alignment_bytes - 1
    start = 0
    for low, high in beside:
        if start + size <= low:
            return start
        if high > start:
            start = (high + slack) & mask
    return start


def _tightest_offset(buffer: Buffer, beside: Sequence[_Interval]) -> int:
    """The offset in the tightest gap between contemporaries, the lowest of several, else above them all."""
    size, align = buffer.size_bytes, buffer.alignment_bytes
    top = 0
    tightest: tuple[int, int] | None = None
    for low, high in beside:
        start = align_up(top, align)
        if start + size <= low and (tightest is None or low - top < tightest[0]):
            tightest = (low - top, start)
        top = max(top, high)
    return tightest[1] if tightest else align_up(top, align)


def _ordered(problem: Problem, key: Callable[[Buffer], tuple[int, ...]]) -> list[int]:
    buffers = problem.buffers
    return sorted(range(len(buffers)), key=lambda index: (key(buffers[index]), index))
