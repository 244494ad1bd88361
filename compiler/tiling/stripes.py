"""Row intervals of depth-first segments: what every layer computes, and every tensor holds, stripe by stripe.

A segment is a run of operators of which one tensor leaves. Its output is cut into stripes of rows; for each,
every layer computes just the rows that the layers behind it need. Rows are those of tensors: a tensor has
`rows`, the greatest common divisor of the leading extents with which it is seen, so that a convolution that
sees (H, W, C) and an addition that sees H*W*C elements speak of the same H rows. An operator can be striped
if one dimension, the row dimension, drives the leading axis of its output, and no axis of its inputs but
the leading ones. What a stripe of an operator reads is then an interval of rows, found exactly by its index
maps (`compiler.ir.access.Axis`): through strides, dilation, padding, clipping. A tensor with several readers
holds the hull of what they need.

Two ways to get rows that stripes share: "recompute" them for every stripe, or keep them ("line"): a window
of the tensor stays in L1, before each stripe its rows that are still needed move to the front, and only rows
that nobody has yet are computed. In "line" mode the rows of a layer depend on stripes before, of a reader on
stripes behind; both are known when all stripes of one layer are found before the next, last layer first.
So that a window never holds more than it does midway, stripes begin above the output: as if it had rows
there, upstream layers get ahead by one stripe after the other, while the last ones have nothing to do yet.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from compiler.ir import Access, Axis, Graph, Operator, Space
from compiler.ir.tensor import IntArray

RECOMPUTE, LINE = "recompute", "line"
_MOST_AHEAD = 256
MODES = (RECOMPUTE, LINE)


class StripeError(ValueError):
    """Operators that cannot be a segment, or cannot be striped; one clear line."""


def row_dim(space: Space) -> str | None:
    """The dimension whose tiles are rows of the output and of the inputs; None if there is none."""
    if space.table is not None or space.output.into is not None:
        return None  # Rows that are named at run time are moved by tiles of a layer of its own.
    lead = space.output.axes[0]
    if len(lead.terms) != 1 or (lead.window, lead.offset, lead.divisor, lead.terms[0][1]) != (1, 0, 1, 1):
        return None
    name = lead.terms[0][0]
    dim = next(dim for dim in space.dims if dim.name == name)
    if not dim.tileable or dim.granule != 1 or dim.reduction or dim.extent != lead.extent:
        return None
    if any(name in _dims(axis) for access in (space.output, *space.inputs) for axis in access.axes[1:]):
        return None
    moving = (access.axes[0] for access in space.inputs if name in _dims(access.axes[0]))
    return name if all(len(axis.terms) == 1 for axis in moving) else None


def _dims(axis: Axis) -> frozenset[str]:
    return frozenset(name for name, _ in axis.terms)


@dataclass(frozen=True)
class SegmentGraph:
    """The operators [first, last) of a graph as a segment: one tensor leaves, the output of the last.

    Raises StripeError where another tensor leaves, too, where an operator has no row dimension, or where the
    output has one row only.
    """

    graph: Graph
    first: int
    last: int

    def __post_init__(self) -> None:
        if not (0 <= self.first < self.last <= len(self.graph.operators) and self.last - self.first > 1):
            raise StripeError(f"operators [{self.first}, {self.last}) are no segment of two or more")
        for index, op in enumerate(self.operators[:-1], self.first):
            used = self.graph.last_use[op.output]
            if op.output in self.graph.outputs or not index < used < self.last:
                raise StripeError(f"{op.output} leaves the segment of {self.name}")
        for op, space in zip(self.operators, self.spaces, strict=True):
            if row_dim(space) is None:
                raise StripeError(f"{op.name} cannot be cut into rows")
        if self.rows[self.output] < 2:
            raise StripeError(f"{self.output} has one row")

    @property
    def name(self) -> str:
        """The name of the last operator."""
        return self.graph.operators[self.last - 1].name

    @property
    def output(self) -> str:
        return self.graph.operators[self.last - 1].output

    @cached_property
    def operators(self) -> tuple[Operator, ...]:
        return self.graph.operators[self.first : self.last]

    @cached_property
    def spaces(self) -> tuple[Space, ...]:
        return tuple(op.space(self.graph.by_name) for op in self.operators)

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Tensors that come from outside, in the order of their first readers."""
        inside = {op.output for op in self.operators}
        return tuple(dict.fromkeys(t for op in self.operators for t in op.inputs if t not in inside))

    @cached_property
    def fetched(self) -> tuple[tuple[str, ...], ...]:
        """By layer the tensors from outside that it reads first."""
        seen: set[str] = set()
        found = []
        for op in self.operators:
            fresh = tuple(t for t in dict.fromkeys(op.inputs) if t in self.inputs and t not in seen)
            seen.update(fresh)
            found.append(fresh)
        return tuple(found)

    @cached_property
    def inner(self) -> tuple[str, ...]:
        """Tensors that never leave the segment."""
        return tuple(op.output for op in self.operators[:-1])

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """Number of rows of every tensor."""
        return {name: self._rows(name) for name in (*self.inputs, *self.inner, self.output)}

    def _rows(self, name: str) -> int:
        shape = [extent for extent in self.graph.by_name[name].shape if extent != 1]
        leads = [shape[0] if shape else 1]
        for space in self.spaces:
            leads += [a.axes[0].extent for a in (*space.inputs, space.output) if a.tensor == name]
        return math.gcd(*leads)

    def row_bytes(self, name: str) -> int:
        """Bytes of one row."""
        return self.graph.by_name[name].bytes // self.rows[name]

    def unit(self, access: Access) -> int:
        """Positions along the leading axis of an access in one row."""
        return access.axes[0].extent // self.rows[access.tensor]


