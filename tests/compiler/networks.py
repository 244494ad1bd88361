"""Small integer graphs that use every operator, and random legal decisions for them."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import numpy as np

from compiler.deployment import DIRECT, L1, L2, L3, TILE, WHOLE, LayerPlan
from compiler.ir import Constant, Graph, IntType, Module, Operator, Tensor
from compiler.ops.add import add_from_scales
from compiler.ops.avgpool import avgpool_from_scales
from compiler.ops.concat import concat_from_scales
from compiler.ops.conv2d import Conv2d
from compiler.ops.embed import embed_from_table
from compiler.ops.matmul import Layouts, matmul_from_scales
from compiler.ops.maxpool import MaxPool
from compiler.ops.norm import RealNorm, norm_from_scales
from compiler.ops.pad import Pad
from compiler.ops.requant import Requant
from compiler.ops.requantise import requantise_from_scales
from compiler.ops.resize import Resize
from compiler.ops.rope import rope_from_scales
from compiler.ops.softmax import softmax_from_scales
from compiler.ops.transpose import Transpose
from compiler.ops.update import update_of
from compiler.schedule import Decisions, footprint
from compiler.tiling import Grid, TileLimits, enumerate_tiles


def conv(
    name: str, source: Tensor, out: int, rng: np.random.Generator, **options: object
) -> tuple[Conv2d, Tensor]:
    """A convolution with random weights, and its output tensor (1, Ho, Wo, out)."""
    window = options.pop("window", (3, 3))
    groups = int(options.pop("groups", 1))  # type: ignore[call-overload]
    height, width, channels = source.shape[1:]
    weights = rng.integers(-127, 128, (out, *window, channels // groups)).astype(np.int8)  # type: ignore[misc]
    bound = np.abs(weights.astype(np.int64)).sum(axis=(1, 2, 3)) * 128
    shift = 20
    mul = np.maximum((2**30 / np.maximum(bound, 1) / 1.5).astype(np.int64), 1).astype(np.int32)
    add = rng.integers(-(2**20), 2**20, out).astype(np.int32)
    requant = Requant(Constant(mul), Constant(add), shift, -128, 127)
    op = Conv2d(
        name=name,
        inputs=(source.name,),
        output=f"{name}_out",
        in_shape=(height, width, channels),
        weights=Constant(weights),
        requant=requant,
        groups=groups,
        pad_value=source.zero_point,
        **options,  # type: ignore[arg-type]
    )
    return op, Tensor(op.output, (1, *op.out_hw, out), IntType.I8, 0.1, 3)


def _down_and_up(total: Tensor) -> tuple[MaxPool, Tensor, Resize, Tensor]:
    """Pooling by two and nearest resizing by two, with their outputs."""
    height, width = total.shape[1:3]
    pooled = Tensor("pool_out", (1, (height + 1) // 2, (width + 1) // 2, 40), IntType.I8, 0.12, 1)
    maxpool = MaxPool(
        name="pool", inputs=(total.name,), output=pooled.name, in_shape=total.shape[1:],  # type: ignore[arg-type]
        out_hw=pooled.shape[1:3], window=(3, 3), stride=(2, 2), pads=(1, 1, 1, 1),  # type: ignore[arg-type]
    )  # fmt: skip
    grown = Tensor("up_out", (1, pooled.shape[1] * 2, pooled.shape[2] * 2, 40), IntType.I8, 0.12, 1)
    resize = Resize(
        name="up",
        inputs=(pooled.name,),
        output=grown.name,
        in_shape=pooled.shape[1:],  # type: ignore[arg-type]
        up=(2, 2),
    )
    return maxpool, pooled, resize, grown


def every_operator(seed: int) -> Graph:
    """A graph through convolutions of all kinds, pools, additions, concatenation, layout operators."""
    rng = np.random.default_rng(seed)
    x = Tensor("x", (1, 13, 11, 8), IntType.I8, 0.05, -4)
    dense, a = conv("dense", x, 40, rng, stride=(2, 1), pads=(1, 1, 0, 1))
    depth, b = conv("depth", a, 40, rng, groups=40, pads=(1, 1, 1, 1))
    point, c = conv("point", b, 40, rng, window=(1, 1))
    total = Tensor("sum_out", a.shape, IntType.I8, 0.12, 1)
    add = add_from_scales("sum", (a, c), total)
    grouped, d = conv("grouped", total, 20, rng, groups=4, dilation=(2, 1), pads=(2, 1, 2, 1))
    maxpool, pooled, resize, grown = _down_and_up(total)
    rows, columns = grown.shape[1] - d.shape[1], grown.shape[2] - d.shape[2]
    padded = Tensor("pad_out", (1, grown.shape[1], grown.shape[2], 20), IntType.I8, d.scale, d.zero_point)
    pad = Pad(
        name="pad", inputs=(d.name,), output=padded.name, in_shape=d.shape[1:],  # type: ignore[arg-type]
        before=(rows // 2, columns // 2, 0), after=(rows - rows // 2, columns - columns // 2, 0), value=3,
    )  # fmt: skip
    joined = Tensor("join_out", (1, grown.shape[1], grown.shape[2], 60), IntType.I8, 0.15, 0)
    concat = concat_from_scales("join", grown.shape[1] * grown.shape[2], (grown, padded), joined)
    turned = Tensor("turn_out", (1, joined.shape[2], joined.shape[1], 60), IntType.I8, 0.15, 0)
    transpose = Transpose(
        name="turn", inputs=(joined.name,), output=turned.name, in_shape=joined.shape[1:], perm=(1, 0, 2)
    )
    mean = Tensor("mean_out", (1, 1, 1, 60), IntType.I8, 0.1, 2)
    average = avgpool_from_scales(
        "mean",
        turned,
        mean,
        in_shape=turned.shape[1:],  # type: ignore[arg-type]
        out_hw=(1, 1),
        window=turned.shape[1:3],  # type: ignore[arg-type]
    )
    final, out = conv("final", mean, 10, rng, window=(1, 1))
    operators: tuple[Operator, ...] = (
        dense, depth, point, add, grouped, maxpool, resize, pad, concat, transpose, average, final,
    )  # fmt: skip
    tensors = (x, a, b, c, total, d, pooled, grown, padded, joined, turned, mean, out)
    return Graph("main", tensors, operators, ("x",), (out.name,))


def chain(seed: int) -> Graph:
    """Convolutions in a row, most of them fit for an NPU, and a sum over a shortcut."""
    rng = np.random.default_rng(seed)
    side, channels = int(rng.integers(4, 9)), int(rng.integers(3, 37))
    x = Tensor("x", (1, side, side + 2, channels), IntType.I8, 0.1, int(rng.integers(-5, 6)))
    same = (1, 1, 1, 1)
    first, a = conv("first", x, int(rng.integers(1, 70)), rng, pads=same)
    point, b = conv("point", a, channels, rng, window=(1, 1))
    depth, c = conv("depth", b, channels, rng, groups=channels, pads=same)
    total = Tensor("total", c.shape, IntType.I8, 0.15, -2)
    add = add_from_scales("sum", (b, c), total)
    final, out = conv("final", total, 12, rng, stride=(2, 2), pads=same)
    operators: tuple[Operator, ...] = (first, point, depth, add, final)
    return Graph("main", (x, a, b, c, total, out), operators, ("x",), (out.name,))


def attention(seed: int) -> Graph:
    """Grouped-query attention between projections: heads are split and merged by the products' layouts."""
    rng = np.random.default_rng(seed)
    tokens, ratio, shared, width = (
        int(rng.integers(low, high)) for low, high in ((3, 12), (1, 4), (1, 4), (2, 9))
    )
    heads = ratio * shared
    x = Tensor("x", (1, tokens, 1, 12), IntType.I8, 0.05, -4)
    query, q = conv("query", x, heads * width, rng, window=(1, 1))
    key, k = conv("key", x, shared * width, rng, window=(1, 1))
    value, v = conv("value", x, shared * width, rng, window=(1, 1))
    scores = Tensor("scores", (heads, tokens, tokens), IntType.I8, 0.5, -3)
    weights = Tensor("weights", scores.shape, IntType.U8, 1 / 256, 0)
    mixed = Tensor("mixed", (1, tokens, 1, heads * width), IntType.I8, 0.1, 3)
    forms: tuple[Layouts, Layouts] = (("mhk", "nhk", "hmn"), ("hmk", "khn", "mhn"))
    extents = (heads, tokens, tokens, width), (heads, tokens, width, tokens)
    operators: tuple[Operator, ...] = (
        query,
        key,
        matmul_from_scales("scored", (q, k), scores, extents[0], ratio=ratio, layouts=forms[0]),
        softmax_from_scales("softmax", heads * tokens, tokens, scores, weights),
        value,
        matmul_from_scales("mix", (weights, v), mixed, extents[1], ratio=ratio, layouts=forms[1]),
    )
    final, out = conv("final", mixed, 12, rng, window=(1, 1))
    tensors = (x, q, k, v, scores, weights, mixed, out)
    return Graph("main", tensors, (*operators, final), ("x",), (out.name,))


