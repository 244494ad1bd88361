"""Which layers to fuse: segmentations worth offering to the search, found by the memory that they need.

A segmentation cuts the layers, in order, into single ones and segments. Memory is a bottleneck: the largest
sum of live tensors and stages, plus the largest L1 need, plus all resident parameters. With every tensor in
L2 these three and the number of fused layers are labels of a shortest path over positions, componentwise
dominance is exact, and the end of the path holds the front of least memory against the number of fused
layers: few fused layers cost little recomputation. From that front a few are taken. The exact homes are the
solver's, later, as for every setting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from compiler.ir import Graph
from compiler.tiling.stripes import SegmentGraph, StripeError, row_dim
from dse.solver.columns import resident_bytes
from dse.solver.pareto import FloatArray, IntArray, nondominated
from dse.solver.problem import L1_TILE as TILE
from dse.solver.problem import STAGING, Layer, Network

LONGEST = 14
"""Most layers of a segment."""

MOST = 3
"""Most segmentations that are offered beside the one without segments."""

LABELS = 400
"""Most labels at a position; a longer front is thinned to those of least memory."""

Runs = tuple[tuple[int, int], ...]
"""Half-open intervals of layers that run as segments."""


def runs(graph: Graph, free: Sequence[bool], longest: int = LONGEST) -> Iterator[SegmentGraph]:
    """Every run of layers that can be a segment, of layers that are free to be in one."""
    spaces = [op.space(graph.by_name) for op in graph]
    able = [ok and row_dim(space) is not None for ok, space in zip(free, spaces, strict=True)]
    outputs = set(graph.outputs)
    for first in range(len(able)):
        ends: set[int] = set()
        for last in range(first + 1, min(first + longest, len(able)) + 1):
            op = graph.operators[last - 1]
            if not able[last - 1]:
                break
            used = graph.last_use[op.output]
            closed = all(end < last for end in ends)
            if last - first > 1 and closed:
                with suppress(StripeError):
                    yield SegmentGraph(graph, first, last)
            if op.output in outputs:
                break
            ends.add(used)


@dataclass(frozen=True, eq=False)
class _Edge:
    """Layers [first, last) at once: live bytes, and L1, staging and resident bytes [m, 3] to choose from."""

    first: int
    last: int
    live_bytes: int
    needs: FloatArray

    @property
    def fused(self) -> int:
        """Layers in the segment; none in a single layer."""
        return self.last - self.first if self.last - self.first > 1 else 0


@dataclass(frozen=True, eq=False)
class _Labels:
    """[n, 4] peaks of live + staging and of L1, resident bytes, fused layers; the edge and label before."""

    columns: FloatArray
    edge: IntArray
    parent: IntArray


def segmentations(
    graph: Graph,
    network: Network,
    least: Callable[[SegmentGraph], Sequence[tuple[int, int, int]]],
    free: Sequence[bool],
) -> tuple[Runs, ...]:
    """The one without segments, then those that need less memory, the one of least memory last.

    network: the layers one by one. least: (L1, staging, resident bytes) of a run's leanest ways.
    """
    edges = [edge for k in range(len(network.layers)) if (edge := _single(network, k)) is not None]
    heavy = np.cumsum([0, *(_live(network, k, k + 1) > _ends(network) for k in range(len(network.layers)))])
    for run in runs(graph, free):
        if heavy[run.last] == heavy[run.first]:
            continue  # no layer of it has more alive than the network's own ends, which stay whole anyway
        needs = np.array(least(run), np.float64).reshape(-1, 3)
        if len(needs):
            edges.append(_Edge(run.first, run.last, _live(network, run.first, run.last), needs))
    labels = _search(len(network.layers), edges)
    end = labels[-1]
    if not len(end.columns):
        return ((),)
    totals = end.columns[:, :3].sum(axis=1)
    front = nondominated(np.stack([totals, end.columns[:, 3]], axis=1))
    front = front[np.argsort(end.columns[front, 3], kind="stable")]
    found = [_path(labels, edges, int(index)) for index in front]
    fused = [path for path in found if path]
    if len(fused) > MOST:
        picks = np.unique(np.round(np.linspace(0, len(fused) - 1, MOST)).astype(int))
        fused = [fused[k] for k in picks]
    return ((), *fused)


def _near(network: Network, tensor: int) -> str:
    homes = network.tensors[tensor].homes
    return "L2" if "L2" in homes else homes[0]


def _ends(network: Network) -> int:
    """Bytes of the network's inputs, or of its outputs if they are larger, that are on chip."""
    return max(
        sum(network.tensors[t].size_bytes for t in ends if _near(network, t) != "L3")
        for ends in (network.inputs, network.outputs)
    )


