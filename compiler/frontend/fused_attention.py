"""Fused-weight attention: the weights of queries and keys become one matrix a head, before quantisation.

Scores of a head are (x Wq + bq)(x Wk + bk)^T. With F = Wq Wk^T and f = bq Wk^T they are (x F + f) x^T plus
terms that are the same for all keys of a query, which a softmax over keys does not see. The projection of
keys vanishes, and all heads share x as their keys; a query grows from the depth of a head to the width of x.
That saves multiplications where heads are deep and x is narrow. What stands between projection and product
must only split heads: a rotary embedding depends on the position and cannot be folded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class FusedAttention:
    """One attention whose weights can be fused. macs_before, macs_after: of its queries, keys and scores."""

    scores: str
    heads: int
    depth: int
    width: int
    macs_before: int
    macs_after: int

    @property
    def text(self) -> str:
        """One line for a user."""
        return (
            f"{self.scores}: {self.heads} heads of {self.depth} beside {self.width} inputs: "
            f"{self.macs_before} multiplications up to the scores become {self.macs_after}"
        )


@dataclass(frozen=True, eq=False)
class _Projection:
    """x @ weight + bias, split into heads. x: name; weight [E, heads*depth], bias [heads*depth]."""

    x: str
    weight: Array
    bias: Array
    nodes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Match:
    node: onnx.NodeProto
    x_shape: tuple[int, ...]
    q_shape: tuple[int, ...]
    queries: _Projection
    keys: _Projection
    found: FusedAttention


def fuse_attention_weights(model: onnx.ModelProto) -> tuple[onnx.ModelProto, tuple[FusedAttention, ...]]:
    """The model with fused weights wherever that saves multiplications, and what was fused.

    The model that results computes the same real numbers, but for rounding; the input is not changed.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    matches = _saving(changed)
    for match in matches:
        _apply(changed, match)
    _drop_unused(changed)
    return changed, tuple(match.found for match in matches)


def attentions_to_fuse(model: onnx.ModelProto) -> tuple[FusedAttention, ...]:
    """What `fuse_attention_weights` would fuse."""
    return tuple(match.found for match in _saving(model))


def _saving(model: onnx.ModelProto) -> list[_Match]:
    return [match for match in _matches(model) if match.found.macs_after < match.found.macs_before]


def _matches(model: onnx.ModelProto) -> Iterator[_Match]:
    graph = _Graph(model)
    for node in model.graph.node:
        if node.op_type != "MatMul" or not graph.feeds_softmax(node.output[0]):
            continue
        q_shape, k_shape = (graph.shapes.get(name, ()) for name in node.input)
        if min((*q_shape, *k_shape), default=0) < 1:
            continue  # an extent that only the run knows
        if len(q_shape) < 3 or len(k_shape) != len(q_shape) or any(n != 1 for n in q_shape[:-3]):
            continue
        heads, rows, depth = q_shape[-3:]
        keys = k_shape[-1]
        queries = graph.projection(node.input[0], (heads, rows, depth), (1, 0, 2))
        projected = graph.projection(node.input[1], (heads, depth, keys), (2, 0, 1))
        if queries is None or projected is None or queries.x != projected.x:
            continue
        width = len(queries.weight)
        before = rows * width * heads * depth * 2 + heads * rows * keys * depth
        after = rows * width * heads * width + heads * rows * keys * width
        found = FusedAttention(node.output[0], heads, depth, width, before, after)
        yield _Match(node, graph.shapes[queries.x], q_shape, queries, projected, found)


