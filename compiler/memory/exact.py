"""Exact allocation within a node budget: the smallest peak found, and the largest one refuted.

Each section is narrowed from both sides.  A probe asks for a peak of at most some cap: success lowers the
best peak, refutation raises the lower bound, and a probe that runs out of nodes moves the next cap half way
to the best peak.  The budget counts nodes, never time, so that results are the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from compiler.memory.greedy import greedy_allocate
from compiler.memory.problem import Allocation, Buffer, Problem, peak_of
from compiler.memory.repair import repair
from compiler.memory.search import Instance, ProbeResult, make_instance, probe
from compiler.memory.sections import Decomposition, Section, decompose

DEFAULT_NODE_BUDGET = 20_000

_RESTARTS = 6
"""A probe spends 1/6 of what is left of its nodes on each preference but the last, which gets the rest."""

_WHOLE_BUFFERS = 32
"""Sections with more buffers are first repaired locally: a search of the whole rarely ends."""


_Rank = Callable[[int], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class _Solved:
    """A section's best offsets so far, above its base, and its peak and lower bound in arena bytes."""

    section: Section
    buffers: tuple[Buffer, ...]
    offsets: tuple[int, ...]
    peak_bytes: int
    lower_bound_bytes: int
    searched: bool = False


def exact_allocate(
    problem: Problem, node_budget: int = DEFAULT_NODE_BUDGET, incumbent: Allocation | None = None
) -> Allocation:
    """The best allocation found with `node_budget` nodes, ignoring the capacity.

    It is never worse than `incumbent`, which is greedy's answer unless given.  The result's `proven_optimal`
    says whether the search closed.
    """
    best = incumbent or greedy_allocate(problem)
    if best.proven_optimal:
        return best
    parts = decompose(problem)
    solved = _narrow(parts, [_start(problem, section) for section in parts.sections], node_budget)
    offsets = _join(problem, parts, solved)
    bound = max(_floor(problem, parts, solved), best.lower_bound_bytes)
    peak = peak_of(problem.buffers, offsets)
    if peak < best.peak_bytes:
        return Allocation(offsets, peak, bound, "exact")
    return replace(best, lower_bound_bytes=bound)


def _start(problem: Problem, section: Section) -> _Solved:
    buffers = tuple(problem.buffers[index] for index in section.indices)
    greedy = greedy_allocate(Problem(problem.level, problem.capacity_bytes, buffers))
    base = section.base_bytes
    return _Solved(
        section, buffers, greedy.offsets, base + greedy.peak_bytes, base + greedy.lower_bound_bytes
    )


def _narrow(parts: Decomposition, solved: list[_Solved], node_budget: int) -> list[_Solved]:
    """Search the section with the highest peak until none that matters is left unsearched."""
    nodes_left = node_budget
    while solved and nodes_left > 0:
        worst = max(range(len(solved)), key=lambda i: (solved[i].peak_bytes, -i))
        goal = max(s.lower_bound_bytes for s in solved)
        if solved[worst].searched or solved[worst].peak_bytes <= goal:
            break
        rivals = any(not s.searched and s.peak_bytes > goal for s in solved if s is not solved[worst])
        share = (nodes_left + 1) // 2 if rivals else nodes_left
        solved[worst], spent = _improve(solved[worst], goal, share)
        nodes_left -= spent
    return solved


def _improve(part: _Solved, goal_bytes: int, node_budget: int) -> tuple[_Solved, int]:
    """Narrow a section until its peak is at most `goal_bytes` or its bounds meet; also the nodes spent."""
    base = part.section.base_bytes
    ranked = [_rank(part.buffers, prefer) for prefer in _PREFERENCES]
    offsets, peak, bound = part.offsets, part.peak_bytes, part.lower_bound_bytes
    unknown = bound - 1  # the largest cap that a probe failed to decide
    nodes_left = node_budget
    while nodes_left > 0 and max(bound, goal_bytes) < peak and unknown + 1 < peak:
        floor = max(bound, goal_bytes)
        cap = floor if unknown < floor else (unknown + peak) // 2
        budget = (nodes_left + 1) // 2 if cap + 1 < peak else nodes_left
        answer = _ask(part.buffers, ranked, offsets, cap - base, budget)
        nodes_left -= answer.nodes
        if answer.offsets is not None:
            offsets = answer.offsets
            peak = base + peak_of(part.buffers, offsets)
        elif answer.lower_bound_bytes is not None:
            bound = min(base + answer.lower_bound_bytes, peak)
        else:
            unknown = cap
    done = replace(part, offsets=offsets, peak_bytes=peak, lower_bound_bytes=bound, searched=True)
    return done, node_budget - nodes_left


