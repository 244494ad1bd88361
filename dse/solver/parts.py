"""Parts of the space of a network by peaks, and how they are divided: every part a box with its half planes.

A part is divided into a lattice of boxes, with one backward pass for all of them (`dse.solver.lattice`). What
the half planes of a box exclude is done with; of the others it is known what they still promise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np

from dse.solver.bottleneck import Caps
from dse.solver.bounds import remaining, tightened, weighted
from dse.solver.boxes import L1, L2, Box, Searcher
from dse.solver.columns import Columns
from dse.solver.hull import Hull, facing_weights, spread_weights
from dse.solver.lattice import Choices, Sweep, lines, sweep
from dse.solver.pareto import FloatArray, IntArray
from dse.solver.problem import Network
from dse.solver.space import Footprints, Space, build_space

CELLS = 64  # that a part is divided into at most
_KEPT, _FACING = 40, 16  # weights of a part that its own parts keep, and new ones that face what is left
_BETWEEN, _NEIGHBOURS = 6, 3  # corners of which the tightest weights are averaged, and with how many others
ASKED, _CORNERS_ASKED = 64, 8  # deployments taken from a division; corners of a part that are asked about
_BINDING = (0.4, 0.8)  # shares of the demand that caps are lowered to, for multipliers to begin with


@dataclass(frozen=True, eq=False)
class Part:
    """A box of peaks of a network: every deployment in it lies in `hull`, and what a cover left of them when
    this was made is weakly dominated by one of `least` [n, 3].

    `weights` [k, c]: those of the hull, with multipliers of caps behind the first three. `choices`: what the
    part that it was made from could choose. `promise`: share of the volume up to the reference between what
    is open and the lower bounds, counted once for each corner. `single`: there is one pair of peaks only.
    `stepped`: `least` knows levels of resident bytes (`dse.solver.stairs`); `searched`: labels, too.
    """

    network: int
    box: Box
    choices: Choices
    weights: FloatArray
    hull: Hull
    least: FloatArray
    promise: float
    single: bool = False
    stepped: bool = False
    searched: bool = False


@dataclass(frozen=True, eq=False)
class Division:
    """The parts that a part was divided into, `rows` [p, layers] of deployments on their half planes, and how
    many `sums` were compared for it."""

    parts: tuple[Part, ...]
    rows: IntArray
    sums: int


@dataclass(frozen=True, eq=False)
class Lattice:
    """Boxes of peaks from `floors` to `tops` (both: [g2] of L2, [g1] of L1), and what is of use in them.
    `single`: the only box has one pair of peaks."""

    choices: Choices
    tops: tuple[FloatArray, FloatArray]
    floors: tuple[FloatArray, FloatArray]
    single: bool

    def boxes(self) -> Iterator[tuple[Box, bool]]:
        """Every box, and whether it has one pair of peaks."""
        for l2, l1 in product(range(len(self.tops[0])), range(len(self.tops[1]))):
            low = (int(self.floors[1][l1]) - 1, int(self.floors[0][l2]) - 1)
            high = (int(self.tops[1][l1]), int(self.tops[0][l2]))
            yield Box(low, high), self.single


@dataclass(frozen=True, eq=False)
class Divider:
    """Divides the parts of one network, with this `number`, that lie in the box `root`. `space` is of that
    box, and keeps footprints apart; `reference` [3] says what a byte is worth in time and energy; lower
    bounds may be rounded down to the share `grain` of it."""

    number: int
    searcher: Searcher
    root: Box
    space: Space
    reference: FloatArray
    grain: float = 0.0

    @staticmethod
    def of(number: int, searcher: Searcher, root: Box, reference: FloatArray) -> Divider | None:
        """None where nothing fits."""
        apart = Footprints((root.low[L2] + 1, root.low[L1] + 1), (0.0, 0.0))
        setting = root.setting(searcher.caps)
        columns = _columns(searcher.network, root, searcher.caps)
        space = build_space(searcher.network, setting, columns, searcher.cache, apart)
        return None if space.stuck_layer is not None else Divider(number, searcher, root, space, reference)

    @property
    def caps(self) -> Caps:
        """Of the whole memory."""
        return self.searcher.caps

    @cached_property
    def everything(self) -> Choices:
        """All choices of the space."""
        return Choices.of(self.space)

    @cached_property
    def spread(self) -> FloatArray:
        """Weights [k, c] all over; where sums are capped with the best multipliers, too."""
        ideal = remaining(self.space, np.eye(self.space.columns.count)[:2])[0][0]
        spread = spread_weights(np.append(ideal[:2], max(self.root.least_bytes, 1.0)))
        weights = np.zeros((len(spread), self.space.columns.count))
        weights[:, :3] = spread
        if self.space.columns.count == 3:
            return weights
        plain = build_space(self.searcher.network, self.root.setting(self.caps), self.space.columns)
        demand = remaining(plain, np.eye(plain.columns.count)[2:], -1.0)[0][0]
        for share in _BINDING:
            caps = np.append(np.inf, share * demand[1:])
            bound = replace(plain, columns=replace(plain.columns, caps_bytes=caps))
            weights = np.concatenate([weights, tightened(bound, weights[: len(spread)])])
        return np.asarray(np.unique(weights, axis=0))

    def probe(self, tops: tuple[FloatArray, FloatArray]) -> IntArray:
        """Rows [p, layers] of deployments under all pairs of caps (of L2, of L1), best for spread weights."""
        swept = sweep(self.space, self.everything, tops, self.spread)
        cell, weight = np.nonzero(np.isfinite(swept.least))
        return swept.attained(cell, weight)

    def whole(self) -> Part:
        """The root as a part of which nothing is known."""
        none = Hull(np.zeros((0, 3)), np.zeros(0))
        return Part(self.number, self.root, self.everything, self.spread, none, np.zeros((1, 3)), np.inf)

    def divide(self, part: Part, corners: FloatArray, cells: int = CELLS, asked: int = ASKED) -> Division:
        """Into at most `cells` parts, by half planes that face what is open below the `corners` [n, 3].
        `asked`: how many deployments at most."""
        corners = self.open_corners(part, corners)
        weights = self._weights(part, part.hull.least(corners)[0], corners)
        lattice = self.lattice(part, weights, cells) if len(corners) else None
        if lattice is None:
            return Division((), np.zeros((0, len(self.space.steps)), np.int64), 0)
        swept = sweep(self.space, lattice.choices, lattice.tops, weights)
        parts, asking = self._parts(swept, lattice.floors, corners, lattice.single)
        chosen = sorted(asking, reverse=True)[:asked]
        rows = swept.attained(
            np.array([cell for _, cell, _ in chosen], np.int64), np.array([w for _, _, w in chosen], np.int64)
        )
        return Division(parts, rows, swept.cheapest.size)

    def open_corners(self, part: Part, corners: FloatArray) -> FloatArray:
        """Those of the corners [n, 3] that the part says nothing about."""
        below = np.asarray((part.least[None] < corners[:, None]).all(axis=2))
        corners = corners[below.any(axis=1)]
        return np.asarray(corners[part.hull.least(corners)[1]])

    def lattice(self, part: Part, weights: FloatArray, cells: int) -> Lattice | None:
        """Boxes of the part, by what is of use for `weights` [k, c]; None where no peak lies in it."""
        high = np.array([part.box.high[L2], part.box.high[L1]], np.float64)
        low = np.array([part.box.low[L2], part.box.low[L1]], np.float64)
        choices = part.choices.within(self.space, low + 1.0, high, weights)
        needs = [np.unique(choices.need[:, axis]) for axis in range(2)]
        needs = [need[need > least] for need, least in zip(needs, low, strict=True)]
        if not all(len(need) for need in needs):
            return None
        counts = _counts(needs, cells)
        tops = (lines(needs[0], counts[0]), lines(needs[1], counts[1]))
        floors = [
            need[np.append(0, np.searchsorted(need, top[:-1], side="right"))]
            for need, top in zip(needs, tops, strict=True)
        ]
        return Lattice(choices, tops, (floors[0], floors[1]), max(map(len, needs)) == 1)

    def _weights(self, part: Part, least: FloatArray, corners: FloatArray) -> FloatArray:
        """Those of the part that decide, and new ones for what is left: across it, and between those that are
        the tightest there: across alone may be where a half plane was before."""
        if len(part.hull.bounds) == 0:
            return part.weights
        kept = part.weights[part.hull.deciding(corners)[:_KEPT]]
        depth = ((corners - least) / self.reference).prod(axis=1)
        largest = np.argsort(-depth, kind="stable")[:_FACING]
        facing = facing_weights(least[largest], corners[largest], self.reference, _FACING)
        facing = np.concatenate([facing, np.zeros((len(facing), part.weights.shape[1] - 3))], axis=1)
        scaled = part.weights / weighted(self.reference[None], part.hull.weights).T
        largest = largest[:_BETWEEN]
        slack = weighted(corners[largest], part.hull.weights) - part.hull.bounds
        tightest = np.argsort(slack / weighted(self.reference[None], part.hull.weights), axis=1)
        between = scaled[tightest[:, :1]] + scaled[tightest[:, 1 : 1 + _NEIGHBOURS]]
        return np.unique(np.concatenate([kept, facing, between.reshape(-1, scaled.shape[1])]), axis=0)

    def _parts(
        self, swept: Sweep, floors: tuple[FloatArray, FloatArray], corners: FloatArray, single: bool
    ) -> tuple[tuple[Part, ...], list[tuple[float, int, int]]]:
        """What the half planes of every cell leave, and (promise, cell, weight) of deployments to ask for."""
        least, facing = swept.least, swept.weights[:, :3]
        most = min(self.caps.total, float(np.ceil(self.reference[2])))
        found, asking = [], []
        for cell in np.flatnonzero(np.isfinite(least).all(axis=1)).tolist():
            l2, l1 = divmod(cell, len(swept.tops[1]))
            floor = (float(floors[0][l2]), float(floors[1][l1]))
            if sum(floor) > most:
                continue
            bounds = least[cell] - swept.weights[:, 3:] @ self._room(floor)
            hull = Hull(facing, bounds).raised(sum(floor))
            lowest, which = hull.least(corners)
            if len(which) == 0:
                continue
            sizes = ((corners[which] - lowest) / self.reference).prod(axis=1)
            box = Box(
                (int(floor[1]) - 1, int(floor[0]) - 1), (int(swept.tops[1][l1]), int(swept.tops[0][l2]))
            )
            args = (box, swept.choices, swept.weights, hull, lowest, float(sizes.sum()), single)
            found.append(Part(self.number, *args))
            largest = corners[which[np.argsort(-sizes, kind="stable")[:_CORNERS_ASKED]]]
            slack = (weighted(largest, facing) - hull.bounds) / weighted(self.reference[None], facing)
            asking += [(float(sizes.max()), cell, w) for w in np.unique(slack.argmin(axis=1)).tolist()]
        return tuple(found), asking

    def _room(self, floor: tuple[float, float]) -> FloatArray:
        """Bytes [c - 3] that capped sums of a label may have where peaks (L2, L1) are at least `floor`."""
        limits = {
            (1.0, 0.0, 0.0): self.caps.l2 - floor[0],
            (0.0, 1.0, 0.0): self.caps.weight_memory,
            (0.0, 0.0, 1.0): self.caps.l1 - floor[1],
        }
        most = self.caps.total - sum(floor)
        pools = self.space.columns.pools[1:].tolist()
        return np.array([max(limits.get((pool[0], pool[1], pool[2]), most), 0.0) for pool in pools])


def _columns(network: Network, root: Box, caps: Caps) -> Columns:
    """What labels carry that hold in every box of the root: parameters, and those of every memory that they
    can fill where its peak is the largest. Where the total is the smaller cap, it decides."""
    worst = sum(layer.usage.max(axis=0, initial=0.0) for layer in network.layers)
    ends = ((root.low[L2], root.high[L2]), (-1, 0), (root.low[L1], root.high[L1]))
    pools, room = [np.ones(3)], [np.inf]
    limits = (caps.l2, caps.weight_memory, caps.l1)
    for pool, need, cap, (low, high) in zip(np.eye(3), np.asarray(worst), limits, ends, strict=True):
        if caps.total > cap and need > cap - high:
            pools.append(pool)
            room.append(max(cap - low - 1.0, 0.0))
    return Columns(np.array(pools), np.array(room), 3)


def _counts(needs: list[FloatArray], cells: int) -> tuple[int, int]:
    """How many lines of L2 and of L1, so that cells are about square in bytes."""
    here, there = (float(need[-1] - need[0]) for need in needs)
    few = (len(needs[0]), len(needs[1]))
    wanted = np.sqrt(cells * max(here, 1e-3) / max(there, 1e-3))
    first = int(np.clip(wanted, min(2, few[0]), max(1, min(few[0], cells // 2))))
    second = int(np.clip(cells // first, min(2, few[1]), few[1]))
    return min(few[0], max(first, cells // second)), second
