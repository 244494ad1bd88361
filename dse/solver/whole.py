"""The whole front of networks in (time, energy, memory), from both sides: branch and bound over peaks.

Deployments of several networks (the same model under other operating points) compete for one front. Boxes of
peaks (see `dse.solver.boxes`) give lower bounds and deployments; the box that promises most volume beyond the
deployments found is split, until what all boxes promise is at most a small share more than what is reached.
No clock decides: the same input gives the same answer.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from dse.solver.bottleneck import EVERYTHING, Bottlenecks, Caps
from dse.solver.boxes import Box, Found, Searcher
from dse.solver.corners import Cover
from dse.solver.heights import Grid, volume
from dse.solver.minimum import minimum_memory
from dse.solver.pareto import BoolArray, FloatArray, nondominated
from dse.solver.problem import Network
from dse.solver.tables import TableCache

# Beyond the worst point of a first front, so that the final reference point lies within.
_MARGIN = 1.3
_PROBES, _PROBE_WIDTH, _PROBE_LABELS = 5, 8, 600
_FAR = 1e30  # a reference that no sum of times or energies reaches
_LINES = 128  # of the grid on which promises are compared
_JUDGED_EVERY = 10  # splits
_MERGING = 10  # times what peaks lose: as much by merging is worth more labels, less is worth a split
_MATTERS = 0.2  # share of the best promise of a point from which on it has a say in where to split


@dataclass(frozen=True)
class Effort:
    """When to stop: `gap` is the share of the volume that may stay unknown, `tolerance` the share of the way
    to the reference within which points are not told apart, `grain` the same for what rounding down adds up
    to. `labels` of a step, before they are merged; `splits` of boxes; `candidates` looked at.
    """

    gap: float = 0.006
    tolerance: float = 0.001
    grain: float = 0.0005
    labels: int = 500
    splits: int = 250
    candidates: int = 3_000_000


@dataclass(frozen=True, eq=False)
class Reached:
    """Deployments found, mutually non-dominated: `objectives` [n, 3] (time, energy, max-live memory in
    bytes), the number of the `network` [n], and per network row its decisions."""

    objectives: FloatArray
    network: tuple[int, ...]
    moves: tuple[tuple[int, ...], ...]
    rows: tuple[tuple[int, ...], ...]
    peaks: FloatArray
    resident: FloatArray


@dataclass(frozen=True, eq=False)
class WholeFront:
    """`reached`, and `least` [m, 3]: every deployment of the networks within the caps is weakly dominated
    by one of these points, which need not be attainable. `gap`: of volume up to `reference` [3]. `closed`:
    it is what was asked for.
    """

    reached: Reached
    least: FloatArray
    reference: FloatArray
    gap: float
    closed: bool
    splits: int
    candidates: int


def whole_front(
    networks: Sequence[Network], caps: Caps, effort: Effort = Effort(), reference: FloatArray | None = None
) -> WholeFront | None:
    """The front of all networks together; None where nothing fits.

    `reference` [3]: nothing is looked for beyond it; by default somewhat above a first front. Raises
    ValueError where a cap is not finite.
    """
    if not np.isfinite([caps.l1, caps.l2, caps.weight_memory, caps.total]).all():
        raise ValueError(f"every cap must be finite, got {caps}")
    search = _Search.begin(networks, caps, effort, reference)
    return None if search is None else search.run()


@dataclass(frozen=True, eq=False)
class _Node:
    """A box: what it still promises, and with how many labels it was searched; inherited: it was not, the
    box that it is a part of was."""

    network: int
    box: Box
    found: Found
    labels: int
    weights: FloatArray
    inherited: bool = False


@dataclass(eq=False)
class _Search:
    searchers: list[Searcher]
    caps: Caps
    effort: Effort
    cover: Cover
    grid: Grid
    archive: list[tuple[int, Found]] = field(default_factory=list)
    heap: list[tuple[float, int, _Node]] = field(default_factory=list)
    done: list[FloatArray] = field(default_factory=list)
    heights: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    ideal: FloatArray = field(default_factory=lambda: np.full(3, np.inf))
    count: int = 0
    splits: int = 0
    candidates: int = 0
    passes: int = 0

    @classmethod
    def begin(
        cls, networks: Sequence[Network], caps: Caps, effort: Effort, reference: FloatArray | None = None
    ) -> _Search | None:
        """With the root boxes searched, and a reference point from a first front."""
        searchers = [Searcher(network, caps, TableCache()) for network in networks]
        probed = [(number, found) for number, each in enumerate(searchers) for found in _probes(each)]
        points = np.concatenate([np.zeros((0, 3)), *(found.reached for _, found in probed)])
        if len(points) == 0:
            return None
        front = points[nondominated(points)]
        if reference is None:
            reference = np.maximum(front.max(axis=0) * _MARGIN, front.max(axis=0) + 1e-9)
        layers = max(len(network.layers) for network in networks)
        grains = reference * effort.grain / np.array([layers, layers, 1.0])
        searchers = [
            replace(each, cache=TableCache((float(grains[0]), float(grains[1]))), grain_bytes=int(grains[2]))
            for each in searchers
        ]
        search = cls(
            searchers,
            caps,
            effort,
            Cover.empty(reference, effort.tolerance),
            Grid.through(front, reference, _LINES),
        )
        for number, found in probed:
            search._meet(number, found)
        search._judge()
        for number, searcher in enumerate(searchers):
            root = _root(searcher)
            if root is not None:
                search.ideal = np.minimum(search.ideal, searcher.ideal(root))
                search._search(number, root, None, effort.labels)
        return search

    def run(self) -> WholeFront:
        """Split the most promising box until the gap is closed or the effort spent."""
        gap = self._judge()
        while self.heap and gap > self.effort.gap and self._may_go_on():
            for _ in range(_JUDGED_EVERY):
                if self.heap and self._may_go_on():
                    self._split()
            gap = self._judge()
        reached = _reached(self.archive)
        return WholeFront(
            reached,
            self._least(),
            self.cover.reference,
            gap,
            gap <= self.effort.gap,
            self.splits,
            self.candidates,
        )

    def _may_go_on(self) -> bool:
        return self.splits < self.effort.splits and self.candidates < self.effort.candidates

    # -- nodes -------------------------------------------------------------------------------------

    def _search(
        self,
        number: int,
        box: Box,
        hopes: FloatArray | None,
        labels: int,
        weights: FloatArray | None = None,
    ) -> None:
        box = box.within(
            replace(self.caps, total=min(self.caps.total, float(np.ceil(self.cover.reference[2]))))
        )
        if box.is_empty:
            return
        outline = self.searchers[number].outline(box, self.cover, weights)
        for met in outline.met:
            self._meet(number, met)
        self.passes += 1
        outline = outline.above(hopes)
        if len(outline.corners) == 0:
            return
        found = self.searchers[number].search(box, self.cover, outline.corners, labels)
        self.candidates += found.effort
        self._meet(number, found)
        self._push(_Node(number, box, outline.clip(found), labels, outline.hull.needed(outline.corners)))

    def _meet(self, number: int, found: Found) -> None:
        """Keep what fits and is new."""
        good = found.take(found.fits(self.caps))
        self.archive.append((number, good.take(nondominated(good.reached)) if len(good.reached) else good))
        self.cover = self.cover.with_points(good.reached)

    def _push(self, node: _Node) -> None:
        """Unless the cover and the cap leave nothing of it."""
        left = self.cover.leaves(node.found.least) & (node.found.least[:, 2] <= self.caps.total)
        if left.any():
            node = replace(node, found=node.found.take(left))
            self.count += 1
            heapq.heappush(self.heap, (-self._promise(node), self.count, node))

    def _promise(self, node: _Node) -> float:
        """Volume beyond what is reached."""
        lower = self.heights - self.grid.heights(node.found.least)
        return float((self.grid.areas * np.maximum(lower, 0.0)).sum())

    def _matters(self, points: FloatArray) -> BoolArray:
        """Mask [n] of the points [n, 3] that promise most, each on its own."""
        i = np.maximum(np.searchsorted(self.grid.x, points[:, 0], side="right") - 1, 0)
        j = np.maximum(np.searchsorted(self.grid.y, points[:, 1], side="right") - 1, 0)
        areas = self.grid.areas
        promised = np.array(
            [
                float((areas[a:, b:] * np.maximum(self.heights[a:, b:] - least, 0.0)).sum())
                for a, b, least in zip(i.tolist(), j.tolist(), points[:, 2].tolist(), strict=True)
            ]
        )
        return np.asarray(promised >= _MATTERS * promised.max())

    def _split(self) -> None:
        """Split the best box that is still as good as it was."""
        node = self._pop()
        if node is None:
            return
        self.splits += 1
        found, box = node.found.take(self._matters(node.found.least)), node.box
        excess = np.maximum(np.minimum(found.peaks, box.high) - found.least_peaks, 0.0)
        reference = self.cover.reference
        if found.merged and _loss_by_merging(found, reference) > _MERGING * _loss_by_peaks(
            excess, found, reference
        ):
            self._search(node.network, box, node.found.least, 4 * node.labels, node.weights)
            return
        cut = _where_to_cut(found, excess, box)
        if node.inherited and (cut is None or not excess.any()):
            self._search(node.network, box, node.found.least, node.labels, node.weights)
            return
        if cut is None:
            self.done.append(node.found.least)
            return
        level, at = cut
        found = node.found
        lower, upper = box.split(level, at)
        self._search(node.network, lower, found.least, node.labels, node.weights)
        raised = replace(
            found,
            least=found.above(upper),
            least_peaks=np.maximum(found.least_peaks, np.array(upper.low) + 1.0),
        )
        self._push(_Node(node.network, upper, raised, node.labels, node.weights, True))

    def _pop(self) -> _Node | None:
        while self.heap:
            _, _, node = heapq.heappop(self.heap)
            left = self.cover.leaves(node.found.least)
            if not left.any():
                continue
            node = replace(node, found=node.found.take(left))
            now = -self._promise(node)
            if not self.heap or now <= 0.9 * self.heap[0][0]:
                return node
            self.count += 1
            heapq.heappush(self.heap, (now, self.count, node))
        return None

    # -- judging -----------------------------------------------------------------------------------

    def _judge(self) -> float:
        """The gap; and a new grid, through what was reached meanwhile."""
        reached = np.concatenate([found.reached for _, found in self.archive])
        kept = reached[nondominated(reached)]
        self.grid = Grid.through(kept, self.cover.reference, _LINES)
        self.heights = self.grid.heights(kept)
        possible = volume(self._least(), self.cover.reference)
        return 1.0 - volume(kept, self.cover.reference) / possible if possible > 0 else 0.0

    def _least(self) -> FloatArray:
        """Lower bounds of everything: open boxes, closed ones, what the cover covers, what lies beyond the
        reference in some objective."""
        reference = self.cover.reference
        boxes = [*self.done, *(node.found.least for _, _, node in self.heap), self.cover.shrunk]
        everything = np.concatenate(boxes)
        beyond = np.where(np.eye(3, dtype=bool), reference, self.ideal)
        everything = np.concatenate([everything, beyond])
        return everything[nondominated(everything)]


def _root(searcher: Searcher) -> Box | None:
    """All peaks that deployments within the caps can have; None where a layer cannot run."""
    relaxed = Bottlenecks.of(searcher.network, Caps(), EVERYTHING)
    if relaxed is None:
        return None
    arena, l1 = relaxed.root[0, :2]
    caps = searcher.caps
    return Box((int(l1) - 1, int(arena) - 1), (int(min(caps.l1, caps.total)), int(min(caps.l2, caps.total))))


def _probes(searcher: Searcher) -> list[Found]:
    """Deployments along the diagonal of peaks, from the least memory to the caps."""
    least = minimum_memory(searcher.network, searcher.caps)
    if least is None:
        return []
    caps = searcher.caps
    ends = ((least.l1_bytes, min(caps.l1, caps.total)), (least.arena_bytes, min(caps.l2, caps.total)))
    steps = [np.geomspace(max(low, 1), max(high, 1), _PROBES) for low, high in ends]
    steps = [np.maximum(np.floor(step), low) for step, (low, _) in zip(steps, ends, strict=True)]
    boxes = [Box((-1, -1), (int(l1), int(l2))) for l1, l2 in zip(*steps, strict=True)]
    far = np.append(np.full(2, _FAR), caps.total + 1.0)
    found = [met for box in boxes for met in searcher.outline(box, Cover.empty(far, 0.0)).met]
    if any(len(met.reached) for met in found):
        return found
    # Caps bind: as if the peaks were as high as they may be, so that what is found keeps to all of them.
    tight = [replace(box, low=(box.high[0] - 1, box.high[1] - 1)) for box in boxes]
    return [searcher.probe(box, _PROBE_WIDTH, _PROBE_LABELS) for box in tight]


def _where_to_cut(found: Found, excess: FloatArray, box: Box) -> tuple[int, int] | None:
    """(level, bytes): the level that peaks exceed most; None for a box of one byte.

    Where none is exceeded, a cap on peak and resident parameters together is: any cut tells them apart.
    """
    wide = np.array(box.high) - np.array(box.low) > 1
    if not wide.any():
        return None
    beyond = excess.mean(axis=0) * wide
    if not beyond.any():
        beyond = np.maximum(found.peaks - box.low - 1, 0.0).mean(axis=0) * wide + wide * 1e-9
    level = int(beyond.argmax())
    return level, _middle(found.peaks[:, level], box.low[level], box.high[level])


def _middle(peaks: FloatArray, low: int, high: int) -> int:
    """Where to cut (low, high], more than a byte wide: in the middle of where peaks lie, or just below the
    least of the upper ones, so that the upper part is tight for it."""
    middle = (low + int(min(high, max(peaks.max(), low + 2)))) // 2
    upper = peaks[(peaks > middle) & (peaks <= high)]
    return int(upper.min()) - 1 if len(upper) and upper.min() - 1 > low else middle


def _loss_by_peaks(excess: FloatArray, found: Found, reference: FloatArray) -> float:
    room = np.maximum(reference[2] - found.least[:, 2], 1.0)
    return float((excess.sum(axis=1) / room).mean())


def _loss_by_merging(found: Found, reference: FloatArray) -> float:
    memory = found.resident.sum(axis=1) + found.least_peaks.sum(axis=1)
    sums = np.concatenate([found.reached[:, :2], memory[:, None]], axis=1)
    room = np.maximum(reference - found.least, 1e-300)
    return float(((sums - found.least) / room).max(axis=1).mean())


def _reached(archive: list[tuple[int, Found]]) -> Reached:
    objectives = np.concatenate([found.reached for _, found in archive])
    keep = nondominated(objectives)
    owner = np.repeat(np.arange(len(archive)), [len(found.reached) for _, found in archive])
    place = (
        np.arange(len(objectives))
        - np.concatenate([[0], np.cumsum([len(f.reached) for _, f in archive])])[owner]
    )
    chosen = [(archive[owner[k]][0], archive[owner[k]][1], int(place[k])) for k in keep.tolist()]
    return Reached(
        objectives[keep],
        tuple(number for number, _, _ in chosen),
        tuple(tuple(found.moves[k].tolist()) for _, found, k in chosen),
        tuple(tuple(found.rows[k].tolist()) for _, found, k in chosen),
        np.array([found.peaks[k] for _, found, k in chosen]),
        np.array([found.resident[k] for _, found, k in chosen]),
    )
