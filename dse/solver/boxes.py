"""Boxes of peaks: all deployments whose peaks in L1 and L2 lie in given ranges, relaxed to one setting.

A deployment's memory is peak(L1) + peak(L2) + resident parameters. Labels of the inner search only sum, so
that peaks have to be caps. A box (low, high] of both peaks makes them so twice: no step may use more than
`high`, and the memory counts as if the peaks were `low + 1`. Every deployment whose peaks lie in the box is
allowed, and counts no more than it needs: what the search finds are lower bounds. Boxes that are one byte
wide are exact.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dse.solver.bottleneck import Caps
from dse.solver.bounds import ROUNDING, compute_bounds, remaining
from dse.solver.columns import resident_bytes
from dse.solver.corners import Cover, fewest_above
from dse.solver.hull import Hull, crossings, facing_weights, hull_of, spread_weights
from dse.solver.labels import Beam, Paths, explore
from dse.solver.pareto import BoolArray, FloatArray, IntArray, nondominated
from dse.solver.peaklabels import PeakPaths, PeakSearch
from dse.solver.peaks import peak_bytes
from dse.solver.problem import ENERGY, TIME, Network, Setting
from dse.solver.space import Footprints, Space, build_space
from dse.solver.tables import TableCache

L1, L2 = 0, 1
CORNERS = 64
STEPS = 1
_ROUNDS, _AT_ONCE = 2, 48  # of weights that face what is left, and how many of them
_CLOSED = 0.8  # share of what is left: a round that leaves more is the last


@dataclass(frozen=True)
class Box:
    """Ranges (low, high] of the peaks without resident parameters, in bytes, in L1 and in L2."""

    low: tuple[int, int]
    high: tuple[int, int]

    @property
    def least_bytes(self) -> int:
        """Both peaks together need at least this."""
        return self.low[L1] + 1 + self.low[L2] + 1

    def split(self, level: int, at: int) -> tuple[Box, Box]:
        """The parts (low, at] and (at, high] of one level."""
        low, high = list(self.low), list(self.high)
        low[level] = high[level] = at
        return replace(self, high=(high[0], high[1])), replace(self, low=(low[0], low[1]))

    def within(self, caps: Caps) -> Box:
        """Without peaks that the other level's least leaves no room for."""
        room = (min(caps.l1, caps.total - self.low[L2] - 1), min(caps.l2, caps.total - self.low[L1] - 1))
        high = tuple(int(min(top, space)) for top, space in zip(self.high, room, strict=True))
        return replace(self, high=(high[0], high[1]))

    @property
    def is_empty(self) -> bool:
        """No peak lies in it."""
        return any(top <= low for low, top in zip(self.low, self.high, strict=True))

    def setting(self, caps: Caps) -> Setting:
        """The setting that allows every deployment in the box."""
        l1 = max(0, int(caps.l1) - self.low[L1] - 1)
        return Setting(
            l1_cap_bytes=self.high[L1] + l1,
            arena_bytes=self.high[L2],
            budget_resident_bytes=max(0, int(caps.l2) - self.low[L2] - 1),
            wm_capacity_bytes=int(caps.weight_memory),
            l1_resident_bytes=l1,
            on_chip_resident_bytes=max(0, int(caps.total) - self.least_bytes),
            with_memory=True,
        )


@dataclass(frozen=True, eq=False)
class Found:
    """What the search of a box found, row by row.

    `least` [n, 3]: time, energy, memory that no deployment of the box beats together with what the cover of
    the search covers; `least_peaks` [n, 2] of L1 and L2 are in that memory. `reached` [n, 3]: of the
    deployment with these `moves` and `rows` [n, layers], with its own `peaks` [n, 2] and `resident` [n, 3]
    bytes (L2, weight memory, L1). `merged`: labels were too many and `least` is below what sums allow.
    `effort`: candidates looked at.
    """

    least: FloatArray
    least_peaks: FloatArray
    reached: FloatArray
    peaks: FloatArray
    resident: FloatArray
    moves: IntArray
    rows: IntArray
    merged: bool
    effort: int

    def take(self, index: IntArray | BoolArray) -> Found:
        """Some of the rows."""
        names = ("least", "least_peaks", "reached", "peaks", "resident", "moves", "rows")
        return replace(self, **{name: getattr(self, name)[index] for name in names})

    def above(self, box: Box) -> FloatArray:
        """[n, 3] the same lower bounds where the peaks lie in a part of the box."""
        raised = np.maximum(self.least_peaks, np.array(box.low) + 1.0).sum(axis=1) - self.least_peaks.sum(
            axis=1
        )
        return np.asarray(self.least + raised[:, None] * np.array([0.0, 0.0, 1.0]))

    def fits(self, caps: Caps) -> BoolArray:
        """Mask [n] of the deployments that keep to the caps."""
        l2, memory, l1 = self.resident.T
        fits = (self.peaks[:, L1] + l1 <= caps.l1) & (self.peaks[:, L2] + l2 <= caps.l2)
        fits &= (memory <= caps.weight_memory) & (self.reached[:, 2] <= caps.total)
        return np.asarray(fits)


