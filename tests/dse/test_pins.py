"""What pins say about a layer, and what they are told when they are wrong."""

from __future__ import annotations

import re

import pytest

from compiler.deployment import L2
from costmodels.platform import load_platform
from dse.options.homes import HomeChoice
from dse.options.pin_check import check_pins
from dse.options.pins import LayerPins, PinError, Place, layer_pins
from dse.task import Pin, TaskError
from tests.compiler.networks import every_operator
from tests.dse.small import evaluator_of, task_of

GRAPH = every_operator(7)
SIRACUSA = load_platform("siracusa")


def place(name: str) -> Place:
    op = next(op for op in GRAPH.operators if op.name == name)
    return Place(op, op.space(GRAPH.by_name), SIRACUSA, (*GRAPH.inputs, *GRAPH.outputs))


def test_a_layers_own_pin_goes_before_one_on_all_layers() -> None:
    pins = (Pin("point", "buffering", "1"), Pin("*", "buffering", "2"), Pin("*", "tile", "o=8,n=7"))
    found = layer_pins(pins, place("point"))
    assert found.buffering == 1
    assert found.tile == (("o", 8),), "a pin on all layers is read where a layer has the dimension"


def test_a_pin_on_all_layers_skips_layers_that_have_no_such_order_or_split() -> None:
    pins = (Pin("*", "order", "n"), Pin("*", "split", "g"))
    found = layer_pins(pins, place("point"))
    assert (found.order, found.split) == (None, None)


@pytest.mark.parametrize(
    ("pin", "message"),
    [
        (Pin("nothing", "engine", "npu"), "no layer nothing; layers are dense, depth, final, .*"),
        (Pin("point", "colour", "red"), "no such decision; there are engine, tile, .*"),
        (Pin("point", "engine", "gpu"), "engines are cluster, npu"),
        (Pin("*", "operating_point", "turbo"), r"say \*.operating_point=nominal\|low"),
        (Pin("point", "operating_point", "low"), r"say \*.operating_point=nominal\|low"),
        (Pin("point", "params_home", "l4"), "levels of siracusa are l1, l2, l3, wmem_sram"),
        (Pin("point", "tile", "y=99"), "'y=99' is not one of y=1..6, x=1..11, o=1..40, i=1..40"),
        (Pin("point", "tile", "y=0"), "'y=0' is not one of .*"),
        (Pin("point", "tile", "y=2.5"), "'y=2.5' is no size; write tile=y=8,x=32"),
        (Pin("point", "tile", "y=3,y=4"), "y is given twice"),
        (Pin("*", "tile", "y=3,y=4"), "y is given twice"),
        (Pin("*", "tile", "q=4"), "no layer can do that"),
        (Pin("*", "order", "q-r"), "no layer can do that"),
        (Pin("*", "split", "q"), "no layer can do that"),
        (Pin("sum", "params_home", "wmem_sram"), "only weights that an NPU reads can lie there"),
        (Pin("point", "output_home", "wmem_sram"), "levels of siracusa are l1, l2, l3$"),
        (Pin("point", "tile", "z=1"), "'z=1' is not one of .*"),
        (Pin("grouped", "tile", "o=2"), "'o=2' is not one of y=1..6, x=1..11, g=1..4"),
        (Pin("point", "order", "i-o-y-x"), "orders of point are o-y-x-i; y-x-o-i"),
        (Pin("point", "split", "i"), "splits of point are y,x; o"),
        (Pin("point", "buffering", "3"), "must be 1 or 2"),
    ],
    ids=lambda value: value.decision + "=" + value.value if isinstance(value, Pin) else "",
)
def test_wrong_pins_are_told_what_would_be_right(pin: Pin, message: str) -> None:
    with pytest.raises(PinError) as caught:
        check_pins((pin,), GRAPH, SIRACUSA, L2)
    text = str(caught.value)
    assert "\n" not in text
    assert re.search(message, text)
    assert text.startswith(f"pin {pin.layer}.{pin.decision}")


