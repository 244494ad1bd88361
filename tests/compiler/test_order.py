"""The order of operators: least live bytes over all topological orders."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from compiler.deployment import DeploymentError
from compiler.ir import Graph, GraphError, IntType, Tensor
from compiler.ops.add import Add
from compiler.ops.concat import Concat
from compiler.schedule.order import branch_orders, in_order, least_live_order, peak_live_bytes


def join(name: str, inputs: tuple[str, ...], widths: tuple[int, ...]) -> Concat:
    """An operator that reads any tensors, here only for its dependences."""
    count = len(inputs)
    return Concat(
        name=name,
        inputs=inputs,
        output=f"{name}_out",
        rows=1,
        widths=widths,
        mul=(1,) * count,
        add=(0,) * count,
        shift=(0,) * count,
        low=-128,
        high=127,
        input_types=(IntType.I8,) * count,
    )


def graph_of(choices: list[tuple[int, list[int]]]) -> Graph:
    """A graph whose operator k has an output of some size and reads some of the tensors before it."""
    tensors = [Tensor("x", (4,), IntType.I8)]
    operators = []
    for number, (size, reads) in enumerate(choices):
        sources = sorted({read % len(tensors) for read in reads})
        names = tuple(tensors[k].name for k in sources)
        operators.append(join(f"op{number}", names, tuple(tensors[k].elements for k in sources)))
        tensors.append(Tensor(f"op{number}_out", (size,), IntType.I8))
    return Graph("main", tuple(tensors), tuple(operators), ("x",), (tensors[-1].name,))


def all_orders(graph: Graph) -> list[Graph]:
    found = []
    for order in itertools.permutations(graph.operators):
        try:
            found.append(replace(graph, operators=order))
        except GraphError:
            continue
    return found


steps = st.tuples(st.integers(1, 50), st.lists(st.integers(0, 5), min_size=1, max_size=3))


@given(st.lists(steps, min_size=1, max_size=5))
@example([(1, [0]), (1, [0]), (1, [1]), (1, [2])])  # of which nothing reads op2_out
def test_no_topological_order_has_less_alive(choices: list[tuple[int, list[int]]]) -> None:
    graph = graph_of(choices)
    least = min(peak_live_bytes(other) for other in all_orders(graph))
    assert peak_live_bytes(least_live_order(graph)) == least


def test_the_branch_that_shrinks_goes_first() -> None:
    """Two branches from x, each wide inside and narrow at its end: one after the other."""
    wide = join("wide", ("x",), (4,))
    narrow = join("narrow", ("wide_out",), (100,))
    other = join("other", ("x",), (4,))
    big = join("big", ("other_out",), (90,))
    end = join("end", ("narrow_out", "big_out"), (2, 1))
    sizes = {"x": 4, "wide_out": 100, "other_out": 90, "narrow_out": 2, "big_out": 1, "end_out": 3}
    tensors = tuple(Tensor(name, (size,), IntType.I8) for name, size in sizes.items())
    graph = Graph("main", tensors, (wide, other, narrow, big, end), ("x",), ("end_out",))
    assert peak_live_bytes(graph) == 194
    ordered = least_live_order(graph)
    assert peak_live_bytes(ordered) == 105
    assert [op.name for op in ordered] == ["other", "big", "wide", "narrow", "end"]


def test_an_order_that_is_least_stays() -> None:
    graph = graph_of([(8, [0]), (8, [1]), (8, [2])])
    assert least_live_order(graph) is graph


@pytest.mark.parametrize("branches", [12])
def test_too_many_branches_keep_the_given_order(branches: int) -> None:
    graph = graph_of([*((5, [0]) for _ in range(branches)), (1, list(range(1, branches + 1)))])
    assert least_live_order(graph) is graph


def test_add_reads_one_tensor_twice() -> None:
    double = Add(
        name="double", inputs=("x", "x"), output="double_out", count=4, mul_a=1, mul_b=1, add=0, shift=0,
        low=-128, high=127,
    )  # fmt: skip
    tensors = (Tensor("x", (4,), IntType.I8), Tensor("double_out", (4,), IntType.I8))
    graph = Graph("main", tensors, (double,), ("x",), ("double_out",))
    assert least_live_order(graph) is graph
    assert peak_live_bytes(graph) == 8


@given(st.lists(steps, min_size=1, max_size=5))
def test_branch_orders_are_distinct_orders_of_the_same_graph(choices: list[tuple[int, list[int]]]) -> None:
    graph = graph_of(choices)
    orders = branch_orders(graph)
    assert orders[0] == graph
    assert len(set(orders)) == len(orders) <= 3
    assert set(orders) <= set(all_orders(graph))


def test_branches_run_one_after_the_other_or_the_other_way_round() -> None:
    left = join("left", ("x",), (4,))
    right = join("right", ("x",), (4,))
    left_end = join("left_end", ("left_out",), (5,))
    right_end = join("right_end", ("right_out",), (6,))
    end = join("end", ("left_end_out", "right_end_out"), (7, 8))
    names = ("x", "left_out", "right_out", "left_end_out", "right_end_out", "end_out")
    tensors = tuple(Tensor(name, (4 + k,), IntType.I8) for k, name in enumerate(names))
    graph = Graph("main", tensors, (left, right, left_end, right_end, end), ("x",), ("end_out",))
    first, second, third = ([op.name for op in order] for order in branch_orders(graph))
    assert first == ["left", "right", "left_end", "right_end", "end"]
    assert second == ["left", "left_end", "right", "right_end", "end"]
    assert third == ["right", "right_end", "left", "left_end", "end"]


def test_a_chain_has_one_order() -> None:
    graph = graph_of([(8, [0]), (8, [1]), (8, [2])])
    assert branch_orders(graph) == (graph,)


def test_an_order_is_taken_by_name_or_refused() -> None:
    graph = graph_of([(8, [0]), (8, [0]), (8, [1, 2])])
    assert in_order(graph, ["op0", "op1", "op2"]) is graph
    assert [op.name for op in in_order(graph, ["op1", "op0", "op2"])] == ["op1", "op0", "op2"]
    for names, message in (
        (["op2", "op1", "op0"], "op2 reads op0_out before it is produced"),
        (["op0", "op0", "op2"], "op0 is there twice"),
        (["op0", "ghost", "op2"], "ghost is not in the graph"),
        (["op0"], "deployment has 1 layers, graph main has 3"),
    ):
        with pytest.raises(DeploymentError, match=message):
            in_order(graph, names)
