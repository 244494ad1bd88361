"""Segments: any fused deployment computes what the reference computes, and counts what was predicted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from compiler.counts import predict_counts
from compiler.deployment import Deployment, DeploymentError, deployment_from_json
from compiler.ir import Graph
from compiler.lower import lower
from compiler.schedule import check_deployment
from compiler.simulate import simulate
from compiler.tiling.stripes import LINE, SegmentGraph, stripes
from tests.compiler.deployed import codes, emitted, moved, outputs_of, ran
from tests.compiler.networks import chain, every_operator
from tests.compiler.segments import attending, fused_deployment, fusible
from tests.golden.cases import GOLDEN

EVERY = every_operator(0)


def assert_simulates(graph: Graph, seed: int) -> None:
    deployment = fused_deployment(graph, seed)
    assert deployment.segments
    inputs = codes(graph, seed)
    found = simulate(graph, lower(graph, deployment), inputs)
    for name, expected in outputs_of(graph, inputs).items():
        np.testing.assert_array_equal(found.outputs[name], expected)
    assert found.counts == predict_counts(graph, deployment)


@pytest.mark.parametrize("seed", range(60))
def test_chains_and_blocks(seed: int) -> None:
    assert_simulates(fusible(seed), seed)


@pytest.mark.parametrize("seed", range(10))
def test_every_operator(seed: int) -> None:
    assert_simulates(EVERY, seed)


@pytest.mark.parametrize("seed", range(10))
def test_chains_with_npu_layers(seed: int) -> None:
    assert_simulates(chain(seed), seed)


@pytest.mark.parametrize("seed", range(40))
def test_attention_by_blocks_of_queries(seed: int) -> None:
    assert_simulates(attending(seed), seed)


def test_scores_are_never_whole_in_depth_first_attention() -> None:
    """Of 11 rows of scores a stripe of 2 has 2 in every tensor up to the context."""
    graph = attending(3)
    segment = SegmentGraph(graph, 0, len(graph.operators))
    rows = segment.rows["y"]
    windows = stripes(segment, 2, LINE)
    assert rows > 4
    assert [windows[name].depth for name in ("q", "s", "t", "p", "y")] == [2] * 5
    for name in ("k", "v"):
        assert windows[name].new.sum() == windows[name].depth == segment.rows[name]


VARIANTS = {
    "sanitized": {"target": "host", "sanitize": True},
    "late transfers, five cores": {"target": "host", "lazy": True, "harts": 5},
    "rv32, two harts": {"target": "rv32", "harts": 2},
}


@pytest.mark.parametrize("seed", range(12))
def test_c_computes_and_counts_what_was_predicted(seed: int, tmp_path: Path) -> None:
    graph = (fusible, attending, chain, lambda _: EVERY)[seed % 4](seed)
    deployment = fused_deployment(graph, seed)
    project = emitted(tmp_path / "net", graph, deployment, codes(graph, seed))
    report = ran(project, **list(VARIANTS.values())[seed % 3])  # type: ignore[arg-type]
    assert report.verdicts[-1] == "result ok"
    assert report.counts == moved(predict_counts(graph, deployment))
    assert max(map(len, (project.folder / "network.c").read_text().splitlines())) <= 130


def test_segments_survive_the_file() -> None:
    deployment = fused_deployment(fusible(0), 0)
    text = deployment.to_json()
    assert json.loads(text)["schema"] == 2
    assert deployment_from_json(text) == deployment


def test_without_segments_the_file_is_as_before() -> None:
    deployment = fused_deployment(fusible(0), 0)
    content = json.loads(replace(deployment, segments=()).to_json())
    assert content["schema"] == 1
    assert "segments" not in content


def pair() -> Deployment:
    """Two layers in one segment: 3x3, then 1x1 with its output cut in channel tiles."""
    _, deployment = GOLDEN["segment"].deployment("segment")
    return deployment


def with_segment(**changes: object) -> Deployment:
    return replace(pair(), segments=(replace(pair().segments[0], **changes),))  # type: ignore[arg-type]


def with_plan(index: int, **changes: object) -> Deployment:
    plans = list(pair().plans)
    plans[index] = replace(plans[index], **changes)  # type: ignore[arg-type]
    return replace(pair(), plans=tuple(plans))


TWICE = replace(pair(), segments=pair().segments * 2)
SHORT = tuple((dim, 1 if dim == "y" else size) for dim, size in pair().plans[0].tile)
ELSEWHERE = tuple((name, "l2" if name == "z" else home) for name, home in pair().homes)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (TWICE, r"segment of layers \[0, 2\) overlaps the one before"),
        (with_segment(last=1), r"segment of layers \[0, 1\): operators \[0, 1\) are no segment of two"),
        (with_segment(last=3), r"segment of layers \[0, 3\): operators \[0, 3\) are no segment of two"),
        (with_segment(rows=5), r"stripes of 5 of 5 rows in mode 'recompute'"),
        (with_segment(mode="rolling"), "stripes of 2 of 5 rows in mode 'rolling'"),
        (with_segment(mode="line"), "segment conv: buffering is 2, must be 1"),
        (with_segment(buffering=3), "segment conv: buffering is 3, must be 1 or 2"),
        (with_segment(buffering=1), "segment conv: layer first has buffering 2, its segment 1"),
        (with_segment(held=("else",)), "segment conv: held layers are else, must be distinct ones"),
        (with_segment(held=("conv",)), r"buffer b/conv in l1 is .*, must be "),
        (with_segment(rows=1), r"buffer f/conv/x/0 in l1 is 240 B in steps \[0, 2\), must be"),
        (with_plan(0, tile=SHORT), "layer first tiles dimension y, in a segment only channels can be tiled"),
        (
            with_plan(0, staging=("fused", "tile", "fused")),
            "layer first has staging fused, tile, fused, must be",
        ),
        (
            with_plan(1, staging=("fused", "whole", "direct")),
            "layer conv has staging fused, whole, direct, must",
        ),
        (with_plan(1, prefetch=1), "layer conv prefetches its parameters, which fused layers cannot"),
        (replace(pair(), homes=ELSEWHERE), "tensor z never leaves it, its home must be l1, is l2"),
    ],
)
def test_faults_are_one_clear_line(broken: Deployment, message: str) -> None:
    graph = GOLDEN["segment"].make().graph
    check_deployment(graph, pair())
    with pytest.raises(DeploymentError, match=message) as caught:
        check_deployment(graph, broken)
    assert "\n" not in str(caught.value)
