"""Holds emitted C to its prediction: outputs, counts, bytes, and cycles where they mean something."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compiler.targets import RunResult, Target, TargetError, build, run, symbol_sizes
from compiler.targets.build import MAX_HARTS

PLATFORM_OF_TARGET: Mapping[str, str] = {"rv32": "rv32sim"}
"""The platform whose cycles a target measures; elsewhere counted cycles say nothing about the prediction."""

Link = tuple[int, int, int]
"""Transfers, lines, bytes."""


class RunFailed(TargetError):
    """The program did not get to its end, or printed what is no record."""


@dataclass(frozen=True)
class Tally:
    """What one layer did: predicted (cycles in the platform's reference clock), or counted while it ran.

    calls: kernel calls on cores and NPU jobs. macs: on both.
    """

    calls: int
    macs: int
    npu_jobs: int
    links: Mapping[str, Link]
    cycles: float

    @property
    def counts(self) -> tuple[int, int, int, dict[str, Link]]:
        """All that must be equal; cycles are compared, not demanded."""
        return self.calls, self.macs, self.npu_jobs, dict(self.links)


@dataclass(frozen=True)
class Prediction:
    """counts.json of an emitted project. arena_bytes by level; names, kinds and engines of the layers."""

    model: str
    platform: str
    prefix: str
    cores: int
    latency_cycles: int
    arena_bytes: Mapping[str, int]
    layers: tuple[tuple[str, str, str], ...]
    tallies: tuple[Tally, ...]


@dataclass(frozen=True)
class Records:
    """What main.c printed. outputs: (index, whether right, first wrong element or number of elements)."""

    outputs: tuple[tuple[int, bool, int], ...]
    layers: tuple[Tally, ...]
    right: bool


@dataclass(frozen=True)
class Verification:
    """Prediction and reality of one project on one target. linked_bytes: arenas as linked, by level."""

    target: Target
    harts: int
    prediction: Prediction
    records: Records
    linked_bytes: Mapping[str, int]
    seconds: float = field(compare=False)

    @property
    def outputs_equal(self) -> bool:
        return self.records.right and all(right for _, right, _ in self.records.outputs)

    @property
    def counts_equal(self) -> bool:
        """Whether every layer called, multiplied and moved exactly what was predicted."""
        predicted = [tally.counts for tally in self.prediction.tallies]
        return predicted == [tally.counts for tally in self.records.layers]

    @property
    def bytes_equal(self) -> bool:
        """Whether the arenas of the linked file are exactly the deployment's peaks."""
        return dict(self.linked_bytes) == dict(self.prediction.arena_bytes)

    @property
    def right(self) -> bool:
        return self.outputs_equal and self.counts_equal and self.bytes_equal

    @property
    def cycles_comparable(self) -> bool:
        """Whether the target is the modelled platform, with all of its cores."""
        ours = PLATFORM_OF_TARGET.get(self.target) == self.prediction.platform
        return ours and self.harts == self.prediction.cores


def verify(
    project: Path,
    target: Target,
    *,
    harts: int | None = None,
    sanitize: bool = False,
    threads: bool = False,
    timeout_s: float = 600.0,
    out: Path | None = None,
    simulator: str | None = None,
) -> Verification:
    """Build and run an emitted project. harts: by default the platform's cores, at most the target's.
    out: of the linked file; by default in the project's build folder. simulator: as for compiler.targets.run.

    Raises TargetError: no project, no tool, a build that fails, a program that crashes or does not end.
    """
    prediction = read_prediction(project)
    cores = harts or max(1, min(prediction.cores, MAX_HARTS[target]))
    binary = build(project, target, harts=cores, sanitize=sanitize, threads=threads, out=out)
    # Sanitizers put guard zones around arrays, so that their sizes are not the program's.
    plain = build(project, target, harts=cores, threads=threads) if sanitize else binary
    result = run(binary, timeout_s=timeout_s, simulator=simulator)
    return Verification(
        target=target,
        harts=cores,
        prediction=prediction,
        records=parse_records(result),
        linked_bytes=arena_bytes(symbol_sizes(plain.path), prediction),
        seconds=result.seconds,
    )


def build_only(project: Path, target: Target, harts: int | None = None) -> Path:
    """The linked file of an emitted project, for a target that nothing here can run. Raises TargetError."""
    prediction = read_prediction(project)
    cores = harts or max(1, min(prediction.cores, MAX_HARTS[target]))
    return build(project, target, harts=cores).path


def arena_bytes(sizes: Mapping[str, int], prediction: Prediction) -> dict[str, int]:
    """Bytes of every level's arena in a linked file; an arena that is not there has none."""
    return {level: sizes.get(f"{prediction.prefix}_arena_{level}", 0) for level in prediction.arena_bytes}


def read_prediction(project: Path) -> Prediction:
    """The project's counts.json. Raises TargetError where there is none, or one that cannot be read."""
    path = project / "counts.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        layers = data["layers"]
        return Prediction(
            model=data["model"],
            platform=data["platform"],
            prefix=data["prefix"],
            cores=int(data["cores"]),
            latency_cycles=int(data["latency_cycles"]),
            arena_bytes={str(level): int(size) for level, size in data["arena_bytes"].items()},
            layers=tuple((layer["name"], layer["kind"], layer["engine"]) for layer in layers),
            tallies=tuple(_predicted(layer) for layer in layers),
        )
    except (OSError, UnicodeDecodeError) as error:
        raise TargetError(f"{project} is no project that dse emitted: {path.name} cannot be read") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TargetError(f"{path} is damaged ({error}); emit the project again") from error


def _predicted(layer: Mapping[str, Any]) -> Tally:
    links = {str(name): _link(values) for name, values in layer["links"].items()}
    return Tally(
        int(layer["calls"]), int(layer["macs"]), int(layer["npu_jobs"]), links, float(layer["cycles"])
    )


def _link(values: list[Any]) -> Link:
    transfers, lines, bytes_ = map(int, values)
    return transfers, lines, bytes_


def parse_records(result: RunResult) -> Records:
    """The records among what a program printed. Raises RunFailed if it did not get to its end."""
    rows = [line.split() for line in result.stdout.splitlines()]
    endings = [row[1] for row in rows if len(row) == 2 and row[0] == "result"]
    if not endings:
        said = (result.stderr.strip() or result.stdout.strip() or "nothing").splitlines()
        first = next((line for line in said if "rror" in line), said[0])
        raise RunFailed(f"the program ended with {result.exit_code} before its result: {first.strip()[:200]}")
    try:
        outputs = tuple((int(r[1]), r[2] == "ok", int(r[3])) for r in rows if r[:1] == ["output"])
        links = [(int(r[1]), r[2], _link(r[3:6])) for r in rows if r[:1] == ["link"]]
        layers = tuple(_counted(row, links) for row in rows if row[:1] == ["layer"])
    except (IndexError, ValueError, KeyError) as error:
        raise RunFailed(f"the program printed a record that is none: {error}") from error
    return Records(outputs, layers, endings[-1] == "ok" and result.exit_code == 0)


def _counted(row: list[str], links: list[tuple[int, str, Link]]) -> Tally:
    values = {name: int(value) for name, value in zip(row[2::2], row[3::2], strict=True)}
    own = {name: link for layer, name, link in links if layer == int(row[1])}
    # The runtime counts what cores do and what the NPU does apart; a prediction speaks of both together.
    calls, macs = values["calls"] + values["npu_jobs"], values["macs"] + values["npu_macs"]
    return Tally(calls, macs, values["npu_jobs"], own, float(values["cycles"]))