@dataclass(frozen=True, eq=False)
class Outline:
    """What weighted sums say of a box: its `hull`, deployments that were `met`, and of each of the `corners`
    [n, 3] of the cover that the hull leaves open the `least` [n, 3] of what lies below."""

    hull: Hull
    met: tuple[Found, ...]
    least: FloatArray
    corners: FloatArray

    def above(self, hopes: FloatArray | None) -> Outline:
        """Its corners that one of the lower bounds [n, 3] lies below."""
        if hopes is None:
            return self
        below = np.asarray((hopes[None] < self.corners[:, None]).all(axis=2))
        kept = below.any(axis=1)
        return replace(self, least=self.least[kept], corners=self.corners[kept])

    def clip(self, found: Found) -> Found:
        """The lower bounds `found`, raised to the hull below each corner that they lie below.

        What is left is non-dominated in sums and peaks: in a part of the box peaks may be raised.
        """
        row, corner = np.nonzero((found.least[:, None] < self.corners[None]).all(axis=2))
        if len(row) == 0:
            return found.take(row)
        least, peaks = np.maximum(found.least[row], self.least[corner]), found.least_peaks[row]
        sums = np.concatenate([least[:, :2], least[:, 2:] - peaks.sum(axis=1, keepdims=True)], axis=1)
        kept = nondominated(np.concatenate([sums, peaks], axis=1))
        return replace(found.take(row[kept]), least=least[kept])