@dataclass(frozen=True, slots=True)
class _Ranked:
    """A section's buffers in one order of preference; `order` are their indices in the section."""

    order: tuple[int, ...]
    instance: Instance

    def probe(self, cap_bytes: int, node_budget: int) -> ProbeResult:
        """`search.probe` with the offsets in the section's order."""
        result = probe(self.instance, cap_bytes, node_budget)
        if result.offsets is None:
            return result
        by_index = dict(zip(self.order, result.offsets, strict=True))
        return replace(result, offsets=tuple(by_index[index] for index in range(len(self.order))))


def _rank(buffers: tuple[Buffer, ...], prefer: Callable[[tuple[Buffer, ...]], _Rank]) -> _Ranked:
    order = sorted(range(len(buffers)), key=prefer(buffers))
    return _Ranked(tuple(order), make_instance([buffers[index] for index in order]))


def _ask(
    buffers: tuple[Buffer, ...],
    ranked: Sequence[_Ranked],
    offsets: tuple[int, ...],
    cap_bytes: int,
    node_budget: int,
) -> ProbeResult:
    """Repair `offsets`, or else probe with each preference; the last one gets what is left of the budget."""
    nodes = 0
    if len(buffers) > _WHOLE_BUFFERS:
        repaired = repair(buffers, offsets, cap_bytes, node_budget // 2)
        if repaired.offsets is not None:
            return repaired
        nodes = repaired.nodes
    for rank in ranked:
        last = rank is ranked[-1]
        result = rank.probe(cap_bytes, node_budget - nodes if last else (node_budget - nodes) // _RESTARTS)
        nodes += result.nodes
        if result.offsets is not None or result.lower_bound_bytes is not None:
            return replace(result, nodes=nodes)
    return ProbeResult(nodes)


def _join(problem: Problem, parts: Decomposition, solved: Sequence[_Solved]) -> tuple[int, ...]:
    offsets = [0] * len(problem.buffers)
    for index, offset in parts.settled:
        offsets[index] = offset
    for part in solved:
        for index, offset in zip(part.section.indices, part.offsets, strict=True):
            offsets[index] = part.section.base_bytes + offset
    return tuple(offsets)


def _floor(problem: Problem, parts: Decomposition, solved: Sequence[_Solved]) -> int:
    """What no allocation undercuts: the settled ends and the sections' lower bounds."""
    settled = max((offset + problem.buffers[index].size_bytes for index, offset in parts.settled), default=0)
    return max([settled, *(part.lower_bound_bytes for part in solved)])


def _crowded_first(buffers: tuple[Buffer, ...]) -> _Rank:
    """By the bytes alive at the fullest step of the lifetime, then area: what is hardest to place."""
    crowd = [_crowd(buffers, buffer) for buffer in buffers]
    return lambda i: (-crowd[i], -_area(buffers[i]), i)


def _large_first(buffers: tuple[Buffer, ...]) -> _Rank:
    return lambda i: (-buffers[i].size_bytes, -_area(buffers[i]), i)


def _wide_first(buffers: tuple[Buffer, ...]) -> _Rank:
    return lambda i: (buffers[i].first - buffers[i].last, -buffers[i].size_bytes, i)


_PREFERENCES: tuple[Callable[[tuple[Buffer, ...]], _Rank], ...] = (_large_first, _wide_first, _crowded_first)


def _area(buffer: Buffer) -> int:
    return buffer.size_bytes * (buffer.last - buffer.first)


def _crowd(buffers: Sequence[Buffer], buffer: Buffer) -> int:
    births = {b.first for b in buffers if buffer.first <= b.first < buffer.last}
    return max(sum(b.size_bytes for b in buffers if b.first <= step < b.last) for step in births)
