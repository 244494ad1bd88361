"""Which points of a front are worth emitting: the extremes, the knee, then what adds most hypervolume."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

from dse.front.merge import merge, values
from dse.front.quality import reference_point, volume
from dse.points import DesignPoint
from dse.solver.pareto import FloatArray


def knee(points: Sequence[DesignPoint], objectives: Sequence[str]) -> int:
    """Index of the point farthest below the plane through the extremes, every objective scaled to [0, 1].

    In that scale the plane is sum = constant (the convex hull of individual minima of Das, "On characterizing
    the 'knee' of the Pareto curve", 1999), so the knee has the least sum; the first of several wins.
    Raises ValueError without points.
    """
    return _knee(values(points, objectives))


def choose(points: Sequence[DesignPoint], objectives: Sequence[str], count: int) -> tuple[DesignPoint, ...]:
    """At most `count` points of the front of `points`, sorted by latency; the knee is always one of them.

    Then come the extremes (best in each objective), then greedily what adds most hypervolume. Raises
    ValueError if `count` is not positive.
    """
    if count < 1:
        raise ValueError(f"cannot choose {count} points, at least 1 is needed")
    front = merge(points, objectives)
    if len(front) <= count:
        return front
    rows = values(front, objectives)
    extremes = [int(np.lexsort((rows.sum(axis=1), rows[:, column]))[0]) for column in range(rows.shape[1])]
    first = list(dict.fromkeys([_knee(rows), *extremes]))[:count]
    chosen = greedy(rows, reference_point(front, objectives), first, count)
    return tuple(front[index] for index in sorted(chosen))


def _knee(rows: FloatArray) -> int:
    if len(rows) == 0:
        raise ValueError("no points, so no knee")
    span = np.ptp(rows, axis=0)
    scaled = (rows - rows.min(axis=0)) / np.where(span > 0, span, 1.0)
    return int(np.argmin(scaled.sum(axis=1)))


def greedy(rows: FloatArray, reference: FloatArray, first: list[int], count: int) -> list[int]:
    """`count` of the rows [n, d]: `first`, then greedily what adds most hypervolume up to `reference` [d].

    Lazy: gains only shrink as points are added, so a gain still on top when renewed is the largest.

    Minoux, "Accelerated greedy algorithms for maximizing submodular set functions", 1978.
    """
    chosen = list(first)
    heap = [(-np.inf, index, -1) for index in range(len(rows)) if index not in chosen]
    heapq.heapify(heap)
    while len(chosen) < count:
        _, index, age = heapq.heappop(heap)
        if age == len(chosen):
            chosen.append(index)
        else:
            gain = _gain(rows[chosen], rows[index], reference)
            heapq.heappush(heap, (-gain, index, len(chosen)))
    return chosen


def _gain(chosen: FloatArray, row: FloatArray, reference: FloatArray) -> float:
    """Volume that `row` [d] adds to `chosen` [n, d]: its box without what the chosen ones cover of it."""
    box = float(np.prod(reference - row))
    return box - volume(np.maximum(chosen, row), reference)
