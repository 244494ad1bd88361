"""Axes that Optuna samples: global decisions, each of which rewrites the setting of the inner problem."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar

from compiler.deployment import L2, L3
from dse.axes.base import SAMPLED
from dse.points import Axis, OuterSetting


@dataclass(frozen=True)
class SampledAxis(ABC):
    """An axis with its labels for one task, in order; `choices` is empty where values are continuous."""

    choices: tuple[str, ...] = ()
    name: ClassVar[str]
    decides: ClassVar[str]
    effect: ClassVar[str]
    scope: ClassVar[str] = "network"
    solved: ClassVar[str] = SAMPLED
    pins: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def apply(self, setting: OuterSetting, label: str) -> OuterSetting:
        """The setting with this decision taken. Raises ValueError for a label that cannot be read."""

    @abstractmethod
    def label(self, setting: OuterSetting) -> str:
        """The label that stands for this decision of any setting; a size off the ladder takes the next larger
        rung, or the largest there is. Raises ValueError where the axis has no choices for a size."""

    @property
    def parameter(self) -> Axis:
        """The categorical parameter that Optuna sees."""
        return Axis(self.name, self.choices, self.decides)


def _rung(choices: tuple[str, ...], size: int) -> str:
    """The least size of an ascending ladder that holds `size`, else the largest."""
    if not choices:
        raise ValueError(f"no ladder of sizes to find {size} B on")
    return next((label for label in choices if int(label) >= size), choices[-1])


@dataclass(frozen=True)
class L1Cap(SampledAxis):
    """Bytes of L1 that tiles, tensors at home there and resident weights may use together."""

    name = "l1"
    decides = "cap on L1, so that layers leave room for each other"
    effect = "drops tilings whose slots, with the tensors alive in L1, exceed the cap"

    def apply(self, setting: OuterSetting, label: str) -> OuterSetting:
        return replace(setting, l1_bytes=int(label))

    def label(self, setting: OuterSetting) -> str:
        return _rung(self.choices, setting.l1_bytes)


@dataclass(frozen=True)
class ArenaCap(SampledAxis):
    """Bytes of L2 that live tensors and stages may use at any step."""

    name = "arena"
    decides = "cap on live tensors and stages in L2; the rest may hold weights"
    effect = "drops moves whose stages, with the tensors alive in L2, exceed the cap; weights get the rest"

    def apply(self, setting: OuterSetting, label: str) -> OuterSetting:
        return replace(setting, arena_bytes=int(label))

    def label(self, setting: OuterSetting) -> str:
        return _rung(self.choices, setting.arena_bytes)


@dataclass(frozen=True)
class L1Weights(SampledAxis):
    """Bytes of the L1 cap that are set aside for parameters which stay there."""

    name = "l1_weights"
    decides = "bytes of L1 set aside for resident parameters"
    effect = "lowers the cap on tiles by as much; the sum of parameters at home in L1 stays below it"

    def apply(self, setting: OuterSetting, label: str) -> OuterSetting:
        return replace(setting, l1_weights_bytes=int(label))

    def label(self, setting: OuterSetting) -> str:
        return _rung(self.choices, setting.l1_weights_bytes)


@dataclass(frozen=True)
class OperatingPointAxis(SampledAxis):
    """Voltage and clocks of the platform."""

    name = "operating_point"
    decides = "voltage and clocks"
    effect = "prices every option anew: clocks, dynamic energy, idle power"
    pins = ("operating_point",)

    def apply(self, setting: OuterSetting, label: str) -> OuterSetting:
        return replace(setting, operating_point=label)

    def label(self, setting: OuterSetting) -> str:
        return setting.operating_point


@dataclass(frozen=True)
class FarthestActivations(SampledAxis):
    """The farthest level where activations may live."""

    name = "activations"
    decides = "the farthest level where activations may live"
    effect = "with l3, every tensor may be at home in L3 too, staged through L2 tile by tile or whole"

    def apply(self, setting: OuterSetting, label: str) -> OuterSetting:
        return replace(setting, l3_activations=label == L3)

    def label(self, setting: OuterSetting) -> str:
        return L3 if setting.l3_activations else L2


@dataclass(frozen=True)
class BranchOrder(SampledAxis):
    """The order of the layers, where branches leave a choice."""

    name = "branch_order"
    decides = "which branch runs first: 0 as imported (least live bytes), 1 and 2 branch by branch"
    effect = "permutes the layers, and with them what is alive while each of them runs"

    def apply(self, setting: OuterSetting, label: str) -> OuterSetting:
        return replace(setting, branch_order=int(label))

    def label(self, setting: OuterSetting) -> str:
        return str(setting.branch_order)


@dataclass(frozen=True)
class Fusion(SampledAxis):
    """Which layers run depth-first, in segments."""

    name = "fusion"
    decides = "which layers run depth-first: 0 none; the higher, the less memory and the more fused layers"
    effect = "turns each segment into one layer with moves of its own: stripes, lines or recompute, engines"
    pins = ("fuse",)

    def apply(self, setting: OuterSetting, label: str) -> OuterSetting:
        return replace(setting, fusion=int(label))

    def label(self, setting: OuterSetting) -> str:
        return str(setting.fusion)


@dataclass(frozen=True)
class Position(SampledAxis):
    """Which point of the inner front a trial asks for: a number in [0, 1], continuous."""

    name = "position"
    decides = "which point of the inner front the trial is: 0 the fastest, 1 the other end"
    effect = "an epsilon-constraint on latency, linear between the front's least and largest"

    def apply(self, setting: OuterSetting, label: str) -> OuterSetting:
        return replace(setting, position=float(label))

    def label(self, setting: OuterSetting) -> str:
        return repr(setting.position)


SAMPLED_AXES: tuple[SampledAxis, ...] = (
    L1Cap(),
    ArenaCap(),
    L1Weights(),
    OperatingPointAxis(),
    FarthestActivations(),
    BranchOrder(),
    Fusion(),
    Position(),
)
"""One of each kind, without labels: those depend on the task."""
