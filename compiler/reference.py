"""The numpy reference: every operator on its whole tensors, one kernel call each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from compiler.ir import Graph, Operator, TileCall
from compiler.ir.operator import BOTH
from compiler.ir.tensor import IntArray
from compiler.ops.update import updated

PLAIN = "plain"


def whole_call(op: Operator, graph: Graph) -> TileCall:
    """The call that computes all of `op` at once."""
    space = op.space(graph.by_name)
    box = space.whole
    return TileCall(
        box=tuple((dim.name, *box[dim.name]) for dim in space.dims),
        inputs=tuple(access.region(box) for access in space.inputs),
        output=space.output.region(box),
    )


class Kernel:
    """One operator ready to run many times: its call and parameter block are made once."""

    def __init__(self, op: Operator, graph: Graph) -> None:
        self._op = op
        self._call = whole_call(op, graph)
        space = op.space(graph.by_name)
        self._block = op.param_block(PLAIN, BOTH, space.whole, True)
        self._views = tuple((access.tensor, access.shape) for access in space.inputs)
        self._types = tuple(graph.by_name[name].dtype.dtype for name, _ in self._views)
        self._shape = graph.by_name[op.output].shape
        self._output = space.output
        self._state = graph.storage[op.output]

    def __call__(self, inputs: Mapping[str, IntArray]) -> IntArray:
        """Output codes in the output tensor's shape."""
        operands = [
            np.asarray(inputs[name], dtype).reshape(shape)[region.slices]
            for (name, shape), dtype, region in zip(self._views, self._types, self._call.inputs, strict=True)
        ]
        found = self._op.compute(self._call, operands, self._block, PLAIN, None)
        if self._output.into is None:
            return found.reshape(self._shape)
        return updated(self._output, inputs[self._state], found, int(operands[-1][0]))


class Reference:
    """A graph ready to run many times."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._kernels = tuple((op.output, Kernel(op, graph)) for op in graph)

    def __call__(self, inputs: Mapping[str, IntArray]) -> dict[str, IntArray]:
        """Codes of every tensor, in its shape; raises KeyError for a missing input."""
        values = {
            name: np.asarray(inputs[name], self.graph.by_name[name].dtype.dtype).reshape(
                self.graph.by_name[name].shape
            )
            for name in self.graph.inputs
        }
        for output, kernel in self._kernels:
            values[output] = kernel(values)
        return values


def execute(graph: Graph, inputs: Mapping[str, IntArray]) -> dict[str, IntArray]:
    """Codes of all tensors of `graph` for the codes of its inputs, each in its tensor's shape.

    Raises KeyError for a missing input, ValueError for one with the wrong number of elements.
    """
    return Reference(graph)(inputs)
