"""Deployments whose C is kept as text: one for each operator, then one for each way that data travels.

Nothing is random, so that the texts depend on no library's generator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from compiler.deployment import DIRECT, L1, L2, L3, TILE, WHOLE, Deployment, LayerPlan, Segment
from compiler.ir import Graph, IntType, Operator, Tensor
from compiler.ir.tensor import Constant, IntArray
from compiler.ops.add import add_from_scales
from compiler.ops.avgpool import avgpool_from_scales
from compiler.ops.concat import concat_from_scales
from compiler.ops.conv2d import Conv2d, conv_requant
from compiler.ops.embed import embed_from_table
from compiler.ops.inorm import INorm
from compiler.ops.integer_div import IntegerDiv
from compiler.ops.isoftmax import ISoftmax, polynomial_table
from compiler.ops.itamax import ITAMax
from compiler.ops.lut import lut_from_function
from compiler.ops.matmul import matmul_from_scales
from compiler.ops.maxpool import MaxPool
from compiler.ops.mul import mul_from_scales
from compiler.ops.norm import RealNorm, norm_from_scales
from compiler.ops.pad import Pad
from compiler.ops.requantise import requantise_from_scales
from compiler.ops.resize import Resize
from compiler.ops.rope import rope_from_scales
from compiler.ops.softmax import softmax_from_scales
from compiler.ops.transpose import Transpose
from compiler.ops.update import update_of
from compiler.schedule import Decisions, footprint
from compiler.schedule.segments import staging_of, striped
from compiler.tiling.stripes import LINE, RECOMPUTE
from tests.compiler.deployed import deployed
from tests.compiler.ops.alone import graph_of_one


@dataclass(frozen=True)
class Made:
    """An operator between its tensors, inputs first; `earlier`: those that run before it."""

    op: Operator
    tensors: tuple[Tensor, ...]
    earlier: tuple[Operator, ...] = ()

    @property
    def graph(self) -> Graph:
        operators = (*self.earlier, self.op)
        if self.op.updates:
            return graph_of_one(self.op, self.tensors)
        return Graph("main", self.tensors, operators, operators[0].inputs, (self.op.output,))


@dataclass(frozen=True)
class Golden:
    """A layer and its decisions: tile sizes where not whole, homes of (inputs and output, parameters).

    Earlier layers decide alike. prefetch: layers ahead of the last one at which its parameters set out.
    segment: in which all layers run.
    """

    make: Callable[[], Made]
    tile: Mapping[str, int]
    order: int = 0
    homes: tuple[str, str] = (L2, L2)
    staging: str = DIRECT
    param_staging: str = DIRECT
    buffering: int = 1
    layout: str = "plain"
    prefetch: int = 0
    segment: Segment | None = None

    def deployment(self, name: str) -> tuple[Graph, Deployment]:
        """The deployment that `name` stands for."""
        graph = self.make().graph
        plans = tuple(self._plan(graph, op) for op in graph)
        needs = [footprint(op, op.space(graph.by_name), plan) for op, plan in zip(graph, plans, strict=True)]
        homes, params = (
            dict.fromkeys(names, home)
            for names, home in zip((graph.by_name, (op.name for op in graph)), self.homes, strict=True)
        )
        decisions = Decisions(plans, tuple(needs), homes, params)
        if self.segment:
            homes |= dict.fromkeys((op.output for op in graph.operators[:-1]), L1)
            of = striped(graph, self.segment)
            staged = (
                replace(plan, staging=staging_of(of, op, homes, self.homes[1]))
                for op, plan in zip(graph, plans, strict=True)
            )
            decisions = replace(decisions, plans=tuple(staged), segments=(self.segment,))
        return graph, deployed(graph, decisions, name=name)

    def _plan(self, graph: Graph, op: Operator) -> LayerPlan:
        space = op.space(graph.by_name)
        return LayerPlan(
            operator=op.name,
            engine="cluster" if self.layout == "plain" else "npu",
            layout=self.layout,
            tile=tuple((dim.name, self.tile.get(dim.name, dim.extent)) for dim in space.dims),
            order=space.orders[self.order],
            split=space.spec.splits[0],
            buffering=self.buffering,
            staging=(*(self.staging,) * len(op.inputs), self.param_staging, self.staging),
            prefetch=self.prefetch if op is graph.operators[-1] else 0,
        )


def pattern(shape: tuple[int, ...], step: int = 37) -> IntArray:
    """int8 values that look like data."""
    count = int(np.prod(shape))
    return (np.arange(count) * step % 251 - 125).astype(np.int8).reshape(shape)


def tensor(
    name: str, *shape: int, scale: float = 0.05, zero_point: int = 0, dtype: IntType = IntType.I8
) -> Tensor:
    return Tensor(name, shape, dtype, scale, zero_point)


def conv(
    shape: tuple[int, int, int], outputs: int, window: tuple[int, int], groups: int = 1, stride: int = 1
) -> Made:
    """A convolution with padding that keeps the size at stride 1."""
    height, width, channels = shape
    up, side = window[0] // 2, window[1] // 2
    x = tensor("x", 1, *shape, zero_point=-3)
    rows, columns = (height + 2 * up - window[0]) // stride + 1, (width + 2 * side - window[1]) // stride + 1
    y = tensor("y", 1, rows, columns, outputs, scale=0.4, zero_point=5)
    weights = pattern((outputs, *window, channels // groups))
    op = Conv2d(
        name="conv",
        inputs=("x",),
        output="y",
        in_shape=shape,
        weights=Constant(weights),
        requant=conv_requant(weights, x, 0.01, np.arange(outputs) / 4, y),
        groups=groups,
        stride=(stride, stride),
        pads=(up, side, up, side),
        pad_value=x.zero_point,
    )
    return Made(op, (x, y))


def dense() -> Made:
    return conv((9, 8, 6), 10, (3, 3), stride=2)


def wide() -> Made:
    return conv((6, 6, 40), 36, (1, 1))


def depthwise() -> Made:
    return conv((8, 8, 12), 12, (3, 3), groups=12)


def grouped() -> Made:
    return conv((6, 6, 8), 12, (3, 1), groups=4)


def pair() -> Made:
    """A dense convolution, then a pointwise one."""
    first, last = dense(), conv((5, 4, 10), 7, (1, 1))
    (x, _), (_, y) = first.tensors, last.tensors
    between = replace(last.tensors[0], name="z")
    earlier = replace(first.op, name="first", output="z")
    return Made(replace(last.op, inputs=("z",)), (x, between, y), (earlier,))


def addition() -> Made:
    a, b = tensor("a", 1, 4, 5, 6), tensor("b", 6, scale=0.03, zero_point=7)
    y = tensor("y", 1, 4, 5, 6, scale=0.07)
    return Made(add_from_scales("sum", (a, b), y, broadcast="channel"), (a, b, y))


def product() -> Made:
    a, b = tensor("a", 1, 4, 5, 6), tensor("b", 1, 4, 5, 6, scale=0.03, zero_point=7)
    y = tensor("y", 1, 4, 5, 6, scale=0.09)
    return Made(mul_from_scales("product", (a, b), y), (a, b, y))


def summed() -> Made:
    """A residual sum of int16 and int8."""
    a, b = tensor("a", 1, 60, scale=0.001, dtype=IntType.I16), tensor("b", 1, 60)
    y = tensor("y", 1, 60, scale=0.001, dtype=IntType.I16)
    return Made(add_from_scales("sum", (a, b), y), (a, b, y))


def widened() -> Made:
    x, y = tensor("x", 1, 50), tensor("y", 1, 50, scale=0.0004, dtype=IntType.I16)
    return Made(requantise_from_scales("cast", x, y), (x, y))


def table() -> Made:
    x = tensor("x", 1, 50)
    y = tensor("y", 1, 50, scale=0.04)
    return Made(
        lut_from_function("leaky", lambda v: np.maximum(v, 0.125 * v).astype(np.float32), x, y), (x, y)
    )


def maximum() -> Made:
    x, y = tensor("x", 1, 9, 9, 4), tensor("y", 1, 5, 5, 4)
    op = MaxPool(
        name="pool",
        inputs=("x",),
        output="y",
        in_shape=(9, 9, 4),
        out_hw=(5, 5),
        window=(3, 3),
        stride=(2, 2),
        pads=(1, 1, 1, 1),
    )
    return Made(op, (x, y))


def average() -> Made:
    x, y = tensor("x", 1, 6, 6, 8), tensor("y", 1, 3, 3, 8, scale=0.04)
    shape = {"in_shape": (6, 6, 8), "out_hw": (3, 3), "window": (2, 2), "stride": (2, 2)}
    return Made(avgpool_from_scales("mean", x, y, **shape), (x, y))  # type: ignore[arg-type]


def probabilities() -> Made:
    x, y = tensor("x", 5, 12), tensor("y", 5, 12, scale=1 / 256, zero_point=-128)
    return Made(softmax_from_scales("softmax", 5, 12, x, y), (x, y))


def causal() -> Made:
    """Two heads of queries that begin at a position."""
    x, y = tensor("x", 6, 12), tensor("y", 6, 12, scale=1 / 256, zero_point=-128)
    at = tensor("at", 1, dtype=IntType.I32)
    return Made(softmax_from_scales("softmax", 6, 12, x, y, (3, 2), at), (x, at, y))


def cached() -> Made:
    """Two new rows for a state of seven."""
    x, at, y = tensor("x", 2, 6), tensor("at", 1, dtype=IntType.I32), tensor("y", 7, 6)
    return Made(update_of("rows", x, at, y, 2), (x, at, y))


def looked_up() -> Made:
    tokens, y = tensor("tokens", 7, dtype=IntType.I32), tensor("y", 7, 6, dtype=IntType.I16)
    return Made(embed_from_table("rows", tokens, y, pattern((11, 6)).astype(np.int16)), (tokens, y))


def rotated() -> Made:
    x, y = tensor("x", 5, 2, 6), tensor("y", 5, 2, 6, scale=0.06)
    cos, sin = (tensor(name, 5, 6, scale=2.0**-14, dtype=IntType.I16) for name in ("cos", "sin"))
    return Made(rope_from_scales("turn", x, cos, sin, y, 5, 2, 6), (x, cos, sin, y))


def shares() -> Made:
    x, y = tensor("x", 5, 12), tensor("y", 5, 12, scale=1 / 256, dtype=IntType.U8)
    op = ISoftmax(
        name="shares", inputs=("x",), output="y", rows=5, channels=12, table=polynomial_table(1, 86, 3888, 64)
    )
    return Made(op, (x, y))


def ita_shares() -> Made:
    x, y = tensor("x", 5, 12), tensor("y", 5, 12, scale=1 / 128, dtype=IntType.U8)
    op = ITAMax(name="shares", inputs=("x",), output="y", rows=5, channels=12, part=4, streams=True)
    return Made(op, (x, y))


def ratio() -> Made:
    a, b, y = tensor("a", 5, 12), tensor("b", 12), tensor("y", 5, 12)
    op = IntegerDiv(
        name="ratio", inputs=("a", "b"), output="y", count=60, channels=12, broadcast="channel", factor=900,
        eta=3, eps=500, mul=5, add=64, shift=7, low=-128, high=127,
    )  # fmt: skip
    return Made(op, (a, b, y))


def integer_norm() -> Made:
    x, y = tensor("x", 5, 12), tensor("y", 5, 12)
    weight, bias = (np.arange(12, dtype=np.int32) * k for k in (100_000, -200_000))
    op = INorm(
        name="norm", inputs=("x",), output="y", rows=5, channels=12, centred=True, weight=Constant(weight),
        bias=Constant(bias), shift=16, low=-128, high=127,
    )  # fmt: skip
    return Made(op, (x, y))


def normalised(centred: bool) -> Made:
    x, y = tensor("x", 5, 12), tensor("y", 5, 12, scale=0.03)
    real = RealNorm(centred, np.linspace(0.5, 1.5, 12), np.zeros(12), 1e-5)
    return Made(norm_from_scales("norm", real, 5, x, y), (x, y))


def attended() -> Made:
    """Two heads of queries for each of keys, split from rows of tokens."""
    a, b = tensor("a", 7, 4, 6), tensor("b", 9, 2, 6, scale=0.03, zero_point=7)
    y = tensor("y", 4, 7, 9, scale=0.09)
    layouts = ("mhk", "nhk", "hmn")
    return Made(matmul_from_scales("scores", (a, b), y, (4, 7, 9, 6), ratio=2, layouts=layouts), (a, b, y))


def joined() -> Made:
    a, b = tensor("a", 6, 5), tensor("b", 6, 3, scale=0.02, dtype=IntType.U8, zero_point=100)
    y = tensor("y", 6, 8)
    return Made(concat_from_scales("join", 6, (a, b), y), (a, b, y))


def turned() -> Made:
    x, y = tensor("x", 4, 5, 6), tensor("y", 6, 4, 5)
    return Made(Transpose(name="turn", inputs=("x",), output="y", in_shape=(4, 5, 6), perm=(2, 0, 1)), (x, y))


def padded() -> Made:
    x, y = tensor("x", 1, 4, 4, 3), tensor("y", 1, 7, 6, 4)
    op = Pad(
        name="pad", inputs=("x",), output="y", in_shape=(4, 4, 3), before=(1, 2, 0), after=(2, 0, 1), value=9
    )
    return Made(op, (x, y))


def resized() -> Made:
    x, y = tensor("x", 1, 6, 4, 3), tensor("y", 1, 4, 8, 3)
    op = Resize(name="scale", inputs=("x",), output="y", in_shape=(6, 4, 3), up=(2, 2), down=(3, 1))
    return Made(op, (x, y))


GOLDEN: Mapping[str, Golden] = {
    "conv2d": Golden(dense, {"y": 2, "o": 4}, buffering=2),
    "depthwise2d": Golden(depthwise, {"y": 3, "g": 5}, order=1),
    "grouped_conv2d": Golden(grouped, {"g": 3, "x": 4}),
    "add": Golden(addition, {"y": 7}, buffering=2),
    "add_int16": Golden(summed, {"n": 20}, buffering=2),
    "requantise": Golden(widened, {"n": 20}),
    "mul": Golden(product, {"n": 50}),
    "lut": Golden(table, {"n": 20}),
    "matmul": Golden(attended, {"h": 3, "y": 4, "i": 4}, buffering=2),
    "maxpool": Golden(maximum, {"y": 2, "c": 3}),
    "avgpool": Golden(average, {"x": 2}, buffering=2),
    "softmax": Golden(probabilities, {"y": 2}),
    "softmax_causal": Golden(causal, {"y": 2}),
    "embed": Golden(looked_up, {"y": 3}, buffering=2),
    "embed_from_l3": Golden(
        looked_up, {"y": 3}, homes=(L3, L3), staging=TILE, param_staging=TILE, buffering=2
    ),
    "embed_in_place": Golden(looked_up, {"y": 3}, homes=(L1, L1)),
    "update": Golden(cached, {"y": 1}, buffering=2),
    "update_in_l3": Golden(cached, {}, homes=(L3, L2), staging=TILE),
    "rope": Golden(rotated, {"y": 2}, buffering=2),
    "isoftmax": Golden(shares, {"y": 2}),
    "itamax": Golden(ita_shares, {"y": 2}),
    "idiv": Golden(ratio, {"y": 2, "c": 5}),
    "inorm": Golden(integer_norm, {"y": 2}),
    "rmsnorm": Golden(lambda: normalised(False), {"y": 2}),
    "layernorm": Golden(lambda: normalised(True), {"y": 2}),
    "concat": Golden(joined, {"y": 4}),
    "transpose": Golden(turned, {"a1": 3}),
    "pad": Golden(padded, {"y": 3}),
    "resize": Golden(resized, {"y": 3}),
    "one_tile": Golden(dense, {}),
    "in_place": Golden(dense, {"y": 2}, homes=(L1, L1)),
    "reduction": Golden(wide, {"i": 16, "o": 20}, buffering=2),
    "tiles_from_l3": Golden(
        dense, {"y": 2, "o": 4}, homes=(L3, L3), staging=TILE, param_staging=TILE, buffering=2
    ),
    "whole_from_l3": Golden(dense, {"y": 2}, homes=(L3, L3), staging=WHOLE, param_staging=WHOLE),
    "prefetch": Golden(pair, {"y": 2, "o": 4}, homes=(L2, L3), param_staging=WHOLE, buffering=2, prefetch=1),
    "segment": Golden(
        pair, {"o": 4}, homes=(L2, L3), buffering=2, segment=Segment(0, 2, 2, RECOMPUTE, 2, ("first",))
    ),
    "segment_lines": Golden(pair, {}, segment=Segment(0, 2, 1, LINE, 1, ("first", "conv"))),
    "npu": Golden(wide, {"y": 4, "o": 20}, layout="neureka", buffering=2),
    "npu_weight_memory": Golden(wide, {"y": 4, "o": 20}, layout="neureka", homes=(L2, "wmem_sram")),
    "npu_depthwise_ne16": Golden(depthwise, {"y": 4}, layout="ne16"),
}
