"""The non-dominated design points of several sources, without repeats, in one order whatever the input's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from dse.points import OBJECTIVES, DesignPoint
from dse.solver.pareto import FloatArray, nondominated


def values(points: Sequence[DesignPoint], objectives: Sequence[str]) -> FloatArray:
    """Objective values [points, objectives] in ms, uJ, bytes."""
    rows = [[point.objective(name) for name in objectives] for point in points]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(objectives))


def merge(points: Iterable[DesignPoint], objectives: Sequence[str]) -> tuple[DesignPoint, ...]:
    """Mutually non-dominated `points` under `objectives`, sorted by latency, then energy, then memory.

    Of points with equal objectives one survives: the best in the objectives that were not asked for, then
    one from a trial before one that only the solver met, then the first given.
    """
    preferred = sorted(points, key=lambda point: _preference(point, objectives))
    kept = nondominated(values(preferred, objectives)) if preferred else ()
    return tuple(sorted((preferred[index] for index in kept), key=_by_latency))


def _by_latency(point: DesignPoint) -> tuple[float, ...]:
    return (point.latency_ms, point.energy_uj, float(point.memory_bytes))


def _preference(point: DesignPoint, objectives: Sequence[str]) -> tuple[tuple[float, ...], bool]:
    others = [name for name in OBJECTIVES if name not in objectives]
    return tuple(point.objective(name) for name in (*objectives, *others)), point.source != "trial"
