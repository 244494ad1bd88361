"""The points of a pair of graphs, and what was found of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dse.pairs.task import PairTask
from dse.points import DesignPoint
from dse.solver.pareto import FloatArray

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "latency": ("first_token_ms", "token_ms"),
    "energy": ("token_uj",),
    "memory": ("memory_bytes",),
}
"""What the objectives of a task mean for a pair."""

Runs = tuple[int, int]


@dataclass(frozen=True)
class PairPoint:
    """A deployment of each graph, in one memory without colliding; what both share is there once.

    runs: of decode, before the first token is told and behind it. generated: tokens told.
    peak_bytes: of both together, by level. memory_bytes: the sum of its on-chip levels. resident_bytes:
    parameters that stay, those of both once. shared_layers: whose parameters are one block.
    assignment: number of the shared decisions that it comes from.
    """

    prefill: DesignPoint
    decode: DesignPoint
    runs: Runs
    generated: int
    peak_bytes: tuple[tuple[str, int], ...]
    memory_bytes: int
    resident_bytes: int
    shared_layers: int
    assignment: int

    @property
    def first_token_ms(self) -> float:
        """From the prompt to the first token."""
        return self.prefill.latency_ms + self.runs[0] * self.decode.latency_ms

    @property
    def token_ms(self) -> float:
        """Between two tokens."""
        return self.decode.latency_ms

    @property
    def text_ms(self) -> float:
        """From the prompt to the last token."""
        return self.first_token_ms + self.runs[1] * self.token_ms

    @property
    def text_uj(self) -> float:
        """Energy of the whole text."""
        return self.prefill.energy_uj + sum(self.runs) * self.decode.energy_uj

    @property
    def token_uj(self) -> float:
        """Energy of the whole text for each token told."""
        return self.text_uj / self.generated

    @property
    def tokens_per_s(self) -> float:
        """Tokens told in a second, the wait for the first one left out."""
        return 1e3 / self.token_ms

    @property
    def operating_point(self) -> str:
        return self.decode.deployment.operating_point


def columns_of(objectives: Sequence[str]) -> tuple[str, ...]:
    """The names of the figures that objectives mean."""
    return tuple(column for name in objectives for column in COLUMNS[name])


def values(points: Sequence[PairPoint], objectives: Sequence[str]) -> FloatArray:
    """[points, columns]: ms, uJ, bytes."""
    columns = columns_of(objectives)
    rows = [[float(getattr(point, name)) for name in columns] for point in points]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(columns))


def by_time(point: PairPoint) -> tuple[float, ...]:
    """Sorts by time between tokens, then to the first one, energy, memory."""
    return (point.token_ms, point.first_token_ms, point.token_uj, float(point.memory_bytes))


@dataclass(frozen=True)
class PairBound:
    """What no pair of deployments can beat, each figure for itself; None: not known."""

    first_token_ms: float
    token_ms: float
    token_uj: float
    memory_bytes: int


@dataclass(frozen=True)
class PairExploration:
    """What was asked and what was found.

    points: every mutually non-dominated pair, sorted by `by_time`. chosen: indices of those for front.json,
    ascending. knee: one of these. trials: of each graph's search. assignments: shared decisions looked at.
    """

    task: PairTask
    points: tuple[PairPoint, ...]
    chosen: tuple[int, ...]
    knee: int
    trials: int
    assignments: int
    bound: PairBound | None

    @property
    def front(self) -> tuple[PairPoint, ...]:
        """The chosen points."""
        return tuple(self.points[index] for index in self.chosen)

    @property
    def named(self) -> tuple[tuple[str, PairPoint], ...]:
        """All points with their ids, which count from "000": first the chosen ones, then the others."""
        picked = set(self.chosen)
        others = (index for index in range(len(self.points)) if index not in picked)
        return tuple((f"{k:03d}", self.points[index]) for k, index in enumerate((*self.chosen, *others)))

    @property
    def chosen_named(self) -> tuple[tuple[str, PairPoint], ...]:
        """The chosen points with their ids."""
        return self.named[: len(self.chosen)]

    @property
    def knee_id(self) -> str:
        return f"{self.chosen.index(self.knee):03d}"
