"""Checks an allocation from first principles, sharing no algorithm with the solvers.

A sweep over schedule steps keeps the live intervals sorted by offset.  Live intervals are disjoint until the
first error, so a new one can only collide with its two neighbours.
"""

from __future__ import annotations

from bisect import bisect_left

from compiler.memory.problem import Allocation, Buffer, Problem


class AllocationError(ValueError):
    """An allocation that must not be emitted; subclasses say why."""


class WrongShape(AllocationError):
    """The allocation does not have exactly one offset for each buffer."""


class OutOfBounds(AllocationError):
    """A buffer starts below the arena or ends above the capacity."""

    def __init__(self, buffer: Buffer, offset: int, capacity_bytes: int) -> None:
        end = offset + buffer.size_bytes
        super().__init__(f"buffer {buffer.name!r} at [{offset}, {end}) B is outside [0, {capacity_bytes}) B")
        self.name = buffer.name


class Misaligned(AllocationError):
    """An offset is no multiple of the buffer's alignment."""

    def __init__(self, buffer: Buffer, offset: int) -> None:
        super().__init__(f"buffer {buffer.name!r} at {offset} B is not aligned to {buffer.alignment_bytes} B")
        self.name = buffer.name


class FixedOffsetMoved(AllocationError):
    """A buffer with a fixed offset was put elsewhere."""

    def __init__(self, buffer: Buffer, offset: int) -> None:
        super().__init__(f"buffer {buffer.name!r} at {offset} B is fixed at {buffer.fixed_offset_bytes} B")
        self.name = buffer.name


class Overlap(AllocationError):
    """Two buffers share a byte in a step."""

    def __init__(self, older: str, newer: str, step: int) -> None:
        super().__init__(f"buffers {older!r} and {newer!r} overlap in step {step}")
        self.names = (older, newer)
        self.step = step


class WrongPeak(AllocationError):
    """The stated peak is not the highest end, or undercuts the stated lower bound."""


def validate(problem: Problem, allocation: Allocation) -> None:
    """Return if `allocation` is legal for `problem`, else raise the `AllocationError` of the first fault."""
    if len(allocation.offsets) != len(problem.buffers):
        raise WrongShape(f"{len(allocation.offsets)} offsets for {len(problem.buffers)} buffers")
    highest = 0
    for buffer, offset in zip(problem.buffers, allocation.offsets, strict=True):
        end = offset + buffer.size_bytes
        if offset < 0 or end > problem.capacity_bytes:
            raise OutOfBounds(buffer, offset, problem.capacity_bytes)
        if offset % buffer.alignment_bytes:
            raise Misaligned(buffer, offset)
        if buffer.fixed_offset_bytes not in (None, offset):
            raise FixedOffsetMoved(buffer, offset)
        highest = max(highest, end)
    _check_peak(allocation, highest)
    _sweep(problem, allocation)


def _check_peak(allocation: Allocation, highest: int) -> None:
    if allocation.peak_bytes != highest:
        raise WrongPeak(f"the peak is {highest} B, {allocation.peak_bytes} B is stated")
    if allocation.lower_bound_bytes > highest:
        raise WrongPeak(f"the peak {highest} B undercuts its lower bound {allocation.lower_bound_bytes} B")


def _sweep(problem: Problem, allocation: Allocation) -> None:
    buffers = problem.buffers
    intervals = [(o, o + b.size_bytes, b.name) for b, o in zip(buffers, allocation.offsets, strict=True)]
    dying = iter(sorted((buffer.last, index) for index, buffer in enumerate(buffers)))
    death, old = next(dying, (0, 0))
    live: list[tuple[int, int, str]] = []
    for step, index in sorted((buffer.first, index) for index, buffer in enumerate(buffers)):
        while death <= step:  # lifetimes are half-open; this buffer has yet to die
            del live[bisect_left(live, intervals[old])]
            death, old = next(dying)
        interval = intervals[index]
        at = bisect_left(live, interval)
        if at > 0 and live[at - 1][1] > interval[0]:
            raise Overlap(live[at - 1][2], interval[2], step)
        if at < len(live) and live[at][0] < interval[1]:
            raise Overlap(live[at][2], interval[2], step)
        live.insert(at, interval)
