"""Depth-first search for an allocation whose peak stays within a cap.

Any allocation can be pushed down until each buffer rests on the arena's base or on a buffer below it; listed
by offset, each buffer then starts at the highest end of its already listed contemporaries.  The search builds
such lists, so a node only chooses which buffer comes next.  Its state is one number per waiting buffer: the
lowest offset it can still have.  After Moffitt, "MiniMalloc: A Lightweight Memory Allocator for
Hardware-Accelerated Machine Learning", ASPLOS 2023 (canonical solutions, section bounds, dominance).

Pruned without losing every solution of a satisfiable cap:

* order: offsets never decrease along the list (ties by index);
* dominance: if a waiting buffer would end at or below the chosen offset, it could slide underneath later;
* twins: of two buffers with equal lifetime, size and alignment the lower index comes first;
* bound: at every clique of contemporaries, the lowest start of the waiting ones plus their sizes;
* memory: a state that was refuted before;
* parts: once the waiting buffers fall into groups that share no step, each group is searched by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from compiler.memory.problem import Buffer

Bytes = NDArray[np.int64]
Mask = NDArray[np.bool_]

PLACED = 1 << 61
"""Stands for the lowest offset of a buffer that no longer waits; above every real offset."""

MAX_BUFFERS = 350
"""Larger instances are not searched whole: the recursion is two calls deep for each buffer."""


@dataclass(frozen=True, slots=True)
class Stacks:
    """Cliques of contemporaries that are all aligned to at least some grain, flattened.

    Clique t owns `members[starts[t]:starts[t+1]]` (buffer indices).  `padded` (members,) is the size rounded
    up to the grain and `slack` (cliques,) the largest rounding; see `max_live_bytes` for the bound they give.
    """

    members: Bytes
    starts: Bytes
    padded: Bytes
    slack: Bytes


@dataclass(frozen=True, slots=True)
class Instance:
    """The buffers as arrays of shape (buffers,), in order of preference; offsets are in bytes.

    `fixed` is the fixed offset or -1, `by_first` lists the indices by birth, `twin` is the index of the
    preceding interchangeable buffer or -1.  `meets` and `lifts` are (buffers, buffers): row i marks the
    contemporaries of i and those that i can push up.  `stacks` holds the cliques for each alignment in use.
    """

    size: Bytes
    first: Bytes
    last: Bytes
    align: Bytes
    fixed: Bytes
    by_first: Bytes
    twin: Bytes
    meets: Mask
    lifts: Mask
    stacks: tuple[Stacks, ...]


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Outcome of one probe: `offsets` if it succeeded, else `lower_bound_bytes` if no solution exists.

    Neither is set if the node budget ran out.  The lower bound is above the cap that was refuted.
    """

    nodes: int
    offsets: tuple[int, ...] | None = None
    lower_bound_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class _Node:
    """`lowest`: least offset of each waiting buffer, else PLACED; `chosen` at `offset` was listed last."""

    lowest: Bytes
    chosen: int
    offset: int

    def key(self) -> bytes:
        """Equal for equal nodes; a digest, because many are remembered."""
        last = self.offset.to_bytes(8, "little") + self.chosen.to_bytes(4, "little", signed=True)
        return blake2b(self.lowest.tobytes() + last, digest_size=16).digest()


def make_instance(buffers: Sequence[Buffer]) -> Instance:
    """Arrays for `probe`; buffers are tried in the given order (at least one)."""
    size, align, first, last = (
        np.array([getattr(b, field) for b in buffers], dtype=np.int64)
        for field in ("size_bytes", "alignment_bytes", "first", "last")
    )
    fixed = np.array([_fixed_or(b, -1) for b in buffers], dtype=np.int64)
    meets = (first[:, None] < last) & (first < last[:, None])
    np.fill_diagonal(meets, False)
    cliques = _maximal_cliques(first, last)
    return Instance(
        size=size,
        first=first,
        last=last,
        align=align,
        fixed=fixed,
        by_first=np.argsort(first, kind="stable"),
        twin=_twins(buffers),
        meets=meets,
        lifts=meets & (fixed < 0),
        stacks=tuple(_stacks(cliques, size, align, grain) for grain in np.unique(align).tolist()),
    )


