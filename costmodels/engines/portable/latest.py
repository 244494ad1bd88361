"""The last of several cores to end, at every place of a tile, summed over the places.

A core's time is a product of what it visits with weights that depend on the channels. Which core is the last
one is decided for every set of channels, so that the time of each that may be it is needed at every place.
Few may: a core that visits less than another in everything ends before it whatever the (positive) weights.
Where only one may be the last, what it visits is summed over the places before it is multiplied.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from costmodels.work import FloatArray, IntArray

BoolArray = npt.NDArray[np.bool_]
BLOCK = 1 << 17
"""Numbers of an intermediate array, so that it stays in a core's cache."""


def latest_summed(visited: FloatArray, tile: IntArray, shares: Sequence[FloatArray]) -> FloatArray:
    """Sums [U, V] over the places of each tile, of the largest product of any core with any share.

    visited: by core and place [Q, cores, E]. tile: of each place, ascending, none left out [E]. shares:
    weights of V sets of channels for the first core, and, if channels are divided, for the last one: one or
    two arrays [Q, V]; two only for what a single core visits.
    """
    first, last = shares[0], shares[-1]
    likely = _may_be_last(visited, np.arange(len(visited))[(np.stack(shares) < 0.0).any(axis=(0, 2))])
    ranked = np.take_along_axis(visited, np.argsort(~likely, axis=0, kind="stable")[None], axis=1)
    counts = likely.sum(axis=0)
    by_count = np.argsort(-counts, kind="stable")
    cores = [ranked[:, k, by_count[: np.count_nonzero(counts > k)]].T for k in range(counts.max())]
    starts = np.flatnonzero(np.diff(tile, prepend=-1))
    table = np.add.reduceat(ranked[:, 0], starts, axis=1).T @ first
    open_ = np.arange(first.shape[1]) if len(cores) > 1 else np.flatnonzero((last > first).any(axis=0))
    step = max(1, BLOCK // len(tile))
    for columns in (open_[low : low + step] for low in range(0, len(open_), step)):
        time = cores[0] @ first[:, columns]
        for rows in cores[1:]:
            np.maximum(time[: len(rows)], rows @ first[:, columns], out=time[: len(rows)])
        if last is not first:
            np.maximum(time, cores[0] @ last[:, columns], out=time)
        table[:, columns] = _summed(time, np.argsort(by_count), starts)
    return np.asarray(table)


def _may_be_last(visited: FloatArray, signed: IntArray) -> BoolArray:
    """[cores, E]: cores whose work no other one exceeds in everything; of equal ones the last.

    signed: rows with a negative weight, in which more may be less.
    """
    rows = np.concatenate([visited, -visited[signed]])
    kept = np.ones(visited.shape[1:], np.bool_)
    for one in range(len(kept)):
        for other in range(len(kept)):
            if one != other:
                kept[one] &= ~(kept[other] & (rows[:, other] >= rows[:, one]).all(axis=0))
    return kept


def _summed(time: FloatArray, row: IntArray, starts: IntArray) -> FloatArray:
    """Sums over the places of each tile; row: of each place, starts: the first place of each tile."""
    number = np.diff(starts, append=len(row))
    total = time[row[starts]]
    for k in range(1, int(number.max())):
        more = np.flatnonzero(number > k)
        total[more] += time[row[starts[more] + k]]
    return total
