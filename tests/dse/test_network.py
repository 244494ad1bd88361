"""The inner problem that is built from a graph."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.ir import Graph, IntType, Tensor
from dse.network import Taken, near_problem
from dse.task import Pin
from tests.compiler.networks import conv, every_operator
from tests.dse.small import evaluator_of, every_operator_evaluator, task_of


def twins() -> Graph:
    """Two equal layers with weights of their own."""
    rng = np.random.default_rng(0)
    x = Tensor("x", (1, 5, 5, 8), IntType.I8, 0.05, 3)
    first, a = conv("first", x, 8, rng, window=(1, 1))
    second, b = conv("second", a, 8, rng, window=(1, 1))
    return Graph("main", (x, a, b), (first, second), ("x",), (b.name,))


def test_equal_layers_share_their_moves_unless_pins_tell_them_apart() -> None:
    def sharing(*pins: Pin) -> bool:
        evaluator = evaluator_of(task_of(twins(), pins=pins))
        first, second = evaluator.problem("nominal", True).network.layers
        return first.moves is second.moves

    assert sharing()
    assert sharing(Pin("*", "buffering", "1"))
    assert not sharing(Pin("second", "buffering", "1"))


def test_options_keep_their_own_operator_where_they_are_shared() -> None:
    evaluator = evaluator_of(task_of(twins()))
    names = [options.operator.name for options in evaluator.problem("nominal", True).options]
    assert names == ["first", "second"]


def test_moves_and_options_are_one_to_one() -> None:
    problem = every_operator_evaluator("rv32sim").problem("nominal", True)
    assert problem.steps == tuple(range(len(problem.options)))
    for layer, options, taken in zip(problem.network.layers, problem.options, problem.taken, strict=True):
        assert taken == tuple(map(Taken, range(len(options.options))))
        assert len(layer.moves) == len(options.options)
        for move, option in zip(layer.moves, options.options, strict=True):
            assert move.rows is option.rows
            assert move.resident == option.resident


@pytest.mark.parametrize("io_home", ["l2", "l1", "l3"])
def test_ends_have_the_home_that_was_asked_for(io_home: str) -> None:
    graph = every_operator(7)
    problem = evaluator_of(task_of(graph, io_home=io_home)).problem("nominal", True)
    ends = {graph.inputs[0], graph.outputs[0]}
    for tensor in problem.network.tensors:
        wanted = (io_home.upper(),) if tensor.name in ends else ("L2", "L1", "L3")
        assert tensor.homes == wanted


def test_a_near_problem_has_no_tensor_in_l3_but_those_that_must_be() -> None:
    graph = every_operator(7)
    problem = near_problem(evaluator_of(task_of(graph, io_home="l3")).problem("nominal", True))
    for tensor in problem.network.tensors:
        assert ("L3" in tensor.homes) == (tensor.name in {graph.inputs[0], graph.outputs[0]})


def test_sizes_are_whole_words() -> None:
    problem = every_operator_evaluator("rv32sim").problem("nominal", False)
    by_name = every_operator(7).by_name
    for tensor in problem.network.tensors:
        assert tensor.size_bytes % 4 == 0
        assert 0 <= tensor.size_bytes - by_name[tensor.name].bytes < 4