def probe(instance: Instance, cap_bytes: int, node_budget: int) -> ProbeResult:
    """Search for offsets with a peak of at most `cap_bytes`, visiting at most `node_budget` children."""
    count = len(instance.size)
    root = _Node(np.where(instance.fixed >= 0, instance.fixed, 0), -1, 0)
    bound = _bound(instance, root)
    if bound > cap_bytes:
        return ProbeResult(0, lower_bound_bytes=bound)
    if count > MAX_BUFFERS:
        return ProbeResult(0)
    search = _Search(instance, cap_bytes, node_budget)
    try:
        solved = search.solve(root)
    except _OutOfNodes:
        return ProbeResult(search.nodes)
    if solved:
        return ProbeResult(search.nodes, offsets=tuple(search.offsets[index] for index in range(count)))
    return ProbeResult(search.nodes, lower_bound_bytes=search.least_excess)


class _OutOfNodes(Exception):
    """The node budget ran out."""


class _Search:
    """One probe's bookkeeping: nodes visited, states refuted, offsets on the current path."""

    def __init__(self, instance: Instance, cap_bytes: int, node_budget: int) -> None:
        self.instance = instance
        self.cap_bytes = cap_bytes
        self.node_budget = node_budget
        self.nodes = 0
        self.least_excess = PLACED
        self.offsets: dict[int, int] = {}
        self._refuted: set[bytes] = set()

    def solve(self, node: _Node) -> bool:
        """Whether all parts of `node` can be completed; they share no step, so one failure settles it."""
        for part in _parts(self.instance, node):  # noqa: SIM110 - all() would double the recursion depth
            if not self._solve_part(part):
                return False
        return True

    def _solve_part(self, part: _Node) -> bool:
        state = part.key()
        if state in self._refuted:
            return False
        for choice in _choices(self.instance, part):
            child = self._visit(part, choice)
            if child is not None and self.solve(child):
                return True
        self._refuted.add(state)
        return False

    def _visit(self, node: _Node, choice: int) -> _Node | None:
        """The child that lists `choice` next, unless its bound exceeds the cap."""
        if self.nodes == self.node_budget:
            raise _OutOfNodes
        self.nodes += 1
        child = _place(self.instance, node, choice)
        bound = _bound(self.instance, child)
        if bound > self.cap_bytes:
            self.least_excess = min(self.least_excess, bound)
            return None
        self.offsets[choice] = child.offset
        return child


def _parts(instance: Instance, node: _Node) -> list[_Node]:
    """`node` restricted to groups of waiting buffers that share no step, small groups first."""
    waiting = instance.by_first[node.lowest[instance.by_first] < PLACED]
    if not len(waiting):
        return []
    reach = np.maximum.accumulate(instance.last[waiting])
    cuts = np.flatnonzero(instance.first[waiting[1:]] >= reach[:-1]) + 1
    if not len(cuts):
        return [node]
    groups = sorted(np.split(waiting, cuts), key=len)
    return [_restrict(node, group) for group in groups]


def _restrict(node: _Node, group: Bytes) -> _Node:
    lowest = np.full_like(node.lowest, PLACED)
    lowest[group] = node.lowest[group]
    return _Node(lowest, node.chosen, node.offset)


def _choices(instance: Instance, node: _Node) -> list[int]:
    """Which buffers may be listed next, the preferred one first."""
    lowest = node.lowest
    waiting = lowest < PLACED
    free = waiting & ~_blocked(instance, lowest, waiting)
    if not free.any():
        return []
    index = np.arange(len(lowest))
    undominated = lowest < (lowest + instance.size)[free].min()
    in_order = (lowest > node.offset) | ((lowest == node.offset) & (index > node.chosen))
    twin_listed = (instance.twin < 0) | ~waiting[instance.twin]
    chosen: list[int] = np.flatnonzero(free & undominated & in_order & twin_listed).tolist()
    return chosen


