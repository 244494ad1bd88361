"""One layer explained: causes in whole cycles, what binds, who is busy, the roofline."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from costmodels.anatomy import CORE, Anatomy, Term
from costmodels.blame import busy_cycles, causes, gain, path, total_cycles
from costmodels.platform import Platform
from costmodels.prefetch import LINK
from dse.estimate import PREFETCH
from dse.explain.roofline import Roofline
from dse.explain.rounding import apportion
from dse.points import LayerEstimate

GROUPS = ("compute", "setup", "contention", "load", "store", "staging")
"""Columns of a price that an anatomy takes apart."""


@dataclass(frozen=True)
class Cause:
    """Whole cycles with a name. group: the coarse cause of `LayerEstimate.causes` that they are part of."""

    name: str
    group: str
    resource: str
    cycles: int


@dataclass(frozen=True)
class Share:
    """A resource: reference cycles that it works, overlapped or not; that it shows; that it binds.

    gain: share of the layer's cycles that would go if it took no time.
    """

    resource: str
    busy_cycles: float
    exposed_cycles: int
    binding_cycles: float
    gain: float


@dataclass(frozen=True)
class LayerExplanation:
    """Why a layer takes as long as it does. cycles: whole ones; those of all layers add up to the network's.

    causes add up to `cycles`. shares: one for every resource, the one that binds first.
    """

    name: str
    engine: str
    cycles: int
    causes: tuple[Cause, ...]
    shares: tuple[Share, ...]
    roofline: Roofline | None

    @property
    def by_cause(self) -> dict[str, int]:
        """Whole cycles by the cause's name."""
        return cycles_by_name(self.causes)

    @property
    def bound_by(self) -> str:
        """The resource that would have to be faster: it has most of the longest path."""
        return self.shares[0].resource if self.shares else self.engine

    @property
    def bound_share(self) -> float:
        """Its share of the longest path, which is the whole layer."""
        length = sum(share.binding_cycles for share in self.shares)
        return self.shares[0].binding_cycles / length if length else 0.0


@dataclass(frozen=True)
class Apart:
    """A layer taken apart, before its cycles are whole: what does not depend on rounding the network.

    causes: of the anatomy, then what other layers' copies add (`others`, whose causes it does not know).
    """

    anatomy: Anatomy
    causes: tuple[Term, ...]
    others: tuple[Other, ...]
    busy: tuple[tuple[str, float], ...]
    binding: tuple[tuple[str, float], ...]
    gains: tuple[tuple[str, float], ...]
    roofline: Roofline | None


@dataclass(frozen=True)
class Other:
    """Cycles of a price that are not of the layer's own pipeline."""

    name: str
    resource: str
    cycles: float


def take_apart(
    anatomy: Anatomy, layer: LayerEstimate, roofline: Roofline | None, copied_cycles: float = 0.0
) -> Apart:
    """What is to know about a layer. Causes of its price that an anatomy does not know keep their names.

    copied_cycles: of the link from L3, by copies that the layer starts for later ones.
    """
    others = tuple(
        Other(name, LINK if name == PREFETCH else name, cycles)
        for name, cycles in layer.causes
        if name not in GROUPS and cycles
    )
    busy = dict(busy_cycles(anatomy))
    if copied_cycles:
        busy[LINK] = busy.get(LINK, 0.0) + copied_cycles
    binding: dict[str, float] = {}
    for term in path(anatomy):
        binding[term.resource] = binding.get(term.resource, 0.0) + term.cycles
    for other in others:
        binding[other.resource] = binding.get(other.resource, 0.0) + other.cycles
        if other.name != PREFETCH:
            busy[other.resource] = busy.get(other.resource, 0.0) + other.cycles
    names = dict.fromkeys((*busy, *binding))
    gains = tuple((name, _gain(anatomy, others, name)) for name in names)
    own = causes(anatomy)
    return Apart(anatomy, own, others, tuple(busy.items()), tuple(binding.items()), gains, roofline)


def _gain(anatomy: Anatomy, others: tuple[Other, ...], resource: str) -> float:
    """Share of the layer's cycles that would go if a resource took no time."""
    own = total_cycles(anatomy)
    saved = own * gain(anatomy, resource) + sum(o.cycles for o in others if o.resource == resource)
    total = own + sum(other.cycles for other in others)
    return saved / total if total else 0.0


def explain_layer(apart: Apart, layer: LayerEstimate, cycles: int) -> LayerExplanation:
    """The layer in `cycles` whole cycles."""
    terms: list[tuple[str, str, str, float]]
    terms = [(term.cause, term.group, term.resource, term.cycles) for term in apart.causes]
    terms += [(other.name, other.name, other.resource, other.cycles) for other in apart.others]
    whole = apportion([value for *_, value in terms], cycles)
    named = tuple(
        Cause(name, group, resource, part)
        for (name, group, resource, _), part in zip(terms, whole, strict=True)
    )
    return LayerExplanation(layer.name, layer.engine, cycles, named, _shares(apart, named), apart.roofline)


def _shares(apart: Apart, named: tuple[Cause, ...]) -> tuple[Share, ...]:
    busy, binding, gains = dict(apart.busy), dict(apart.binding), dict(apart.gains)
    shares = [
        Share(
            name,
            busy.get(name, 0.0),
            sum(cause.cycles for cause in named if cause.resource == name),
            binding.get(name, 0.0),
            gains[name],
        )
        for name in gains
    ]
    return tuple(sorted(shares, key=lambda share: -share.binding_cycles))


def cycles_by_name(causes: Iterable[Cause]) -> dict[str, int]:
    """Whole cycles by name: a cause may be part of loads and of stores."""
    found: dict[str, int] = {}
    for cause in causes:
        found[cause.name] = found.get(cause.name, 0) + cause.cycles
    return found


def bound_text(platform: Platform, resource: str) -> str:
    """In words: compute-bound on an engine, set-up-bound, DMA- or copy-bound within the chip, L3-bound."""
    if resource in platform.engine_of:
        return f"compute on {resource}"
    if resource == CORE:
        return "set-up"
    link = platform.link_of.get(resource)
    if link is None:
        return resource
    outside = [name for name in (link.from_level, link.to_level) if not platform.level_of[name].on_chip]
    if outside:
        return f"{outside[0].upper()} {resource}"
    return f"{'DMA' if link.asynchronous else 'copy'} {resource}"