def _single(network: Network, k: int) -> _Edge | None:
    layer: Layer = network.layers[k]
    wanted = tuple(_near(network, t) for t in (*layer.inputs, layer.output))
    rows = []
    for move in layer.moves:
        if (*move.homes_in, move.home_out) == wanted:
            resident = np.full(len(move.rows), float(sum(resident_bytes(layer, move))))
            rows.append(np.stack([move.rows[:, TILE], move.rows[:, STAGING], resident], axis=1))
    if not rows:
        return None
    table = np.concatenate(rows)
    return _Edge(k, k + 1, _live(network, k, k + 1), table[nondominated(table)])


def _live(network: Network, first: int, last: int) -> int:
    """Bytes of whole tensors alive while layers [first, last) run as one; on chip ones."""
    made = {network.layers[k].output: k for k in range(first, last)}
    total = 0
    for number, (born, end) in enumerate(network.live_ranges()):
        alive = born < last and end > first and end > 0
        inner = number in made and made[number] != last - 1
        if alive and not inner and _near(network, number) != "L3":
            total += network.tensors[number].size_bytes
    return total


def _search(layers: int, edges: Sequence[_Edge]) -> list[_Labels]:
    start = _Labels(np.zeros((1, 4)), np.full(1, -1), np.full(1, -1))
    labels = [start]
    for position in range(1, layers + 1):
        columns, edge, parent = [np.zeros((0, 4))], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for number, each in enumerate(edges):
            if each.last != position:
                continue
            before = labels[each.first].columns
            grown = _grown(before, each)
            columns.append(grown)
            edge.append(np.full(len(grown), number))
            parent.append(np.repeat(np.arange(len(before)), len(each.needs)))
        table = np.concatenate(columns)
        keep = nondominated(table) if len(table) else np.zeros(0, np.int64)
        if len(keep) > LABELS:
            keep = np.sort(keep[np.argsort(table[keep, :3].sum(axis=1), kind="stable")[:LABELS]])
        labels.append(_Labels(table[keep], np.concatenate(edge)[keep], np.concatenate(parent)[keep]))
    return labels


def _grown(before: FloatArray, edge: _Edge) -> FloatArray:
    """All labels before an edge, each with all its needs: [n * m, 4]."""
    old = np.repeat(before, len(edge.needs), axis=0)
    new = np.tile(edge.needs, (len(before), 1))
    columns = (
        np.maximum(old[:, 0], edge.live_bytes + new[:, 1]),
        np.maximum(old[:, 1], new[:, 0]),
        old[:, 2] + new[:, 2],
        old[:, 3] + edge.fused,
    )
    return np.stack(columns, axis=1)


def _path(labels: Sequence[_Labels], edges: Sequence[_Edge], index: int) -> Runs:
    """The segments on the way to a label at the end."""
    found = []
    position = len(labels) - 1
    while position:
        edge = edges[int(labels[position].edge[index])]
        index = int(labels[position].parent[index])
        if edge.fused:
            found.append((edge.first, edge.last))
        position = edge.first
    return tuple(reversed(found))
