"""front.json and front_all.jsonl of a pair of graphs. Each graph has a directory of its own beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from compiler.deployment import LEVELS
from dse.estimate import boot_ms
from dse.output import Exploration
from dse.output.documents import budget_document
from dse.output.layout import DECODE, PREFILL, SCHEMA
from dse.pairs.points import PairExploration, PairPoint
from dse.points import Bound, DesignPoint, LeastMemory
from dse.task import Task

Plain = dict[str, Any]


def pair_document(found: PairExploration, emitted: frozenset[str]) -> Plain:
    """front.json (schema 1, with `graphs`, `tokens` and `shared`).

    Figures of a point that fronts of one graph have, too, are those of the whole text.
    """
    task = found.task
    graphs = ((PREFILL, task.prefill), (DECODE, task.decode))
    return {
        "schema": SCHEMA,
        "model": {"name": task.decode.module.name, "sha256": task.decode.module.sha256},
        "graphs": {name: _graph(name, own) for name, own in graphs},
        "tokens": {
            "prompt": task.tokens.prompt,
            "generated": task.tokens.generated,
            "prefill_rows": task.prefill_rows,
            "decode_runs": list(task.runs),
        },
        "shared": {
            "layers": [[each.prefill, each.decode] for each in task.shared.layers],
            "caches": [asdict(each) for each in task.shared.caches],
        },
        "platform": task.decode.platform.name,
        "reference_clock_hz": round(task.decode.platform.reference_hz()),
        "budget": budget_document(task.decode.budget),
        "seed": task.decode.seed,
        "trials": found.trials,
        "assignments": found.assignments,
        "objectives": list(task.decode.objectives),
        "points": [
            _listed(name, point, found, name in emitted) for name, point in found.named[: len(found.chosen)]
        ],
        "bound": None if found.bound is None else asdict(found.bound),
    }


def _graph(name: str, task: Task) -> Plain:
    return {"name": task.module.name, "sha256": task.module.sha256, "directory": name}


def pair_summary(point: PairPoint, found: PairExploration) -> Plain:
    """Figures of a pair: of the whole text, then of a token."""
    platform = found.task.decode.platform
    at, runs = platform.point(point.operating_point), sum(point.runs)
    peaks = dict(point.peak_bytes)
    engines = dict(point.prefill.engines)
    for name, layers in point.decode.engines:
        engines[name] = engines.get(name, 0) + layers
    return {
        "latency_ms": point.text_ms,
        "latency_cycles": point.prefill.latency_cycles + runs * point.decode.latency_cycles,
        "energy_uj": point.text_uj,
        "memory_bytes": point.memory_bytes,
        "peak_bytes": {level: peaks.get(level, 0) for level in LEVELS},
        "boot_bytes": point.resident_bytes,
        "boot_ms": boot_ms(platform, at, point.resident_bytes),
        "macs": point.prefill.macs + runs * point.decode.macs,
        "engines": dict(sorted(engines.items())),
        "first_token_ms": point.first_token_ms,
        "us_per_token": point.token_ms * 1e3,
        "tokens_per_s": point.tokens_per_s,
        "uj_per_token": point.token_uj,
        "shared_layers": point.shared_layers,
        "assignment": point.assignment,
    }


def _listed(name: str, point: PairPoint, found: PairExploration, emitted: bool) -> Plain:
    halves = ((PREFILL, point.prefill), (DECODE, point.decode))
    return {
        "id": name,
        **pair_summary(point, found),
        "operating_point": point.operating_point,
        "knee": name == found.knee_id,
        "graphs": {side: _half(side, name, half) for side, half in halves},
        "deployment": None,
        "c": f"points/{name}" if emitted else None,
    }


def _half(side: str, name: str, half: DesignPoint) -> Plain:
    return {
        "latency_ms": half.latency_ms,
        "energy_uj": half.energy_uj,
        "memory_bytes": half.memory_bytes,
        "deployment": f"{side}/points/{name}/deployment.json",
    }


def all_lines(found: PairExploration) -> Iterator[str]:
    """Lines of front_all.jsonl: the figures of every pair."""
    for index, (name, point) in enumerate(found.named):
        row = {"id": name, "in_front": index < len(found.chosen), **pair_summary(point, found)}
        yield json.dumps(row, separators=(",", ":"), allow_nan=False) + "\n"


def half_of(
    found: PairExploration, side: str, bound: Bound | None, least: tuple[LeastMemory, ...]
) -> Exploration:
    """One graph's deployments in the chosen pairs, by the pairs' ids. bound: of this graph alone."""
    return Exploration(
        task=getattr(found.task, side),
        points=tuple(getattr(point, side) for point in found.front),
        chosen=tuple(range(len(found.chosen))),
        knee=found.chosen.index(found.knee),
        trials=found.trials,
        bound=bound,
        least=least,
    )


def write_deployments(root: Path, half: Exploration) -> None:
    """points/<id>/deployment.json under `root`."""
    for name, point in half.named:
        folder = root / "points" / name
        folder.mkdir(parents=True)
        (folder / "deployment.json").write_text(point.deployment.to_json(), encoding="utf-8")
