"""Fronts of three objectives as height maps: over a grid of the first two, the least third that is reached.

The running minimum of heights in both directions is what a set of points dominates, so that volumes of
thousands of points, and of what one set dominates beyond another, are a few array operations.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from dse.solver.pareto import FloatArray, nondominated

_LINES = 160
_BLOCK = 256  # lines that a volume is summed up over at once


@dataclass(frozen=True, eq=False)
class Grid:
    """Ascending lines `x` [n], `y` [m] below `reference` [3]; cell (i, j) reaches from its lines to the next,
    the last ones to the reference."""

    x: FloatArray
    y: FloatArray
    reference: FloatArray

    @staticmethod
    def through(points: FloatArray, reference: FloatArray, most: int | None = None) -> Grid:
        """Lines through every point [p, 3] that lies below the reference; with `most`, through evenly many of
        them and always through the first."""
        inside = points[(points < reference).all(axis=1)]
        lines = [np.unique(inside[:, axis]) for axis in range(2)]
        if most is not None:
            lines = [_evenly(line, most) for line in lines]
        return Grid(lines[0], lines[1], reference)

    @property
    def areas(self) -> FloatArray:
        """[n, m] of the cells."""
        width = np.diff(np.append(self.x, self.reference[0]))
        return np.asarray(width[:, None] * np.diff(np.append(self.y, self.reference[1])))

    def heights(self, points: FloatArray) -> FloatArray:
        """[n, m] least third coordinate of a point no larger than the cell's lower corner; at most the
        reference's. A point between lines counts from the line below: volumes are never too small."""
        i = np.maximum(np.searchsorted(self.x, points[:, 0], side="right") - 1, 0)
        j = np.maximum(np.searchsorted(self.y, points[:, 1], side="right") - 1, 0)
        inside = (points < self.reference).all(axis=1)
        heights = np.full((len(self.x), len(self.y)), self.reference[2])
        np.minimum.at(heights, (i[inside], j[inside]), points[inside, 2])
        return np.minimum.accumulate(np.minimum.accumulate(heights, axis=0), axis=1)

    def at(self, heights: FloatArray, points: FloatArray) -> FloatArray:
        """[p] of `points` [p, 3]: the height of the cell that each lies in; infinite before the lines."""
        i = np.searchsorted(self.x, points[:, 0], side="right") - 1
        j = np.searchsorted(self.y, points[:, 1], side="right") - 1
        return np.where((i < 0) | (j < 0), np.inf, heights[i, j])


def _evenly(line: FloatArray, most: int) -> FloatArray:
    index = np.linspace(0, len(line) - 1, min(most, len(line)))
    return line[np.unique(index.astype(np.int64))]


def volume(points: FloatArray, reference: FloatArray) -> float:
    """Hypervolume of `points` [n, 3] up to `reference` [3], exactly."""
    points = points[(points < reference).all(axis=1)]
    if len(points) == 0:
        return 0.0
    points = points[nondominated(points)]
    points = points[np.argsort(points[:, 0], kind="stable")]
    grid, total = Grid.through(points, reference), 0.0
    below = np.zeros((0, 3))
    for begin in range(0, len(grid.x), _BLOCK):
        # Of what came before, only what each line of y has to say: thousands of points take little memory.
        ends = np.append(grid.x, reference[0])[begin : begin + _BLOCK + 1]
        part = Grid(ends[:-1], grid.y, np.array([ends[-1], *reference[1:]]))
        below = np.concatenate([below, points[(points[:, 0] >= ends[0]) & (points[:, 0] < ends[-1])]])
        heights = part.heights(below)
        total += float((part.areas * (reference[2] - heights)).sum())
        below = np.stack([np.full(len(grid.y), ends[0]), grid.y, heights[-1]], axis=1)
    return total


def most_volume(points: FloatArray, reference: FloatArray, count: int, loss: float) -> list[int]:
    """Indices of at most `count` of the points [n, 3], greedily by the volume that they add, until less than
    the share `loss` of all points' volume is missing. Gains only shrink, so that few need to be renewed
    (Minoux, 1978). Where points are many, volumes are those on a grid of `_LINES`."""
    inside = np.flatnonzero((points < reference).all(axis=1))
    if len(inside) == 0:
        return []
    grid = Grid.through(points[inside], reference, _LINES)
    areas, heights = grid.areas, grid.heights(points[:0])
    missing = wanted = float((areas * (reference[2] - grid.heights(points[inside]))).sum())
    heap = [(-np.inf, index, -1) for index in inside.tolist()]
    chosen: list[int] = []
    while heap and len(chosen) < count and missing > loss * wanted:
        gain, index, age = heapq.heappop(heap)
        i = int(np.searchsorted(grid.x, points[index, 0], side="right")) - 1
        j = int(np.searchsorted(grid.y, points[index, 1], side="right")) - 1
        lower = heights[i:, j:] - points[index, 2]
        if age < len(chosen):
            gain = float((areas[i:, j:] * np.maximum(lower, 0.0)).sum())
            heapq.heappush(heap, (-gain, index, len(chosen)))
            continue
        chosen.append(index)
        missing += gain
        heights[i:, j:] -= np.maximum(lower, 0.0)
    return chosen
