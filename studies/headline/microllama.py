"""microLlama as a float ONNX graph with random weights, and samples to quantise it with.

The sizes are those of the network that Deeploy's tutorial runs: 64 wide, 8 blocks, 16 heads of 4, a gated MLP
of 256, no classifier. The weights decide no cycle: no cost depends on a value.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

WIDTH, BLOCKS, HEADS, HIDDEN, WORDS = 64, 8, 16, 256, 512
DEPTH = WIDTH // HEADS
OPSET, IR_VERSION = 17, 8
BASE = 10000.0
"""Base of the rotary embedding's wavelengths."""

Arrays = dict[str, npt.NDArray[np.generic]]


@dataclass
class _Graph:
    """Nodes and constants in the making."""

    rng: np.random.Generator
    nodes: list[NodeProto] = field(default_factory=list)
    constants: Arrays = field(default_factory=dict)

    def __call__(self, kind: str, *inputs: str, **attributes: object) -> str:
        output = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, (output,), name=output, **attributes))
        return output

    def constant(self, name: str, value: npt.ArrayLike) -> str:
        self.constants[name] = np.asarray(value)
        return name

    def linear(self, x: str, name: str, inputs: int, outputs: int) -> str:
        """x [1, tokens, inputs] times a random matrix."""
        weights = self.rng.normal(0, inputs**-0.5, (inputs, outputs)).astype(np.float32)
        return self("MatMul", x, self.constant(name, weights))

    def norm(self, x: str, name: str) -> str:
        """RMS norm over the last axis, as exporters decompose it."""
        gain = self.constant(name, self.rng.uniform(0.5, 1.5, WIDTH).astype(np.float32))
        mean = self("ReduceMean", self("Mul", x, x), axes=[2], keepdims=1)
        root = self("Sqrt", self("Add", mean, "epsilon"))
        return self("Mul", self("Div", x, root), gain)

    def heads(self, x: str, name: str) -> str:
        """One projection [1, heads, tokens, depth]."""
        split = self("Reshape", self.linear(x, name, WIDTH, WIDTH), "split")
        return self("Transpose", split, perm=[0, 2, 1, 3])

    def rotated(self, x: str) -> str:
        first = self("Slice", x, "zero", "half", "last")
        second = self("Slice", x, "half", "end", "last")
        turned = self("Concat", self("Neg", second), first, axis=3)
        return self("Add", self("Mul", x, "cos"), self("Mul", turned, "sin"))


def microllama(tokens: int, past: int) -> ModelProto:
    """`tokens` new tokens behind `past` old ones, whose keys and values are inputs [1, heads, past, depth].

    With a past there is one new token; without one the scores are masked causally. Output: the last norm.
    """
    if past and tokens != 1:
        raise ValueError(f"{tokens} tokens at once with a past of {past}: decoding takes one")
    graph = _Graph(np.random.default_rng(0))
    _shared_constants(graph, tokens)
    x = graph("Gather", "words", "tokens", axis=0)
    for block in range(BLOCKS):
        x = _block(graph, x, block, past)
    graph("Identity", graph.norm(x, "norm_last"))
    graph.nodes[-1].output[0] = "hidden"
    made = helper.make_graph(
        graph.nodes,
        "microllama",
        [_declared(name, array) for name, array in samples(tokens, past, 1).items()],
        [helper.make_tensor_value_info("hidden", TensorProto.FLOAT, [1, tokens, WIDTH])],
        [numpy_helper.from_array(value, name) for name, value in graph.constants.items()],
    )
    model = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="rvdse.studies.headline"
    )
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model


def samples(tokens: int, past: int, count: int, seed: int = 0) -> Arrays:
    """`count` samples of every input, stacked on a leading axis where count > 1."""
    rng = np.random.default_rng(seed)
    waves = BASE ** (-np.arange(0, DEPTH, 2) / DEPTH)
    angles = np.outer(past + np.arange(tokens), np.concatenate([waves, waves]))
    table = (1, 1, tokens, DEPTH)
    found: Arrays = {
        "tokens": rng.integers(0, WORDS, (count, 1, tokens)),
        "cos": np.tile(np.cos(angles).astype(np.float32), (count, 1)).reshape(count, *table),
        "sin": np.tile(np.sin(angles).astype(np.float32), (count, 1)).reshape(count, *table),
    }
    if past:
        cache = (count, 1, HEADS, past, DEPTH)
        for block in range(BLOCKS):
            for which in "kv":
                found[f"past_{which}{block}"] = rng.normal(0, 1, cache).astype(np.float32)
    return found if count > 1 else {name: array[0] for name, array in found.items()}


def _shared_constants(graph: _Graph, tokens: int) -> None:
    graph.constant("words", graph.rng.normal(0, 1, (WORDS, WIDTH)).astype(np.float32))
    graph.constant("epsilon", np.float32(1e-5))
    graph.constant("scale", np.float32(DEPTH**-0.5))
    graph.constant("split", np.array([1, tokens, HEADS, DEPTH], np.int64))
    graph.constant("joined", np.array([1, tokens, WIDTH], np.int64))
    for name, value in (("zero", 0), ("half", DEPTH // 2), ("end", DEPTH), ("last", 3)):
        graph.constant(name, np.array([value], np.int64))
    seen = np.tril(np.ones((1, 1, tokens, tokens), bool))
    graph.constant("mask", np.where(seen, 0, -1e9).astype(np.float32))


def _block(graph: _Graph, x: str, block: int, past: int) -> str:
    n = graph.norm(x, f"norm_attention{block}")
    q = graph.rotated(graph.heads(n, f"wq{block}"))
    k = graph.rotated(graph.heads(n, f"wk{block}"))
    v = graph.heads(n, f"wv{block}")
    if past:
        k = graph("Concat", f"past_k{block}", k, axis=2)
        v = graph("Concat", f"past_v{block}", v, axis=2)
    scores = graph("Mul", graph("MatMul", q, graph("Transpose", k, perm=[0, 1, 3, 2])), "scale")
    seen = scores if past else graph("Add", scores, "mask")
    mixed = graph("MatMul", graph("Softmax", seen, axis=-1), v)
    joined = graph("Reshape", graph("Transpose", mixed, perm=[0, 2, 1, 3]), "joined")
    x = graph("Add", x, graph.linear(joined, f"wo{block}", WIDTH, WIDTH))
    n = graph.norm(x, f"norm_mlp{block}")
    gate = graph.linear(n, f"w1_{block}", WIDTH, HIDDEN)
    up = graph.linear(n, f"w3_{block}", WIDTH, HIDDEN)
    gated = graph("Mul", graph("Mul", gate, graph("Sigmoid", gate)), up)
    return graph("Add", x, graph.linear(gated, f"w2_{block}", HIDDEN, WIDTH))


def _declared(name: str, array: npt.NDArray[np.generic]) -> ValueInfoProto:
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    return helper.make_tensor_value_info(name, kind, array.shape)
