"""A network in small tiles: what a layer costs beside its kernels and copies, as generated code runs it."""

from __future__ import annotations

import random
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compiler.bench.run import Runner
from compiler.codegen.project import Golden, emit_project
from compiler.deployment import DIRECT, L1, L2, L3, LEVELS, PLAIN, TILE, WHOLE, Deployment, LayerPlan
from compiler.ir import Constant, Graph, IntType, Module, Operator, Tensor
from compiler.lower import lower
from compiler.ops.add import add_from_scales
from compiler.ops.avgpool import avgpool_from_scales
from compiler.ops.conv2d import Conv2d, conv_requant
from compiler.ops.maxpool import MaxPool
from compiler.reference import execute
from compiler.schedule import Decisions, LevelCapacities, deploy, footprint
from compiler.targets import TargetError
from compiler.tiling import Grid, TileLimits, enumerate_tiles

ROOM = LevelCapacities(dict.fromkeys(LEVELS, 1 << 24))
STEPS = (12, 400)
"""Fewest tiles of a layer where it has as many, and most."""
COLD_STEPS = (STEPS, (1, 1), (2, 8), (1, 1))
"""The same, deployment after deployment, where instruction caches show: in layers of a few calls."""


@dataclass(frozen=True)
class TiledNetwork:
    """A graph with one way to run it."""

    graph: Graph
    deployment: Deployment


def draw_tiled(count: int, seed: int, off_chip: bool = True) -> tuple[TiledNetwork, ...]:
    """The same graph in `count` random deployments with many tiles; off_chip: tensors live in L3 too.

    Where they do not, most deployments have few tiles or one a layer: there instruction caches are cold.
    """
    graph = _graph(seed)
    rng = random.Random(seed)
    levels = (L1, L2, L2, L3) if off_chip else (L1, L2, L2)
    numbers = (STEPS,) if off_chip else COLD_STEPS
    return tuple(
        TiledNetwork(graph, _deployment(graph, rng, levels, numbers[k % len(numbers)])) for k in range(count)
    )


def measure_tiled(network: TiledNetwork, runner: Runner, harts: int) -> tuple[int, ...]:
    """Cycles of each layer. Raises TargetError if the program fails or its output is wrong."""
    graph, rng = network.graph, np.random.default_rng(0)
    tensors = [graph.by_name[name] for name in graph.inputs]
    inputs = {t.name: rng.integers(t.dtype.low, t.dtype.high + 1, t.shape, t.dtype.dtype) for t in tensors}
    values = execute(graph, inputs)
    golden = Golden(inputs, {name: values[name] for name in graph.outputs})
    with tempfile.TemporaryDirectory(prefix="dse-bench-") as scratch:
        folder = Path(scratch) / "network"
        folder.mkdir()
        emit_project(folder, graph, network.deployment, lower(graph, network.deployment), golden)
        rows = [line.split() for line in runner(folder, harts).splitlines()]
    if ["result", "ok"] not in [row[:2] for row in rows]:
        raise TargetError("a tiled network computes something else than the reference")
    return tuple(int(row[row.index("cycles") + 1]) for row in rows if row[:1] == ["layer"])


def _graph(seed: int) -> Graph:
    rng = np.random.default_rng(seed)
    x = Tensor("x", (1, 20, 16, 8), IntType.I8, 0.05, -4)
    first, a = _conv("first", x, 24, rng, (3, 3))
    depth, b = _conv("depth", a, 24, rng, (3, 3), groups=24)
    point, c = _conv("point", b, 24, rng, (1, 1))
    total = Tensor("total_out", a.shape, IntType.I8, 0.12, 1)
    add = add_from_scales("total", (a, c), total)
    small = Tensor("pool_out", (1, 10, 8, 24), IntType.I8, 0.12, 1)
    pool = MaxPool(
        name="pool",
        inputs=(total.name,),
        output=small.name,
        in_shape=(20, 16, 24),
        out_hw=(10, 8),
        window=(2, 2),
        stride=(2, 2),
    )
    last, d = _conv("last", small, 32, rng, (1, 1))
    mean = Tensor("mean_out", (1, 1, 1, 32), IntType.I8, 0.1, 3)
    average = avgpool_from_scales("mean", d, mean, in_shape=(10, 8, 32), out_hw=(1, 1), window=(10, 8))
    linear, y = _conv("linear", mean, 60, rng, (1, 1))
    operators: tuple[Operator, ...] = (first, depth, point, add, pool, last, average, linear)
    return Graph("main", (x, a, b, c, total, small, d, mean, y), operators, (x.name,), (y.name,))


def _conv(
    name: str, x: Tensor, outputs: int, rng: np.random.Generator, window: tuple[int, int], groups: int = 1
) -> tuple[Conv2d, Tensor]:
    """A convolution that keeps height and width, with random weights."""
    _, height, width, channels = x.shape
    y = Tensor(f"{name}_out", (1, height, width, outputs), IntType.I8, 0.1, 3)
    weights = rng.integers(-127, 128, (outputs, *window, channels // groups), np.int8)
    side = window[0] // 2
    op = Conv2d(
        name=name,
        inputs=(x.name,),
        output=y.name,
        in_shape=(height, width, channels),
        weights=Constant(weights),
        requant=conv_requant(weights, x, 0.004, 0.0, y),
        groups=groups,
        pads=(side, side, side, side),
        pad_value=x.zero_point,
    )
    return op, y


def _deployment(
    graph: Graph, rng: random.Random, levels: tuple[str, ...], steps: tuple[int, int]
) -> Deployment:
    homes = {name: rng.choice(levels) for name in graph.by_name}
    homes |= dict.fromkeys((*graph.inputs, *graph.outputs), L2)
    param_homes = {op.name: rng.choice(tuple(dict.fromkeys(levels))) for op in graph.operators}
    plans = tuple(_plan(graph, op, rng, homes, param_homes[op.name], steps) for op in graph.operators)
    pairs = zip(graph.operators, plans, strict=True)
    needs = tuple(footprint(op, op.space(graph.by_name), plan) for op, plan in pairs)
    module = Module("bench", "0" * 64, (graph,))
    found = deploy(module, "bench", "nominal", Decisions(plans, needs, homes, param_homes), ROOM)
    assert isinstance(found, Deployment)  # 16 MB a level hold it
    return found


def _plan(
    graph: Graph,
    op: Operator,
    rng: random.Random,
    homes: dict[str, str],
    params: str,
    numbers: tuple[int, int],
) -> LayerPlan:
    space = op.space(graph.by_name)
    tiles = enumerate_tiles(space, TileLimits(6))
    steps = Grid(space, tiles).steps
    wanted = (steps <= numbers[1]) & (steps >= min(numbers[0], steps.max()))
    fitting = tiles[wanted if wanted.any() else steps == steps.min()]
    tile = fitting[rng.randrange(len(fitting))]
    levels = [*(homes[name] for name in op.inputs), params, homes[op.output]]
    return LayerPlan(
        operator=op.name,
        engine="cluster",
        layout=PLAIN,
        tile=tuple((dim.name, int(size)) for dim, size in zip(space.dims, tile, strict=True)),
        order=rng.choice(space.orders),
        split=rng.choice(space.spec.splits),
        buffering=rng.choice((1, 2)),
        staging=tuple(rng.choice((TILE, WHOLE)) if level == L3 else DIRECT for level in levels),
    )
