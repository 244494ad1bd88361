"""The reference runs whole graphs and holds on to nothing."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.ir import Constant, Graph, IntType, Tensor
from compiler.ops.lut import Lut
from compiler.reference import Reference, execute, whole_call

TABLE = Constant(np.arange(-128, 128, dtype=np.int8)[::-1])


def chain() -> Graph:
    tensors = tuple(Tensor(name, (2, 3), IntType.I8) for name in "abc")
    ops = tuple(
        Lut(name=f"lut_{y}", inputs=(x,), output=y, count=6, table=TABLE) for x, y in (("a", "b"), ("b", "c"))
    )
    return Graph("main", tensors, ops, ("a",), ("c",))


def test_all_tensors_come_back_in_their_shapes() -> None:
    codes = np.array([[-128, -1, 0], [1, 5, 127]])
    values = execute(chain(), {"a": codes.reshape(-1)})
    assert {name: v.shape for name, v in values.items()} == dict.fromkeys("abc", (2, 3))
    np.testing.assert_array_equal(values["b"], -1 - codes)
    np.testing.assert_array_equal(values["c"], codes)


def test_runs_do_not_influence_each_other() -> None:
    run = Reference(chain())
    first = run({"a": np.zeros(6, np.int8)})["c"].copy()
    run({"a": np.full(6, 7, np.int8)})
    np.testing.assert_array_equal(run({"a": np.zeros(6, np.int8)})["c"], first)


def test_wrong_inputs_are_refused() -> None:
    with pytest.raises(KeyError):
        execute(chain(), {})
    with pytest.raises(ValueError):
        execute(chain(), {"a": np.zeros(5, np.int8)})


def test_the_whole_call_covers_the_space() -> None:
    graph = chain()
    call = whole_call(graph.operators[0], graph)
    assert (call.box, call.first, call.last) == ((("n", 0, 6),), True, True)
    assert call.output.shape == (6,)
