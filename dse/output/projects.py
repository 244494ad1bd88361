"""C projects of points: proven against the reference before a line of C is written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compiler.codegen.project import Golden, c_prefix, emit_project
from compiler.counts import Counts, predict_counts
from compiler.deployment import Deployment
from compiler.ir import Graph
from compiler.ir.tensor import IntArray
from compiler.lower import lower
from compiler.program import Program
from compiler.reference import execute
from compiler.simulate import simulate
from dse.output.errors import EmissionError
from dse.points import DesignPoint

COUNTS_FILE = "counts.json"


@dataclass(frozen=True)
class Job:
    """One project to write: the point and the empty directory that it goes to. cores: of the platform."""

    directory: Path
    point: DesignPoint
    cores: int


def golden_vectors(graph: Graph, inputs: Mapping[str, IntArray]) -> Golden:
    """The inputs with what the reference makes of them."""
    values = execute(graph, inputs)
    return Golden(inputs=dict(inputs), outputs={name: values[name] for name in graph.outputs})


def emit_all(
    graph: Graph,
    golden: Golden,
    jobs: Sequence[Job],
    processes: int = 1,
    done: Callable[[], None] = lambda: None,
) -> None:
    """Write all jobs, in `processes` processes; `done` is called after each. Raises EmissionError."""
    for _ in _emitted(graph, golden, jobs, processes):
        done()


def _emitted(graph: Graph, golden: Golden, jobs: Sequence[Job], processes: int) -> Iterator[None]:
    if min(processes, len(jobs)) < 2:
        for job in jobs:
            emit_one(graph, golden, job)
            yield
        return
    with ProcessPoolExecutor(processes, initializer=_Worker.begin, initargs=(graph, golden)) as pool:
        yield from pool.map(_Worker.emit, jobs)


class _Worker:
    """The graph and the golden vectors travel once to every process, not once for every point."""

    graph: Graph
    golden: Golden

    @classmethod
    def begin(cls, graph: Graph, golden: Golden) -> None:
        cls.graph, cls.golden = graph, golden

    @classmethod
    def emit(cls, job: Job) -> None:
        emit_one(cls.graph, cls.golden, job)


def emit_one(graph: Graph, golden: Golden, job: Job) -> None:
    """Prove one point and write its project with `counts.json`. Raises EmissionError, DeploymentError."""
    deployment = job.point.deployment
    program = lower(graph, deployment)
    counts = proven_counts(graph, program, deployment, golden)
    job.directory.mkdir(parents=True, exist_ok=True)
    emit_project(job.directory, graph, deployment, program, golden)
    document = counts_document(job, counts)
    (job.directory / COUNTS_FILE).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def proven_counts(
    graph: Graph, program: Program, deployment: Deployment, golden: Golden
) -> tuple[Counts, ...]:
    """Counts by layer, in closed form, equal to those of the simulated program.

    Raises EmissionError where the simulation computes other codes than the reference, or counts otherwise.
    """
    simulated = simulate(graph, program, golden.inputs)
    for name, expected in golden.outputs.items():
        wrong = np.flatnonzero(simulated.outputs[name].ravel() != expected.ravel())
        if wrong.size:
            raise EmissionError(
                f"the simulated deployment computes {wrong.size} wrong codes in {name}, first at {wrong[0]}"
            )
    predicted = predict_counts(graph, deployment)
    for op, said, counted in zip(graph.operators, predicted, simulated.counts, strict=True):
        if said != counted:
            raise EmissionError(f"layer {op.name}: predicted {said}, the program has {counted}")
    return predicted


def counts_document(job: Job, counts: Sequence[Counts]) -> dict[str, object]:
    """What `dse run` holds the C to: counts by layer and link, bytes by level, cycles by layer."""
    point = job.point
    return {
        "schema": 1,
        "model": point.deployment.model,
        "platform": point.deployment.platform,
        "prefix": c_prefix(point.deployment.model),
        "cores": job.cores,
        "latency_cycles": point.latency_cycles,
        "arena_bytes": dict(point.peak_bytes),
        "layers": [
            {
                "name": layer.name,
                "kind": layer.kind,
                "engine": layer.engine,
                "calls": count.calls,
                "macs": count.macs,
                "npu_jobs": count.npu_jobs,
                "links": {
                    name: [link.transfers, link.lines, link.bytes]
                    for name, link in count.links
                    if link.transfers
                },
                "cycles": layer.cycles,
            }
            for layer, count in zip(point.layers, counts, strict=True)
        ],
    }