def _wide_conv(name: str, x: Tensor, out: int, rng: np.random.Generator) -> tuple[Conv2d, Tensor]:
    """A linear layer whose outputs are int16."""
    op, y = conv(name, x, out, rng, window=(1, 1))
    y = replace(y, dtype=IntType.I16, scale=2.0**-10, zero_point=0)
    requant = replace(op.requant, low=IntType.I16.low, high=IntType.I16.high, shift=12)
    return replace(op, output_type=IntType.I16, requant=requant), y


def _embedded(token: Tensor, channels: int, rng: np.random.Generator) -> tuple[Operator, Tensor]:
    rows = Tensor("rows", (1, token.elements, 1, channels), IntType.I16, 2.0**-10)
    table = rng.integers(-(2**12), 2**12, (17, channels)).astype(np.int16)
    return embed_from_table("embed", token, rows, table), rows


def _even(channels: int) -> RealNorm:
    return RealNorm(False, np.ones(channels), np.zeros(channels), 1e-5)


def language(seed: int) -> Graph:
    """A decoder: tokens become int16 rows, an attention block adds to them, int16 logits leave."""
    rng = np.random.default_rng(seed)
    tokens, heads, width = (int(rng.integers(low, high)) for low, high in ((2, 9), (1, 4), (1, 5)))
    width, channels = 2 * width, 2 * heads * width
    token, at = Tensor("token", (tokens,), IntType.I32), Tensor("at", (1,), IntType.I32)
    cos, sin = (Tensor(name, (tokens, width), IntType.I16, 2.0**-14) for name in ("cos", "sin"))
    embed, rows = _embedded(token, channels, rng)
    normed = Tensor("normed", rows.shape, IntType.I8, 0.03)
    query, q = conv("query", normed, heads * width, rng, window=(1, 1))
    turned = Tensor("turned", q.shape, IntType.I8, 0.1)
    scores = Tensor("scores", (heads, tokens, tokens), IntType.I8, 0.5, -3)
    weights = Tensor("weights", scores.shape, IntType.U8, 1 / 256, 0)
    mixed = Tensor("mixed", q.shape, IntType.I8, 0.1)
    joined, out = _wide_conv("joined", mixed, channels, rng)
    total = Tensor("total", rows.shape, IntType.I16, 2.0**-9)
    narrow = Tensor("narrow", rows.shape, IntType.I8, 0.1)
    logits, final = _wide_conv("logits", narrow, 11, rng)
    forms: tuple[Layouts, Layouts] = (("mhk", "nhk", "hmn"), ("hmk", "khn", "mhn"))
    operators: tuple[Operator, ...] = (
        embed,
        norm_from_scales("norm", _even(channels), tokens, rows, normed),
        query,
        rope_from_scales("rope", q, cos, sin, turned, tokens, heads, width),
        matmul_from_scales("scored", (turned, q), scores, (heads, tokens, tokens, width), layouts=forms[0]),
        softmax_from_scales("softmax", heads * tokens, tokens, scores, weights, (tokens, 1), at),
        matmul_from_scales("mix", (weights, q), mixed, (heads, tokens, width, tokens), layouts=forms[1]),
        joined,
        add_from_scales("residual", (rows, out), total),
        requantise_from_scales("cast", total, narrow),
        logits,
    )
    tensors = (
        token,
        at,
        cos,
        sin,
        rows,
        normed,
        q,
        turned,
        scores,
        weights,
        mixed,
        out,
        total,
        narrow,
        final,
    )
    return Graph("main", tensors, operators, ("token", "at", "cos", "sin"), (final.name,))