class _Graph:
    """Producers, readers, constants and shapes of a model, by name."""

    def __init__(self, model: onnx.ModelProto) -> None:
        known = onnx.shape_inference.infer_shapes(model).graph
        self.producers = {name: node for node in model.graph.node for name in node.output}
        self.constants = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self.shapes = {
            info.name: tuple(dim.dim_value for dim in info.type.tensor_type.shape.dim)
            for info in (*known.input, *known.value_info, *known.output)
        }
        self.shapes |= {name: array.shape for name, array in self.constants.items()}
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        for node in model.graph.node:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        self.outputs = {info.name for info in model.graph.output}

    def feeds_softmax(self, name: str) -> bool:
        """Whether nothing but scalings by a number stand between a value and a softmax over the last axis."""
        readers = self.readers.get(name, [])
        if len(readers) != 1 or name in self.outputs:
            return False
        (node,) = readers
        if node.op_type == "Softmax":
            axis = next((a.i for a in node.attribute if a.name == "axis"), -1)
            return axis in (-1, len(self.shapes.get(name, ())) - 1)
        numbers = [self.constants[each].size == 1 for each in node.input if each in self.constants]
        return node.op_type in ("Mul", "Div") and numbers == [True] and self.feeds_softmax(node.output[0])

    def projection(
        self, name: str, shape: tuple[int, ...], order: tuple[int, int, int]
    ) -> _Projection | None:
        """A linear layer of which `name` is the output split into heads; None where it is anything else.

        shape: of `name` without leading ones; order: its axes as (row, head, depth).
        """
        path: list[onnx.NodeProto] = []
        while (node := self.producers.get(name)) is not None and node.op_type in ("Reshape", "Transpose"):
            path.append(node)
            name = node.input[0]
        bias: Array = np.zeros((), np.float32)
        nodes = [each.output[0] for each in path]
        if node is not None and node.op_type == "Add":
            added = [each for each in node.input if each in self.constants]
            others = [each for each in node.input if each not in self.constants]
            if len(added) != 1 or len(others) != 1:
                return None
            bias, node = self.constants[added[0]], self.producers.get(others[0])
        if node is None or node.op_type != "MatMul" or node.input[1] not in self.constants:
            return None
        weight = self.constants[node.input[1]]
        if weight.ndim != 2 or bias.size not in (1, weight.shape[1]):
            return None
        if not self._only_splits(path, name, shape, order):
            return None
        wide = np.broadcast_to(bias.reshape(-1), (weight.shape[1],))
        return _Projection(node.input[0], weight, wide, tuple(nodes))

    def _only_splits(
        self, path: list[onnx.NodeProto], name: str, shape: tuple[int, ...], order: tuple[int, int, int]
    ) -> bool:
        """Whether a path of reshapes and transposes moves every number to where a split of heads does."""
        places = np.arange(int(np.prod(self.shapes[name]))).reshape(self.shapes[name])
        wanted = np.arange(places.size).reshape([shape[axis] for axis in order])
        for node in reversed(path):
            if node.op_type == "Transpose":
                perm = next((tuple(a.ints) for a in node.attribute if a.name == "perm"), None)
                places = places.transpose(perm)
            elif self.shapes.get(node.output[0]) and 0 not in self.shapes[node.output[0]]:
                places = places.reshape(self.shapes[node.output[0]])
            else:
                return False
        return np.array_equal(places.reshape(shape).transpose(order), wanted)


def _apply(model: onnx.ModelProto, match: _Match) -> None:
    """Replace queries and keys of one attention; projections that nothing else reads are left to die."""
    heads, depth, width = match.found.heads, match.found.depth, match.found.width
    split = (width, heads, depth)
    wq = match.queries.weight.astype(np.float64).reshape(split)
    wk = match.keys.weight.astype(np.float64).reshape(split)
    bias = match.queries.bias.astype(np.float64).reshape(heads, depth)
    weight = np.einsum("ehd,fhd->ehf", wq, wk).reshape(width, heads * width)
    offset = np.einsum("hd,fhd->hf", bias, wk).reshape(-1)
    at = match.found.scores
    names = {
        part: f"{at}_{part}" for part in ("weight", "bias", "shape", "sum", "wide", "split", "query", "key")
    }
    rows, rank = match.q_shape[-2], len(match.x_shape)
    ones = match.q_shape[:-3]
    for name, array in (
        ("weight", weight.astype(np.float32)),
        ("bias", offset.astype(np.float32)),
        ("shape", np.array([*ones, rows, heads, width], np.int64)),
    ):
        model.graph.initializer.append(numpy_helper.from_array(array, names[name]))
    lead = len(ones)
    perm = [*range(lead), lead + 1, lead, lead + 2]
    turned = [*range(rank - 2), rank - 1, rank - 2]
    made = [
        helper.make_node("MatMul", [match.queries.x, names["weight"]], [names["sum"]]),
        helper.make_node("Add", [names["sum"], names["bias"]], [names["wide"]]),
        helper.make_node("Reshape", [names["wide"], names["shape"]], [names["split"]]),
        helper.make_node("Transpose", [names["split"]], [names["query"]], perm=perm),
        helper.make_node("Transpose", [match.queries.x], [names["key"]], perm=turned),
    ]
    for node in made:
        node.name = node.output[0]
    nodes = list(model.graph.node)
    place = next(k for k, node in enumerate(nodes) if at in node.output)
    nodes[place].input[:] = [names["query"], names["key"]]
    del model.graph.node[:]
    model.graph.node.extend([*nodes[:place], *made, *nodes[place:]])


def _drop_unused(model: onnx.ModelProto) -> None:
    """Take away nodes and constants that no output needs."""
    needed = {info.name for info in model.graph.output}
    kept = []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
    constants = [tensor for tensor in model.graph.initializer if tensor.name in needed]
    del model.graph.node[:]
    model.graph.node.extend(reversed(kept))
    del model.graph.initializer[:]
    model.graph.initializer.extend(constants)
    del model.graph.value_info[:]