@dataclass(frozen=True, eq=False)
class Searcher:
    """A network whose boxes are searched; its tables are shared between them."""

    network: Network
    caps: Caps
    cache: TableCache
    grain_bytes: int = 0

    def search(self, box: Box, cover: Cover, corners: FloatArray, labels: int) -> Found:
        """All that the box offers below the cover and below some of the `corners` [n, 3]. More than `labels`
        of a step are merged.
        """
        floor = (box.low[L2] + 1, box.low[L1] + 1)
        space = build_space(
            self.network, box.setting(self.caps), cache=self.cache, apart=Footprints(floor, self._grains(box))
        )
        if space.stuck_layer is not None:
            return self._found(space, None)
        corners = fewest_above(corners, CORNERS)
        search = PeakSearch(space, compute_bounds(space), np.array(floor, np.float64), cover, corners, labels)
        return self._found(space, search.run())

    def _grains(self, box: Box) -> tuple[float, float]:
        """Of footprints in L2 and in L1: a few steps across the box, in powers of two of the least."""
        steps = [
            (box.high[level] - box.low[level]) / (STEPS * max(self.grain_bytes, 1)) for level in (L2, L1)
        ]
        wide = [max(self.grain_bytes, 1) * 2.0 ** np.floor(np.log2(max(step, 1.0))) for step in steps]
        return (
            wide[0] if self.grain_bytes or steps[0] > 1 else 0.0,
            wide[1] if self.grain_bytes or steps[1] > 1 else 0.0,
        )

    def ideal(self, box: Box) -> FloatArray:
        """[3] no deployment in the box has less of any objective."""
        space = build_space(self.network, box.setting(self.caps), cache=self.cache)
        if space.stuck_layer is not None:
            return np.full(3, np.inf)
        least = remaining(space, np.eye(space.columns.count))[0][0, :3]
        return np.asarray(least * (1.0 - ROUNDING) + np.array([0.0, 0.0, box.least_bytes]))

    def outline(self, box: Box, cover: Cover, weights: FloatArray | None = None) -> Outline:
        """The hull of the box, sharpest where the cover leaves most, and the deployments that this meets.

        `weights` [k, 3] are looked at first.
        """
        space = build_space(self.network, box.setting(self.caps), cache=self.cache)
        if space.stuck_layer is not None:
            return Outline(Hull(np.zeros((0, 3)), np.zeros(0)), (), cover.corners[:0], cover.corners[:0])
        if weights is None:
            ideal = remaining(space, np.eye(space.columns.count)[:2])[0][0]
            most = remaining(space, np.eye(space.columns.count)[2:3], -1.0)[0][0]
            weights = spread_weights(np.append(ideal, max(float(most[0]), 1.0)))
        hull, met, left = Hull(np.zeros((0, 3)), np.zeros(0)), [], np.inf
        for _ in range(1 + _ROUNDS):
            more, routes = hull_of(space, weights)
            hull = hull.joined(more.raised(box.least_bytes))
            for rows in (routes.distinct(len(weights)).rows, crossings(space, routes, cover)):
                met.append(self.met(space, rows))
                cover = cover.with_points(met[-1].reached)
            corners = np.minimum(cover.corners, [np.inf, np.inf, self.caps.total + 1.0])
            least, which = hull.least(corners)
            size = float(np.prod((corners[which] - least) / cover.reference, axis=1).sum())
            if size <= 0 or size > _CLOSED * left:
                break
            left, weights = size, facing_weights(least, corners[which], cover.reference, _AT_ONCE)
        return Outline(hull, tuple(met), least, corners[which])

    def probe(self, box: Box, width: int, labels: int) -> Found:
        """Some deployments of the box that keep to the caps, by a beam: no bound, but it minds every cap."""
        space = build_space(self.network, box.setting(self.caps), cache=self.cache)
        if space.stuck_layer is not None:
            return self._found(space, None)
        found = self._found(space, explore(space, compute_bounds(space), None, Beam(width, labels)))
        return found.take(found.fits(self.caps))

    def met(self, space: Space, rows: IntArray) -> Found:
        """Deployments by rows of the tables, those that keep to the caps."""
        rows = np.unique(rows, axis=0)
        costs = space.tables.costs[rows].sum(axis=1).reshape(len(rows), space.columns.count)
        found = self._found(space, Paths(costs, rows, True, False, 0, 0))
        return found.take(found.fits(self.caps))

    def _found(self, space: Space, paths: Paths | PeakPaths | None) -> Found:
        layers = len(self.network.layers)
        if paths is None or len(paths.rows) == 0:
            none, decisions = np.zeros((0, 3)), np.zeros((0, layers), np.int64)
            effort = 0 if paths is None else paths.candidates
            return Found(none, none[:, :2], none, none[:, :2], none, decisions, decisions, False, effort)
        moves, rows = space.tables.move[paths.rows], space.tables.row[paths.rows]
        resident = self._resident(moves)
        peaks = peak_bytes(self.network, moves, rows)
        prices = self._prices(moves, rows)
        memory = peaks.sum(axis=1) + resident.sum(axis=1)
        least, least_peaks = _lower_bounds(paths)
        reached = np.concatenate([prices, memory[:, None]], axis=1)
        return Found(
            least,
            least_peaks,
            reached,
            peaks,
            resident,
            moves,
            rows,
            isinstance(paths, PeakPaths) and paths.merged,
            paths.candidates,
        )

    def _prices(self, moves: IntArray, rows: IntArray) -> FloatArray:
        """[n, 2] time and energy of decisions: tables may hold rounded ones."""
        total = np.zeros((len(moves), 2))
        for index, layer in enumerate(self.network.layers):
            for number in np.unique(moves[:, index]):
                users = moves[:, index] == number
                total[users] += layer.moves[number].rows[rows[users, index]][:, [TIME, ENERGY]]
        return total

    def _resident(self, moves: IntArray) -> FloatArray:
        total = np.zeros((len(moves), 3))
        for index, layer in enumerate(self.network.layers):
            for number in np.unique(moves[:, index]):
                total[moves[:, index] == number] += resident_bytes(layer, layer.moves[number])
        return total


def _lower_bounds(paths: Paths | PeakPaths) -> tuple[FloatArray, FloatArray]:
    """(time, energy, memory) [n, 3] less an allowance for rounding, and the peaks [n, 2] in it (L1, L2)."""
    if isinstance(paths, Paths):
        least, peaks = paths.costs[:, :3].copy(), np.zeros((len(paths.costs), 2))
    else:
        least, peaks = paths.sums.copy(), paths.peaks[:, ::-1]
    least[:, 2] += peaks.sum(axis=1)
    least[:, :2] *= 1.0 - ROUNDING
    return least, peaks
