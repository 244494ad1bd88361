"""Pairs of deployments under one assignment: estimated all at once, then placed in one memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from compiler.deployment import LEVELS, Deployment
from compiler.memory import DoesNotFit
from compiler.schedule import LevelCapacities, place_together
from compiler.schedule.pair import RESIDENT
from dse.limits import Limits, limits_of
from dse.pairs.points import COLUMNS, PairPoint
from dse.pairs.task import PairTask
from dse.points import DesignPoint
from dse.solver.pareto import FloatArray, IntArray


@dataclass(frozen=True)
class Met:
    """Deployments of both graphs that agree on one assignment, each on its own."""

    assignment: int
    prefill: tuple[DesignPoint, ...]
    decode: tuple[DesignPoint, ...]


def estimates(task: PairTask, met: Met) -> FloatArray:
    """[prefill, decode, columns]: what each pair costs, in the columns of the task's objectives.

    Memory is a lower bound: each graph's own peak beside the parameters that only the other one has.
    """
    before, behind = task.runs
    first = np.array([(p.latency_ms, p.energy_uj) for p in met.prefill])[:, None, :]
    later = np.array([(d.latency_ms, d.energy_uj) for d in met.decode])[None, :, :]
    energy = (first[..., 1] + (before + behind) * later[..., 1]) / task.tokens.generated
    figures = {
        "first_token_ms": first[..., 0] + before * later[..., 0],
        "token_ms": np.broadcast_to(later[..., 0], energy.shape),
        "token_uj": energy,
        "memory_bytes": _memory(task, met),
    }
    wanted = [name for objective in task.decode.objectives for name in COLUMNS[objective]]
    return np.stack([figures[name] for name in wanted], axis=-1)


def _memory(task: PairTask, met: Met) -> FloatArray:
    """[prefill, decode] bytes of the on-chip levels."""
    limits, layers = limits_of(task.decode), task.shared.layers
    sides = (
        _Side.of(limits, met.prefill, frozenset(each.prefill for each in layers)),
        _Side.of(limits, met.decode, frozenset(each.decode for each in layers)),
    )
    first, second = sides
    need = np.maximum(first.peak[:, None] + second.own[None], second.peak[None] + first.own[:, None])
    return np.asarray(need.sum(axis=-1), np.float64)


@dataclass(frozen=True, eq=False)
class _Side:
    """[points, on-chip levels] bytes: peaks, and resident parameters that only this graph has."""

    peak: FloatArray
    own: FloatArray

    @classmethod
    def of(cls, limits: Limits, points: Sequence[DesignPoint], shared: frozenset[str]) -> _Side:
        levels = limits.on_chip_levels
        peak = [[p.deployment.peak_bytes(level) for level in levels] for p in points]
        own = [[_unshared(p.deployment, level, shared) for level in levels] for p in points]
        return cls(np.array(peak, np.float64), np.array(own, np.float64))


def _unshared(deployment: Deployment, level: str, shared: frozenset[str]) -> int:
    return sum(
        b.bytes
        for b in deployment.buffers
        if b.level == level and b.name.startswith(RESIDENT) and b.name[2:] not in shared
    )


@dataclass(frozen=True)
class Placer:
    """Puts pairs into one memory within the task's limits."""

    task: PairTask
    limits: Limits

    def pair(self, prefill: DesignPoint, decode: DesignPoint, assignment: int) -> PairPoint | DoesNotFit:
        """The pair with its addresses, or the level that overflows."""
        capacities = LevelCapacities(self.limits.capacities, 0)
        found = place_together(prefill.deployment, decode.deployment, self.task.shared, capacities)
        if isinstance(found, DoesNotFit):
            return found
        memory = sum(size for level, size in found.peak_bytes if level in self.limits.on_chip_levels)
        if memory > self.limits.on_chip_bytes:
            return DoesNotFit("on_chip", memory, self.limits.on_chip_bytes, (), False)
        return PairPoint(
            prefill=self._placed(prefill, found.prefill),
            decode=self._placed(decode, found.decode),
            runs=self.task.runs,
            generated=self.task.tokens.generated,
            peak_bytes=found.peak_bytes,
            memory_bytes=memory,
            resident_bytes=found.resident_bytes,
            shared_layers=len(found.agreed),
            assignment=assignment,
        )

    def _placed(self, point: DesignPoint, deployment: Deployment) -> DesignPoint:
        """The same at its addresses in the pair; peaks are those that it reaches there."""
        peaks: Mapping[str, int] = {level: deployment.peak_bytes(level) for level in LEVELS}
        memory = sum(peaks[level] for level in self.limits.on_chip_levels)
        return replace(
            point,
            deployment=deployment,
            peak_bytes=tuple(peaks.items()),
            memory_bytes=memory,
            source="solver",
        )


def scattered(rows: FloatArray, first: Sequence[int], count: int) -> IntArray:
    """`count` of the rows [n, d], n > 0: `first`, then always the one farthest from all chosen.

    Distance in the logarithms of the figures, each scaled to [0, 1] (Gonzalez, "Clustering to minimize the
    maximum intercluster distance", 1985). Ascending.
    """
    if len(rows) <= count:
        return np.arange(len(rows))
    logs = np.log(np.maximum(rows, np.finfo(float).tiny))
    span = np.ptp(logs, axis=0)
    unit = (logs - logs.min(axis=0)) / np.where(span > 0, span, 1.0)
    chosen = list(dict.fromkeys(first))[:count] or [0]
    distance = np.min([np.square(unit - unit[k]).sum(axis=1) for k in chosen], axis=0)
    while len(chosen) < count:
        chosen.append(int(np.argmax(distance)))
        distance = np.minimum(distance, np.square(unit - unit[chosen[-1]]).sum(axis=1))
    return np.sort(np.array(chosen, np.int64))


def ends_of(rows: FloatArray) -> list[int]:
    """The knee: the least sum of scaled figures. Then the best row of each column: of those within a
    thousandth of its span, the one with the least sum."""
    span = np.ptp(rows, axis=0)
    scaled = (rows - rows.min(axis=0)) / np.where(span > 0, span, 1.0)
    total = scaled.sum(axis=1)
    return [int(np.argmin(total)), *(int(np.lexsort((total, column > _TIE))[0]) for column in scaled.T)]


_TIE = 1e-3
