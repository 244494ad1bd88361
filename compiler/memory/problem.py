"""What static allocation is asked and what it answers, with the lower bound both sides agree on.

A problem is one memory level: buffers with a size, a half-open lifetime in schedule steps, an alignment and,
for what the platform or the caller pins, a fixed offset.  Offsets are bytes from the base of the level's
arena, which is assumed to satisfy the largest alignment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

MAX_TOTAL_BYTES = 1 << 60
"""Sum of padded sizes and fixed ends; it keeps every int64 computation of the solvers exact."""


class ProblemError(ValueError):
    """The allocation problem itself is malformed; the message names the buffer and the wrong number."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """`size_bytes` that must stay put during the steps `[first, last)`.

    `alignment_bytes` is a power of two; `fixed_offset_bytes`, where given, is the only legal offset.
    Raises `ProblemError` for an empty size or lifetime and for an alignment or fixed offset that cannot hold.
    """

    name: str
    size_bytes: int
    first: int
    last: int
    alignment_bytes: int = 1
    fixed_offset_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.size_bytes <= 0:
            raise ProblemError(f"buffer {self.name!r}: size is {self.size_bytes} B, must be at least 1 B")
        if self.first >= self.last:
            raise ProblemError(f"buffer {self.name!r}: lifetime [{self.first}, {self.last}) is empty")
        if self.alignment_bytes <= 0 or self.alignment_bytes & (self.alignment_bytes - 1):
            raise ProblemError(
                f"buffer {self.name!r}: alignment is {self.alignment_bytes} B, must be a power of two"
            )
        fixed = self.fixed_offset_bytes
        if fixed is not None and (fixed < 0 or fixed % self.alignment_bytes):
            raise ProblemError(f"buffer {self.name!r}: fixed offset {fixed} B is negative or misaligned")


@dataclass(frozen=True, slots=True)
class Problem:
    """Buffers that share one memory level of `capacity_bytes`.

    Raises `ProblemError` for repeated names, a negative capacity, sums beyond `MAX_TOTAL_BYTES`, and fixed
    buffers that collide with each other.
    """

    level: str
    capacity_bytes: int
    buffers: tuple[Buffer, ...]

    def __post_init__(self) -> None:
        if self.capacity_bytes < 0:
            raise ProblemError(
                f"level {self.level!r}: capacity is {self.capacity_bytes} B, must not be negative"
            )
        _check_names(self)
        _check_total(self)
        _check_fixed(self)


@dataclass(frozen=True, slots=True)
class Allocation:
    """Offsets in bytes aligned with `Problem.buffers`; `peak_bytes` is the highest end of any buffer.

    `lower_bound_bytes` is what no allocation of these buffers can undercut, as far as `found_by` could prove
    it: the bound of `max_live_bytes`, or better after an exact search.
    """

    offsets: tuple[int, ...]
    peak_bytes: int
    lower_bound_bytes: int
    found_by: str

    @property
    def proven_optimal(self) -> bool:
        """No allocation has a smaller peak."""
        return self.peak_bytes == self.lower_bound_bytes


def peak_of(buffers: Sequence[Buffer], offsets: Sequence[int]) -> int:
    """Highest end in bytes of any buffer; 0 without buffers."""
    return max((o + b.size_bytes for b, o in zip(buffers, offsets, strict=True)), default=0)


def live_profile(problem: Problem) -> tuple[tuple[int, int], ...]:
    """`(step, live bytes)` at each step where a buffer is born or dies; it holds until the next pair's step.

    Sizes are summed without padding.  The last pair has 0 bytes.
    """
    delta: dict[int, int] = {}
    for buffer in problem.buffers:
        delta[buffer.first] = delta.get(buffer.first, 0) + buffer.size_bytes
        delta[buffer.last] = delta.get(buffer.last, 0) - buffer.size_bytes
    profile: list[tuple[int, int]] = []
    live = 0
    for step in sorted(delta):
        live += delta[step]
        profile.append((step, live))
    return tuple(profile)


def max_live_bytes(problem: Problem) -> int:
    """A peak in bytes that no allocation can undercut: the fullest step, padding included where provable.

    Take a step and an alignment g, and of the buffers live there those aligned to at least g.  Their offsets
    are multiples of g, so each but the topmost occupies its size rounded up to g: the peak is at least the
    sum of rounded sizes less the largest single rounding.  The bound is the maximum over steps and alignments
    in use, and over the ends of fixed buffers.
    """
    buffers = problem.buffers
    if not buffers:
        return 0
    if needs_no_padding(buffers):
        return max(live for _, live in live_profile(problem))
    size, first, last, align = (
        np.array([getattr(b, field) for b in buffers], dtype=np.int64)
        for field in ("size_bytes", "first", "last", "alignment_bytes")
    )
    steps = np.unique(first)[:, None]
    live = (first <= steps) & (steps < last)
    fixed_top = max(
        (b.fixed_offset_bytes + b.size_bytes for b in buffers if b.fixed_offset_bytes is not None), default=0
    )
    grains = {1, *align.tolist()}
    return max(fixed_top, *(_stacked_bytes(live & (align >= g), size, g) for g in grains))


def needs_no_padding(buffers: Sequence[Buffer]) -> bool:
    """Whether no size must be rounded for any alignment in use, and nothing is fixed: sums are then exact."""
    grain = max((buffer.alignment_bytes for buffer in buffers), default=1)
    return not any(b.size_bytes % grain or b.fixed_offset_bytes is not None for b in buffers)


def _stacked_bytes(live: NDArray[np.bool_], size: NDArray[np.int64], grain: int) -> int:
    """Bound of `max_live_bytes` for one grain; `live` is (steps, buffers), `size` (buffers,) in bytes."""
    padded = (size + grain - 1) & -grain
    slack = np.where(live, padded - size, 0).max(axis=1)
    return int((np.where(live, padded, 0).sum(axis=1) - slack).max())


def _check_names(problem: Problem) -> None:
    if len({buffer.name for buffer in problem.buffers}) == len(problem.buffers):
        return
    seen: set[str] = set()
    for buffer in problem.buffers:
        if buffer.name in seen:
            raise ProblemError(f"level {problem.level!r}: two buffers are named {buffer.name!r}")
        seen.add(buffer.name)


def _check_total(problem: Problem) -> None:
    total = sum([b.size_bytes + b.alignment_bytes + (b.fixed_offset_bytes or 0) for b in problem.buffers])
    if total > MAX_TOTAL_BYTES:
        raise ProblemError(
            f"level {problem.level!r}: buffers need {total} B, at most {MAX_TOTAL_BYTES} B are supported"
        )


def _check_fixed(problem: Problem) -> None:
    fixed = [(b, b.fixed_offset_bytes) for b in problem.buffers if b.fixed_offset_bytes is not None]
    for (a, low_a), (b, low_b) in combinations(fixed, 2):
        in_time = a.first < b.last and b.first < a.last
        in_space = low_a < low_b + b.size_bytes and low_b < low_a + a.size_bytes
        if in_time and in_space:
            raise ProblemError(f"level {problem.level!r}: fixed buffers {a.name!r} and {b.name!r} overlap")