@dataclass(frozen=True)
class Choice:
    """What a random plan may use. npu: layers that an NPU with this packing can run. steps: most tiles."""

    npu: frozenset[str] = frozenset()
    packing: str = "neureka"
    homes: tuple[str, ...] = (L2, L1, L3)
    param_homes: tuple[str, ...] = (L2, L1, L3)
    steps: int = 150


def decoding(seed: int) -> Graph:
    """Attention of new queries over two caches, which new rows are first written into, at a position."""
    rng = np.random.default_rng(seed)
    rows, heads, width = (int(rng.integers(low, high)) for low, high in ((1, 4), (1, 4), (1, 5)))
    capacity, ratio = rows + int(rng.integers(0, 9)), int(rng.integers(1, 3))
    at, x = Tensor("at", (1,), IntType.I32), Tensor("x", (1, rows, 1, 6), IntType.I8, 0.05)
    query, q = conv("query", x, ratio * heads * width, rng, window=(1, 1))
    (key, k), (value, v) = (conv(name, x, heads * width, rng, window=(1, 1)) for name in ("key", "value"))
    ages = {
        name: tuple(replace(t, name=age + name, shape=(capacity, heads, width)) for age in ("old_", "new_"))
        for name, t in (("keys", k), ("values", v))
    }
    keys, values = ages["keys"][1], ages["values"][1]
    scores = Tensor("scores", (ratio * heads, rows, capacity), IntType.I8, 0.5, -3)
    weights = Tensor("weights", scores.shape, IntType.U8, 1 / 256, 0)
    mixed = Tensor("mixed", (rows, ratio * heads, width), IntType.I8, 0.1)
    extents = (ratio * heads, rows, capacity, width)
    sums = (ratio * heads, rows, width, capacity)
    operators: tuple[Operator, ...] = (
        query,
        key,
        update_of("keep_key", k, at, keys, rows),
        value,
        matmul_from_scales("scored", (q, keys), scores, extents, ratio=ratio, layouts=("mhk", "nhk", "hmn")),
        softmax_from_scales("softmax", ratio * heads * rows, capacity, scores, weights, (rows, 0), at),
        update_of("keep_value", v, at, values, rows),
        matmul_from_scales("mix", (weights, values), mixed, sums, ratio=ratio, layouts=("hmk", "khn", "mhn")),
    )
    tensors = (at, x, q, k, v, *ages["keys"], *ages["values"], scores, weights, mixed)
    states = tuple((old.name, new.name) for old, new in ages.values())
    inputs, outputs = ("x", "at", *(old for old, _ in states)), (*(new for _, new in states), "mixed")
    return Graph("main", tensors, operators, inputs, outputs, states)


