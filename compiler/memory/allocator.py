"""The one entry point: lower bound, greedy, exact search, validation.  Not fitting is an answer."""

from __future__ import annotations

from dataclasses import dataclass, replace

from compiler.memory.exact import DEFAULT_NODE_BUDGET, exact_allocate
from compiler.memory.greedy import greedy_allocate
from compiler.memory.problem import Allocation, Buffer, Problem
from compiler.memory.validate import validate

_TERMS = 8
"""How many of the largest buffers a `DoesNotFit` names."""


@dataclass(frozen=True, slots=True)
class DoesNotFit:
    """The buffers of `level` do not fit into `capacity_bytes`.

    `need_bytes` is the smallest peak found without a limit, `largest` the (name, size in bytes) of the
    largest buffers alive at the step where that peak is reached, largest first.  `proven`: no allocation
    fits.  Otherwise the node budget ran out before that was known.
    """

    level: str
    need_bytes: int
    capacity_bytes: int
    largest: tuple[tuple[str, int], ...]
    proven: bool


def allocate(problem: Problem, node_budget: int = DEFAULT_NODE_BUDGET) -> Allocation | DoesNotFit:
    """A validated allocation with the smallest peak found, or why there is none.

    `node_budget` limits the exact search, which runs only if greedy misses the lower bound; 0 skips it.
    Raises `AllocationError` if a solver's result fails validation, which would be a defect of this package.
    """
    found = greedy_allocate(problem)
    if node_budget > 0 and not found.proven_optimal:
        found = exact_allocate(problem, node_budget, incumbent=found)
    if found.peak_bytes <= problem.capacity_bytes:
        validate(problem, found)
        return found
    validate(replace(problem, capacity_bytes=found.peak_bytes), found)
    return DoesNotFit(
        level=problem.level,
        need_bytes=found.peak_bytes,
        capacity_bytes=problem.capacity_bytes,
        largest=_largest_at_peak(problem, found),
        proven=found.lower_bound_bytes > problem.capacity_bytes,
    )


def _largest_at_peak(problem: Problem, found: Allocation) -> tuple[tuple[str, int], ...]:
    """(name, bytes) of the largest buffers in the fullest step of those that reach the peak."""
    placed = zip(problem.buffers, found.offsets, strict=True)
    tops = [buffer for buffer, offset in placed if offset + buffer.size_bytes == found.peak_bytes]
    steps = sorted({b.first for b in problem.buffers if any(t.first <= b.first < t.last for t in tops)})
    live = max((_live_at(problem, step) for step in steps), key=lambda bs: sum(b.size_bytes for b in bs))
    largest = sorted(live, key=lambda buffer: -buffer.size_bytes)[:_TERMS]
    return tuple((buffer.name, buffer.size_bytes) for buffer in largest)


def _live_at(problem: Problem, step: int) -> list[Buffer]:
    return [buffer for buffer in problem.buffers if buffer.first <= step < buffer.last]
