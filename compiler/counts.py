"""Counts of a program: kernel calls, MACs, transfers, lines and bytes by link."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from compiler.ir import TileCall
from compiler.program import LayerProgram, Transfer
from costmodels.work import KernelSpec


@dataclass(frozen=True)
class LinkCount:
    """Transfers, lines and bytes over one link."""

    transfers: int
    lines: int
    bytes: int


@dataclass(frozen=True)
class Counts:
    """What a layer does, in numbers that the emitted C counts too."""

    calls: int
    macs: int
    npu_jobs: int
    links: tuple[tuple[str, LinkCount], ...]

    @property
    def by_link(self) -> Mapping[str, LinkCount]:
        return dict(self.links)


def total_counts(layers: Iterable[Counts]) -> Counts:
    """Sum over layers."""
    calls = macs = jobs = 0
    links: dict[str, list[int]] = {}
    for layer in layers:
        calls, macs, jobs = calls + layer.calls, macs + layer.macs, jobs + layer.npu_jobs
        for name, link in layer.links:
            row = links.setdefault(name, [0, 0, 0])
            for k, value in enumerate((link.transfers, link.lines, link.bytes)):
                row[k] += value
    return Counts(calls, macs, jobs, tuple((name, LinkCount(*row)) for name, row in sorted(links.items())))


def tile_macs(spec: KernelSpec, call: TileCall) -> int:
    """MACs of one kernel call."""
    return int(spec.macs({name: np.asarray(high - low) for name, low, high in call.box}))


def walk_counts(layer: LayerProgram, spec: KernelSpec) -> Counts:
    """Counts of a layer by walking its program."""
    calls = macs = 0
    links: Counter[tuple[str, str]] = Counter()

    def add(transfers: Iterable[Transfer]) -> None:
        for move in transfers:
            links[move.link, "transfers"] += 1
            links[move.link, "lines"] += move.lines
            links[move.link, "bytes"] += move.bytes

    add(layer.before)
    for step in layer.walk():
        add(step.loads)
        calls += 1
        macs += tile_macs(spec, step.call.call)
        add(step.stores)
    add(layer.after)
    rows = tuple(
        (name, LinkCount(links[name, "transfers"], links[name, "lines"], links[name, "bytes"]))
        for name in sorted({name for name, _ in links})
    )
    return Counts(calls, macs, calls if layer.engine == "npu" else 0, rows)
