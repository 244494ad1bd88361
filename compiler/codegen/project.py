"""Writes the C project of a deployment: sources, constants, golden vectors, runtime, Makefile."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from compiler.codegen.expressions import address, comment_text
from compiler.codegen.layer import layer_c
from compiler.codegen.segment import segment_c
from compiler.deployment import Deployment
from compiler.ir import Graph, Tensor
from compiler.ir.tensor import IntArray
from compiler.program import Place, Program, SegmentProgram
from compiler.targets import copy_runtime


@dataclass(frozen=True)
class Golden:
    """Input codes and the reference's output codes, by tensor name."""

    inputs: Mapping[str, IntArray]
    outputs: Mapping[str, IntArray]


@dataclass(frozen=True)
class _Port:
    """A network input, output or state as the templates print it."""

    kind: str
    index: int
    name: str
    type: str
    shape: tuple[int, ...]
    elements: int
    element: int
    bytes: int
    scale: str
    zero_point: int
    address: str


@dataclass(frozen=True)
class _Copy:
    target: str
    source: int
    bytes: int


@dataclass(frozen=True)
class Net:
    """What the templates see. header: file name; constants: prefix of the symbol of their array."""

    title: str
    prefix: str
    header: str
    constants: str
    upper: str
    layers: tuple[str, ...]
    indices: tuple[int, ...]
    runs: tuple[tuple[str, int], ...]
    fused: bool
    inputs: tuple[_Port, ...]
    outputs: tuple[_Port, ...]
    states: tuple[_Port, ...]
    boot: tuple[_Copy, ...]
    arenas: tuple[tuple[str, int], ...]
    weights_bytes: int
    weights_sha256: str
    golden: tuple[tuple[str, int, int], ...]


