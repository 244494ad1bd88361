"""Handlers of operators that say the same again, or in another number format: Expand, Tile, Cast."""

from __future__ import annotations

import numpy as np
import onnx

from compiler.frontend.errors import Refused
from compiler.frontend.reader import Reader, integer, integers
from compiler.frontend.source import Node
from compiler.frontend.steps import Repeat, Value

_FLOATS = tuple(onnx.TensorProto.DataType.Value(name) for name in ("FLOAT", "FLOAT16", "DOUBLE", "BFLOAT16"))
_INTEGERS = tuple(onnx.TensorProto.DataType.Value(name) for name in ("INT32", "INT64"))


def expand(reader: Reader, node: Node) -> None:
    """Broadcasting to a constant shape."""
    x = reader.value(node)
    wanted = integers(reader.required(node, 1, "shape").array, "shape")
    shape = np.broadcast_shapes(x.shape, wanted)
    lifted = (1,) * (len(shape) - len(x.shape)) + x.shape
    if lifted != x.shape:
        x = reader.reshape(node, x, lifted, inner=":lifted")
    _repeated(reader, node, x, [n // own for n, own in zip(shape, lifted, strict=True)])


def tile(reader: Reader, node: Node) -> None:
    """The whole again and again along each axis, by constant counts."""
    x = reader.value(node)
    counts = integers(reader.required(node, 1, "repeats").array, "repeats")
    if len(counts) != len(x.shape) or min(counts) < 1:
        raise Refused("repeats", f"{counts} for {x.shape}", "one count of at least 1 for each axis")
    _repeated(reader, node, x, counts)


def _repeated(reader: Reader, node: Node, x: Value, counts: list[int] | tuple[int, ...]) -> None:
    for axis, count in enumerate(counts):
        if count > 1:
            shape = (*x.shape[:axis], count * x.shape[axis], *x.shape[axis + 1 :])
            x = reader.step(node, Repeat(axis, count), (x,), shape, x.quant, inner=f":{axis}repeated")
    reader.alias(node, x)


def cast(reader: Reader, node: Node) -> None:
    """Numbers stay what they are: any to float, indices to int32 or int64."""
    x, to = reader.value(node), integer(node.attributes, "to", 0)
    if to not in _FLOATS and not (to in _INTEGERS and reader.is_index(x)):
        name = onnx.TensorProto.DataType.Name(to) if to in onnx.TensorProto.DataType.values() else str(to)
        raise Refused("to", f"an activation as {name}", "float types, and int32 or int64 for indices")
    reader.alias(node, x)
