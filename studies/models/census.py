"""What a network weighs: multiply-accumulates, parameters, operators."""

import math
from collections import Counter
from dataclasses import dataclass

from onnx import ModelProto, NodeProto, shape_inference

Shapes = dict[str, tuple[int, ...]]

_WEIGHTED = ("Conv", "Gemm")


@dataclass(frozen=True)
class Census:
    """Counts for one inference; a symbolic batch counts as 1. `parameters` are weights and biases."""

    macs: int
    parameters: int
    operators: tuple[tuple[str, int], ...]


def take_census(model: ModelProto) -> Census:
    """Count a float or QDQ model made here: Conv, and Gemm with transB = 1, carry the parameters."""
    shapes = _shapes(model)
    weighted = [node for node in model.graph.node if node.op_type in _WEIGHTED]
    operators = Counter(str(node.op_type) for node in model.graph.node)
    return Census(
        macs=sum(_macs(node, shapes) for node in weighted),
        parameters=sum(math.prod(shapes[name]) for node in weighted for name in node.input[1:]),
        operators=tuple(sorted(operators.items())),
    )


def _macs(node: NodeProto, shapes: Shapes) -> int:
    """Outputs times the taps of one output: the weight's extents after its leading (output) axis."""
    return math.prod(shapes[node.output[0]]) * math.prod(shapes[node.input[1]][1:])


def _shapes(model: ModelProto) -> Shapes:
    """Shapes of all tensors, constants included; symbolic dimensions are 1."""
    graph = shape_inference.infer_shapes(model, strict_mode=True).graph
    inferred = {
        item.name: tuple(dim.dim_value or 1 for dim in item.type.tensor_type.shape.dim)
        for item in (*graph.input, *graph.output, *graph.value_info)
    }
    return inferred | {item.name: tuple(item.dims) for item in graph.initializer}
