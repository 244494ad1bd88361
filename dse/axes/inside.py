"""Axes that are solved inside: enumerated for every layer, priced, pruned, composed exactly."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from compiler.deployment import L3
from dse.axes.base import INSIDE
from dse.options import LayerOptions


@dataclass(frozen=True)
class InsideAxis(ABC):
    """An axis of which every layer (or tensor) has its own value."""

    name: ClassVar[str]
    decides: ClassVar[str]
    effect: ClassVar[str]
    scope: ClassVar[str] = "layer"
    solved: ClassVar[str] = INSIDE
    pins: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def alternatives(self, layer: LayerOptions) -> int:
        """How many values are looked at for this layer; 1 where it has no choice, 0 without an option."""


def _distinct(values: Iterable[object]) -> int:
    return len(set(values))


@dataclass(frozen=True)
class Tiling(InsideAxis):
    """The size of a tile along every dimension of the layer's space."""

    name = "tiling"
    decides = "size of a tile along every dimension; reduction dimensions too"
    effect = "sets L1 bytes, number and shape of transfers, kernel time, all by exact closed forms"
    pins = ("tile",)

    def alternatives(self, layer: LayerOptions) -> int:
        tiles = [c.grid.tiles for c in layer.sets]
        return len(np.unique(np.concatenate(tiles), axis=0)) if tiles else 0


@dataclass(frozen=True)
class LoopOrder(InsideAxis):
    """The order of the loops over tiles."""

    name = "order"
    decides = "order of the loops over tiles, outermost first"
    effect = "sets how often each stream is fetched again, and when"
    pins = ("order",)

    def alternatives(self, layer: LayerOptions) -> int:
        return _distinct(c.order for c in layer.sets)


@dataclass(frozen=True)
class EngineAxis(InsideAxis):
    """The engine that runs the layer."""

    name = "engine"
    decides = "cluster or NPU"
    effect = "sets kernel time and energy, the packing of weights, and where weights may be read"
    pins = ("engine",)

    def alternatives(self, layer: LayerOptions) -> int:
        return _distinct(c.engine for c in layer.sets)


@dataclass(frozen=True)
class CoreSplit(InsideAxis):
    """The dimensions that the cores share."""

    name = "split"
    decides = "dimensions divided over the cores"
    effect = "sets the longest core's share; the quickest is taken for every tiling"
    pins = ("split",)

    def alternatives(self, layer: LayerOptions) -> int:
        return len(layer.space.spec.splits)


@dataclass(frozen=True)
class Buffering(InsideAxis):
    """One or two L1 slots a stream."""

    name = "buffering"
    decides = "one or two L1 slots for every stream of several tiles"
    effect = "two overlap transfers with computing and need twice the L1 bytes"
    pins = ("buffering",)

    def alternatives(self, layer: LayerOptions) -> int:
        return _distinct(mode.buffering for mode in layer.modes)


@dataclass(frozen=True)
class Staging(InsideAxis):
    """How a stream crosses L2 on its way between L3 and L1."""

    name = "staging"
    decides = "through L2 tile by tile, or the whole operand before (after) the layer"
    effect = "whole needs the operand's bytes in L2 and moves it once; tiles need two slots and overlap"

    def alternatives(self, layer: LayerOptions) -> int:
        return _distinct(mode.staging for mode in layer.modes)


@dataclass(frozen=True)
class ActivationHome(InsideAxis):
    """The level where a tensor lives from its producer to its last reader."""

    name = "activation home"
    decides = "L1, L2 or L3 for every activation"
    effect = "couples the layers that write and read it; L1 needs no transfer, L3 no on-chip byte"
    scope = "tensor"
    pins = ("input_home", "output_home")

    def alternatives(self, layer: LayerOptions) -> int:
        return _distinct(option.choice.output for option in layer.options)


@dataclass(frozen=True)
class ParameterHome(InsideAxis):
    """The level where a layer's weights and tables live."""

    name = "parameter home"
    decides = "L1, L2, weight memory (resident for the whole run), or L3 (streamed)"
    effect = "resident bytes are summed over the network under the budget; streamed ones cost time and energy"
    pins = ("params_home",)

    def alternatives(self, layer: LayerOptions) -> int:
        return _distinct(option.choice.params for option in layer.options)


@dataclass(frozen=True)
class PrefetchAxis(InsideAxis):
    """When a layer's parameters leave L3."""

    name = "prefetch"
    decides = "parameters from L3 when the layer starts, or whole, under the layer before"
    effect = "a copy hides under a computing layer; its stage in L2 is occupied during both layers"
    pins = ("prefetch",)

    def alternatives(self, layer: LayerOptions) -> int:
        return 2 if any(option.choice.params == L3 for option in layer.options) else 1


INSIDE_AXES: tuple[InsideAxis, ...] = (
    Tiling(),
    LoopOrder(),
    EngineAxis(),
    CoreSplit(),
    Buffering(),
    Staging(),
    ActivationHome(),
    ParameterHome(),
    PrefetchAxis(),
)
