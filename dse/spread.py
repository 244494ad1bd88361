"""Which points of an inner front are worth realising."""

from __future__ import annotations

import numpy as np

from dse.front.choose import greedy
from dse.solver.pareto import FloatArray

# Rounding of a sum of times, so that position 1 admits the slowest point itself.
_ROUNDING = 1e-12
_MARGIN = 1.1
_LOOKED_AT = 60


def asked_for(objectives: FloatArray, position: float) -> int:
    """The point of a front [n, d], sorted by time, that a position in [0, 1] stands for.

    An epsilon-constraint on time, linear between the least and the largest: of the points that keep to it the
    one with the least energy, the quickest of several.
    """
    time = objectives[:, 0]
    cap = time[0] + position * (time[-1] - time[0])
    inside = np.flatnonzero(time <= cap * (1 + _ROUNDING))
    return int(inside[np.lexsort((inside, objectives[inside, 1]))[0]]) if position > 0 else 0


def position_of(objectives: FloatArray, index: int) -> float:
    """Where a point lies between the least and the largest time of its front: the position that bounds it."""
    time = objectives[:, 0]
    span = float(time[-1] - time[0])
    return float(time[index] - time[0]) / span if span > 0 else 0.0


def spread(objectives: FloatArray, first: int, count: int) -> list[int]:
    """Up to `count` other points of a front [n, d], ascending: the best in each objective, then greedily what
    adds most hypervolume beside them and `first`."""
    return sorted(_spread(objectives, first, count))


def _spread(objectives: FloatArray, first: int, count: int) -> list[int]:
    ends = [int(np.lexsort((objectives.sum(axis=1), column))[0]) for column in objectives.T]
    kept = list(dict.fromkeys([first, *ends]))
    if len(objectives) <= count + 1:
        return [k for k in range(len(objectives)) if k != first]
    evenly = np.unique(np.linspace(0, len(objectives) - 1, _LOOKED_AT).astype(int)).tolist()
    looked_at = list(dict.fromkeys([*kept, *evenly]))
    worst = objectives.max(axis=0)
    reference = np.where(worst > 0, worst * _MARGIN, 1.0)
    chosen = greedy(objectives[looked_at], reference, list(range(len(kept))), max(count + 1, len(kept)))
    return [looked_at[k] for k in chosen if looked_at[k] != first][:count]
