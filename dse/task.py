"""What is asked for: one exploration, as a frozen value that travels to workers."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.ir import Module
from costmodels.platform import Platform


class TaskError(ValueError):
    """A task that contradicts itself, its model or its platform; one clear line."""


@dataclass(frozen=True)
class Pin:
    """One decision taken by the user: `layer.decision=value`.

    layer: operator name, or "*" for all layers. decision: engine, tile (as "y=8,x=32"), order ("y-x-o"),
    split ("y,x"), buffering (1, 2), input_home, output_home, params_home (level names), operating_point.
    """

    layer: str
    decision: str
    value: str


@dataclass(frozen=True)
class Budget:
    """Caps in bytes: the sum over on-chip levels (None: no cap), and caps by level."""

    on_chip_bytes: int | None
    levels: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Task:
    """One model on one platform under one budget. `effort` scales how many tiles and arenas are tried."""

    module: Module
    platform: Platform
    budget: Budget
    objectives: tuple[str, ...] = ("latency", "energy", "memory")
    pins: tuple[Pin, ...] = ()
    io_home: str = "l2"
    seed: int = 0
