"""The forward pass with peaks: labels (sums, peak of L2, peak of L1), for fronts that know memory.

Memory is the resident sum plus both peaks. Peaks only grow along the network, so that componentwise dominance
of (sums, peaks) within a state is exact; what a peak must reach in the steps to come counts as reached.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dse.solver.bounds import Bounds, weighted
from dse.solver.corners import Cover
from dse.solver.cut import below_some_corner
from dse.solver.labels import expand, merge_alike, walk_back
from dse.solver.pareto import BoolArray, FloatArray, IntArray, nondominated, nondominated_in_groups
from dse.solver.space import Space

_CROWD = 8  # times the limit: so many labels are merged before they are compared
MEMORY = 2  # the column of a label that sums up all resident parameters


@dataclass(frozen=True, eq=False)
class PeakPaths:
    """Finished labels: `sums` [p, 3] of time, energy, resident bytes, and `peaks` [p, 2] (L2, L1); none is
    dominated in all five. `rows` [p, n] of the tables. `merged`: some labels stand for several, with the
    least of each cost. `candidates` looked at.
    """

    sums: FloatArray
    peaks: FloatArray
    rows: IntArray
    merged: bool
    candidates: int


@dataclass(frozen=True, eq=False)
class _Labels:
    """`sums` [n, c], `peaks` [n, 2] (L2, L1), sorted by state, with parents and table rows."""

    sums: FloatArray
    peaks: FloatArray
    state: IntArray
    parent: IntArray
    row: IntArray

    def take(self, index: IntArray | BoolArray) -> _Labels:
        return _Labels(
            self.sums[index], self.peaks[index], self.state[index], self.parent[index], self.row[index]
        )


@dataclass(frozen=True, eq=False)
class PeakSearch:
    """A space whose tables keep footprints apart, and what bounds its labels.

    `floor` [2] (L2, L1): peaks count at least this. `cover`: what need not be found. `corners` [k, 3]: all of
    what it leaves lies below some of them. More than `limit` labels of a step are merged.
    """

    space: Space
    bounds: Bounds
    floor: FloatArray
    cover: Cover
    corners: FloatArray
    limit: int

    @cached_property
    def ahead(self) -> tuple[FloatArray, ...]:
        """Per step boundary and state the least peaks [s, 2] of the steps to come, each on its own."""
        tables = self.space.tables
        smallest = np.minimum.reduceat(tables.footprints, tables.start, axis=0)
        ahead = np.zeros((self.space.steps[-1].targets, 2))
        result = [ahead]
        for step in reversed(self.space.steps):
            through = np.maximum(step.live_bytes + smallest[step.table], ahead[step.target])
            order = np.argsort(step.source, kind="stable")
            heads, begin = np.unique(step.source[order], return_index=True)
            ahead = np.full((step.sources, 2), np.inf)
            ahead[heads] = np.minimum.reduceat(through[order], begin, axis=0)
            result.append(ahead)
        return tuple(reversed(result))

    @cached_property
    def limits(self) -> FloatArray:
        """[k, w] what weighted objectives must stay below for a corner."""
        return weighted(self.corners, self.bounds.facing)

    def run(self) -> PeakPaths:
        """All completions that a corner does not exclude."""
        zero = np.zeros(1, np.int64)
        labels = _Labels(np.zeros((1, self.space.columns.count)), self.floor[None].copy(), zero, zero, zero)
        trail: list[tuple[IntArray, IntArray]] = []
        merged, candidates = False, 0
        for index in range(len(self.space.steps)):
            labels, seen = self._advance(index, labels)
            candidates += seen
            if len(labels.state) > self.limit:
                merged, labels = True, _merged(labels, self.limit)
            trail.append((labels.parent, labels.row))
        keep = nondominated(np.concatenate([labels.sums[:, :3], labels.peaks], axis=1))
        return PeakPaths(
            labels.sums[keep, :3], labels.peaks[keep], walk_back(trail, keep), merged, candidates
        )

    def _advance(self, index: int, labels: _Labels) -> tuple[_Labels, int]:
        step, tables = self.space.steps[index], self.space.tables
        parts, seen = [labels.take(np.zeros(0, np.int64))], 0
        for transition, parent, row in expand(tables, step, labels.state):
            sums = labels.sums[parent] + tables.costs[row]
            used = step.live_bytes[transition] + tables.footprints[row]
            peaks = np.maximum(labels.peaks[parent], used)
            grown = _Labels(sums, peaks, step.target[transition], parent, row)
            parts.append(self._pruned(index + 1, grown))
            seen += len(row)
        if len(parts) == 2:
            return parts[1], seen
        names = ("sums", "peaks", "state", "parent", "row")
        merged = _Labels(*(np.concatenate([getattr(p, name) for p in parts]) for name in names))
        return merged.take(self._undominated(index + 1, merged)), seen

    def _pruned(self, boundary: int, labels: _Labels) -> _Labels:
        """Without what no cap, no corner and no other label leaves: the cheapest tests first."""
        least, most = self.bounds.least[boundary][labels.state], self.space.columns.caps_bytes
        reached = np.maximum(labels.peaks, self.ahead[boundary][labels.state]).sum(axis=1)
        floors = labels.sums + least
        affordable = (floors[:, 2:] <= most).all(axis=1)
        floors = floors[:, :3]
        floors[:, MEMORY] += reached
        alive = np.flatnonzero(affordable & self.cover.leaves(floors))
        values = weighted(labels.sums[alive], self.bounds.weights)
        values += self.bounds.go[boundary][labels.state[alive]] - (self.bounds.charge + self.bounds.margin)
        values += self.bounds.facing[:, MEMORY] * reached[alive, None]
        labels = labels.take(alive[below_some_corner(values, self.limits)])
        if len(labels.state) > _CROWD * self.limit:
            labels = _merged(labels, _CROWD * self.limit)
        return labels.take(self._undominated(boundary, labels))

    def _undominated(self, boundary: int, labels: _Labels) -> IntArray:
        free = self.space.columns.free - self.bounds.most[boundary][labels.state]
        sums = labels.sums.copy()
        sums[:, 2:] = np.where(np.isfinite(free), np.maximum(sums[:, 2:], free), sums[:, 2:])
        peaks = np.maximum(labels.peaks, self.ahead[boundary][labels.state])
        return nondominated_in_groups(np.concatenate([sums, peaks], axis=1), labels.state)


def _merged(labels: _Labels, limit: int) -> _Labels:
    """At most `limit` labels (or one a state), alike ones in one with the least of each cost."""
    first, costs = merge_alike(np.concatenate([labels.sums, labels.peaks], axis=1), labels.state, limit)
    kept = labels.take(first)
    return _Labels(costs[:, :-2], costs[:, -2:], kept.state, kept.parent, kept.row)
