"""Energy of a design point: its causes, which add up, and how well what they rest on is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.counts import prefetch_counts
from compiler.ir import Module
from costmodels.facts import Fact
from costmodels.ledger import EnergyTerm, energy_terms
from costmodels.platform import OperatingPoint, Platform
from costmodels.provenance import WEAK, facts_of, weakest
from dse.estimate import PREFETCH, PlannedLayer, layer_work, planned_layers
from dse.points import DesignPoint, LayerEstimate


@dataclass(frozen=True)
class EnergyCause:
    """A cause over all layers. share: of the whole energy. facts: what it rests on. how: the weakest one is
    known.
    """

    name: str
    uj: float
    share: float
    how: str
    facts: tuple[Fact, ...]

    @property
    def is_weak(self) -> bool:
        """Whether anything that it rests on can be cited nowhere."""
        return self.how in WEAK


@dataclass(frozen=True)
class EnergyExplanation:
    """A network's energy at today's price. causes add up to `uj`; layers: (name, its causes)."""

    uj: float
    causes: tuple[EnergyCause, ...]
    layers: tuple[tuple[str, tuple[EnergyTerm, ...]], ...]

    @property
    def weak_share(self) -> float:
        """Share of the energy that rests on figures that are recalled or assumed."""
        return sum(cause.share for cause in self.causes if cause.is_weak)


def explain_energy(module: Module, platform: Platform, point: DesignPoint) -> EnergyExplanation:
    """Where the energy of one design point goes; its price must be the model's (`Explainer.priced`)."""
    at = platform.point(point.deployment.operating_point)
    planned = planned_layers(module.main, point.deployment)
    layers = tuple(
        (layer.name, _terms(platform, at, each, layer))
        for each, layer in zip(planned, point.layers, strict=True)
    )
    total = sum(term.uj for _, terms in layers for term in terms)
    return EnergyExplanation(
        total, _causes(platform, [t for _, terms in layers for t in terms], total), layers
    )


def _terms(
    platform: Platform, at: OperatingPoint, planned: PlannedLayer, layer: LayerEstimate
) -> tuple[EnergyTerm, ...]:
    """One layer, with the copies that it starts and the cycles that it waits for earlier ones."""
    started = [prefetch_counts(planned.graph, op, plan) for op, plan in planned.prefetches]
    copies = [(link, count.bytes) for counts in started for link, count in counts.links]
    waited = dict(layer.causes).get(PREFETCH, 0.0)
    return energy_terms(platform, layer_work(planned)[0], at, copies, waited)


def _causes(platform: Platform, terms: Sequence[EnergyTerm], total: float) -> tuple[EnergyCause, ...]:
    """Sums by name, the largest first."""
    sums: dict[str, float] = {}
    keys: dict[str, dict[str, None]] = {}
    for term in terms:
        sums[term.name] = sums.get(term.name, 0.0) + term.uj
        keys.setdefault(term.name, {}).update(dict.fromkeys(term.keys))
    causes = []
    for name, uj in sums.items():
        facts = facts_of(platform, keys[name])
        causes.append(EnergyCause(name, uj, uj / (total or 1.0), weakest(facts), facts))
    return tuple(sorted(causes, key=lambda cause: -cause.uj))
