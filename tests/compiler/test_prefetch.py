"""Parameters fetched ahead: from the decision to bytes, counts and C, and what goes wrong is seen."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from compiler.counts import predict_counts
from compiler.deployment import L2, L3, WHOLE, Deployment, DeploymentError, deployment_from_json
from compiler.ir import Graph
from compiler.lower import lower
from compiler.program import Place, Program
from compiler.schedule import Decisions
from compiler.simulate import simulate
from compiler.targets import Target
from tests.compiler.deployed import codes, deployed, emitted, layers_of, moved, outputs_of, ran
from tests.compiler.networks import Choice, chain, every_operator, random_decisions

GRAPH = chain(1)


def ahead(graph: Graph, seed: int, distance: int | None) -> Deployment:
    """Random decisions, but all parameters come whole from L3, `distance` layers ahead (None: any)."""
    rng = random.Random(seed)
    wanted = random_decisions(graph, rng, Choice(homes=(L2,), param_homes=(L3,)))
    plans = []
    for step, (plan, need) in enumerate(zip(wanted.plans, wanted.footprints, strict=True)):
        far = rng.randint(0, step) if distance is None else min(distance, step)
        staging = (*plan.staging[:-2], WHOLE, plan.staging[-1])
        plans.append(replace(plan, staging=staging, prefetch=far if need.region else 0))
    return deployed(graph, Decisions(tuple(plans), wanted.footprints, wanted.homes, wanted.param_homes))


@pytest.mark.parametrize("distance", [1, 2, None])
@pytest.mark.parametrize("seed", range(6))
def test_simulation_equals_the_reference_and_counts_are_predicted(seed: int, distance: int | None) -> None:
    graph = (chain, every_operator)[seed % 2](seed)
    deployment = ahead(graph, seed, distance)
    assert any(plan.prefetch for plan in deployment.plans)
    inputs = codes(graph, seed)
    found = simulate(graph, lower(graph, deployment), inputs)
    for name, expected in outputs_of(graph, inputs).items():
        np.testing.assert_array_equal(found.outputs[name], expected)
    assert found.counts == predict_counts(graph, deployment)


@pytest.mark.parametrize(
    ("target", "lazy"), [("host", False), ("host", True), ("rv32", False), ("rv32", True)]
)
@pytest.mark.parametrize("distance", [1, None])
def test_c_is_right_with_early_and_late_transfers(
    target: Target, lazy: bool, distance: int | None, tmp_path: Path
) -> None:
    graph = every_operator(2)
    deployment = ahead(graph, 4, distance)
    project = emitted(tmp_path / "net", graph, deployment, codes(graph, 3))
    report = ran(project, target, lazy=lazy, harts=2)
    assert report.verdicts[-1] == "result ok"
    assert report.counts == moved(predict_counts(graph, deployment))


def test_a_missing_wait_shows_when_transfers_are_late(tmp_path: Path) -> None:
    deployment = ahead(GRAPH, 0, 1)
    project = emitted(tmp_path / "net", GRAPH, deployment, codes(GRAPH, 0))
    source = project.folder / "network.c"
    text = source.read_text()
    assert "    dse_wait(l1_parameters);\n" in text
    source.write_text(text.replace("    dse_wait(l1_parameters);\n", "    (void)l1_parameters;\n"))
    with pytest.raises(AssertionError, match="result wrong"):
        ran(project, "host", lazy=True)


def changed(program: Program, number: int, place: Place) -> Program:
    """Parameters of layer `number` wait elsewhere, and are copied there by the layer before."""
    layers = list(layers_of(program))
    copies = tuple(replace(p, move=replace(p.move, target=place)) for p in layers[number - 1].prefetches)
    layers[number - 1] = replace(layers[number - 1], prefetches=copies)
    params = layers[number].params
    assert params is not None
    assert copies
    layers[number] = replace(layers[number], params=replace(params, stage=(place,)))
    return replace(program, layers=tuple(layers))


def test_a_stage_that_lives_too_late_is_seen() -> None:
    """The stage may lie where the earlier layer's input is only once that layer has run."""
    deployment, inputs = ahead(GRAPH, 0, 1), codes(GRAPH, 0)
    program = lower(GRAPH, deployment)
    name = GRAPH.outputs[0]
    expected = outputs_of(GRAPH, inputs)[name]
    room = tuple((level, size + (1 << 16) * (level == L2)) for level, size in program.arena_bytes)
    roomy = replace(program, arena_bytes=room)
    free, taken = Place(L2, dict(program.arena_bytes)[L2]), layers_of(program)[0].inputs[0].home
    assert np.array_equal(simulate(GRAPH, changed(roomy, 1, free), inputs).outputs[name], expected)
    assert not np.array_equal(simulate(GRAPH, changed(roomy, 1, taken), inputs).outputs[name], expected)


def test_a_missing_prefetch_is_seen() -> None:
    deployment, inputs = ahead(GRAPH, 0, 1), codes(GRAPH, 0)
    program = lower(GRAPH, deployment)
    without = replace(program, layers=tuple(replace(layer, prefetches=()) for layer in layers_of(program)))
    try:
        found = simulate(GRAPH, without, inputs).outputs[GRAPH.outputs[0]]
    except OverflowError:
        return  # numbers that are no multipliers leave the 32 bits that are proven for the real ones
    assert not np.array_equal(found, outputs_of(GRAPH, inputs)[GRAPH.outputs[0]])


def test_the_stage_lives_from_where_the_copy_starts() -> None:
    deployment = ahead(GRAPH, 0, 2)
    spans = {buffer.name: (buffer.first, buffer.last) for buffer in deployment.buffers}
    assert spans["g/point/params/0"] == (0, 2)
    assert spans["g/depth/params/0"] == (0, 3)
    assert spans["g/final/params/0"] == (2, 5)
    assert deployment.prefetches_from[:3] == ((1, 2), (), (4,))


def with_plan(number: int, **changes: object) -> Deployment:
    good = ahead(GRAPH, 0, 1)
    plans = list(good.plans)
    plans[number] = replace(plans[number], **changes)  # type: ignore[arg-type]
    return replace(good, plans=tuple(plans))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (with_plan(1, prefetch=2), r"layer point: prefetch is 2 layers ahead, must be in 0\.\.1"),
        (with_plan(1, prefetch=-1), r"layer point: prefetch is -1 layers ahead, must be in 0\.\.1"),
        (
            with_plan(1, staging=("direct", "tile", "direct")),
            "layer point: prefetch needs parameters in l3 with staging whole",
        ),
        (with_plan(2, prefetch=0), r"buffer g/depth/params/0 in l2 .* \[1, 3\), must be .* \[2, 3\)"),
    ],
)
def test_what_cannot_be_is_refused(broken: Deployment, message: str) -> None:
    with pytest.raises(DeploymentError, match=message):
        lower(GRAPH, broken)


def test_files_of_before_are_read() -> None:
    """They say nothing of prefetches, and mean none."""
    deployment = ahead(GRAPH, 0, 0)
    data = json.loads(deployment.to_json())
    for plan in data["plans"]:
        del plan["prefetch"]
    assert deployment_from_json(json.dumps(data)) == deployment
