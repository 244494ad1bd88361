"""Greedy allocation: place buffers one by one in a fixed order, each into a gap left by those before it.

Real networks on microcontrollers meet the lower bound with the first of these orders, in a fraction of a
millisecond, so plain lists beat arrays here.  Ideas: greedy by size and by breadth after Pisarchyk and Lee,
"Efficient Memory Management for Deep Neural Net Inference", arXiv:2001.03288.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence
from itertools import pairwise

from compiler.memory.problem import (
    MAX_TOTAL_BYTES,
    Allocation,
    Buffer,
    Problem,
    live_profile,
    max_live_bytes,
    needs_no_padding,
    peak_of,
)

Order = Callable[[Problem], list[int]]
"""Indices into `problem.buffers` in the order of placement."""

_Life = tuple[int, int, int, int]
"""(offset, end, first, last) of a placed buffer; lists of these stay sorted."""


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
    lives = [live for _, live in profile]
    place = {step: number for number, (step, _) in enumerate(profile)}

    def breadth(buffer: Buffer) -> int:
        return max(lives[place[buffer.first] : place[buffer.last]])

    return _ordered(problem, lambda b: (-breadth(b), -b.size_bytes, b.first))


ORDERS: tuple[tuple[str, Order], ...] = (
    ("size", by_size),
    ("lifetime", by_lifetime),
    ("breadth", by_breadth),
    ("area", by_area),
    ("start", by_start),
)
"""Tried in this order, first fit before best fit; the first that meets the lower bound ends the search.

On MobileNetV1 size or lifetime does so for almost all deployments, and best fit where first fit does."""


def greedy_allocate(problem: Problem) -> Allocation:
    """The smallest peak over every order with first and best fit, ignoring the capacity.

    Most often one of them meets the lower bound, so that is looked for first.
    """
    bound_bytes = max_live_bytes(problem)
    optimal = _stacked(problem, bound_bytes) or _best(problem, bound_bytes, bound_bytes)
    found = optimal or _best(problem, bound_bytes, MAX_TOTAL_BYTES)
    assert found is not None  # no buffer ends beyond the sum of all
    return found


def place_in_order(problem: Problem, order: list[int], *, best_fit: bool) -> tuple[int, ...]:
    """Offsets in bytes after placing fixed buffers, then `order`, each into the first or the tightest gap."""
    offsets = _place(problem, order, best_fit, MAX_TOTAL_BYTES)
    assert offsets is not None  # no buffer ends beyond the sum of all
    return offsets


def _place(problem: Problem, order: list[int], best_fit: bool, most_bytes: int) -> tuple[int, ...] | None:
    """`place_in_order`; None once a buffer ends above `most_bytes`."""
    buffers = problem.buffers
    fit = _tightest_offset if best_fit else _first_offset
    offsets = [buffer.fixed_offset_bytes or 0 for buffer in buffers]
    placed = _fixed(buffers)
    long = placed.copy()  # of those placed, all that live several steps: contemporaries of many
    by_step: dict[int, list[_Life]] = {}
    for index in order:
        buffer = buffers[index]
        if buffer.fixed_offset_bytes is not None:
            continue
        size, first, last = buffer.size_bytes, buffer.first, buffer.last
        near = placed
        if last - first == 1:
            if first not in by_step:
                by_step[first] = [life for life in long if life[2] <= first < life[3]]
            near = by_step[first]
        offset = offsets[index] = fit(size, buffer.alignment_bytes, first, last, near)
        if offset + size > most_bytes:
            return None
        life = (offset, offset + size, first, last)
        insort(placed, life)
        if near is not placed:
            insort(near, life)
            continue
        insort(long, life)
        for step, live in by_step.items():
            if first <= step < last:
                insort(live, life)
    return tuple(offsets)


def _fixed(buffers: Sequence[Buffer]) -> list[_Life]:
    """The fixed buffers by offset."""
    fixed = [(b.fixed_offset_bytes, b) for b in buffers if b.fixed_offset_bytes is not None]
    return sorted((offset, offset + b.size_bytes, b.first, b.last) for offset, b in fixed)


def _stacked(problem: Problem, bound_bytes: int) -> Allocation | None:
    """What the first attempt finds, at once: stacks of buffers, where any two share all their steps or none.

    None where they do not, and where buffers are fixed or need padding.
    """
    buffers = problem.buffers
    lives = sorted({(b.first, b.last) for b in buffers})
    apart = all(last <= first for (_, last), (first, _) in pairwise(lives))
    if not (apart and needs_no_padding(buffers)):
        return None
    tops = {first: 0 for first, _ in lives}
    offsets = [0] * len(buffers)
    for index in by_size(problem):
        buffer = buffers[index]
        offsets[index] = tops[buffer.first]
        tops[buffer.first] += buffer.size_bytes
    return Allocation(tuple(offsets), max(tops.values(), default=0), bound_bytes, _found_by("size", "first"))


def _found_by(order: str, fit: str) -> str:
    return f"greedy {order}, {fit} fit"


def _best(problem: Problem, bound_bytes: int, most_bytes: int) -> Allocation | None:
    """The smallest peak of at most `most_bytes` over every fit and order, the first of equals."""
    best: Allocation | None = None
    for fit, best_fit in (("first", False), ("best", True)):
        for name, order_of in ORDERS:
            offsets = _place(problem, order_of(problem), best_fit, most_bytes)
            if offsets is not None:
                peak = peak_of(problem.buffers, offsets)
                best = Allocation(offsets, peak, bound_bytes, _found_by(name, fit))
                if best.proven_optimal:
                    return best
                most_bytes = peak - 1
    return best


def _first_offset(size: int, align: int, born: int, dies: int, near: Sequence[_Life]) -> int:
    """The offset in the lowest gap between contemporaries, else above them all."""
    start = 0
    for low, high, first, last in near:
        if high > start and first < dies and born < last:
            if start + size <= low:
                return start
            start = (high + align - 1) & -align
    return start


def _tightest_offset(size: int, align: int, born: int, dies: int, near: Sequence[_Life]) -> int:
    """The offset in the tightest gap between contemporaries, the lowest of several, else above them all."""
    top = start = 0
    tightest: tuple[int, int] | None = None
    for low, high, first, last in near:
        if first < dies and born < last:
            if start + size <= low and (tightest is None or low - top < tightest[0]):
                tightest = (low - top, start)
            if high > top:
                top, start = high, (high + align - 1) & -align
    return tightest[1] if tightest else start


def _ordered(problem: Problem, key: Callable[[Buffer], tuple[int, ...]]) -> list[int]:
    """Indices by key; those of equals ascend."""
    keys = list(map(key, problem.buffers))
    return sorted(range(len(keys)), key=keys.__getitem__)
