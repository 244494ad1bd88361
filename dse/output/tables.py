"""front.csv and layers.csv, for spreadsheets."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compiler.deployment import LEVELS
from dse.explain import Explainer, Explanation
from dse.explain.energy import EnergyExplanation, explain_energy
from dse.output.explained import energy_columns, layer_columns, network_columns
from dse.output.exploration import Exploration
from dse.points import DesignPoint, LayerEstimate
from dse.search.history import Mark

Row = Mapping[str, Any]


def write_tables(found: Exploration, front_csv: Path, layers_csv: Path) -> None:
    """Both tables of the points of front.json."""
    named = _explained(found)
    _write(front_csv, [_point_row(each, each.name == found.knee_id) for each in named])
    _write(layers_csv, [row for each in named for row in _layer_rows(each)])


@dataclass(frozen=True)
class _Named:
    """A point of front.json, why it takes as long as it does, and where its energy goes."""

    name: str
    point: DesignPoint
    why: Explanation
    energy: EnergyExplanation


def _explained(found: Exploration) -> list[_Named]:
    explainer = Explainer(found.module, found.platform)
    return [
        _Named(
            name,
            point,
            explainer.explain(point),
            explain_energy(found.module, found.platform, explainer.priced(point)),
        )
        for name, point in found.named[: len(found.chosen)]
    ]


def _point_row(each: _Named, knee: bool) -> Row:
    columns = {**network_columns(each.why), **energy_columns(each.energy.causes)}
    return {**_front_row(each.name, each.point, knee), **columns}


def write_history(path: Path, history: Sequence[Mark]) -> None:
    """hypervolume.csv: how the front grew, one row a batch; empty where nothing is known."""
    rows = [
        {
            "trials": mark.trials,
            "seconds": round(mark.seconds, 3),
            "points": mark.points,
            "hypervolume": mark.hypervolume,
            "share": mark.share,
        }
        for mark in history
    ]
    _write(path, rows)


def _write(path: Path, rows: Sequence[Row]) -> None:
    """Columns are the union of the rows', in order of appearance; what a row lacks is 0."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval=0, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _front_row(name: str, point: DesignPoint, knee: bool) -> Row:
    peaks, engines = dict(point.peak_bytes), dict(point.engines)
    return {
        "id": name,
        "latency_ms": point.latency_ms,
        "latency_cycles": point.latency_cycles,
        "energy_uj": point.energy_uj,
        "memory_bytes": point.memory_bytes,
        **{f"peak_{level}_bytes": peaks.get(level, 0) for level in LEVELS},
        "boot_bytes": point.boot_bytes,
        "boot_ms": point.boot_ms,
        "macs": point.macs,
        **{f"layers_{engine}": count for engine, count in sorted(engines.items())},
        "operating_point": point.deployment.operating_point,
        "knee": int(knee),
        "source": point.source,
    }


def _layer_rows(each: _Named) -> Iterable[Row]:
    layers = each.point.layers
    total = sum(layer.cycles for layer in layers)
    reasons = zip(each.why.layers, each.energy.layers, strict=True)
    for index, (layer, (explained, (_, terms))) in enumerate(zip(layers, reasons, strict=True)):
        place = {"point": each.name, "index": index}
        yield {**place, **layer_row(layer, total), **layer_columns(explained), **energy_columns(terms)}


def layer_row(layer: LayerEstimate, total_cycles: float) -> Row:
    """One layer, flat: its decisions, figures, share of the latency, cycles by cause, traffic by link."""
    return {
        "layer": layer.name,
        "kind": layer.kind,
        "segment": layer.segment,
        "engine": layer.engine,
        "tile": layer.tile,
        "order": layer.order,
        "split": layer.split,
        "buffering": layer.buffering,
        "homes": layer.homes,
        "cycles": layer.cycles,
        "share": layer.cycles / total_cycles if total_cycles else 0.0,
        "binding": layer.binding,
        "energy_uj": layer.energy_uj,
        "macs": layer.macs,
        "calls": layer.calls,
        "l1_bytes": layer.l1_bytes,
        **{f"cycles_{cause}": cycles for cause, cycles in layer.causes},
        **{
            f"{link}_{what}": value
            for link, *values in layer.links
            for what, value in zip(("transfers", "lines", "bytes"), values, strict=True)
        },
    }
