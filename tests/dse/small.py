"""Small networks and tasks that an evaluator solves in a fraction of a second."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from compiler.ir import Graph, IntType, Operator, Tensor
from compiler.ops.add import add_from_scales
from costmodels.platform import Platform, load_platform
from dse.evaluator import ProblemEvaluator
from dse.options import Effort
from dse.points import Bound, DesignPoint, OuterSetting
from dse.task import Budget, Pin, Task
from tests.compiler.networks import conv, every_operator, module_of

FAST = Effort(sizes=(("y", 3), ("x", 2), ("i", 2), ("n", 3)), other=3, candidates=300)


def small_graph(seed: int) -> Graph:
    """Two to four convolutions of random kinds, sometimes with a shortcut around the last."""
    pick, rng = random.Random(seed), np.random.default_rng(seed)
    channels = pick.choice((4, 8, 12))
    tensors = [Tensor("x", (1, pick.randint(4, 9), pick.randint(4, 9), channels), IntType.I8, 0.05, -4)]
    operators: list[Operator] = []
    for number in range(pick.randint(2, 4)):
        source = tensors[-1]
        kind = pick.choice(("point", "dense", "depth"))
        depth = source.shape[3]
        out = depth if kind == "depth" else pick.choice((4, 8, 20))
        window, pads = ((1, 1), (0, 0, 0, 0)) if kind == "point" else ((3, 3), (1, 1, 1, 1))
        groups = depth if kind == "depth" else 1
        op, made = conv(f"{kind}{number}", source, out, rng, window=window, pads=pads, groups=groups)
        operators.append(op)
        tensors.append(made)
    if tensors[-2].shape == tensors[-1].shape:
        total = Tensor("sum_out", tensors[-1].shape, IntType.I8, 0.12, 1)
        operators.append(add_from_scales("sum", (tensors[-2], tensors[-1]), total))
        tensors.append(total)
    return Graph("main", tuple(tensors), tuple(operators), ("x",), (tensors[-1].name,))


@cache
def without_l3() -> Platform:
    """rv32sim as a chip without off-chip memory."""
    text = (resources.files("costmodels") / "platforms" / "rv32sim.toml").read_text(encoding="utf-8")
    tables = re.split(r"(?m)^(?=\[)", text)
    kept = "".join(table for table in tables if "l3" not in table.splitlines()[0])
    own = kept.replace('name = "rv32sim"', 'name = "bare"').replace('origin = "l3"', 'origin = "l2"')
    with TemporaryDirectory() as folder:
        path = Path(folder) / "bare.toml"
        path.write_text(own, encoding="utf-8")
        return load_platform(path)


def task_of(
    graph: Graph,
    platform: str | Platform = "rv32sim",
    budget: int | None = None,
    levels: dict[str, int] | None = None,
    pins: tuple[Pin, ...] = (),
    io_home: str = "l2",
) -> Task:
    """A task of a graph; pins as (layer, decision, value)."""
    owner = load_platform(platform) if isinstance(platform, str) else platform
    caps = Budget(budget, tuple((levels or {}).items()))
    return Task(module_of(graph), owner, caps, pins=pins, io_home=io_home)


def evaluator_of(task: Task) -> ProblemEvaluator:
    return ProblemEvaluator(task, FAST)


@cache
def every_operator_evaluator(platform: str) -> ProblemEvaluator:
    """One for all tests that only look: tables take a second."""
    return evaluator_of(task_of(every_operator(7), platform))


def points_of(
    evaluator: ProblemEvaluator, seeds: int | None = None
) -> list[tuple[OuterSetting, DesignPoint]]:
    """Every point that the first seeds meet, with the setting that asked for it."""
    found = []
    for choices, position in evaluator.seeds()[:seeds]:
        setting = evaluator.setting(choices, position)
        evaluation = evaluator.evaluate(setting)
        met = (evaluation.point, *evaluation.others) if evaluation.point else ()
        found += [(setting, point) for point in met]
    return found


def below(point: DesignPoint, bound: Bound) -> bool:
    """Whether a point is where the bound says that none can be (relative rounding aside)."""
    slack = 1 + 1e-9
    ideal = point.latency_ms * slack < bound.latency_ms or point.energy_uj * slack < bound.energy_uj
    planes = (w * point.latency_ms + v * point.energy_uj < least / slack for w, v, least in bound.half_planes)
    mine = (point.latency_ms * slack, point.energy_uj * slack, point.memory_bytes)
    corners = (all(least <= own for least, own in zip(corner, mine, strict=True)) for corner in bound.corners)
    return ideal or point.memory_bytes < bound.memory_bytes or any(planes) or not any(corners)


def with_budget(task: Task, budget: int | None = None, **levels: int) -> Task:
    return replace(task, budget=Budget(budget, tuple(levels.items())))
