"""Greedy allocation: place buffers one by one in a fixed order, each into a gap left by those before it.

Real networks on microcontrollers meet the lower bound with one of these orders, in about a millisecond, so
plain lists beat arrays here.  Ideas: greedy by size and by breadth after Pisarchyk and Lee, "Efficient Memory
Management for Deep Neural Net Inference", arXiv:2001.03288.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator

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

_Placed = tuple[int, int, int, int]
"""(offset, end, first, last) of a placed buffer; lists of these stay sorted by offset."""


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
    placed = sorted(_occupy(b, b.fixed_offset_bytes) for b in buffers if b.fixed_offset_bytes is not None)
    offsets = [b.fixed_offset_bytes or 0 for b in buffers]
    for index in order:
        buffer = buffers[index]
        if buffer.fixed_offset_bytes is None:
            offsets[index] = _gap_offset(buffer, placed, best_fit)
            insort(placed, _occupy(buffer, offsets[index]))
    return tuple(offsets)


def _attempts(problem: Problem, bound_bytes: int) -> Iterator[Allocation]:
    for name, order_of in ORDERS:
        order = order_of(problem)
        for fit, best_fit in (("first", False), ("best", True)):
            offsets = place_in_order(problem, order, best_fit=best_fit)
            peak = peak_of(problem.buffers, offsets)
            yield Allocation(offsets, peak, bound_bytes, f"greedy {name}, {fit} fit")


def _gap_offset(buffer: Buffer, placed: list[_Placed], best_fit: bool) -> int:
    """The offset in the lowest (or tightest) gap between contemporaries, else above them all."""
    size, align, born, dies = buffer.size_bytes, buffer.alignment_bytes, buffer.first, buffer.last
    top = 0
    tightest: tuple[int, int] | None = None
    for low, high in [(low, high) for low, high, first, last in placed if first < dies and born < last]:
        start = align_up(top, align)
        if start + size <= low:
            if not best_fit:
                return start
            if tightest is None or low - top < tightest[0]:
                tightest = (low - top, start)
        top = max(top, high)
    return tightest[1] if tightest else align_up(top, align)


def _occupy(buffer: Buffer, offset: int) -> _Placed:
    return (offset, offset + buffer.size_bytes, buffer.first, buffer.last)


def _ordered(problem: Problem, key: Callable[[Buffer], tuple[int, ...]]) -> list[int]:
    buffers = problem.buffers
    return sorted(range(len(buffers)), key=lambda index: (key(buffers[index]), index))
