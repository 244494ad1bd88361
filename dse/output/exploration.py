"""The noun that the writers write."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.ir import Module
from costmodels.platform import Platform
from dse.front import Quality, quality
from dse.points import Bound, DesignPoint, LeastMemory
from dse.task import Budget, Task


@dataclass(frozen=True)
class Exploration:
    """What was asked and what was found.

    points: every mutually non-dominated point, sorted by latency. chosen: indices of those for front.json,
    ascending. knee: one of these. trials: of the whole study. least: memory that the network needs at least.
    """

    task: Task
    points: tuple[DesignPoint, ...]
    chosen: tuple[int, ...]
    knee: int
    trials: int
    bound: Bound | None
    least: tuple[LeastMemory, ...] = ()

    @property
    def module(self) -> Module:
        return self.task.module

    @property
    def platform(self) -> Platform:
        return self.task.platform

    @property
    def budget(self) -> Budget:
        return self.task.budget

    @property
    def front(self) -> tuple[DesignPoint, ...]:
        """The chosen points."""
        return tuple(self.points[index] for index in self.chosen)

    @property
    def named(self) -> tuple[tuple[str, DesignPoint], ...]:
        """All points with their ids, which count from "000": first the chosen ones, then the others.

        So an id of front.json and the same id of front_all.jsonl mean the same point.
        """
        picked = set(self.chosen)
        others = (index for index in range(len(self.points)) if index not in picked)
        return tuple((f"{k:03d}", self.points[index]) for k, index in enumerate((*self.chosen, *others)))

    @property
    def knee_id(self) -> str:
        return f"{self.chosen.index(self.knee):03d}"

    def quality(self, points: tuple[DesignPoint, ...]) -> Quality:
        """Hypervolume and gap of `points` under this exploration's objectives and bound."""
        return quality(points, self.task.objectives, self.bound)