def _blocked(instance: Instance, lowest: Bytes, waiting: Mask) -> Mask:
    """Buffers whose lowest place would run into a fixed buffer that is not listed yet."""
    pending = np.flatnonzero(waiting & (instance.fixed >= 0))
    if not len(pending):
        return np.zeros(len(lowest), dtype=np.bool_)
    ends = lowest + instance.size
    runs_into = instance.meets[:, pending] & (ends[:, None] > instance.fixed[pending])
    blocked: Mask = np.any(runs_into, axis=1)
    return blocked


def _place(instance: Instance, node: _Node, chosen: int) -> _Node:
    """List `chosen` at its lowest offset; its contemporaries rise to its end."""
    offset = int(node.lowest[chosen])
    end = offset + int(instance.size[chosen])
    raised = np.maximum(node.lowest, (end + instance.align - 1) & -instance.align)
    lowest = np.where(instance.lifts[chosen], raised, node.lowest)
    lowest[chosen] = PLACED
    return _Node(lowest, chosen, offset)


def _bound(instance: Instance, node: _Node) -> int:
    """A peak in bytes that no completion of `node` undercuts; PLACED if it has none; 0 if all is placed."""
    waiting = node.lowest < PLACED
    if not waiting.any():
        return 0
    start = np.maximum(node.lowest, (node.offset + instance.align - 1) & -instance.align)
    if (waiting & (instance.fixed >= 0) & (start > instance.fixed)).any():
        return PLACED
    alone = int(np.where(waiting, start + instance.size, 0).max())
    return max(alone, *(_stacked_bytes(stacks, start, waiting) for stacks in instance.stacks))


def _stacked_bytes(stacks: Stacks, start: Bytes, waiting: Mask) -> int:
    """The highest stack of waiting buffers, put on the lowest `start` among them."""
    stacked = np.add.reduceat(waiting[stacks.members] * stacks.padded, stacks.starts)
    base = np.minimum.reduceat(start[stacks.members], stacks.starts)
    return int(np.where(stacked > 0, base + stacked - stacks.slack, 0).max())


def _maximal_cliques(first: Bytes, last: Bytes) -> list[Bytes]:
    """Buffers alive at each birth that is followed by a death before the next birth: the rest are subsets."""
    births = np.unique(first)
    following = np.append(births[1:], last.max())
    return [
        np.flatnonzero((first <= birth) & (birth < last))
        for birth, following_birth in zip(births, following, strict=True)
        if ((birth < last) & (last <= following_birth)).any()
    ]


def _stacks(cliques: Sequence[Bytes], size: Bytes, align: Bytes, grain: int) -> Stacks:
    coarse = [clique[align[clique] >= grain] for clique in cliques]
    kept = [clique for clique in coarse if len(clique)]
    members = np.concatenate(kept)
    padded = (size + grain - 1) & -grain
    return Stacks(
        members=members,
        starts=np.cumsum([0, *(len(clique) for clique in kept[:-1])], dtype=np.int64),
        padded=padded[members],
        slack=np.array([(padded - size)[clique].max() for clique in kept], dtype=np.int64),
    )


def _twins(buffers: Sequence[Buffer]) -> Bytes:
    latest: dict[tuple[int, int, int, int], int] = {}
    twin = np.full(len(buffers), -1, dtype=np.int64)
    for index, buffer in enumerate(buffers):
        if buffer.fixed_offset_bytes is None:
            key = (buffer.first, buffer.last, buffer.size_bytes, buffer.alignment_bytes)
            twin[index] = latest.get(key, -1)
            latest[key] = index
    return twin


def _fixed_or(buffer: Buffer, default: int) -> int:
    return default if buffer.fixed_offset_bytes is None else buffer.fixed_offset_bytes
