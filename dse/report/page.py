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
from dse.output.read import Explored, open_explored
from dse.points import DesignPoint, LayerEstimate
from dse.report.growth import growth_plots, importance_rows
from dse.report.memory_map import KINDS, LevelMap, memory_maps
from dse.report.scatter import Dot, scatters
from dse.report.svg import short


@dataclass(frozen=True)
class LayerRow:
    """A layer of the table. share: of the point's latency. causes: (cause, cycles, share of the layer)."""

    layer: LayerEstimate
    share: float
    bar: float
    causes: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class PointView:
    """A point of front.json with its table and its maps."""

    dot: Dot
    figures: Mapping[str, Any]
    rows: tuple[LayerRow, ...]
    maps: tuple[LevelMap, ...]


def write_report(directory: Path) -> Path:
    """Write report.html from the other files of an explored directory; returns its path.

    Raises OutputError, PlatformError.
    """
    explored = open_explored(directory)
    path = explored.layout.report
    handle, fresh = tempfile.mkstemp(dir=directory, prefix=".report.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(render(explored))
    Path(fresh).chmod(explored.layout.front.stat().st_mode)
    Path(fresh).replace(path)
    return path


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
    return environment.get_template("report.html.j2").render(
        front=explored.front,
        run=explored.run,
        platform=explored.platform,
        how=Counter(fact.how for fact in explored.platform.facts).most_common(),
        weak=WEAK,
        kinds=KINDS,
        scatters=scatters(dots_of(explored)),
        points=point_views(explored),
        notes=explored.run["notes"],
        baselines=explored.baselines,
        growth=growth_plots(explored.history),
        importances=importance_rows(explored.run),
    )


def dots_of(explored: Explored) -> tuple[Dot, ...]:
    """Every point that was met, those of front.json marked."""
    listed = {row["id"]: bool(row["knee"]) for row in explored.front["points"]}
    return tuple(
        Dot(name, point, name in listed, listed.get(name, False)) for name, point in explored.points.items()
    )


def point_views(explored: Explored) -> tuple[PointView, ...]:
    """The points of front.json, the knee first."""
    figures = {row["id"]: row for row in explored.front["points"]}
    capacities = _capacities(explored.platform)
    views = [
        PointView(dot, figures[dot.id], layer_rows(dot.point), memory_maps(dot.point.deployment, capacities))
        for dot in dots_of(explored)
        if dot.listed
    ]
    return tuple(sorted(views, key=lambda view: not view.dot.knee))


def layer_rows(point: DesignPoint) -> tuple[LayerRow, ...]:
    """The table's rows; `bar` is relative to the slowest layer."""
    total = sum(layer.cycles for layer in point.layers) or 1.0
    slowest = max((layer.cycles for layer in point.layers), default=1.0) or 1.0
    return tuple(
        LayerRow(
            layer,
            layer.cycles / total,
            layer.cycles / slowest,
            tuple(
                (cause, cycles, cycles / (layer.cycles or 1.0))
                for cause, cycles in layer.causes
                if cycles > 0
            ),
        )
        for layer in point.layers
    )


def _capacities(platform: Platform) -> dict[str, int]:
    return {level.name: level.usable_bytes for level in platform.levels}
