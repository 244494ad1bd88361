"""Cores that run kernels of ours, whose loops are counted piece by piece: what a call costs beside them."""

from __future__ import annotations

from dataclasses import dataclass, field

from costmodels.energy import EnginePower
from costmodels.facts import POSITIVE
from costmodels.work import KernelSpec


@dataclass(frozen=True)
class CountedEngine:
    """Cores that run one kernel together, fork to join.

    kernels: a record of cost records, by the names of the vocabulary (`costmodels.work.KernelSpec`).
    call_cycles: arguments and tile bookkeeping on the controlling core, per call, and axis_cycles more for
    each axis of the tiles (dimensions of several elements, three at most); double_cycles more where tiles are
    double-buffered (the next tile's ranges, which of two slots); fork_cycles and barrier_cycles:
    starting and joining the cores, whatever their number; fork_core_cycles: more for each core beyond the
    first.
    """

    name: str
    kind: str
    clock: str
    cores: int = field(metadata=POSITIVE)
    call_cycles: float
    axis_cycles: float
    fork_cycles: float
    fork_core_cycles: float
    barrier_cycles: float
    kernels: object
    power: EnginePower
    double_cycles: float = 0.0

    @property
    def forked_cycles(self) -> float:
        """Cycles to start and join all cores."""
        return self.fork_cycles + self.barrier_cycles + self.fork_core_cycles * (self.cores - 1)

    @property
    def late_cycles(self) -> float:
        """By how much the first core, which starts the others, begins later than they do."""
        return self.fork_core_cycles * (self.cores - 1)

    def overhead_of(self, spec: KernelSpec, buffering: int) -> float:
        """Cycles of one call beyond the kernel itself."""
        axes = min(sum(extent > 1 for _, extent in spec.dims), 3)
        doubled = self.double_cycles if buffering == 2 else 0.0
        return self.call_cycles + self.axis_cycles * axes + doubled + self.forked_cycles
