"""The reported need is the truth: with it a deployment is realised, with four bytes less there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.frontend import load
from costmodels.platform import load_platform
from dse.evaluator import ProblemEvaluator
from dse.points import Infeasible
from dse.task import Task
from tests.dse.small import (
    FAST,
    below,
    evaluator_of,
    points_of,
    small_graph,
    task_of,
    with_budget,
    without_l3,
)

MODELS = Path(__file__).resolve().parents[2] / "studies" / "models"
PLATFORMS = {"siracusa": load_platform("siracusa"), "rv32sim": load_platform("rv32sim"), "bare": without_l3()}


def need_of(task: Task) -> Infeasible:
    """Why nothing fits in 64 bytes."""
    found = ProblemEvaluator(with_budget(task, 64), FAST).infeasible()
    assert found is not None
    return found


def hold(task: Task) -> None:
    """With the need a point is realised in exactly that, and less is told to be too little."""
    need = need_of(task)
    assert need.level == "on_chip"
    evaluator = evaluator_of(with_budget(task, need.need_bytes))
    assert evaluator.infeasible() is None
    met = [point.memory_bytes for _, point in points_of(evaluator)]
    assert set(met) == {need.need_bytes}
    short = evaluator_of(with_budget(task, need.need_bytes - 4)).infeasible()
    assert short is not None
    assert (short.need_bytes, short.capacity_bytes) == (need.need_bytes, need.need_bytes - 4)


@given(st.integers(0, 2**16), st.sampled_from(sorted(PLATFORMS)))
@settings(max_examples=12, deadline=None)
def test_the_need_is_exact_on_random_networks(seed: int, platform: str) -> None:
    hold(task_of(small_graph(seed), PLATFORMS[platform]))


@pytest.mark.parametrize(
    ("model", "platform"),
    [
        ("autoencoder_int8", "rv32sim"),
        ("autoencoder_int8", "bare"),
        ("dscnn_int8", "siracusa"),
        ("dscnn_int8", "bare"),
        ("resnet8_int8", "rv32sim"),
        ("mobilenetv1_025_int8", "bare"),
    ],
)
def test_the_need_is_exact_on_the_models_of_the_studies(model: str, platform: str) -> None:
    graph = load(MODELS / f"{model}.onnx").main
    hold(task_of(graph, PLATFORMS[platform]))


@given(st.integers(0, 2**16), st.sampled_from(sorted(PLATFORMS)), st.floats(1.0, 3.0))
@settings(max_examples=12, deadline=None)
def test_any_budget_from_the_need_on_has_points_within_it_and_above_the_bound(
    seed: int, platform: str, factor: float
) -> None:
    task = task_of(small_graph(seed), PLATFORMS[platform])
    budget = int(need_of(task).need_bytes * factor)
    evaluator = evaluator_of(with_budget(task, budget))
    found = points_of(evaluator)
    assert found
    assert evaluator.bound is not None
    for _, point in found:
        assert point.memory_bytes <= budget
        assert not below(point, evaluator.bound)


@given(st.integers(0, 2**16), st.sampled_from(["l1", "l2"]), st.sampled_from(sorted(PLATFORMS)))
@settings(max_examples=12, deadline=None)
def test_the_need_of_one_level_is_exact(seed: int, level: str, platform: str) -> None:
    task = task_of(small_graph(seed), PLATFORMS[platform])
    found = ProblemEvaluator(with_budget(task, None, **{level: 4}), FAST).infeasible()
    if found is None:  # every tensor and parameter may live elsewhere
        return
    assert found.level == level
    enough = evaluator_of(with_budget(task, None, **{level: found.need_bytes}))
    assert enough.infeasible() is None
    assert points_of(enough)
    short = evaluator_of(with_budget(task, None, **{level: found.need_bytes - 4})).infeasible()
    assert short is not None
    assert short.level == level
