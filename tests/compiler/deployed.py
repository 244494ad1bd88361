"""From graphs and decisions to deployments, programs, C projects and what they report."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compiler.codegen import Golden, emit_project
from compiler.counts import Counts, LinkCount
from compiler.deployment import LEVELS, Deployment
from compiler.ir import Graph
from compiler.ir.tensor import IntArray
from compiler.lower import lower
from compiler.ops.engines import npu_blockers
from compiler.program import LayerProgram, Program
from compiler.reference import execute
from compiler.schedule import Decisions, LevelCapacities, deploy
from compiler.targets import Target, build, run
from costmodels.engines.npu import NpuEngine
from costmodels.platform import load_platform
from tests.compiler.networks import Choice, module_of, random_decisions
from tests.compiler.ops.alone import graph_of_one
from tests.compiler.ops.drawn import Case

ROOM = LevelCapacities(dict.fromkeys(LEVELS, 1 << 24))
WEIGHT_MEMORY = ("l2", "l1", "l3", "wmem_sram", "wmem_mram")
PACKINGS = {"neureka": "siracusa", "ne16": "gap9"}


def graph_of(case: Case) -> Graph:
    """A graph of one operator."""
    return graph_of_one(case.op, case.tensors.values())


def inputs_of(case: Case) -> dict[str, IntArray]:
    """Codes of the inputs; those of a state that is updated are random."""
    given = dict(zip(case.op.inputs, case.arrays, strict=True))
    return codes(graph_of(case), 0) | given


def codes(graph: Graph, seed: int) -> dict[str, IntArray]:
    """Random codes for a graph's inputs; those of positions are near 0."""
    rng = np.random.default_rng(seed)
    tensors = [graph.by_name[name] for name in graph.inputs]
    found = {
        t.name: rng.integers(t.dtype.low, t.dtype.high + 1, t.shape).astype(t.dtype.dtype) for t in tensors
    }
    near = {op.inputs[-1] for op in graph if op.updates}
    return found | {name: rng.integers(-2, 12, 1).astype(np.int32) for name in near & found.keys()}


def npu_layers(graph: Graph, packing: str) -> frozenset[str]:
    """Layers that the NPU with this packing may run without changing a bit."""
    engines = load_platform(PACKINGS[packing]).engines
    limits = next(engine.constraints for engine in engines if isinstance(engine, NpuEngine))
    return frozenset(op.name for op in graph if not npu_blockers(op, limits))


def any_choice(graph: Graph, rng: random.Random) -> Choice:
    """Every home, either NPU."""
    packing = rng.choice(sorted(PACKINGS))
    return Choice(npu_layers(graph, packing), packing, param_homes=WEIGHT_MEMORY)


def deployed(
    graph: Graph, decisions: Decisions, capacities: LevelCapacities = ROOM, name: str = "net"
) -> Deployment:
    """A deployment that must fit."""
    found = deploy(module_of(graph, name), "somewhere", "nominal", decisions, capacities)
    assert isinstance(found, Deployment), found
    return found


def any_deployment(graph: Graph, seed: int) -> Deployment:
    """A deployment of random legal decisions."""
    rng = random.Random(seed)
    return deployed(graph, random_decisions(graph, rng, any_choice(graph, rng)))


def layers_of(program: Program) -> tuple[LayerProgram, ...]:
    """The layers of a program without segments."""
    found = tuple(layer for layer in program.layers if isinstance(layer, LayerProgram))
    assert len(found) == len(program.layers)
    return found


def outputs_of(graph: Graph, inputs: Mapping[str, IntArray]) -> dict[str, IntArray]:
    """What the whole-graph reference computes."""
    values = execute(graph, inputs)
    return {name: values[name] for name in graph.outputs}


@dataclass(frozen=True)
class Emitted:
    """A C project with what it was made from."""

    folder: Path
    deployment: Deployment
    program: Program


def emitted(folder: Path, graph: Graph, deployment: Deployment, inputs: Mapping[str, IntArray]) -> Emitted:
    """Write the project of a deployment into a new folder."""
    folder.mkdir(parents=True)
    program = lower(graph, deployment)
    emit_project(folder, graph, deployment, program, Golden(inputs, outputs_of(graph, inputs)))
    return Emitted(folder, deployment, program)


@dataclass(frozen=True)
class Report:
    """What main.c printed: lines of outputs and result, and counts by layer."""

    verdicts: tuple[str, ...]
    counts: tuple[Counts, ...]


def report_of(stdout: str) -> Report:
    """Read the records that main.c prints."""
    rows = [line.split() for line in stdout.splitlines()]
    links: dict[str, list[tuple[str, LinkCount]]] = {}
    for _, layer, link, *numbers in (row for row in rows if row[0] == "link"):
        links.setdefault(layer, []).append((link, LinkCount(*map(int, numbers))))
    layers = []
    for row in (row for row in rows if row[0] == "layer"):
        seen = {key: int(value) for key, value in zip(row[2::2], row[3::2], strict=True)}
        calls, macs = seen["calls"] + seen["npu_jobs"], seen["macs"] + seen["npu_macs"]
        layers.append(Counts(calls, macs, seen["npu_jobs"], tuple(sorted(links.get(row[1], [])))))
    return Report(tuple(" ".join(row) for row in rows if row[0] in ("output", "result")), tuple(layers))


def moved(counts: Iterable[Counts]) -> tuple[Counts, ...]:
    """Counts without links over which nothing went, as the C reports them."""
    return tuple(
        Counts(c.calls, c.macs, c.npu_jobs, tuple((name, link) for name, link in c.links if link.transfers))
        for c in counts
    )


def ran(
    project: Emitted, target: Target, *, harts: int = 1, sanitize: bool = False, lazy: bool = False
) -> Report:
    """Build and run; the program must end well and say nothing on the side."""
    result = run(build(project.folder, target, harts=harts, sanitize=sanitize, lazy=lazy), timeout_s=60)
    assert (result.exit_code, result.stderr) == (0, ""), result.stdout + result.stderr
    return report_of(result.stdout)
