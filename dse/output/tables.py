"""front.csv and layers.csv, for spreadsheets."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from compiler.deployment import LEVELS
from dse.explain import Explainer, Explanation
from dse.output.explained import layer_columns, network_columns
from dse.output.exploration import Exploration
from dse.points import DesignPoint, LayerEstimate
from dse.search.history import Mark

Row = Mapping[str, Any]


def write_tables(found: Exploration, front_csv: Path, layers_csv: Path) -> None:
    """Both tables of the points of front.json."""
    explainer = Explainer(found.module, found.platform)
    named = [(name, point, explainer.explain(point)) for name, point in found.named[: len(found.chosen)]]
    _write(
        front_csv,
        [
            {**_front_row(name, point, name == found.knee_id), **network_columns(why)}
            for name, point, why in named
        ],
    )
    _write(layers_csv, [row for each in named for row in _layer_rows(*each)])


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


def _layer_rows(name: str, point: DesignPoint, why: Explanation) -> Iterable[Row]:
    total = sum(layer.cycles for layer in point.layers)
    for index, (layer, explained) in enumerate(zip(point.layers, why.layers, strict=True)):
        place = {"point": name, "index": index}
        yield {**place, **layer_row(layer, total), **layer_columns(explained)}


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