@dataclass(frozen=True, eq=False)
class Window:
    """One tensor stripe by stripe, in rows, each int64 [S].

    In stripe s rows [start, end) arrive: they are computed, or loaded; none where start = end. L1 holds rows
    [base, end), of which [base, base + kept) were there before, behind `skip` others: they move to the front.
    """

    tensor: str
    base: IntArray
    start: IntArray
    end: IntArray
    kept: IntArray
    skip: IntArray

    @property
    def depth(self) -> int:
        """Most rows that L1 holds."""
        return int((self.end - self.base).max())

    @property
    def new(self) -> IntArray:
        """Rows that arrive, by stripe."""
        return self.end - self.start


@dataclass(frozen=True, eq=False)
class _Need:
    """Rows [low, high) that readers touch, by stripe; none where low = high.

    goal: up to where rows should be there, as if tensors had no ends; at most `high` matters in "recompute".
    """

    low: IntArray
    high: IntArray
    goal: IntArray


def stripes(segment: SegmentGraph, rows: int, mode: str) -> Mapping[str, Window]:
    """The windows of all tensors of a segment whose output is cut into stripes of `rows` rows.

    Raises StripeError unless 1 <= rows < rows of the output, and for an unknown mode.
    """
    total = segment.rows[segment.output]
    if not 1 <= rows < total or mode not in MODES:
        raise StripeError(f"stripes of {rows} of {total} rows in mode {mode!r}")
    low = np.arange(-rows * (_ahead(segment, rows) if mode == LINE else 0), total, rows)
    first, last = np.asarray(np.clip(low, 0, total)), np.asarray(np.clip(low + rows, 0, total))
    needs: dict[str, list[_Need]] = {segment.output: [_Need(first, last, low + rows)]}
    goals: dict[str, IntArray] = {segment.output: low + rows}
    found: dict[str, Window] = {}
    for op, space in zip(reversed(segment.operators), reversed(segment.spaces), strict=True):
        window = found[op.output] = _window(op.output, needs[op.output], mode)
        goals[op.output] = _hull(needs[op.output]).goal
        for access in space.inputs:
            need = _read(segment, space, access, window, goals[op.output])
            needs.setdefault(access.tensor, []).append(need)
    for name in segment.inputs:
        found[name] = _window(name, needs[name], mode)
    return found


