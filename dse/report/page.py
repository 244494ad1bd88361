"""Gathers what the page shows and renders it."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from costmodels.platform import Platform
from costmodels.provenance import WEAK
from dse.explain import Explainer
from dse.explain.energy import EnergyExplanation, explain_energy
from dse.explain.trace import trace_document, write_trace
from dse.output.read import Explored, open_explored
from dse.points import DesignPoint, LayerEstimate
from dse.report.growth import growth_plots, importance_rows
from dse.report.memory_map import KINDS, LevelMap, memory_maps
from dse.report.scatter import Dot, scatters
from dse.report.svg import short
from dse.report.why import COLOURS, Binding, Piece, Reasons, Why, coarse_pieces, pieces_of, reasons


@dataclass(frozen=True)
class LayerRow:
    """A layer of the table. share: of the point's latency. bar: length, relative to the slowest layer."""

    layer: LayerEstimate
    share: float
    bar: float
    pieces: tuple[Piece, ...]
    binding: Binding


@dataclass(frozen=True)
class PointView:
    """A point of front.json with its table, its explanation and maps. trace: link to its timeline or ""."""

    dot: Dot
    figures: Mapping[str, Any]
    rows: tuple[LayerRow, ...]
    why: Why | None
    trace: str
    maps: tuple[LevelMap, ...]


def write_report(directory: Path, traces: bool = False) -> Path:
    """Write report.html from the other files of an explored directory; returns its path.

    traces: write the timelines of its points first, which the page then links. Raises OutputError,
    PlatformError, and ModelError where traces are asked for without a model.
    """
    explored = open_explored(directory)
    path = explored.layout.report
    if traces:
        write_traces(explored)
    handle, fresh = tempfile.mkstemp(dir=directory, prefix=".report.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(render(explored))
    Path(fresh).chmod(explored.layout.front.stat().st_mode)
    Path(fresh).replace(path)
    return path


def write_traces(explored: Explored) -> None:
    """The timelines of the points of front.json. Raises OutputError, ModelError, PlatformError."""
    explainer = Explainer(explored.module, explored.platform)
    for dot in dots_of(explored):
        if dot.listed:
            path = explored.layout.trace(dot.id)
            path.parent.mkdir(exist_ok=True)
            write_trace(path, trace_document(explainer, dot.point))


def render(explored: Explored) -> str:
    """The page."""
    environment = Environment(
        loader=PackageLoader("dse"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["short"] = short
    why = reasons(explored)
    return environment.get_template("report.html.j2").render(
        front=explored.front,
        run=explored.run,
        platform=explored.platform,
        how=Counter(fact.how for fact in explored.platform.facts).most_common(),
        weak=WEAK,
        kinds=KINDS,
        scatters=scatters(dots_of(explored)),
        points=point_views(explored, why),
        groups=COLOURS,
        unexplained=why.missing,
        notes=explored.run["notes"],
        baselines=explored.baselines,
        growth=growth_plots(explored.history),
        importances=importance_rows(explored.run),
        energy=energy_of_knee(explored, why),
    )


def energy_of_knee(explored: Explored, why: Reasons) -> EnergyExplanation | None:
    """Where the energy of the knee goes; None where no point is one, or nothing can be explained."""
    knees = [dot.point for dot in dots_of(explored) if dot.listed and dot.knee]
    if not knees or why.explainer is None:
        return None
    return explain_energy(why.explainer.module, explored.platform, why.explainer.priced(knees[0]))


def dots_of(explored: Explored) -> tuple[Dot, ...]:
    """Every point that was met, those of front.json marked."""
    listed = {row["id"]: bool(row["knee"]) for row in explored.front["points"]}
    return tuple(
        Dot(name, point, name in listed, listed.get(name, False)) for name, point in explored.points.items()
    )


def point_views(explored: Explored, why: Reasons) -> tuple[PointView, ...]:
    """The points of front.json, the knee first."""
    figures = {row["id"]: row for row in explored.front["points"]}
    capacities = _capacities(explored.platform)
    views = []
    for dot in dots_of(explored):
        if dot.listed:
            reason = why.of(dot.point)
            maps = memory_maps(dot.point.deployment, capacities)
            trace = explored.layout.trace(dot.id)
            link = trace.relative_to(explored.layout.root).as_posix() if trace.is_file() else ""
            rows = layer_rows(dot.point, reason)
            views.append(PointView(dot, figures[dot.id], rows, reason, link, maps))
    return tuple(sorted(views, key=lambda view: not view.dot.knee))


def layer_rows(point: DesignPoint, why: Why | None = None) -> tuple[LayerRow, ...]:
    """The table's rows; without an explanation of the very price they show the price's coarse causes."""
    total = sum(layer.cycles for layer in point.layers) or 1.0
    slowest = max((layer.cycles for layer in point.layers), default=1.0) or 1.0
    fine = why is not None and not why.explanation.repriced
    return tuple(
        LayerRow(
            layer,
            layer.cycles / total,
            layer.cycles / slowest,
            pieces_of(why.explanation.layers[k].causes) if why and fine else coarse_pieces(layer),
            why.binding[k] if why and fine else Binding(layer.binding),
        )
        for k, layer in enumerate(point.layers)
    )


def _capacities(platform: Platform) -> dict[str, int]:
    return {level.name: level.usable_bytes for level in platform.levels}
