"""The whole front of networks in (time, energy, memory), from both sides: branch and bound over peaks.

Deployments of several networks (the same model under other operating points) compete for one front. Parts of
the peaks' range (see `dse.solver.parts`) give lower bounds and deployments; the part that promises most
volume beyond the deployments found is divided, until what all parts promise is at most a small share more
than what is reached. No clock decides, unless the caller stops it: the same input gives the same answer.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from dse.solver.bottleneck import EVERYTHING, Bottlenecks, Caps
from dse.solver.boxes import Box, Found, Searcher
from dse.solver.corners import Cover
from dse.solver.heights import volume
from dse.solver.minimum import minimum_memory
from dse.solver.pareto import FloatArray, nondominated
from dse.solver.parts import ASKED, Divider, Division, Part
from dse.solver.problem import Network
from dse.solver.stairs import both, stairs
from dse.solver.tables import TableCache

# Beyond the worst point of a first front, so that the final reference point lies within.
_MARGIN = 1.3
_JUDGED_MARGIN = 1.1  # the same when the gap is judged: that of `dse.front.quality`
_NEARER, _NEAR = 1.15, 0.05  # nothing is looked for beyond this margin, once the gap is below this share
_PROBES, _PROBE_WIDTH, _PROBE_LABELS = 5, 8, 600
_ASKED_FIRST = 1_000  # deployments taken from the first division of a network
_JUDGED = 1.4  # times the sums compared between two judgements of the gap
_LABEL = 300  # sums that looking at one label is worth, by CPU time
_MORE_LABELS = 4  # times the labels where they had to be merged
_STEEP = 0.4  # share of what half planes leave that is left where peaks are as high as they may be
_STAIRS = 6  # parts that a part with levels is divided into
_LATE = 0.9  # a part whose promise shrank below this share of the best of the others waits


@dataclass(frozen=True)
class Effort:
    """When to stop: `gap` is the share of the volume that may stay unknown, `tolerance` the share of the way
    to the reference within which points are not told apart, `grain` the same for what rounding down adds up
    to, where labels are compared. `labels` of a step, before they are merged; `splits` of parts; weighted
    `sums` compared.
    """

    gap: float = 0.006
    tolerance: float = 0.0003
    grain: float = 0.0005
    labels: int = 500
    splits: int = 2_000
    sums: int = 1_000_000_000


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
    by one of these points, which need not be attainable. `gap`: of volume up to `reference` [3], somewhat
    beyond the worst of the front. `closed`: it is what was asked for.
    """

    reached: Reached
    least: FloatArray
    reference: FloatArray
    gap: float
    closed: bool
    splits: int
    sums: int


