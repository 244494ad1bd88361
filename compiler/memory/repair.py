"""Lowers the peak of a long allocation by searching only around the buffers that stick out.

A long schedule has few crowded steps.  Each buffer that ends above the cap is taken out and put back by a
search over the buffers near it in time, while all others stay where they are, as fixed buffers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from compiler.memory.problem import Buffer
from compiler.memory.search import ProbeResult, make_instance, probe

_WINDOW_BUFFERS = (8, 16, 24, 32)
"""How many neighbours may move, in the successive attempts at one buffer."""

_WINDOW_NODES = 400
"""Node budget of one attempt: a window that helps usually does so at once."""


def repair(
    buffers: Sequence[Buffer], offsets: Sequence[int], cap_bytes: int, node_budget: int
) -> ProbeResult:
    """Move few buffers for a peak of at most `cap_bytes`; the first that resists ends it.  Proves nothing."""
    above = [i for i, b in enumerate(buffers) if offsets[i] + b.size_bytes > cap_bytes]
    placed = {i: offset for i, offset in enumerate(offsets) if i not in set(above)}
    nodes = 0
    for index in sorted(above, key=lambda i: (-buffers[i].size_bytes, i)):
        spent, moved = _put_back(buffers, placed, index, cap_bytes, node_budget - nodes)
        nodes += spent
        if moved is None:
            return ProbeResult(nodes)
        placed |= moved
    return ProbeResult(nodes, offsets=tuple(placed[i] for i in range(len(buffers))))


def _put_back(
    buffers: Sequence[Buffer], placed: dict[int, int], index: int, cap_bytes: int, node_budget: int
) -> tuple[int, dict[int, int] | None]:
    """Nodes spent and the new offsets of `index` and of the neighbours that had to move."""
    nodes = 0
    near = sorted(placed, key=lambda i: (_gap(buffers[index], buffers[i]), -buffers[i].size_bytes, i))
    for width in _WINDOW_BUFFERS:
        free = [index, *near[:width]]
        spans = _spans([buffers[i] for i in free])
        bystanders = [i for i in near[width:] if _meets(buffers[i], spans)]
        window = sorted(free, key=lambda i: (-buffers[i].size_bytes, i)) + bystanders
        held = [replace(buffers[i], fixed_offset_bytes=placed[i]) for i in bystanders]
        instance = make_instance([buffers[i] for i in window[: len(free)]] + held)
        result = probe(instance, cap_bytes, min(_WINDOW_NODES, node_budget - nodes))
        nodes += result.nodes
        if result.offsets is not None:
            return nodes, dict(zip(window, result.offsets, strict=True))
    return nodes, None


def _spans(buffers: Sequence[Buffer]) -> list[tuple[int, int]]:
    """The steps in which any of the buffers is alive, as intervals that do not touch."""
    spans: list[tuple[int, int]] = []
    for first, last in sorted((b.first, b.last) for b in buffers):
        if spans and first <= spans[-1][1]:
            spans[-1] = spans[-1][0], max(spans[-1][1], last)
        else:
            spans.append((first, last))
    return spans


def _meets(buffer: Buffer, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether a buffer is alive in one of the spans."""
    first, last = buffer.first, buffer.last
    return any(low < last and first < high for low, high in spans)


def _gap(a: Buffer, b: Buffer) -> int:
    """Steps between two lifetimes, counted from 1; 0 if they share a step."""
    return max(0, b.first - a.last + 1, a.first - b.last + 1)
