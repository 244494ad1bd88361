"""C projects of points, each proven against the reference: simulated before, or run after it is written."""

from __future__ import annotations

import json
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from compiler.codegen.project import Golden, c_prefix, emit_project
from compiler.counts import Counts, predict_counts
from compiler.ir import Graph
from compiler.ir.tensor import IntArray
from compiler.lower import lower
from compiler.program import Program
from compiler.reference import execute
from compiler.simulate import simulate
from compiler.targets import MissingTool, TargetError
from dse.output.errors import EmissionError
from dse.points import DesignPoint
from dse.verify import verify

COUNTS_FILE = "counts.json"
SIMULATED_CALLS = 2_000
"""Kernel calls up to which a point is simulated, at some 0.2 ms a call. Points that squeeze a network
into a few hundred bytes make 10^5 calls: compiling and running their C takes a second and proves more."""

Proof = Literal["simulated", "run on host", "none"]


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
) -> tuple[Proof, ...]:
    """Write all jobs, in `processes` processes where that pays; `done` is called after each.

    Returns how each was proven. Raises EmissionError.
    """
    proofs = []
    for proof in _emitted(graph, golden, jobs, processes):
        proofs.append(proof)
        done()
    return tuple(proofs)


def _emitted(graph: Graph, golden: Golden, jobs: Sequence[Job], processes: int) -> Iterator[Proof]:
    calls = sum(min(SIMULATED_CALLS, layer_calls(job.point)) for job in jobs)
    if min(processes, len(jobs)) < 2 or calls < SIMULATED_CALLS:
        yield from (emit_one(graph, golden, job) for job in jobs)
        return
    with ProcessPoolExecutor(processes, initializer=_Worker.begin, initargs=(graph, golden)) as pool:
        yield from pool.map(_Worker.emit, jobs)


def layer_calls(point: DesignPoint) -> int:
    """Kernel calls of one inference."""
    return sum(layer.calls for layer in point.layers)


class _Worker:
    """The graph and the golden vectors travel once to every process, not once for every point."""

    graph: Graph
    golden: Golden

    @classmethod
    def begin(cls, graph: Graph, golden: Golden) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent to handle
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # which may end us, whatever it does itself
        cls.graph, cls.golden = graph, golden

    @classmethod
    def emit(cls, job: Job) -> Proof:
        return emit_one(cls.graph, cls.golden, job)


def emit_one(graph: Graph, golden: Golden, job: Job) -> Proof:
    """Write one project with `counts.json`, and prove it. Raises EmissionError, DeploymentError."""
    deployment = job.point.deployment
    program = lower(graph, deployment)
    counts = predict_counts(graph, deployment)
    simulated = layer_calls(job.point) <= SIMULATED_CALLS
    if simulated:
        prove_by_simulation(graph, program, counts, golden)
    job.directory.mkdir(parents=True, exist_ok=True)
    emit_project(job.directory, graph, deployment, program, golden)
    document = counts_document(job, counts)
    (job.directory / COUNTS_FILE).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return "simulated" if simulated else prove_by_running(job.directory)


def prove_by_simulation(graph: Graph, program: Program, counts: Sequence[Counts], golden: Golden) -> None:
    """Raises EmissionError where the program computes other codes than the reference, or counts otherwise."""
    result = simulate(graph, program, golden.inputs)
    for name, expected in golden.outputs.items():
        wrong = np.flatnonzero(result.outputs[name].ravel() != expected.ravel())
        if wrong.size:
            raise EmissionError(
                f"the simulated deployment computes {wrong.size} wrong codes in {name}, first at {wrong[0]}"
            )
    for layer, said, counted in zip(program.layers, counts, result.counts, strict=True):
        if said != counted:
            raise EmissionError(f"layer {layer.operator.name}: predicted {said}, the program has {counted}")


def prove_by_running(project: Path) -> Proof:
    """Run a project's C on this machine; "none" without a compiler. Raises EmissionError where it errs."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            result = verify(project, "host", out=Path(folder) / "network")
        except MissingTool:
            return "none"
        except TargetError as error:
            raise EmissionError(f"the C in {project.name} does not run: {error}") from error
    if not result.right:
        raise EmissionError(
            f"the C in {project.name} differs from the reference or from its predicted counts"
        )
    return "run on host"


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
        "layers": layer_rows(point, counts),
    }


def layer_rows(point: DesignPoint, counts: Sequence[Counts], of: str = "") -> list[dict[str, object]]:
    """A row of counts.json for every layer. of: what their names begin with."""
    return [
        {
            "name": of + layer.name,
            "kind": layer.kind,
            "engine": layer.engine,
            "calls": count.calls,
            "macs": count.macs,
            "npu_jobs": count.npu_jobs,
            "links": {
                name: [link.transfers, link.lines, link.bytes] for name, link in count.links if link.transfers
            },
            "cycles": layer.cycles,
        }
        for layer, count in zip(point.layers, counts, strict=True)
    ]