@cache
def templates() -> Environment:
    """The templates of emitted files."""
    return Environment(
        loader=PackageLoader("compiler.codegen"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )


def c_prefix(name: str) -> str:
    """A C identifier made from a model's name, which no name of the runtime or of a layer begins with."""
    text = re.sub(r"[\W_]+", "_", name, flags=re.ASCII).strip("_").lower() or "network"
    return f"net_{text}" if re.match(r"\d|dse|npu|[ls]\d+$", text) else text


def emit_project(
    directory: Path, graph: Graph, deployment: Deployment, program: Program, golden: Golden, prefix: str = ""
) -> None:
    """Write a whole project into an existing, empty directory; the caller moves it into place.

    The weights are byte for byte those of `program`; `golden` is what main.c feeds and expects.
    """
    vectors = _golden_bytes(graph, golden)
    own = prefix or c_prefix(deployment.model)
    net = net_of(graph, deployment, program, Names(own, "network.h", own), vectors)
    for name in ("network.c", "network.h", "main.c", "weights.S"):
        text = templates().get_template(f"{name}.j2").render(net=net)
        (directory / name).write_text(text, encoding="utf-8")
    (directory / "weights.bin").write_bytes(program.blob)
    (directory / "golden.bin").write_bytes(b"".join(data for _, data in vectors))
    (directory / "deployment.json").write_text(deployment.to_json(), encoding="utf-8")
    copy_runtime(directory)


def _golden_bytes(graph: Graph, golden: Golden) -> tuple[tuple[str, bytes], ...]:
    before, after = codes_of(graph, golden.inputs), codes_of(graph, golden.outputs)
    return (
        *passed_bytes(graph, golden),
        *((f"before{k}", before(name)) for k, (name, _) in enumerate(graph.states)),
        *((f"after{k}", after(name)) for k, (_, name) in enumerate(graph.states)),
    )


def passed_bytes(
    graph: Graph, golden: Golden, kept: frozenset[str] = frozenset()
) -> tuple[tuple[str, bytes], ...]:
    """Golden vectors of what callers pass; kept: outputs that they do not."""
    before, after = codes_of(graph, golden.inputs), codes_of(graph, golden.outputs)
    inputs, outputs = _passed(graph, kept)
    return (
        *((f"input{k}", before(name)) for k, name in enumerate(inputs)),
        *((f"output{k}", after(name)) for k, name in enumerate(outputs)),
    )


def codes_of(graph: Graph, values: Mapping[str, IntArray]) -> Callable[[str], bytes]:
    """The bytes of a tensor of `values`, by its name."""

    def data(name: str) -> bytes:
        return np.ascontiguousarray(values[name].astype(graph.by_name[name].dtype.dtype)).tobytes()

    return data


def _passed(graph: Graph, others: frozenset[str] = frozenset()) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Inputs and outputs that callers pass: those that are no states, and no `others`."""
    kept = {*others, *(name for pair in graph.states for name in pair)}
    inputs, outputs = (
        tuple(name for name in names if name not in kept) for names in (graph.inputs, graph.outputs)
    )
    return inputs, outputs


def starts_of(vectors: tuple[tuple[str, bytes], ...]) -> Iterator[tuple[str, int, int]]:
    """(name, start, bytes) of every vector in golden.bin."""
    start = 0
    for name, data in vectors:
        yield name, start, len(data)
        start += len(data)


@dataclass(frozen=True)
class Names:
    """Of one network in a project: prefix of its symbols, its header, prefix of the constants' array."""

    prefix: str
    header: str
    constants: str


def net_of(
    graph: Graph,
    deployment: Deployment,
    program: Program,
    names: Names,
    vectors: tuple[tuple[str, bytes], ...],
    kept: frozenset[str] = frozenset(),
) -> Net:
    """What the templates see of a deployment. kept: outputs that callers do not get."""
    units = tuple(_units(program))
    places = dict((*program.inputs, *program.outputs))

    def ports(kind: str, tensors: Iterable[str]) -> tuple[_Port, ...]:
        return tuple(_port(kind, k, graph.by_name[name], places[name]) for k, name in enumerate(tensors))

    inputs, outputs = _passed(graph, kept)
    return Net(
        title=comment_text(f"{deployment.model} on {deployment.platform}"),
        prefix=names.prefix,
        header=names.header,
        constants=names.constants,
        upper=names.prefix.upper(),
        layers=tuple(text for _, _, text in units),
        indices=tuple(range(len(program.layers))),
        runs=tuple((kind, first) for kind, first, _ in units),
        fused=any(kind == "s" for kind, _, _ in units),
        inputs=ports("input", inputs),
        outputs=ports("output", outputs),
        states=ports("state", (before for before, _ in graph.states)),
        boot=tuple(_Copy(address(c.target), c.source_offset, c.bytes) for c in program.boot if c.bytes),
        arenas=program.arena_bytes,
        weights_bytes=len(program.blob),
        weights_sha256=hashlib.sha256(program.blob).hexdigest(),
        golden=tuple(starts_of(vectors)),
    )


def _units(program: Program) -> Iterator[tuple[str, int, str]]:
    """(l or s, number of the first layer, text) of every layer and segment."""
    step = 0
    for unit in program.units:
        if isinstance(unit, SegmentProgram):
            yield "s", step, templates().get_template("segment.c.j2").render(segment=segment_c(unit))
            step += len(unit.layers)
        else:
            yield "l", step, templates().get_template("layer.c.j2").render(layer=layer_c(step, unit))
            step += 1


def _port(kind: str, index: int, tensor: Tensor, place: Place) -> _Port:
    return _Port(
        kind=kind,
        index=index,
        name=comment_text(tensor.name),
        type=f"{tensor.dtype.value}_t",
        shape=tensor.shape,
        elements=tensor.elements,
        element=tensor.dtype.bytes,
        bytes=tensor.bytes,
        scale=f"{float(tensor.scale)!r}f",
        zero_point=tensor.zero_point,
        address=address(place),
    )
