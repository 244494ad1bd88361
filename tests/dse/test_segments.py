"""Options of runs that are alike are found once, and are those of every one of them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from compiler.ir import Graph, Operator
from compiler.ops.conv2d import Conv2d
from compiler.tiling.stripes import SegmentGraph
from dse.evaluator import ProblemEvaluator
from dse.options import Effort
from dse.options.segment import SegmentOptions
from dse.segments import Segments
from dse.task import Pin
from studies.bench.deep import deep_network
from tests.dse.small import task_of

QUICK = Effort(sizes=(("y", 2), ("x", 2), ("i", 2), ("n", 2)), other=2, candidates=60)
# first | 3x3 3x3 add | 3x3 1x1 add | ... on one width; layers 1 to 3 and 7 to 9 are the same block.
BLOCK, TWIN, OTHER = (1, 3), (7, 9), (4, 6)


@cache
def network() -> Graph:
    """The first blocks of a network so deep that all are of one width."""
    graph = deep_network(120).main
    operators = graph.operators[:11]
    names = {*graph.inputs, *(op.output for op in operators)}
    tensors = tuple(tensor for tensor in graph.tensors if tensor.name in names)
    return Graph("main", tensors, operators, graph.inputs, (operators[-1].output,))


def segments(graph: Graph | None = None, pins: tuple[Pin, ...] = ()) -> Segments:
    """Nothing found yet."""
    return ProblemEvaluator(task_of(graph or network(), "siracusa", pins=pins), QUICK)._segments


def same(one: SegmentOptions, other: SegmentOptions) -> bool:
    """Whether they offer the same rows for the same homes."""
    return len(one.options) == len(other.options) and all(
        (a.inputs, a.output, a.params, a.resident, a.picks)
        == (b.inputs, b.output, b.params, b.resident, b.picks)
        and np.array_equal(a.rows, b.rows)
        for a, b in zip(one.options, other.options, strict=True)
    )


def test_runs_that_are_alike_share_what_each_would_find_alone() -> None:
    made = segments()
    found, twin = made.options("nominal", *BLOCK), made.options("nominal", *TWIN)
    assert found.options
    assert twin.options is found.options
    assert twin.maker.graph.first == TWIN[0]
    assert same(twin, segments().options("nominal", *TWIN))


@pytest.mark.parametrize("run", [OTHER, (1, 4), (0, 4)])
def test_other_runs_do_not(run: tuple[int, int]) -> None:
    made = segments()
    made.options("nominal", *BLOCK)
    assert same(made.options("nominal", *run), segments().options("nominal", *run))
    assert not same(made.options("nominal", *run), made.options("nominal", *BLOCK))


def test_operating_points_have_their_own_prices_and_the_same_needs() -> None:
    made, run = segments(), SegmentGraph(network(), *BLOCK)
    assert not same(made.options("low", *BLOCK), made.options("nominal", *BLOCK))
    assert segments().least("low", run) == segments().least("nominal", run)


def test_least_needs_are_rows_that_exist() -> None:
    made, run = segments(), SegmentGraph(network(), *BLOCK)
    needs = made.least("nominal", run)
    assert needs
    assert made.least("nominal", SegmentGraph(network(), *TWIN)) is needs
    offered = made.options("nominal", *BLOCK).options
    least_l1 = min(float(o.rows[:, 2].min()) for o in offered if o.inputs == ("l2",) and o.output == "l2")
    assert min(l1 for l1, _, _ in needs) == least_l1


def test_a_pinned_layer_is_not_like_its_twin() -> None:
    name = network().operators[TWIN[0]].name
    made = segments(pins=(Pin(name, "engine", "cluster"),))
    found, pinned = made.options("nominal", *BLOCK), made.options("nominal", *TWIN)
    engines = {
        placement.engine for o in pinned.options for pick in o.picks for placement in pick.placements[:1]
    }
    assert engines == {"cluster"}
    assert not same(found, pinned)


def test_the_same_layers_wired_otherwise_are_not_alike() -> None:
    graph = network()
    add = graph.operators[TWIN[1]]
    shared: Operator = replace(add, inputs=(graph.operators[TWIN[1] - 1].output,) * 2)
    operators = (*graph.operators[: TWIN[1]], shared, *graph.operators[TWIN[1] + 1 :])
    made = segments(replace(graph, operators=operators))
    assert isinstance(graph.operators[1], Conv2d)
    one, other = (made._alike(SegmentGraph(made.graph, first, first + 3)) for first in (BLOCK[0], TWIN[0]))
    assert one != other