def random_decisions(graph: Graph, rng: random.Random, choice: Choice = Choice()) -> Decisions:
    """Any legal decisions: tiles, orders, splits, engines, homes, staging, buffering."""
    homes = {name: rng.choice(choice.homes) for name in graph.by_name}
    homes |= dict.fromkeys((*graph.inputs, *graph.outputs), L2)
    for state in graph.states:
        homes |= dict.fromkeys(state, rng.choice([home for home in choice.homes if home != L1]))
    plans, needs, param_homes = [], [], {}
    for op in graph.operators:
        npu = op.name in choice.npu and rng.random() < 0.7
        engine, layout = ("npu", choice.packing) if npu else ("cluster", "plain")
        space = op.space(graph.by_name)
        tiles = enumerate_tiles(space, TileLimits(4, whole=frozenset({"i"}) if npu else frozenset()))
        tiles = tiles[Grid(space, tiles).steps <= choice.steps]
        tile = tuple(int(v) for v in tiles[rng.randrange(len(tiles))])
        own = tuple(level for level in choice.param_homes if npu or not level.startswith("wmem"))
        param_homes[op.name] = rng.choice(own)

        def staging(home: str) -> str:
            return rng.choice((TILE, WHOLE)) if home == L3 else DIRECT

        plan = LayerPlan(
            operator=op.name,
            engine=engine,
            layout=layout,
            tile=tuple((dim.name, size) for dim, size in zip(space.dims, tile, strict=True)),
            order=rng.choice(space.orders),
            split=rng.choice(space.spec.splits),
            buffering=rng.choice((1, 2)),
            staging=(
                *(staging(homes[name]) for name in op.inputs),
                staging(param_homes[op.name]),
                staging(homes[op.output]),
            ),
        )
        plans.append(plan)
        needs.append(footprint(op, space, plan))
    for step, (plan, need) in enumerate(zip(plans, needs, strict=True)):
        if need.region and plan.staging[-2] == WHOLE and rng.random() < 0.7:
            plans[step] = replace(plan, prefetch=rng.randint(0, step))
    return Decisions(tuple(plans), tuple(needs), homes, param_homes)


def module_of(graph: Graph, name: str = "random net") -> Module:
    return Module(name, "0" * 64, (graph,))
