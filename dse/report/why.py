"""Why a point takes as long as it does, as the page shows it."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from compiler.frontend import ModelError
from costmodels.platform import Platform
from dse.estimate import PREFETCH
from dse.explain import Explainer, Explanation, Share
from dse.explain.layer import GROUPS, Cause, LayerExplanation, bound_text
from dse.output import OutputError
from dse.output.read import Explored
from dse.points import DesignPoint, LayerEstimate
from dse.report.roofline import roofline_chart

COLOURS = (*GROUPS, PREFETCH)
"""Groups of causes that have a colour of their own, in the order of a bar."""
SHADES = 4


@dataclass(frozen=True)
class Piece:
    """A piece of a stacked bar. style: class of its colour. share: of the whole bar."""

    name: str
    cycles: float
    share: float
    style: str


@dataclass(frozen=True)
class Binding:
    """What binds a layer, in words; `title` says how much."""

    words: str
    title: str = ""


@dataclass(frozen=True)
class ResourceRow:
    """A resource in words with its cycles over the whole network."""

    words: str
    share: Share


@dataclass(frozen=True)
class Why:
    """A point's explanation with its drawings."""

    explanation: Explanation
    pieces: tuple[Piece, ...]
    resources: tuple[ResourceRow, ...]
    roofline: Markup | None
    binding: tuple[Binding, ...]


@dataclass(frozen=True)
class Reasons:
    """Explains points of a directory. missing: why it cannot, where the explorer is None."""

    explainer: Explainer | None
    missing: str = ""

    def of(self, point: DesignPoint) -> Why | None:
        """None where the directory's model cannot be read."""
        if self.explainer is None:
            return None
        why, platform = self.explainer.explain(point), self.explainer.platform
        return Why(
            why,
            pieces_of(why.causes),
            tuple(ResourceRow(bound_text(platform, share.resource), share) for share in why.shares),
            roofline_chart(platform, why.layers),
            tuple(_binding(platform, layer) for layer in why.layers),
        )


def reasons(explored: Explored) -> Reasons:
    """Explanations need the model: without it (or with another) the page does without them."""
    try:
        return Reasons(Explainer(explored.module, explored.platform))
    except (OutputError, ModelError) as error:
        return Reasons(None, str(error))


def pieces_of(causes: tuple[Cause, ...]) -> tuple[Piece, ...]:
    """Causes in the order of their groups; a group's causes are shades of its colour."""
    total = sum(cause.cycles for cause in causes) or 1
    order = {group: place for place, group in enumerate(COLOURS)}
    met: dict[str, int] = {}
    pieces = []
    for cause in sorted(causes, key=lambda cause: order.get(cause.group, len(order))):
        shade = met[cause.group] = met.get(cause.group, -1) + 1
        group = cause.group if cause.group in order else "other"
        style = f"c-{group} s{shade % SHADES}"
        if cause.cycles:
            pieces.append(Piece(cause.name, cause.cycles, cause.cycles / total, style))
    return tuple(pieces)


def coarse_pieces(layer: LayerEstimate) -> tuple[Piece, ...]:
    """Causes as a stored price has them."""
    total = layer.cycles or 1.0
    return tuple(
        Piece(name, cycles, cycles / total, f"c-{name if name in COLOURS else 'other'} s0")
        for name, cycles in layer.causes
        if cycles > 0
    )


def _binding(platform: Platform, layer: LayerExplanation) -> Binding:
    gain = layer.shares[0].gain if layer.shares else 0.0
    words = bound_text(platform, layer.bound_by)
    path = f"{100 * layer.bound_share:.0f} % of the longest path"
    return Binding(words, f"{path}; without it the layer would be {100 * gain:.0f} % shorter")
