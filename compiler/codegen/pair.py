"""Writes the C project of a pair: prefill and decode of a language model, their constants and memory once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from compiler.blob import Blob
from compiler.codegen.project import Golden, Names, Net, codes_of, net_of, passed_bytes, starts_of, templates
from compiler.deployment import LEVELS, Deployment
from compiler.ir import Graph
from compiler.ir.tensor import IntArray
from compiler.lower import lower
from compiler.program import Program
from compiler.reference import execute
from compiler.schedule.pair import Cache
from compiler.targets import copy_runtime

PREFIX = "pair"
"""What the symbols that both networks have begin with; those of each begin with prefill or decode."""


@dataclass(frozen=True)
class Half:
    """One graph of a pair at its addresses in the memory of both, with golden vectors."""

    graph: Graph
    deployment: Deployment
    golden: Golden


@dataclass(frozen=True)
class PairProgram:
    """Both programs over the same constants and arenas; what both boot is booted by prefill."""

    prefill: Program
    decode: Program

    @property
    def boot_bytes(self) -> int:
        """Copied at the start."""
        return sum(copy.bytes for program in (self.prefill, self.decode) for copy in program.boot)


def lower_pair(prefill: Half, decode: Half) -> PairProgram:
    """The programs of both. Raises DeploymentError."""
    blob = Blob(shares=True)
    first, second = (lower(half.graph, half.deployment, blob) for half in (prefill, decode))
    sides = (prefill.deployment, decode.deployment)
    arenas = tuple((level, max(each.peak_bytes(level) for each in sides)) for level in LEVELS)
    rest = tuple(copy for copy in second.boot if copy not in first.boot)
    return PairProgram(
        replace(first, blob=blob.data, arena_bytes=arenas),
        replace(second, blob=blob.data, arena_bytes=arenas, boot=rest),
    )


def behind(
    prefill: Golden, graph: Graph, inputs: Mapping[str, IntArray], caches: tuple[Cache, ...]
) -> Golden:
    """Golden vectors of one run of a decode `graph` behind prefill, whose rows are in its caches.

    inputs: of decode; states and the position are replaced.
    """
    given = dict(inputs)
    for cache in caches:
        state = np.zeros_like(inputs[cache.state])
        rows = prefill.outputs[cache.rows]
        state.reshape(-1)[: rows.size] = rows.reshape(-1)
        given[cache.state] = state
    for name in {op.inputs[-1] for op in graph if op.updates}:
        given[name] = np.full_like(inputs[name], _position(caches))
    values = execute(graph, given)
    return Golden(given, {name: values[name] for name in graph.outputs})


def _position(caches: tuple[Cache, ...]) -> int:
    """Of the first token behind prefill; of the last one that there is room for."""
    return min(min(cache.prefill_rows, cache.capacity_rows - 1) for cache in caches)


@dataclass(frozen=True)
class _Rows:
    """Golden rows of a cache: `number` as decode counts its states, bytes after prefill and after decode."""

    number: int
    element: int
    made: int
    seen: int


@dataclass(frozen=True)
class _Data:
    """What weights.S sees."""

    prefix: str
    weights_bytes: int
    golden: tuple[tuple[str, int, int], ...]


def emit_pair(directory: Path, prefill: Half, decode: Half, caches: tuple[Cache, ...]) -> PairProgram:
    """Write a whole project into an existing, empty directory. decode's golden vectors: of `behind`.

    Raises DeploymentError.
    """
    programs = lower_pair(prefill, decode)
    kept = frozenset(cache.rows for cache in caches)
    vectors = (*_golden("prefill", prefill, kept), *_golden("decode", decode, frozenset()))
    rows = tuple(_rows(decode.graph, caches))
    vectors = (*vectors, *_cache_vectors(prefill, decode, caches))
    nets = (
        _net("prefill", prefill, programs.prefill, kept),
        _net("decode", decode, programs.decode, frozenset()),
    )
    for net, half in zip(nets, (prefill, decode), strict=True):
        _write(directory / f"{net.prefix}.c", "network.c", net=net)
        _write(directory / net.header, "network.h", net=net)
        (directory / f"{net.prefix}.json").write_text(half.deployment.to_json(), encoding="utf-8")
    data = _Data(PREFIX, len(programs.decode.blob), tuple(starts_of(vectors)))
    _write(directory / "main.c", "pair.c", nets=nets, rows=rows, prefix=PREFIX)
    _write(directory / "weights.S", "weights.S", net=data)
    (directory / "weights.bin").write_bytes(programs.decode.blob)
    (directory / "golden.bin").write_bytes(b"".join(vector for _, vector in vectors))
    copy_runtime(directory)
    return programs


def _write(path: Path, template: str, **values: object) -> None:
    path.write_text(templates().get_template(f"{template}.j2").render(**values), encoding="utf-8")


def _net(side: str, half: Half, program: Program, kept: frozenset[str]) -> Net:
    return net_of(half.graph, half.deployment, program, Names(side, f"{side}.h", PREFIX), (), kept)


def _golden(side: str, half: Half, kept: frozenset[str]) -> tuple[tuple[str, bytes], ...]:
    return tuple((f"{side}_{name}", data) for name, data in passed_bytes(half.graph, half.golden, kept))


def _rows(graph: Graph, caches: tuple[Cache, ...]) -> Iterator[_Rows]:
    numbers = {before: k for k, (before, _) in enumerate(graph.states)}
    for cache in caches:
        state = graph.by_name[cache.state]
        row = state.bytes // cache.capacity_rows
        seen = max(cache.prefill_rows, _position(caches) + 1)
        yield _Rows(numbers[cache.state], state.dtype.bytes, row * cache.prefill_rows, row * seen)


def _cache_vectors(prefill: Half, decode: Half, caches: tuple[Cache, ...]) -> Iterator[tuple[str, bytes]]:
    """Rows that prefill makes, and those that exist after one run of decode."""
    made, after = (
        codes_of(prefill.graph, prefill.golden.outputs),
        codes_of(decode.graph, decode.golden.outputs),
    )
    afters = dict(decode.graph.states)
    for cache, rows in zip(caches, _rows(decode.graph, caches), strict=True):
        yield f"made{rows.number}", made(cache.rows)
        yield f"seen{rows.number}", after(afters[cache.state])[: rows.seen]
