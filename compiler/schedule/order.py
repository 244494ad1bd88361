"""The order of operators with the least live activation bytes: exact over all topological orders.

What is live after a set of operators has run does not depend on their order, so that a search over the
sets closed under predecessors (the ideals of the dependence order) with one bottleneck value a set is exact.
A chain of n operators has n ideals; k parallel branches multiply. Beyond a limit of ideals a step the given
order stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import networkx as nx

from compiler.deployment import DeploymentError
from compiler.ir import Graph, GraphError, Operator

IDEALS_PER_STEP = 256


def dependences(graph: Graph) -> nx.DiGraph[int]:
    """Operators by index, with an edge from the producer of a tensor to each of its readers."""
    producer = {op.output: index for index, op in enumerate(graph.operators)}
    found: nx.DiGraph[int] = nx.DiGraph()
    found.add_nodes_from(range(len(graph.operators)))
    for index, op in enumerate(graph.operators):
        found.add_edges_from((producer[name], index) for name in op.inputs if name in producer)
    return found


def peak_live_bytes(graph: Graph) -> int:
    """Most bytes of activations alive while one operator runs; inputs and outputs of the graph included."""
    peak = 0
    for step in range(len(graph.operators)):
        alive = (
            tensor.bytes
            for tensor in graph.placed
            if graph.first_use[tensor.name] <= step <= graph.last_use[tensor.name]
        )
        peak = max(peak, sum(alive))
    return peak


@dataclass(frozen=True)
class _Path:
    """A way to an ideal: the largest live sum so far, and the operators in order."""

    peak: int
    order: tuple[int, ...]


def least_live_order(graph: Graph) -> Graph:
    """The same graph in an order of least `peak_live_bytes`; the given one where it is already least."""
    order = _search(graph)
    if order is None:
        return graph
    ordered = replace(graph, operators=tuple(graph.operators[index] for index in order))
    return ordered if peak_live_bytes(ordered) < peak_live_bytes(graph) else graph


def _search(graph: Graph) -> tuple[int, ...] | None:
    needs = dependences(graph)
    paths: dict[frozenset[int], _Path] = {frozenset(): _Path(0, ())}
    for _ in graph.operators:
        grown: dict[frozenset[int], _Path] = {}
        for done, path in paths.items():
            for index in _ready(needs, done):
                candidate = _Path(max(path.peak, _live(graph, done, index)), (*path.order, index))
                known = grown.get(done | {index})
                if known is None or (candidate.peak, candidate.order) < (known.peak, known.order):
                    grown[done | {index}] = candidate
        if len(grown) > IDEALS_PER_STEP:
            return None
        paths = grown
    return next(iter(paths.values())).order


def _ready(needs: nx.DiGraph[int], done: frozenset[int]) -> list[int]:
    """Operators whose predecessors have all run."""
    waiting = (index for index in needs if index not in done)
    return [index for index in waiting if all(before in done for before in needs.predecessors(index))]


def _live(graph: Graph, done: frozenset[int], index: int) -> int:
    """Bytes alive while operator `index` runs after those in `done`."""
    produced = {*graph.inputs, *(graph.operators[k].output for k in done)}
    wanted = set(graph.outputs)
    for k, op in enumerate(graph.operators):
        if k not in done:
            wanted.update(op.inputs)
    wanted.update(before for before, _ in graph.states)
    alive = {graph.storage[name] for name in (produced & wanted) | {graph.operators[index].output}}
    return sum(graph.by_name[name].bytes for name in alive)


def in_order(graph: Graph, names: Sequence[str]) -> Graph:
    """The same graph with its operators in the order of `names`; itself where that is its order.

    Raises DeploymentError where `names` are not its operators, or where one would read what is not yet there.
    """
    if len(names) == len(graph.operators) and all(map(_is_called, graph.operators, names)):
        return graph
    known = {op.name: op for op in graph.operators}
    if len(names) != len(known):
        raise DeploymentError(f"deployment has {len(names)} layers, graph {graph.name} has {len(known)}")
    for name in names:
        if names.count(name) > 1 or name not in known:
            what = "is there twice" if name in known else "is not in the graph"
            raise DeploymentError(f"deployment of graph {graph.name}: layer {name} {what}")
    try:
        return replace(graph, operators=tuple(known[name] for name in names))
    except GraphError as error:
        raise DeploymentError(f"the deployment's order of layers: {error}") from error


def _is_called(op: Operator, name: str) -> bool:
    return op.name == name


def branch_orders(graph: Graph) -> tuple[Graph, ...]:
    """Orders worth trying, distinct: the given one, each branch to its end before the next, and in reverse.

    The order of branches decides which tensors wait while others are computed. A chain has one order.
    """
    needs = dependences(graph)
    found = [tuple(range(len(graph.operators)))]
    for sign in (1, -1):
        order = _depth_first(needs, sign)
        if order not in found:
            found.append(order)
    return tuple(replace(graph, operators=tuple(graph.operators[k] for k in order)) for order in found)


def _depth_first(needs: nx.DiGraph[int], sign: int) -> tuple[int, ...]:
    """A topological order that goes on with a reader of what was just produced, while one is ready.

    sign: 1 prefers the first of several ready operators, -1 the last.
    """
    done: list[int] = []
    while len(done) < len(needs):
        ready = _ready(needs, frozenset(done))
        following = [k for k in ready if done and needs.has_edge(done[-1], k)]
        done.append(min(following or ready, key=lambda k: sign * k))
    return tuple(done)
