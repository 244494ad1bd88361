"""Splits a problem into parts that can be solved one by one without losing the optimum.

Two steps, applied in turn until neither helps:

* Buffers that share no step never meet: a step boundary that no lifetime crosses separates two sections.
* A buffer alive during a whole section lies under or over each of the others.  If its size is a multiple of
  every alignment in the section, what lies under it can move up by its size, and it can move to the bottom:
  nothing else changes.  Resident weights are such buffers, and without them sections fall apart further.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compiler.memory.problem import Buffer, Problem


@dataclass(frozen=True, slots=True)
class Section:
    """Buffers (indices into the problem) to be allocated from `base_bytes` upwards, apart from all others.

    `base_bytes` is a multiple of every alignment in the section, and 0 if a buffer of it is fixed.
    """

    indices: tuple[int, ...]
    base_bytes: int


@dataclass(frozen=True, slots=True)
class Decomposition:
    """The sections left to solve and the buffers settled at the bottom, as (index, offset in bytes)."""

    sections: tuple[Section, ...]
    settled: tuple[tuple[int, int], ...]


def decompose(problem: Problem) -> Decomposition:
    """Split `problem`; its optimal peak is the largest of the sections' and of the settled ends."""
    sections: list[Section] = []
    settled: list[tuple[int, int]] = []
    pending = [Section(tuple(range(len(problem.buffers))), 0)]
    while pending:
        whole = pending.pop()
        for part in _split(problem.buffers, whole):
            rest, bottom = _settle(problem.buffers, part)
            settled += bottom
            if not bottom:
                sections.append(part)
            elif rest.indices:
                pending.append(rest)
    return Decomposition(tuple(sections), tuple(settled))


def _split(buffers: tuple[Buffer, ...], section: Section) -> Iterator[Section]:
    """The parts of a section between the steps that no lifetime crosses."""
    part: list[int] = []
    end = 0
    for index in sorted(section.indices, key=lambda i: (buffers[i].first, i)):
        if part and buffers[index].first >= end:
            yield Section(tuple(part), section.base_bytes)
            part = []
        end = max(end, buffers[index].last) if part else buffers[index].last
        part.append(index)
    if part:
        yield Section(tuple(part), section.base_bytes)


def _settle(buffers: tuple[Buffer, ...], section: Section) -> tuple[Section, list[tuple[int, int]]]:
    """Move what lives as long as the section to its bottom; returns the rest and (index, offset)."""
    members = [buffers[index] for index in section.indices]
    if any(member.fixed_offset_bytes is not None for member in members):
        return section, []
    first, last = min(m.first for m in members), max(m.last for m in members)
    align = max(m.alignment_bytes for m in members)
    base = section.base_bytes
    settled: list[tuple[int, int]] = []
    rest: list[int] = []
    for index in section.indices:
        buffer = buffers[index]
        if (buffer.first, buffer.last) == (first, last) and buffer.size_bytes % align == 0:
            settled.append((index, base))
            base += buffer.size_bytes
        else:
            rest.append(index)
    return Section(tuple(rest), base), settled
