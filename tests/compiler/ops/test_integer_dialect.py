"""Operators of the integer dialect against the golden outputs of Deeploy's files, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from compiler.ir import Constant, IntType, Operator, Tensor
from compiler.ir.tensor import IntArray
from compiler.ops.base import OperatorError
from compiler.ops.inorm import INorm
from compiler.ops.integer_functions import (
    gelu,
    hard_swish,
    requant_shift,
    true_integer_div,
)
from compiler.ops.isoftmax import ISoftmax, polynomial_table
from tests.compiler.ops.tiles import run_whole
from tests.shared_models import shared_model


def attributes(node: onnx.NodeProto) -> dict[str, int]:
    """The integer attributes of a node, stored as tensors or not."""
    values = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    arrays = {
        k: numpy_helper.to_array(v) if isinstance(v, onnx.TensorProto) else v for k, v in values.items()
    }
    return {name: int(np.asarray(value).reshape(())) for name, value in arrays.items()}


def golden(path: Path) -> tuple[IntArray, IntArray, onnx.GraphProto]:
    (x,), (y,) = (tuple(np.load(path.parent / f"{end}.npz").values()) for end in ("inputs", "outputs"))
    return x, y, onnx.load(path).graph


def result(make: Callable[..., Operator], x: IntArray, dtype: IntType) -> IntArray:
    tensors = {"x": Tensor("x", x.shape, IntType.I8), "y": Tensor("y", x.shape, dtype)}
    return run_whole(make(tensors["x"], tensors["y"]), tensors, [x.astype(np.int8)]).reshape(x.shape)


def test_irmsnorm() -> None:
    x, y, graph = golden(shared_model("deeploy/iRMSNorm/network.onnx"))
    (weight,), own = (numpy_helper.to_array(i) for i in graph.initializer), attributes(graph.node[0])

    def make(source: Tensor, target: Tensor) -> INorm:
        return INorm(
            name="norm", inputs=("x",), output="y", rows=x.shape[1], channels=x.shape[2], centred=False,
            weight=Constant(weight.astype(np.int32)), bias=Constant(np.zeros(0, np.int32)),
            shift=own["D"].bit_length() - 1, low=-own["n_levels"] // 2, high=own["n_levels"] // 2 - 1,
        )  # fmt: skip

    np.testing.assert_array_equal(result(make, x, IntType.I8), y)


def test_isoftmax() -> None:
    x, y, graph = golden(shared_model("deeploy/iSoftmax/network.onnx"))
    own = attributes(graph.node[0])
    table = polynomial_table(own["coeffA"], own["coeffB"], own["coeffC"], own["log2"])

    def make(source: Tensor, target: Tensor) -> ISoftmax:
        rows, channels = x.size // x.shape[-1], x.shape[-1]
        extents = {"rows": rows, "channels": channels}
        return ISoftmax(
            name="s", inputs=("x",), output="y", **extents, table=table, levels=own["n_levels"]
        )  # fmt: skip

    np.testing.assert_array_equal(result(make, x, IntType.U8), y)


def test_ihardswish_with_its_requantisation() -> None:
    x, y, graph = golden(shared_model("deeploy/iHardswish_RQ/network.onnx"))
    swish, requant = (attributes(node) for node in graph.node)

    def function(codes: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, np.dtype[np.int64]]:
        wide = hard_swish(codes, swish["three"], swish["six"], swish["one_over_six"])
        return requant_shift(wide, 1, 0, requant["div"], (-128, 127))

    np.testing.assert_array_equal(function(x.astype(np.int64)), y)


def test_functions_by_hand() -> None:
    """Values worked out on paper from the definitions."""
    x = np.array([-100, -3, -1, 0, 1, 3, 100])
    assert true_integer_div(x, 2, 4, 1, 10).tolist() == [-191, -6, -2, 0, 1, 5, 190]
    assert hard_swish(x, 2, 4, 5).tolist() == [0, 0, -5, 0, 15, 60, 2000]
    # b = -2, one = 8: beyond |x| = 2 the parenthesis is 0, so that erf is one and the factor 8 or 0.
    assert gelu(x, -2, 8).tolist() == [0, 0, 0, 0, 7, 24, 800]
    assert requant_shift(x, 3, 1, 4, (-8, 50)).tolist() == [-8, -2, 0, 0, 1, 3, 50]
    assert requant_shift(x, 3, 1, 4, (-8, 50), rounding=False).tolist() == [-8, -2, -1, 0, 1, 2, 50]


def test_the_polynomial_vanishes_far_away() -> None:
    """32 halvings and more leave nothing, where C would shift by more than a word."""
    table = polynomial_table(1, 5, 13, 4).array
    assert table[0] == 38
    assert table[4] == 19
    assert (table[32:] == 0).all()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: polynomial_table(1, 5, 13, 0), "log2 is 0"),
        (lambda: polynomial_table(1 << 20, 1 << 10, 0, 9), "outside 32 bits"),
        (lambda: true_integer_div(np.zeros(1, np.int64), -1, 1, 0, 1), "not positive"),
        (lambda: requant_shift(np.zeros(1, np.int64), 1, 0, 3, (0, 1)), "power of two"),
        (lambda: softmax_with(channels=1 << 20), "32 bits do not hold"),
        (lambda: softmax_with(offset=1), "does not hold 1..256"),
        (lambda: softmax_with(table=Constant(np.zeros(256, np.uint32))), "has no weight"),
        (lambda: norm_with(2**24), "32 bits hold less"),
    ],
)
def test_what_is_refused(call: Callable[[], object], said: str) -> None:
    with pytest.raises(OperatorError, match=said):
        call()


def softmax_with(**changes: Any) -> ISoftmax:
    fields = {"rows": 1, "channels": 4, "table": polynomial_table(1, 86, 3888, 64), **changes}
    return ISoftmax(name="s", inputs=("x",), output="y", **fields)


def norm_with(weight: int) -> INorm:
    return INorm(
        name="n", inputs=("x",), output="y", rows=1, channels=2, centred=False, shift=0, low=-128, high=127,
        weight=Constant(np.full(2, weight, np.int32)), bias=Constant(np.zeros(0, np.int32)),
    )  # fmt: skip
