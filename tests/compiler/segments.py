"""Random graphs that can be fused: chains with strides, paddings, dilations, and residual blocks."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np

from compiler.deployment import L1, Deployment, Segment
from compiler.ir import Graph, IntType, Operator, Tensor
from compiler.ops.add import add_from_scales
from compiler.ops.avgpool import avgpool_from_scales
from compiler.ops.isoftmax import ISoftmax, polynomial_table
from compiler.ops.itamax import ITAMax
from compiler.ops.lut import lut_from_function
from compiler.ops.matmul import matmul_from_scales
from compiler.ops.maxpool import MaxPool
from compiler.ops.softmax import softmax_from_scales
from compiler.schedule import Decisions, footprint
from compiler.schedule.segments import channel_dims, staging_of, striped
from compiler.tiling.stripes import LINE, MODES, SegmentGraph, StripeError
from tests.compiler.deployed import any_choice, deployed
from tests.compiler.networks import conv, random_decisions

Layers = list[tuple[Operator, Tensor]]
Shape = tuple[int, int, int, tuple[int, int]]
"""Taps, stride, dilation, padding before and behind."""


def _window(rng: np.random.Generator, extent: int) -> Shape:
    """taps, stride, dilation, padding of one axis that leave at least two positions, where they can."""
    while True:
        taps, stride, dilation = (int(rng.integers(1, n)) for n in (6, 4, 3))
        span = (taps - 1) * dilation + 1
        pads = (int(rng.integers(0, 3)), int(rng.integers(0, 3)))
        if (extent + sum(pads) - span) // stride + 1 >= min(2, extent) and span <= extent + sum(pads):
            return taps, stride, dilation, pads


def _pooled(axis: Shape, extent: int) -> Shape:
    """For a pooling: windows that begin inside the input or before it, without dilation."""
    taps, stride, _, _ = axis
    taps = min(taps, extent)
    return taps, stride, 1, (taps // 2, 0)


def _spatial(name: str, x: Tensor, rng: np.random.Generator) -> tuple[Operator, Tensor]:
    """A convolution of any kind, or a pooling."""
    rows, columns = _window(rng, x.shape[1]), _window(rng, x.shape[2])
    kind = rng.choice(["dense", "depth", "point", "maxpool", "avgpool"])
    if kind.endswith("pool"):
        rows, columns = _pooled(rows, x.shape[1]), _pooled(columns, x.shape[2])
    options = {
        "window": (rows[0], columns[0]),
        "stride": (rows[1], columns[1]),
        "dilation": (rows[2], columns[2]),
        "pads": (rows[3][0], columns[3][0], rows[3][1], columns[3][1]),
    }
    if kind == "dense":
        return conv(name, x, int(rng.integers(1, 9)), rng, **options)
    if kind == "depth":
        return conv(name, x, x.shape[3], rng, groups=x.shape[3], **options)
    if kind == "point":
        return conv(name, x, int(rng.integers(1, 9)), rng, window=(1, 1))
    height, width = (
        (extent + sum(axis[3]) - (axis[0] - 1) * axis[2] - 1) // axis[1] + 1
        for extent, axis in zip(x.shape[1:3], (rows, columns), strict=True)
    )
    y = Tensor(f"{name}_out", (1, height, width, x.shape[3]), IntType.I8, x.scale, x.zero_point)
    pool = {key: options[key] for key in ("window", "stride", "pads")}
    if kind == "avgpool":
        return avgpool_from_scales(name, x, y, in_shape=x.shape[1:], out_hw=(height, width), **pool), y  # type: ignore[arg-type]
    op = MaxPool(
        name=name, inputs=(x.name,), output=y.name, in_shape=x.shape[1:], out_hw=(height, width),  # type: ignore[arg-type]
        dilation=options["dilation"], **pool,  # type: ignore[arg-type]
    )  # fmt: skip
    return op, y


def _block(name: str, x: Tensor, rng: np.random.Generator) -> Layers:
    """A residual block: two convolutions beside a shortcut, which may be a 1x1 convolution."""
    channels = x.shape[3]
    size = int(rng.choice([1, 3, 5]))
    same = (size // 2,) * 4
    first = conv(f"{name}a", x, int(rng.integers(1, 7)), rng, window=(size, size), pads=same)
    second = conv(f"{name}b", first[1], channels, rng, window=(3, 3), pads=(1, 1, 1, 1))
    layers: Layers = [first, second]
    short = x
    if rng.random() < 0.5:
        layers.append(conv(f"{name}c", x, channels, rng, window=(1, 1)))
        short = layers[-1][1]
    total = Tensor(f"{name}_sum", x.shape, IntType.I8, 0.15, -2)
    layers.append((add_from_scales(f"{name}d", (short, second[1]), total), total))
    return layers


def _table(name: str, x: Tensor) -> tuple[Operator, Tensor]:
    y = Tensor(f"{name}_out", x.shape, IntType.I8, 0.1, 0)
    return lut_from_function(name, np.tanh, x, y), y


def fusible(seed: int) -> Graph:
    """Two to five layers or blocks, all of which could be one segment."""
    rng = np.random.default_rng(seed)
    x = Tensor(
        "x",
        (1, int(rng.integers(9, 26)), int(rng.integers(5, 9)), int(rng.integers(1, 6))),
        IntType.I8,
        0.1,
        2,
    )
    layers: Layers = []
    last = x
    for k in range(int(rng.integers(2, 5))):
        draw = rng.random()
        if draw < 0.3:
            layers += _block(f"n{k}", last, rng)
        elif draw < 0.4:
            layers.append(_table(f"n{k}", last))
        else:
            layers.append(_spatial(f"n{k}", last, rng))
        last = layers[-1][1]
    if last.shape[1] < 2 or len(layers) < 2:
        return fusible(seed + 10_007)
    operators, tensors = zip(*layers, strict=True)
    return Graph("main", (x, *tensors), operators, ("x",), (last.name,))


def attending(seed: int) -> Graph:
    """Attention: scores, a softmax of any kind (perhaps causal) behind a table, the product with values.

    Heads are side by side in every row, one or several for one of keys; values may be made in between.
    """
    rng = np.random.default_rng(seed)
    rows, keys, depth, ratio, shared = (int(rng.integers(low, high)) for low, high in _ATTENTION)
    heads = ratio * shared
    q = Tensor("q", (rows, heads * depth), IntType.I8, 0.05, int(rng.integers(-3, 4)))
    k = Tensor("k", (keys, shared * depth), IntType.I8, 0.05, 3)
    v = Tensor("v", (1, keys, 1, shared * depth), IntType.I8, 0.05, -2)
    s = Tensor("s", (rows, heads, keys), IntType.I8, float(0.04 * np.sqrt(depth)), 1)
    t = Tensor("t", s.shape, IntType.I8, s.scale, 0)
    p = Tensor("p", s.shape, IntType.U8, 1 / 256, 0)
    y = Tensor("y", (rows, heads, depth), IntType.I8, 0.02, 0)
    made = conv("values", v, shared * depth, rng, window=(1, 1)) if rng.integers(2) else None
    w = made[1] if made else v
    scores = matmul_from_scales(
        "scores", (q, k), s, (heads, rows, keys, depth), ratio=ratio, layouts=("mhk", "nhk", "mhn")
    )
    context = matmul_from_scales(
        "context", (p, w), y, (heads, rows, depth, keys), ratio=ratio, layouts=("mhk", "khn", "mhn")
    )
    shift = lut_from_function("shift", lambda x: 0.9 * x, s, t)
    shares = _shares(int(rng.integers(4)), rows * heads, t, p)
    operators = (scores, shift, shares, *((made[0],) if made else ()), context)
    tensors = (q, k, v, s, t, p, *((w,) if made else ()), y)
    return Graph("main", tensors, operators, ("q", "k", "v"), ("y",))


_ATTENTION = ((2, 12), (1, 12), (1, 6), (1, 3), (1, 3))
"""Ranges of queries, keys, depth, heads for one of keys, and those."""


def _shares(kind: int, rows: int, x: Tensor, y: Tensor) -> Operator:
    keys = x.shape[-1]
    if kind == 0:
        return softmax_from_scales("shares", rows, keys, x, y)
    if kind == 3:
        mask = (x.shape[0], max(keys - x.shape[0], 0))
        return softmax_from_scales("shares", rows, keys, x, y, mask, causal_heads=x.shape[1])
    if kind == 1:
        table = polynomial_table(1, 86, 3888, 64)
        return ISoftmax(name="shares", inputs=("t",), output="p", rows=rows, channels=keys, table=table)
    return ITAMax(name="shares", inputs=("t",), output="p", rows=rows, channels=keys, part=1, streams=True)


def random_segments(graph: Graph, rng: random.Random, longest: int = 6) -> tuple[Segment, ...]:
    """Some disjoint runs of operators that can be segments, with any stripes."""
    found: list[Segment] = []
    step = 0
    while step < len(graph.operators) - 1:
        ends = list(range(step + 2, min(step + longest, len(graph.operators)) + 1))
        rng.shuffle(ends)
        for last in ends:
            try:
                rows = SegmentGraph(graph, step, last).rows[graph.operators[last - 1].output]
            except StripeError:
                continue
            names = [op.name for op in graph.operators[step:last]]
            mode = rng.choice(MODES)
            buffering = 1 if mode == LINE else rng.choice((1, 2))
            held = tuple(name for name in names if rng.random() < 0.5)
            found.append(Segment(step, last, rng.randint(1, rows - 1), mode, buffering, held))
            step = last
            break
        else:
            step += 1
    return tuple(found)


def fused(graph: Graph, decisions: Decisions, segments: tuple[Segment, ...], rng: random.Random) -> Decisions:
    """The decisions with these layers fused; channel tiles are drawn anew."""
    homes = dict(decisions.homes)
    inner = {name for segment in segments for name in SegmentGraph(graph, segment.first, segment.last).inner}
    homes |= dict.fromkeys(inner, L1)
    plans, needs = list(decisions.plans), list(decisions.footprints)
    for segment in segments:
        of = striped(graph, segment)
        for step in segment.steps:
            op, space = graph.operators[step], of.graph.spaces[step - segment.first]
            tiled = channel_dims(space)
            plans[step] = replace(
                plans[step],
                tile=tuple(
                    (d.name, rng.randint(1, d.extent) if d.name in tiled else d.extent) for d in space.dims
                ),
                buffering=segment.buffering,
                staging=staging_of(of, op, homes, decisions.param_homes[op.name]),
                prefetch=0,
            )
            needs[step] = footprint(op, space, plans[step])
    for segment in segments:
        for step, plan in enumerate(plans):
            if plan.prefetch and step - plan.prefetch in segment.steps:
                plans[step] = replace(plan, prefetch=step - segment.first)
    return replace(decisions, plans=tuple(plans), footprints=tuple(needs), homes=homes, segments=segments)


def fused_deployment(graph: Graph, seed: int) -> Deployment:
    """A deployment of random legal decisions, with what can be fused in random segments."""
    rng = random.Random(seed)
    choice = any_choice(graph, rng)
    segments = random_segments(graph, rng)
    return deployed(graph, fused(graph, random_decisions(graph, rng, choice), segments, rng))
