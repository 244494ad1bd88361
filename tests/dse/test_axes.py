"""The design space as a list: complete, free of doubles, and each sampled axis changes one thing."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from compiler.deployment import L3
from dse.axes import AXES, INSIDE, INSIDE_AXES, SAMPLED, SAMPLED_AXES, Position, SampledAxis
from dse.axes.sampled import L1Cap
from dse.cli import main, quantities
from dse.options.pins import DECISIONS
from dse.points import OuterSetting
from tests.compiler.networks import every_operator
from tests.dse.small import evaluator_of, every_operator_evaluator, task_of, without_l3

SETTING = OuterSetting(1000, 2000, "low", False, 0.25, 100, 3)
LABELS = {"operating_point": "high", "activations": L3, "position": "0.75"}


def test_every_axis_is_named_once_and_says_what_it_does() -> None:
    names = [axis.name for axis in AXES]
    assert len(set(names)) == len(names)
    for axis in AXES:
        assert axis.decides
        assert axis.effect
        assert axis.scope in ("layer", "tensor", "network")
        assert axis.solved in (INSIDE, SAMPLED)


def test_the_documentation_lists_every_axis() -> None:
    text = (Path(__file__).parents[2] / "docs" / "search.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|")]
    assert [name.strip("`") for name in rows if name.startswith("`")] == [axis.name for axis in AXES]


def test_every_decision_that_can_be_pinned_belongs_to_one_axis() -> None:
    pins = [pin for axis in AXES for pin in axis.pins]
    assert sorted(pins) == sorted(DECISIONS) == sorted(quantities.DECISIONS)


@pytest.mark.parametrize("axis", SAMPLED_AXES, ids=lambda axis: axis.name)
def test_a_sampled_axis_changes_one_field_of_the_setting(axis: SampledAxis) -> None:
    changed = axis.apply(SETTING, LABELS.get(axis.name, "512"))
    differing = [f.name for f in fields(SETTING) if getattr(SETTING, f.name) != getattr(changed, f.name)]
    assert len(differing) == 1


def test_together_the_sampled_axes_decide_the_whole_setting() -> None:
    changed = SETTING
    for axis in SAMPLED_AXES:
        changed = axis.apply(changed, LABELS.get(axis.name, "512"))
    assert all(getattr(SETTING, f.name) != getattr(changed, f.name) for f in fields(SETTING))


@pytest.mark.parametrize("axis", SAMPLED_AXES, ids=lambda axis: axis.name)
def test_a_label_is_found_again_in_the_setting_that_it_made(axis: SampledAxis) -> None:
    label = LABELS.get(axis.name, "512")
    assert replace(axis, choices=("256", label)).label(axis.apply(SETTING, label)) == label


def test_a_size_between_two_rungs_takes_the_larger() -> None:
    ladder = L1Cap(("256", "512", "1024"))
    sizes = (200, 256, 257, 1000, 1024, 5000)
    labels = [ladder.label(replace(SETTING, l1_bytes=size)) for size in sizes]
    assert labels == ["256", "256", "512", "1024", "1024", "1024"]
    with pytest.raises(ValueError, match="ladder"):
        L1Cap().label(SETTING)


def test_choices_are_the_reverse_of_a_setting() -> None:
    evaluator = every_operator_evaluator("siracusa")
    for choices, position in evaluator.seeds():
        assert evaluator.choices(evaluator.setting(choices, position)) == choices


def test_a_label_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="wide"):
        Position().apply(SETTING, "wide")


def test_the_axes_of_a_task_are_of_the_listed_kinds() -> None:
    space = every_operator_evaluator("siracusa").space
    assert [axis.name for axis in space.sampled] == [axis.name for axis in SAMPLED_AXES[:-1]]
    offered = {axis.name: axis.choices for axis in space.sampled}
    assert {axis.name for axis in space.axes} == {n for n, choices in offered.items() if len(choices) > 1}


def test_alternatives_are_those_of_the_options() -> None:
    evaluator = every_operator_evaluator("siracusa")
    layers = evaluator.problem(evaluator.task.platform.point().name, True).options
    counts = {axis.name: [axis.alternatives(layer) for layer in layers] for axis in INSIDE_AXES}
    assert min(min(values) for values in counts.values()) >= 1
    assert max(counts["engine"]) == 2
    assert max(counts["buffering"]) == 2
    for layer, homes in zip(layers, counts["parameter home"], strict=True):
        assert homes == len({option.choice.params for option in layer.options})


def test_the_command_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["axes", "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [axis["name"] for axis in printed] == [axis.name for axis in AXES]


def test_with_a_model_the_command_counts_choices(capsys: pytest.CaptureFixture[str]) -> None:
    model = Path(__file__).parents[2] / "studies" / "models" / "autoencoder_int8.onnx"
    assert main(["axes", str(model), "--platform", "rv32sim"]) == 0
    printed = capsys.readouterr().out
    assert "combinations" in printed
    assert len(printed.splitlines()) == len(AXES) + 3


def test_without_l3_there_is_no_choice_of_the_farthest_level() -> None:
    evaluator = evaluator_of(task_of(every_operator(7), without_l3()))
    assert evaluator.space.activations.choices == ("l2",)
