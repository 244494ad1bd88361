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
    for buffer, offset in zip(problem.buffers, allocation.offsets, strict=True):
        _check_alone(buffer, offset, problem.capacity_bytes)
    _check_peak(problem, allocation)
    _sweep(problem, allocation)


def _check_alone(buffer: Buffer, offset: int, capacity_bytes: int) -> None:
    if offset < 0 or offset + buffer.size_bytes > capacity_bytes:
        raise OutOfBounds(buffer, offset, capacity_bytes)
    if offset % buffer.alignment_bytes:
        raise Misaligned(buffer, offset)
    if buffer.fixed_offset_bytes is not None and offset != buffer.fixed_offset_bytes:
        raise FixedOffsetMoved(buffer, offset)


def _check_peak(problem: Problem, allocation: Allocation) -> None:
    highest = 0
    for buffer, offset in zip(problem.buffers, allocation.offsets, strict=True):
        highest = max(highest, offset + buffer.size_bytes)
    if allocation.peak_bytes != highest:
        raise WrongPeak(f"the peak is {highest} B, {allocation.peak_bytes} B is stated")
    if allocation.lower_bound_bytes > highest:
        raise WrongPeak(f"the peak {highest} B undercuts its lower bound {allocation.lower_bound_bytes} B")


def _sweep(problem: Problem, allocation: Allocation) -> None:
    live: list[tuple[int, int, str]] = []
    for step, is_birth, index in _events(problem):
        buffer, offset = problem.buffers[index], allocation.offsets[index]
        interval = (offset, offset + buffer.size_bytes, buffer.name)
        at = bisect_left(live, interval)
        if not is_birth:
            del live[at]
            continue
        if at > 0 and live[at - 1][1] > offset:
            raise Overlap(live[at - 1][2], buffer.name, step)
        if at < len(live) and live[at][0] < interval[1]:
            raise Overlap(live[at][2], buffer.name, step)
        live.insert(at, interval)


def _events(problem: Problem) -> list[tuple[int, bool, int]]:
    """(step, is birth, buffer index) by step, deaths first: lifetimes are half-open."""
    births = [(buffer.first, True, index) for index, buffer in enumerate(problem.buffers)]
    deaths = [(buffer.last, False, index) for index, buffer in enumerate(problem.buffers)]
    return sorted(births + deaths)
