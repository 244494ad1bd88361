"""Points as plain JSON values: front.json, and the lines of front_all.jsonl and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from compiler.deployment import LEVELS, Deployment, deployment_from_json
from dse.output.exploration import Exploration
from dse.output.layout import SCHEMA
from dse.points import DesignPoint, LayerEstimate, OuterSetting
from dse.search.codec import from_plain, to_plain
from dse.task import Budget

Plain = dict[str, Any]
_SCALARS = ("latency_ms", "latency_cycles", "energy_uj", "memory_bytes")


def front_document(found: Exploration, emitted: frozenset[str]) -> Plain:
    """front.json (schema 1): what was asked, the chosen points by latency, the bound. No times.

    `emitted`: ids of the points whose C is written; the others have null for their paths.
    """
    ids = {id(point): name for name, point in found.named}
    return {
        "schema": SCHEMA,
        "model": {"name": found.module.name, "sha256": found.module.sha256},
        "platform": found.platform.name,
        "reference_clock_hz": round(found.platform.reference_hz()),
        "budget": budget_document(found.budget),
        "seed": found.task.seed,
        "trials": found.trials,
        "objectives": list(found.task.objectives),
        "points": [_listed(ids[id(point)], point, found, emitted) for point in found.front],
        "bound": _bound(found),
        "least_memory": [to_plain(least) for least in found.least],
    }


def budget_document(budget: Budget) -> Plain:
    """Caps in bytes: `on_chip` (null: none), and any levels."""
    return {"on_chip": budget.on_chip_bytes, **dict(budget.levels)}


def summary(point: DesignPoint) -> Plain:
    """Figures of a point, in the order of the schema."""
    peaks = dict(point.peak_bytes)
    return {
        **{name: getattr(point, name) for name in _SCALARS},
        "peak_bytes": {level: peaks.get(level, 0) for level in LEVELS},
        "boot_bytes": point.boot_bytes,
        "boot_ms": point.boot_ms,
        "macs": point.macs,
        "engines": dict(sorted(point.engines)),
    }


def _listed(name: str, point: DesignPoint, found: Exploration, emitted: frozenset[str]) -> Plain:
    there = name in emitted
    return {
        "id": name,
        **summary(point),
        "operating_point": point.deployment.operating_point,
        "knee": name == found.knee_id,
        "source": point.source,
        "segments": segments_document(point.deployment),
        "deployment": f"points/{name}/deployment.json" if there else None,
        "c": f"points/{name}" if there else None,
    }


def segments_document(deployment: Deployment) -> list[Plain]:
    """Layers that run depth-first: the first and last of each segment, its stripes and how rows are kept."""
    return [
        {
            "first": deployment.plans[segment.first].operator,
            "last": deployment.plans[segment.last - 1].operator,
            "layers": segment.last - segment.first,
            "rows": segment.rows,
            "mode": segment.mode,
        }
        for segment in deployment.segments
    ]


def _bound(found: Exploration) -> Plain:
    """The bound, and how near front.json's points come to it; `all_points` judges front_all.jsonl."""
    bound, listed, everything = found.bound, found.quality(found.front), found.quality(found.points)
    return {
        "latency_ms": bound and bound.latency_ms,
        "energy_uj": bound and bound.energy_uj,
        "memory_bytes": bound and bound.memory_bytes,
        "reference_point": list(listed.reference_point),
        "hypervolume": listed.hypervolume,
        "hypervolume_gap": listed.gap,
        "all_points": {
            "count": len(found.points),
            "reference_point": list(everything.reference_point),
            "hypervolume": everything.hypervolume,
            "hypervolume_gap": everything.gap,
        },
    }


def point_document(name: str, point: DesignPoint, listed: bool) -> Plain:
    """A line of front_all.jsonl: figures, the coordinating decisions, every layer, the whole deployment."""
    return {
        "id": name,
        "in_front": listed,
        **summary(point),
        "source": point.source,
        "setting": to_plain(point.setting),
        "layers": to_plain(point.layers),
        "deployment": json.loads(point.deployment.to_json()),
    }


def point_of(row: Mapping[str, Any]) -> DesignPoint:
    """The point of a line of front_all.jsonl; raises KeyError, TypeError, ValueError on damaged ones."""
    return DesignPoint(
        **{name: row[name] for name in _SCALARS},
        peak_bytes=tuple(row["peak_bytes"].items()),
        boot_bytes=row["boot_bytes"],
        boot_ms=row["boot_ms"],
        macs=row["macs"],
        engines=tuple(row["engines"].items()),
        source=row["source"],
        setting=from_plain(OuterSetting, row["setting"]),
        deployment=deployment_from_json(json.dumps(row["deployment"])),
        layers=tuple(from_plain(LayerEstimate, layer) for layer in row["layers"]),
    )