def test_an_engine_that_cannot_run_the_layer_says_why() -> None:
    task = task_of(GRAPH, "siracusa", pins=(Pin("sum", "engine", "npu"),))
    with pytest.raises(PinError, match=r"pin sum.engine=npu: add is no convolution"):
        evaluator_of(task)


def test_a_pin_on_all_layers_holds_where_it_can() -> None:
    pins = (Pin("*", "engine", "npu"), Pin("*", "params_home", "wmem_sram"), Pin("*", "tile", "y=99"))
    check_pins(pins, GRAPH, SIRACUSA, L2)
    able, unable = layer_pins(pins, place("point")), layer_pins(pins, place("sum"))
    assert (able.engine, able.params_home) == ("npu", "wmem_sram")
    assert (unable.engine, unable.params_home) == (None, None)
    assert able.tile == (("y", 6),), "a tile longer than the dimension is the whole dimension"


def test_weights_stay_out_of_a_weight_memory_that_the_pinned_engine_cannot_read() -> None:
    pins = (Pin("point", "engine", "cluster"), Pin("*", "params_home", "wmem_sram"))
    assert layer_pins(pins, place("point")).params_home is None
    with pytest.raises(PinError, match=r"pin point.params_home=wmem_sram: only weights that an NPU reads"):
        layer_pins((pins[0], Pin("point", "params_home", "wmem_sram")), place("point"))


def test_a_pin_on_all_homes_leaves_the_ends_of_the_network_alone() -> None:
    first, last = GRAPH.operators[0], GRAPH.operators[-1]
    pins = (Pin("*", "output_home", "l3"), Pin("*", "input_home", "l3"))
    check_pins(pins, GRAPH, SIRACUSA, L2)
    assert layer_pins(pins, place(first.name)).input_homes == (None,) * len(first.inputs)
    assert layer_pins(pins, place(first.name)).output_home == "l3"
    assert layer_pins(pins, place(last.name)).output_home is None
    assert evaluator_of(task_of(GRAPH, pins=pins)).infeasible() is None


def test_a_layer_cannot_move_an_end_of_the_network() -> None:
    last = GRAPH.operators[-1]
    pins = (Pin(last.name, "output_home", "l3"),)
    said = rf"pin {last.name}.output_home=l3 contradicts .* {last.output} .* at home in l2 \(--io-home\)"
    with pytest.raises(PinError, match=said):
        check_pins(pins, GRAPH, SIRACUSA, L2)
    check_pins(pins, GRAPH, SIRACUSA, "l3")


def test_pins_that_disagree_about_a_tensor_are_both_named() -> None:
    pins = (Pin("dense", "output_home", "l1"), Pin("depth", "input_home", "l2"))
    said = r"pin depth.input_home=l2 contradicts .*: pin dense.output_home=l1"
    with pytest.raises(PinError, match=said):
        evaluator_of(task_of(GRAPH, pins=pins))


def test_a_tile_that_the_pinned_engine_cannot_have_leaves_no_way_and_the_pins_are_named() -> None:
    pins = (Pin("point", "engine", "npu"), Pin("point", "tile", "i=20"), Pin("sum", "buffering", "1"))
    said = "pins point.engine=npu, point.tile=i=20 leave layer point no way to run"
    with pytest.raises(TaskError, match=said):
        evaluator_of(task_of(GRAPH, "siracusa", pins=pins)).infeasible()


def test_homes_are_filtered_stream_by_stream() -> None:
    pins = LayerPins(input_homes=(L2, L2), params_home="l3")
    assert pins.allows(HomeChoice(("l2", "l2"), "l1", "l3"))
    assert pins.allows(HomeChoice(("l2",), "l1", "-")), "a layer without parameters has none to pin"
    assert not pins.allows(HomeChoice(("l2", "l1"), "l1", "l3"))
    assert not pins.allows(HomeChoice(("l2",), "l1", "l2"))
