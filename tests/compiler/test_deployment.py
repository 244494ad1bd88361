"""Deployments: JSON, legality with its messages, allocation and lifetimes."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from compiler.deployment import (
    L1,
    L2,
    L3,
    LEVELS,
    Deployment,
    DeploymentError,
    PlacedBuffer,
    deployment_from_json,
)
from compiler.lower import lower
from compiler.memory import Allocation, DoesNotFit, Problem, validate
from compiler.schedule import LevelCapacities, check_deployment, deploy, deployment_buffers
from compiler.schedule.buffers import ALIGNMENT_BYTES, Decisions
from tests.compiler.deployed import ROOM, any_choice, any_deployment, deployed
from tests.compiler.networks import Choice, every_operator, module_of, random_decisions

GRAPH = every_operator(0)
SEEDS = range(6)


def decisions(seed: int) -> Decisions:
    rng = random.Random(seed)
    return random_decisions(GRAPH, rng, any_choice(GRAPH, rng))


def plain() -> Deployment:
    """Everything in L2, one engine: a deployment that is easy to break in one place."""
    return deployed(GRAPH, random_decisions(GRAPH, random.Random(1), Choice(homes=(L2,), param_homes=(L2,))))


@pytest.mark.parametrize("seed", SEEDS)
def test_json_and_pickle_round_trips(seed: int) -> None:
    deployment = any_deployment(GRAPH, seed)
    assert deployment_from_json(deployment.to_json()) == deployment
    assert pickle.loads(pickle.dumps(deployment)) == deployment
    assert deployment_from_json(deployment.to_json()).to_json() == deployment.to_json()


def edited(change: Callable[[dict[str, object]], object]) -> str:
    data = json.loads(plain().to_json())
    change(data)
    return json.dumps(data)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a deployment file"),
        ("[]", "not a deployment file"),
        ("null", "not a deployment file"),
        ("{}", "has schema None, this version reads 1 and 2"),
        (edited(lambda d: d.update(schema=3)), "has schema 3, this version reads 1 and 2"),
        (edited(lambda d: d.update(segments=[{"first": 0}])), "not a deployment file: KeyError 'last'"),
        (edited(lambda d: d.pop("homes")), "not a deployment file: KeyError 'homes'"),
        (edited(lambda d: d.update(buffers=[{"level": "l1"}])), "not a deployment file: KeyError"),
        (edited(lambda d: d.update(plans=3)), "not a deployment file: TypeError"),
        (edited(lambda d: d["buffers"][0].update(offset="here")), "not a deployment file: ValueError"),  # type: ignore[index]
    ],
)
def test_unreadable_files_get_one_line(text: str, message: str) -> None:
    with pytest.raises(DeploymentError, match=message) as caught:
        deployment_from_json(text)
    assert "\n" not in str(caught.value)


def with_plan(index: int, **changes: object) -> Deployment:
    good = plain()
    plans = list(good.plans)
    plans[index] = replace(plans[index], **changes)  # type: ignore[arg-type]
    return replace(good, plans=tuple(plans))


def tiled(**sizes: int) -> tuple[tuple[str, int], ...]:
    return tuple((dim, sizes.get(dim, size)) for dim, size in plain().plans[0].tile)


def with_home(kind: str, name: str, level: str) -> Deployment:
    rows = tuple((key, level if key == name else home) for key, home in getattr(plain(), kind))
    return replace(plain(), **{kind: rows})  # type: ignore[arg-type]


def without(kind: str, name: str) -> Deployment:
    rows = tuple(row for row in getattr(plain(), kind) if row[0] != name)
    return replace(plain(), **{kind: rows})  # type: ignore[arg-type]


def with_buffer(name: str, **changes: object) -> Deployment:
    buffers = tuple(replace(b, **changes) if b.name == name else b for b in plain().buffers)  # type: ignore[arg-type]
    return replace(plain(), buffers=buffers)


EXTRA = PlacedBuffer(L1, "s/ghost/in0/0", 0, 4, 0, 1)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (replace(plain(), plans=plain().plans[:-1]), "deployment has 11 layers, graph main has 12"),
        (replace(plain(), plans=plain().plans[::-1]), "order of layers: graph main: final reads"),
        (replace(plain(), plans=(*plain().plans[:-1], plain().plans[0])), "layer dense is there twice"),
        (with_plan(0, operator="ghost"), "layer ghost is not in the graph"),
        (with_plan(0, tile=tiled(y=7)), r"layer dense: tile of dimension y is 7, must be in 1\.\.6"),
        (with_plan(0, tile=tiled(o=0)), r"layer dense: tile of dimension o is 0, must be in 1\.\.40"),
        (with_plan(0, tile=plain().plans[0].tile[1:]), "layer dense: tile of dimension y is None"),
        (
            with_plan(4, tile=(*plain().plans[4].tile[:3], ("o", 2), ("i", 10))),
            "grouped: dimension o cannot be tiled",
        ),
        (with_plan(0, order=("x", "y", "o", "i")), "loop order x-y-o-i is not one of o-y-x-i, y-x-o-i"),
        (with_plan(0, split=("i",)), "layer dense: split over i is not one of y-x, o"),
        (with_plan(0, buffering=3), "layer dense: buffering is 3, must be 1 or 2"),
        (with_plan(0, layout="packed"), "layout packed is not one of plain, neureka, ne16"),
        (
            with_plan(3, engine="npu", layout="neureka"),
            "layer sum: add cannot run on engine npu with layout neureka",
        ),
        (with_plan(4, engine="npu", layout="ne16"), "layer grouped: conv2d cannot run on engine npu"),
        (
            with_plan(0, engine="npu", layout="ne16", tile=tiled(i=4)),
            "layer dense: npu cannot tile a reduction",
        ),
        (with_plan(0, staging=("direct", "direct")), "staging has 2 entries, must be for in0, params, out"),
        (
            with_plan(0, staging=("tile", "direct", "direct")),
            "dense: in0 is in l2, staging must be direct, is tile",
        ),
        (
            with_plan(0, staging=("direct", "whole", "direct")),
            "dense: params is in l2, staging must be direct",
        ),
        (
            with_home("homes", "dense_out", L3),
            "dense: out is in l3, staging must be tile or whole, is direct",
        ),
        (with_home("homes", "x", "wmem_sram"), "tensor x: home is wmem_sram, must be one of l1, l2, l3"),
        (
            with_home("param_homes", "dense", "flash"),
            "parameters of layer dense: home is flash, must be one of l1, ",
        ),
        (
            with_home("param_homes", "dense", "wmem_sram"),
            "parameters are in wmem_sram, which only an NPU reads",
        ),
        (without("homes", "sum_out"), "tensor sum_out: home is not given"),
        (without("param_homes", "sum"), "parameters of layer sum: home is not given"),
        (with_home("homes", "x", L1), r"buffer s/dense/in0/0 in l1 is \d+ B .*, must be absent"),
        (replace(plain(), buffers=plain().buffers[1:]), "is absent, must be"),
        (replace(plain(), buffers=(*plain().buffers, EXTRA)), "buffer s/ghost/in0/0 in l1 .* must be absent"),
        (
            replace(plain(), buffers=(*plain().buffers, plain().buffers[0])),
            "two buffers of a level have one name",
        ),
        (with_buffer("t/x", bytes=8), "buffer t/x in l2 is 8 B"),
        (with_buffer("t/x", last=9), r"in steps \[0, 9\), must be 1144 B in steps \[0, 1\)"),
        (with_buffer("t/x", offset=2), "level l2: buffer 't/x' at 2 B is not aligned"),
        (with_buffer("t/x", offset=-4), "level l2: buffer 't/x' at .* is outside"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_belong_to_the_graph_is_refused(broken: Deployment, message: str) -> None:
    with pytest.raises(DeploymentError, match=message) as caught:
        lower(GRAPH, broken)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("seed", SEEDS)
def test_overlapping_addresses_are_refused(seed: int) -> None:
    """Any two buffers of a level that are alive together: moving one onto the other is found."""
    good = any_deployment(GRAPH, seed)
    rng = random.Random(seed)
    pairs = [
        (a, b)
        for a in good.buffers
        for b in good.buffers
        if a is not b and a.level == b.level and a.first < b.last and b.first < a.last
    ]
    for a, b in rng.sample(pairs, 10):
        moved = tuple(replace(c, offset=b.offset) if c is a else c for c in good.buffers)
        with pytest.raises(DeploymentError, match="overlap in step"):
            check_deployment(GRAPH, replace(good, buffers=moved))


@pytest.mark.parametrize("seed", SEEDS)
def test_addresses_are_valid_and_within_capacity(seed: int) -> None:
    wanted = decisions(seed)
    deployment = deployed(GRAPH, wanted)
    for level, buffers in deployment_buffers(GRAPH, wanted).items():
        offsets = tuple(deployment.placed[level, buffer.name].offset for buffer in buffers)
        peak = max(offset + buffer.size_bytes for offset, buffer in zip(offsets, buffers, strict=True))
        assert deployment.peak_bytes(level) == peak
        validate(Problem(level, peak, buffers), Allocation(offsets, peak, 0, "test"))


@pytest.mark.parametrize("level", [L1, L2, L3])
def test_one_unit_too_little_does_not_fit(level: str) -> None:
    wanted = decisions(2)
    fits = deployed(GRAPH, wanted)
    exact = {name: fits.peak_bytes(name) for name in LEVELS}
    assert deployed(GRAPH, wanted, LevelCapacities(exact)) == fits
    tight = LevelCapacities({**exact, level: exact[level] - ALIGNMENT_BYTES})
    answer = deploy(module_of(GRAPH), "somewhere", "nominal", wanted, tight)
    assert isinstance(answer, DoesNotFit)
    assert (answer.level, answer.need_bytes, answer.capacity_bytes) == (
        level,
        exact[level],
        exact[level] - ALIGNMENT_BYTES,
    )
    names = {name for name, _ in answer.largest}
    assert names <= {buffer.name for buffer in fits.buffers if buffer.level == level}


def test_a_level_that_is_not_there_holds_nothing() -> None:
    rooms = {level: size for level, size in ROOM.bytes.items() if level != L2}
    answer = deploy(module_of(GRAPH), "somewhere", "nominal", decisions(0), LevelCapacities(rooms))
    assert isinstance(answer, DoesNotFit)
    assert (answer.level, answer.capacity_bytes) == (L2, 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_lifetimes(seed: int) -> None:
    deployment = any_deployment(GRAPH, seed)
    spans = {buffer.name: (buffer.first, buffer.last) for buffer in deployment.buffers}
    order, plans = [op.name for op in GRAPH], {plan.operator: plan for plan in deployment.plans}
    # From its producer to its last reader; sum_out is read by grouped and by pool.
    assert spans["t/x"] == (0, 1)
    assert spans["t/dense_out"] == (order.index("dense"), order.index("sum") + 1)
    assert spans["t/sum_out"] == (order.index("sum"), order.index("pool") + 1)
    assert spans["t/final_out"] == (order.index("final"), len(order))
    for name, span in spans.items():
        kind, layer = name.split("/")[:2]
        if kind in "pwq":
            assert span == (0, len(order)), name
        elif kind in "sg":
            ahead = plans[layer].prefetch if name == f"g/{layer}/params/0" else 0
            assert span == (order.index(layer) - ahead, order.index(layer) + 1), name
