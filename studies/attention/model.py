"""A block of multi-head self-attention in float ONNX, with weights from a seed."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper


@dataclass(frozen=True)
class Shape:
    """Tokens, inputs of a token, heads, depth of a head."""

    tokens: int
    width: int
    heads: int
    depth: int

    @classmethod
    def of(cls, text: str) -> "Shape":
        """From "tokens,width,heads,depth"; raises ValueError for anything else."""
        numbers = [int(part) for part in text.split(",")]
        if len(numbers) != 4 or min(numbers) < 1:
            raise ValueError(f"{text!r} is not tokens,width,heads,depth")
        return cls(*numbers)

    def __str__(self) -> str:
        return f"{self.tokens},{self.width},{self.heads},{self.depth}"


@dataclass
class _Builder:
    rng: np.random.Generator
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def constant(self, name: str, array: npt.NDArray[np.generic]) -> str:
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def node(self, operator: str, inputs: list[str], output: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def linear(self, name: str, x: str, inputs: int, outputs: int, output: str = "") -> str:
        """x @ weights + bias, so scaled that outputs vary as inputs do."""
        weight = self.rng.standard_normal((inputs, outputs)) / np.sqrt(inputs)
        bias = 0.1 * self.rng.standard_normal(outputs)
        product = [x, self.constant(f"{name}_weight", weight.astype(np.float32))]
        total = [self.node("MatMul", product, f"{name}_product")]
        return self.node(
            "Add", [*total, self.constant(f"{name}_bias", bias.astype(np.float32))], output or name
        )

    def split(self, name: str, x: str, shape: Shape, perm: list[int]) -> str:
        """[tokens, heads*depth] as heads, their axes (token, head, depth) in the order `perm`."""
        extents = np.array([shape.tokens, shape.heads, shape.depth], np.int64)
        parts = self.node("Reshape", [x, self.constant(f"{name}_shape", extents)], f"{name}_parts")
        return self.node("Transpose", [parts], f"{name}_heads", perm=perm)


def attention(shape: Shape, seed: int = 0, *, causal: bool = False) -> onnx.ModelProto:
    """x [tokens, width] to y of the same shape: projections with biases, scaled scores, softmax, context.

    causal: no token sees a later one.
    """
    it = _Builder(np.random.default_rng(seed))
    inner = shape.heads * shape.depth
    queries, keys, values = (
        it.split(name, it.linear(name, "x", shape.width, inner), shape, perm)
        for name, perm in (("query", [1, 0, 2]), ("key", [1, 2, 0]), ("value", [1, 0, 2]))
    )
    scores = it.node("MatMul", [queries, keys], "scores")
    factor = it.constant("factor", np.array(1 / np.sqrt(shape.depth), np.float32))
    scaled = it.node("Mul", [scores, factor], "scaled")
    if causal:
        hidden = np.triu(np.full((shape.tokens, shape.tokens), -1e9, np.float32), 1)
        scaled = it.node("Add", [scaled, it.constant("mask", hidden)], "masked")
    shares = it.node("Softmax", [scaled], "shares", axis=-1)
    context = it.node("Transpose", [it.node("MatMul", [shares, values], "context")], "turned", perm=[1, 0, 2])
    flat = it.constant("flat_shape", np.array([shape.tokens, inner], np.int64))
    it.linear("out", it.node("Reshape", [context, flat], "flat"), inner, shape.width, "y")
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [shape.tokens, shape.width]) for name in "xy"
    ]
    graph = helper.make_graph(it.nodes, "attention", ports[:1], ports[1:], it.constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