def whole_front(
    networks: Sequence[Network],
    caps: Caps,
    effort: Effort = Effort(),
    reference: FloatArray | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> WholeFront | None:
    """The front of all networks together; None where nothing fits.

    `reference` [3]: nothing is looked for beyond it; by default somewhat above a first front. `stopped` is
    asked between splits: what is known by then is the answer, and as true as any. Raises ValueError where a
    cap is not finite.
    """
    if not np.isfinite([caps.l1, caps.l2, caps.weight_memory, caps.total]).all():
        raise ValueError(f"every cap must be finite, got {caps}")
    search = _Search.begin(networks, caps, effort, reference)
    return None if search is None else search.run(stopped)


@dataclass(frozen=True, eq=False)
class _Leaf:
    """A part with one pair of peaks that labels were searched in: too few of them."""

    part: Part
    labels: int


@dataclass(eq=False)
class _Search:
    searchers: list[Searcher]
    dividers: dict[int, Divider]
    caps: Caps
    effort: Effort
    cover: Cover
    archive: list[tuple[int, Found]] = field(default_factory=list)
    heap: list[tuple[float, int, Part | _Leaf]] = field(default_factory=list)
    done: list[FloatArray] = field(default_factory=list)
    ideal: FloatArray = field(default_factory=lambda: np.full(3, np.inf))
    count: int = 0
    splits: int = 0
    sums: int = 0

    @classmethod
    def begin(
        cls, networks: Sequence[Network], caps: Caps, effort: Effort, reference: FloatArray | None = None
    ) -> _Search | None:
        """With every network as one part, and a reference point from a first front."""
        searchers = [Searcher(network, caps, TableCache()) for network in networks]
        dividers = {}
        for number, searcher in enumerate(searchers):
            root = _root(searcher)
            made = None if root is None else Divider.of(number, searcher, root, np.ones(3))
            if made is not None:
                dividers[number] = made
        probed = [(number, found) for number, each in dividers.items() for found in _probes(each)]
        points = np.concatenate([np.zeros((0, 3)), *(found.reached for _, found in probed)])
        if len(points) == 0:
            return None
        front = points[nondominated(points)]
        if reference is None:
            reference = np.maximum(front.max(axis=0) * _MARGIN, front.max(axis=0) + 1e-9)
        layers = max(len(network.layers) for network in networks)
        grains = reference * effort.grain / np.array([layers, layers, 1.0])
        coarse = [
            replace(each, cache=TableCache((float(grains[0]), float(grains[1]))), grain_bytes=int(grains[2]))
            for each in searchers
        ]
        dividers = {
            number: replace(each, reference=reference, grain=effort.tolerance)
            for number, each in dividers.items()
        }
        search = cls(coarse, dividers, caps, effort, Cover.empty(reference, effort.tolerance))
        for number, found in probed:
            search._meet(number, found)
        for divider in dividers.values():
            search._push_root(divider)
        return search

    def _push_root(self, divider: Divider) -> None:
        part, most = divider.whole(), self._room.total
        box = part.box.within(replace(self.caps, total=most))
        if not box.is_empty:
            self.ideal = np.minimum(self.ideal, divider.searcher.ideal(box))
            self._push(replace(part, box=box), np.inf)

    @property
    def _room(self) -> Caps:
        """The caps, and that of memory not beyond the reference."""
        return replace(self.caps, total=min(self.caps.total, float(np.ceil(self.cover.reference[2]))))

    def run(self, stopped: Callable[[], bool]) -> WholeFront:
        """Divide the most promising part until the gap is closed or the effort spent."""
        gap, judged = self._judge(), 0
        while self.heap and gap > self.effort.gap and self._may_go_on() and not stopped():
            self._split()
            if self.sums > _JUDGED * judged and self.splits > len(self.dividers):
                gap, judged = self._judge(), self.sums
                if gap < _NEAR:
                    self.cover = self.cover.nearer(self._worst(_NEARER))
        gap = self._judge()
        return WholeFront(
            _reached(self.archive),
            self._least(),
            self._worst(_JUDGED_MARGIN),
            gap,
            gap <= self.effort.gap,
            self.splits,
            self.sums,
        )

    def _may_go_on(self) -> bool:
        return self.splits < self.effort.splits and self.sums < self.effort.sums

    # -- parts -------------------------------------------------------------------------------------

    def _split(self) -> None:
        """Divide the best part that is still as good as it was; labels decide where there is one pair of
        peaks."""
        node = self._pop()
        if node is None:
            return
        self.splits += 1
        if isinstance(node, _Leaf):
            self._search(node.part, _MORE_LABELS * node.labels)
        elif node.stepped and (node.single or not node.searched):
            self._search(node, self.effort.labels)
        elif node.stepped or node.single or self._steep(node):
            self._climb(node)
        else:
            self._divide(node)

    def _divide(self, part: Part) -> None:
        first, divider = len(part.hull.bounds) == 0, self.dividers[part.network]
        self._take(part, divider.divide(part, self._corners, asked=_ASKED_FIRST if first else ASKED))

    def _climb(self, part: Part) -> None:
        """Bounds that know levels of resident bytes: first of the part as it is, then of parts of it."""
        cells = _STAIRS if part.stepped else 1
        self._take(part, stairs(self.dividers[part.network], part, self._corners, cells))

    def _take(self, part: Part, division: Division) -> None:
        self.sums += division.sums
        if len(division.rows):
            divider = self.dividers[part.network]
            self._meet(part.network, divider.searcher.met(divider.space, division.rows))
        for each in division.parts:
            self._push(each, each.promise)

    def _steep(self, part: Part) -> bool:
        """Whether its promise comes from half planes rather than from its peaks."""
        if len(part.hull.bounds) == 0:
            return False
        divider = self.dividers[part.network]
        corners = divider.open_corners(part, self._corners)
        high = part.hull.raised(float(sum(part.box.high) - part.box.least_bytes))
        left = []
        for hull in (high, part.hull):
            least, which = hull.least(corners)
            left.append(float(((corners[which] - least) / self.cover.reference).prod(axis=1).sum()))
        return left[0] > _STEEP * left[1]

    @property
    def _corners(self) -> FloatArray:
        """[n, 3] of the cover, within the caps."""
        return np.minimum(self.cover.corners, [np.inf, np.inf, self.caps.total + 1.0])

    def _search(self, part: Part, labels: int) -> None:
        """What labels find in a part; it is done with unless they had to be merged."""
        searcher = self.searchers[part.network]
        outline = searcher.outline(part.box, self.cover)
        for met in outline.met:
            self._meet(part.network, met)
        outline = outline.above(part.least)
        if len(outline.corners) == 0:
            return
        found = searcher.search(part.box, self.cover, outline.corners, labels)
        self.sums += _LABEL * found.effort
        self._meet(part.network, found)
        least = both(outline.clip(found).least, part.least)
        least = least[self.cover.leaves(least)]
        if part.single and not found.merged:
            self.done.append(least)
            return
        if not part.single:
            promise = min(part.promise, self._promise(least, outline.corners))
            self._push(replace(part, least=least, promise=promise, searched=True), promise)
            return
        rest = float(((outline.corners - outline.least) / self.cover.reference).prod(axis=1).sum())
        self._push(_Leaf(replace(part, least=least), labels), rest)

    def _promise(self, least: FloatArray, corners: FloatArray) -> float:
        """The largest box from a lower bound to each corner, together."""
        below = (least[:, None] < corners[None]).all(axis=2)
        sizes = ((corners[None] - least[:, None]) / self.cover.reference).prod(axis=2)
        return float(np.where(below, sizes, 0.0).max(axis=0, initial=0.0).sum())

    def _meet(self, number: int, found: Found) -> None:
        """Keep what fits and is new."""
        good = found.take(found.fits(self.caps))
        good = good.take(self.cover.leaves(good.reached))
        if len(good.reached):
            good = good.take(nondominated(good.reached))
            self.archive.append((number, good))
            self.cover = self.cover.with_points(good.reached)

    def _push(self, node: Part | _Leaf, promise: float) -> None:
        self.count += 1
        heapq.heappush(self.heap, (-promise, self.count, node))

    def _pop(self) -> Part | _Leaf | None:
        """The most promising node, without what is covered meanwhile."""
        while self.heap:
            promise, _, node = heapq.heappop(self.heap)
            part = node.part if isinstance(node, _Leaf) else node
            left = self.cover.leaves(part.least) & (part.least[:, 2] <= self.caps.total)
            if not left.any():
                continue
            now = promise * float(left.mean())
            if not self.heap or now <= _LATE * self.heap[0][0]:
                return node
            rest = replace(part, least=part.least[left])
            self._push(replace(node, part=rest) if isinstance(node, _Leaf) else rest, -now)
        return None

    # -- judging -----------------------------------------------------------------------------------

    def _judge(self) -> float:
        """The gap."""
        reference = self._worst(_JUDGED_MARGIN)
        possible = volume(self._least(), reference)
        return 1.0 - volume(self._front, reference) / possible if possible > 0 else 0.0

    @property
    def _front(self) -> FloatArray:
        """[n, 3] of what is reached."""
        reached = np.concatenate([found.reached for _, found in self.archive])
        return np.asarray(reached[nondominated(reached)])

    def _worst(self, margin: float) -> FloatArray:
        """[3] so many times what is reached at worst, within the reference."""
        return np.asarray(np.minimum(self._front.max(axis=0) * margin, self.cover.reference))

    def _least(self) -> FloatArray:
        """Lower bounds of everything: open parts, closed ones, what the cover covers, what lies beyond the
        reference in some objective."""
        reference = self.cover.reference
        open_ = [(node.part if isinstance(node, _Leaf) else node).least for _, _, node in self.heap]
        everything = np.concatenate([*self.done, *open_, np.zeros((0, 3))])
        everything = everything[self.cover.leaves(everything)]
        beyond = np.where(np.eye(3, dtype=bool), reference, self.ideal)
        everything = np.concatenate([everything, self.cover.shrunk, beyond])
        return everything[nondominated(everything)]


def _root(searcher: Searcher) -> Box | None:
    """All peaks that deployments within the caps can have; None where a layer cannot run."""
    relaxed = Bottlenecks.of(searcher.network, Caps(), EVERYTHING)
    if relaxed is None:
        return None
    arena, l1 = relaxed.root[0, :2]
    caps = searcher.caps
    return Box((int(l1) - 1, int(arena) - 1), (int(min(caps.l1, caps.total)), int(min(caps.l2, caps.total))))


def _probes(divider: Divider) -> list[Found]:
    """Deployments under a lattice of caps on peaks, from the least memory to the caps of the whole."""
    searcher = divider.searcher
    least = minimum_memory(searcher.network, searcher.caps)
    if least is None:
        return []
    caps = searcher.caps
    ends = ((least.l1_bytes, min(caps.l1, caps.total)), (least.arena_bytes, min(caps.l2, caps.total)))
    steps = [np.geomspace(max(low, 1), max(high, 1), _PROBES) for low, high in ends]
    l1, l2 = (np.maximum(np.floor(step), low) for step, (low, _) in zip(steps, ends, strict=True))
    found = searcher.met(divider.space, divider.probe((np.unique(l2), np.unique(l1))))
    if len(found.reached):
        return [found]
    # Caps bind: as if the peaks were as high as they may be, so that what is found keeps to all of them.
    highs = [(int(low), int(high)) for low, high in zip(l1, l2, strict=True)]
    boxes = [Box((high[0] - 1, high[1] - 1), high) for high in highs]
    return [searcher.probe(box, _PROBE_WIDTH, _PROBE_LABELS) for box in boxes]


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
