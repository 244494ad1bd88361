"""The published runs of microLlama on Siracusa as tasks for `dse explore`, and what was found beside them."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAPER = "abstract of arXiv 2408.04413"

OPERATORS = {"conv2d": "linear", "matmul": "attention products"}
"""Plain words for the kinds of operators that dominate."""


@dataclass(frozen=True)
class Published:
    """One published run: `cycles` as its authors count them; `caps` and `pins` are what it had."""

    name: str
    entry: str
    cycles: int
    caps: str
    pins: tuple[str, ...] = ()

    @property
    def slug(self) -> str:
        return self.name.replace(" ", "-").replace(",", "").replace("+", "and")


NO_WEIGHT_MEMORY = "l2=2MiB,l3=0B,wmem_sram=0B,wmem_mram=0B"
WEIGHT_MEMORY = "l2=2MiB,l3=0B,wmem_sram=4MiB,wmem_mram=0B"
CORES = ("*.engine=cluster",)

RUNS = (
    Published("prefill, cores, 8 kB of L1", "prefill", 47_500_000, f"l1=8000B,{NO_WEIGHT_MEMORY}", CORES),
    Published("prefill, cores, 64 kB of L1", "prefill", 35_300_000, f"l1=64000B,{NO_WEIGHT_MEMORY}", CORES),
    Published("prefill, NPU, 64 kB of L1", "prefill", 28_600_000, f"l1=64000B,{NO_WEIGHT_MEMORY}"),
    Published("prefill, NPU + weight memory", "prefill", 28_300_000, f"l1=64000B,{WEIGHT_MEMORY}"),
    Published("decode, NPU", "decode", 857_000, f"l1=64000B,{NO_WEIGHT_MEMORY}"),
    Published("decode, NPU + weight memory", "decode", 780_000, f"l1=64000B,{WEIGHT_MEMORY}"),
)

ENTRIES = {"prefill": (64, 0), "decode": (1, 63)}
"""New tokens and past tokens of an entry."""


@dataclass(frozen=True)
class Found:
    """The fastest explored point of a run."""

    run: Published
    cycles: int
    latency_ms: float
    energy_uj: float
    memory_bytes: int
    peak_bytes: Mapping[str, int]
    engines: Mapping[str, int]
    points: int
    shares: tuple[tuple[str, float], ...]
    """Cycles by kind of operator, largest first."""

    @property
    def speedup(self) -> float:
        return self.run.cycles / self.cycles


def found(run: Published, directory: Path) -> Found:
    """Read what `dse explore` wrote. Raises FileNotFoundError where it wrote nothing."""
    front: dict[str, Any] = json.loads((directory / "front.json").read_text())
    points: Sequence[dict[str, Any]] = front["points"]
    best = points[0]
    return Found(
        run=run,
        cycles=best["latency_cycles"],
        latency_ms=best["latency_ms"],
        energy_uj=best["energy_uj"],
        memory_bytes=best["memory_bytes"],
        peak_bytes=best["peak_bytes"],
        engines=best["engines"],
        points=len(points),
        shares=_shares(directory / "layers.csv", best["id"]),
    )


def _shares(layers: Path, point: str) -> tuple[tuple[str, float], ...]:
    cycles: Counter[str] = Counter()
    with layers.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["point"] == point:
                kind = OPERATORS.get(row["kind"], row["kind"])
                cycles[f"{kind} ({row['engine']})"] += int(row["whole_cycles"])
    return tuple((kind, count / cycles.total()) for kind, count in cycles.most_common())


def table(rows: Sequence[Found]) -> str:
    """Published cycles beside the fastest explored point within the same memories."""
    lines = [
        f"{'':30} {'published':>11} {'explored':>10} {'ratio':>6} {'ms':>7} {'uJ':>7}"
        f" {'L1 B':>7} {'L2 B':>7} {'weight B':>9} {'cores/NPU':>9} {'points':>6}"
    ]
    for row in rows:
        peak = row.peak_bytes
        weights = peak.get("wmem_sram", 0) + peak.get("wmem_mram", 0)
        engines = f"{row.engines['cluster']}/{row.engines['npu']}"
        lines.append(
            f"{row.run.name:30} {row.run.cycles:11,} {row.cycles:10,} {row.speedup:6.2f}"
            f" {row.latency_ms:7.3f} {row.energy_uj:7.1f} {peak['l1']:7} {peak['l2']:7} {weights:9}"
            f" {engines:>9} {row.points:6}"
        )
    return "\n".join(lines)


def explanation(row: Found) -> str:
    """Where the cycles of the explored point go."""
    parts = ", ".join(f"{kind} {share:.0%}" for kind, share in row.shares if share >= 0.03)
    return f"{row.run.name}: {parts}"


def headline(decode: Found) -> str:
    """The decode point, one step behind 63 tokens, beside the paper's abstract: token/s and uJ a token."""
    rate = 1000 / decode.latency_ms
    return (
        f"decode: {rate:.0f} token/s, {decode.energy_uj:.1f} uJ a token (the fastest point);"
        f" published: 340 token/s, 490 uJ ({PAPER})"
    )