def _ahead(segment: SegmentGraph, rows: int) -> int:
    """Stripes above the output in which some layer has work: those before compute nothing."""
    goals: dict[str, int] = {}
    for count in range(_MOST_AHEAD):
        goals = {segment.output: rows - rows * (count + 1)}
        for op, space in zip(reversed(segment.operators), reversed(segment.spaces), strict=True):
            for access in space.inputs:
                goal = int(_goal(segment, space, access, np.array([goals[op.output]]))[0])
                goals[access.tensor] = max(goal, goals.get(access.tensor, goal))
        if all(goals[name] <= 0 for name in segment.inner):
            return count
    return _MOST_AHEAD


def _goal(segment: SegmentGraph, space: Space, access: Access, goal: IntArray) -> IntArray:
    """Up to which row of an input an output goes that goes up to row `goal`, both without ends."""
    axis, dim = access.axes[0], row_dim(space)
    if dim not in _dims(axis):
        return np.where(goal > 0, segment.rows[access.tensor], 0)
    (_, step), *_ = axis.terms
    last = step * (goal * segment.unit(space.output) - 1) // axis.divisor + axis.offset + axis.window
    return np.asarray(-(-last // segment.unit(access)))


def _read(segment: SegmentGraph, space: Space, access: Access, written: Window, goal: IntArray) -> _Need:
    """Rows of an input under the rows that are computed."""
    axis, dim = access.axes[0], row_dim(space)
    idle = written.start == written.end
    if dim not in _dims(axis):
        low, high = axis.clipped(space.whole)
        ends = np.full_like(written.start, low), np.full_like(written.start, high)
    else:
        unit = segment.unit(space.output)
        ends = clipped(axis, written.start * unit, np.maximum(written.end * unit, written.start * unit + 1))
    size = segment.unit(access)
    rows = np.where(idle, 0, ends[0] // size), np.where(idle, 0, -(-ends[1] // size))
    return _Need(*rows, _goal(segment, space, access, goal))


def clipped(axis: Axis, low: IntArray, high: IntArray) -> tuple[IntArray, IntArray]:
    """`Axis.clipped` of an axis with one term, for many intervals [low, high) of its dimension."""
    (_, step), *_ = axis.terms
    first = step * low // axis.divisor + axis.offset
    last = step * (high - 1) // axis.divisor + axis.offset + axis.window
    first = np.clip(first, 0, axis.extent - 1)
    return first, np.maximum(np.minimum(last, axis.extent), first + 1)


def _hull(needs: Sequence[_Need]) -> _Need:
    """The hull of what several readers need, by stripe."""
    low, high, goal = needs[0].low, needs[0].high, needs[0].goal
    for other in needs[1:]:
        goal = np.maximum(goal, other.goal)
        mine, theirs = low < high, other.low < other.high
        both = mine & theirs
        low = np.where(both, np.minimum(low, other.low), np.where(mine, low, other.low))
        high = np.where(both, np.maximum(high, other.high), np.where(mine, high, other.high))
    return _Need(low, high, goal)


def _window(name: str, needs: Sequence[_Need], mode: str) -> Window:
    need = _hull(needs)
    if mode == RECOMPUTE:
        nothing = np.zeros_like(need.low)
        return Window(name, need.low, need.low, need.high, nothing, nothing)
    end = np.maximum.accumulate(np.maximum(need.high, np.clip(need.goal, 0, need.high.max())))
    known = np.concatenate([[0], end[:-1]])
    wanted = np.where(need.low < need.high, need.low, end[-1])
    # The least row that this stripe or a later one needs; all before it are done with.
    base = np.minimum(np.minimum.accumulate(wanted[::-1])[::-1], end)
    before = np.concatenate([base[:1], base[:-1]])
    moves = base > before
    kept = np.maximum(known - base, 0)
    return Window(
        tensor=name,
        base=base,
        start=np.minimum(np.maximum(base, known), end),
        end=end,
        kept=np.where(moves, kept, 0),
        skip=np.where(moves & (kept > 0), base - before, 0),
    )
