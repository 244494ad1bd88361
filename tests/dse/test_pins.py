"""What pins say about a layer, and what they are told when they are wrong."""

from __future__ import annotations

import re

import pytest

from compiler.deployment import L2, LEVELS
from dse.options.homes import HomeChoice
from dse.options.pins import LayerPins, PinError, check_pins, layer_pins
from dse.task import Pin, TaskError
from tests.compiler.networks import every_operator
from tests.dse.small import evaluator_of, task_of

GRAPH = every_operator(7)
ENGINES, POINTS = ("cluster", "npu"), ("nominal", "low")
POINT = next(op for op in GRAPH.operators if op.name == "point").space(GRAPH.by_name)


def test_a_layers_own_pin_goes_before_one_on_all_layers() -> None:
    pins = (Pin("point", "buffering", "1"), Pin("*", "buffering", "2"), Pin("*", "tile", "o=8,n=7"))
    found = layer_pins(pins, "point", POINT)
    assert found.buffering == 1
    assert found.tile == (("o", 8),), "a pin on all layers is read where a layer has the dimension"


def test_a_pin_on_all_layers_skips_layers_that_have_no_such_order_or_split() -> None:
    pins = (Pin("*", "order", "n"), Pin("*", "split", "g"))
    found = layer_pins(pins, "point", POINT)
    assert (found.order, found.split) == (None, None)


@pytest.mark.parametrize(
    ("pin", "message"),
    [
        (Pin("nothing", "engine", "npu"), "no layer nothing; layers are dense, depth, final, .*"),
        (Pin("point", "colour", "red"), "no such decision; there are engine, tile, .*"),
        (Pin("point", "engine", "gpu"), "engines are cluster, npu"),
        (Pin("*", "operating_point", "turbo"), r"say \*.operating_point=nominal\|low"),
        (Pin("point", "operating_point", "low"), r"say \*.operating_point=nominal\|low"),
        (Pin("point", "params_home", "l4"), f"levels are {', '.join(LEVELS)}"),
        (Pin("point", "tile", "y=99"), "'y=99' is not one of y=1..6, x=1..11, o=1..40, i=1..40"),
        (Pin("point", "tile", "y=0"), "'y=0' is not one of .*"),
        (Pin("point", "tile", "y=2.5"), "'y=2.5' is not one of .*"),
        (Pin("point", "tile", "z=1"), "'z=1' is not one of .*"),
        (Pin("grouped", "tile", "o=2"), "'o=2' is not one of y=1..6, x=1..11, g=1..4"),
        (Pin("point", "order", "i-o-y-x"), "orders are o-y-x-i, y-x-o-i"),
        (Pin("point", "split", "i"), "splits are y,x; o"),
        (Pin("point", "buffering", "3"), "must be 1 or 2"),
    ],
    ids=lambda value: value.decision + "=" + value.value if isinstance(value, Pin) else "",
)
def test_wrong_pins_are_told_what_would_be_right(pin: Pin, message: str) -> None:
    with pytest.raises(PinError) as caught:
        check_pins((pin,), GRAPH, ENGINES, POINTS)
    text = str(caught.value)
    assert "\n" not in text
    assert re.search(message, text)
    assert text.startswith(f"pin {pin.layer}.{pin.decision}")


def test_an_engine_that_cannot_run_the_layer_says_why() -> None:
    task = task_of(GRAPH, "siracusa", pins=(Pin("sum", "engine", "npu"),))
    with pytest.raises(PinError, match=r"pin sum.engine=npu: \w+"):
        evaluator_of(task).seeds()


def test_pins_that_contradict_each_other_name_the_layer() -> None:
    pins = (Pin("dense", "output_home", "l1"), Pin("depth", "input_home", "l2"))
    with pytest.raises(TaskError, match="pins leave layer depth no way to run"):
        evaluator_of(task_of(GRAPH, pins=pins)).infeasible()


def test_a_tile_that_the_pinned_engine_cannot_have_leaves_no_way() -> None:
    pins = (Pin("point", "engine", "npu"), Pin("point", "tile", "i=20"))
    with pytest.raises(TaskError, match="pins leave layer point no way to run"):
        evaluator_of(task_of(GRAPH, "siracusa", pins=pins)).infeasible()


def test_homes_are_filtered_stream_by_stream() -> None:
    pins = LayerPins(input_home=L2, params_home="l3")
    assert pins.allows(HomeChoice(("l2", "l2"), "l1", "l3"))
    assert pins.allows(HomeChoice(("l2",), "l1", "-")), "a layer without parameters has none to pin"
    assert not pins.allows(HomeChoice(("l2", "l1"), "l1", "l3"))
    assert not pins.allows(HomeChoice(("l2",), "l1", "l2"))
