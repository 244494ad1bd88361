"""Common axes of a pair: one value is the operating point and where and how the shared parameters lie."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from compiler.deployment import Deployment
from compiler.schedule import SharedLayer
from dse.task import Pin


@dataclass(frozen=True)
class Blocks:
    """How the parameters of a layer lie: their home, the engine that they are packed for, their tiles."""

    home: str
    engine: str
    tile: tuple[tuple[str, int], ...]

    def pins(self, layer: str) -> tuple[Pin, ...]:
        """The same as decisions that a user could take."""
        tile = ",".join(f"{name}={size}" for name, size in self.tile)
        pins = (Pin(layer, "engine", self.engine), Pin(layer, "params_home", self.home))
        return (*pins, Pin(layer, "tile", tile)) if tile else pins


@dataclass(frozen=True)
class Assignment:
    """One value of the common axes; blocks: of every shared layer, in the order of `Shared.layers`."""

    operating_point: str
    blocks: tuple[Blocks, ...]

    def pins(self, layers: Iterable[str]) -> tuple[Pin, ...]:
        """For one of the graphs, whose shared layers these are."""
        own = (pin for name, blocks in zip(layers, self.blocks, strict=True) for pin in blocks.pins(name))
        return (*own, Pin("*", "operating_point", self.operating_point), Pin("*", "fuse", "off"))


def assignment_of(deployment: Deployment, layers: Iterable[tuple[str, SharedLayer]]) -> Assignment:
    """What a deployment decides about shared layers, given by their names in its graph."""
    plans, homes = deployment.plan_of, deployment.param_home_of
    blocks = (Blocks(homes[name], plans[name].engine, each.tile(plans[name])) for name, each in layers)
    return Assignment(deployment.operating_point, tuple(blocks))
