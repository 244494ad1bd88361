"""A design point explained: its layers, and their sums."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from compiler.ir import Module
from costmodels.anatomy import dissect
from costmodels.platform import Platform
from costmodels.prefetch import Span
from dse.estimate import Estimator, PlannedLayer, layer_work, planned_layers
from dse.explain.layer import Apart, Cause, LayerExplanation, Share, cycles_by_name, explain_layer, take_apart
from dse.explain.roofline import roofline_of
from dse.explain.rounding import apportion
from dse.points import DesignPoint, LayerEstimate
from dse.task import Budget, Task


@dataclass(frozen=True)
class Explanation:
    """A network. cycles: its latency in whole reference cycles, to which layers and causes add up.

    shares: of every resource, summed over the layers, the one that binds most first; a `gain` is here the
    share of the whole latency. repriced: the point's price was another (of another version of the cost model,
    or invented); what is explained is today's.
    """

    cycles: int
    repriced: bool
    layers: tuple[LayerExplanation, ...]
    causes: tuple[Cause, ...]
    shares: tuple[Share, ...]

    @property
    def by_cause(self) -> dict[str, int]:
        """Whole cycles by the cause's name, the largest first."""
        return cycles_by_name(self.causes)

    @property
    def bound_by(self) -> str:
        """The resource with most of the longest path through all layers."""
        return self.shares[0].resource

    @property
    def busiest(self) -> Share:
        """The resource that works most cycles, overlapped or not."""
        return max(self.shares, key=lambda share: share.busy_cycles)

    @property
    def most_exposed(self) -> Share:
        """The resource of which most cycles show."""
        return max(self.shares, key=lambda share: share.exposed_cycles)


def explain(module: Module, platform: Platform, point: DesignPoint) -> Explanation:
    """Explain one design point."""
    return Explainer(module, platform).explain(point)


@dataclass
class Explainer:
    """Explains points of one exploration; remembers layers, of which points share most."""

    module: Module
    platform: Platform
    _known: dict[object, Apart] = field(default_factory=dict, repr=False)
    _current: Estimator | None = field(default=None, repr=False)

    def explain(self, point: DesignPoint) -> Explanation:
        """Causes, shares and rooflines of a point."""
        priced = self.priced(point)
        pairs = tuple(zip(self.apart(priced), priced.layers, strict=True))
        whole = apportion([layer.cycles for layer in priced.layers], priced.latency_cycles)
        layers = tuple(
            explain_layer(apart, layer, cycles) for (apart, layer), cycles in zip(pairs, whole, strict=True)
        )
        shares, repriced = _sum_of_shares(layers), priced is not point
        return Explanation(priced.latency_cycles, repriced, layers, _causes(layers), shares)

    def priced(self, point: DesignPoint) -> DesignPoint:
        """The point itself where it has the price that the model gives it now, else with that price."""
        now = self._estimator().design_point(point.setting, point.deployment, point.source)
        same = point.latency_cycles == now.latency_cycles and all(
            math.isclose(one.cycles, other.cycles, rel_tol=1e-9, abs_tol=1e-6)
            for one, other in zip(point.layers, now.layers, strict=True)
        )
        return point if same else now

    def apart(self, point: DesignPoint) -> tuple[Apart, ...]:
        """Every layer of a point taken apart; its price must be the model's (`priced`)."""
        planned = planned_layers(self.module.main, point.deployment)
        name = point.deployment.operating_point
        layers = zip(planned, point.layers, self.spans(point), strict=True)
        return tuple(self._apart(name, *layer) for layer in layers)

    def spans(self, point: DesignPoint) -> tuple[Span, ...]:
        """The parts of a point's layers in time, with the copies that they start for later ones."""
        return self._estimator().spans(point.deployment)

    def _apart(self, operating_point: str, planned: PlannedLayer, layer: LayerEstimate, span: Span) -> Apart:
        key = (operating_point, planned.plan, planned.homes, planned.params, layer, span)
        if key not in self._known:
            at = self.platform.point(operating_point)
            work, _ = layer_work(planned)
            roofline = roofline_of(self.platform, at, work.spec, layer)
            copied = sum(copy.elapsed for copy in span.copies)
            self._known[key] = take_apart(dissect(self.platform, work, at), layer, roofline, copied)
        return self._known[key]

    def _estimator(self) -> Estimator:
        if self._current is None:
            self._current = Estimator(Task(self.module, self.platform, Budget(None)))
        return self._current


def _causes(layers: Iterable[LayerExplanation]) -> tuple[Cause, ...]:
    """Sums over the layers by name, the largest first."""
    sums: dict[tuple[str, str, str], int] = {}
    for layer in layers:
        for cause in layer.causes:
            key = cause.name, cause.group, cause.resource
            sums[key] = sums.get(key, 0) + cause.cycles
    found = (Cause(*key, cycles) for key, cycles in sums.items())
    return tuple(sorted(found, key=lambda cause: -cause.cycles))


def _sum_of_shares(layers: tuple[LayerExplanation, ...]) -> tuple[Share, ...]:
    total = sum(layer.cycles for layer in layers) or 1
    sums: dict[str, Share] = {}
    for layer in layers:
        for share in layer.shares:
            known = sums.get(share.resource, Share(share.resource, 0.0, 0, 0.0, 0.0))
            sums[share.resource] = Share(
                share.resource,
                known.busy_cycles + share.busy_cycles,
                known.exposed_cycles + share.exposed_cycles,
                known.binding_cycles + share.binding_cycles,
                known.gain + share.gain * layer.cycles / total,
            )
    return tuple(sorted(sums.values(), key=lambda share: -share.binding_cycles))
