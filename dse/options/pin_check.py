"""Pins held against a network and a platform before anything is searched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from compiler.deployment import WEIGHT_MEMORIES
from compiler.ir import Graph
from costmodels.platform import Platform
from dse.options.pins import DECISIONS, EVERY, PinError, Place, layer_pins, pin_text, tile_parts
from dse.task import Pin


def check_pins(pins: Sequence[Pin], graph: Graph, platform: Platform, io_home: str) -> None:
    """Raises PinError for a pin on an unknown layer, decision or value, for one on all layers that none can
    keep, and for pins that disagree about the home of a tensor."""
    for pin in pins:
        _check_name(pin, graph)
        _check_value(pin, platform)
    ends = frozenset((*graph.inputs, *graph.outputs))
    places = [Place(op, op.space(graph.by_name), platform, ends) for op in graph.operators]
    for place in places:
        layer_pins(pins, place)
    for pin in pins:
        if pin.layer == EVERY and not any(_kept(pin, place) for place in places):
            raise PinError(f"pin {pin_text(pin)}: no layer can do that")
    _check_homes(pins, graph, io_home, ends)


def _check_name(pin: Pin, graph: Graph) -> None:
    names = sorted(op.name for op in graph.operators)
    if pin.layer != EVERY and pin.layer not in names:
        some = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
        raise PinError(f"pin {pin_text(pin)}: no layer {pin.layer}; layers are {some}")
    if pin.decision not in DECISIONS:
        raise PinError(f"pin {pin_text(pin)}: no such decision; there are {', '.join(DECISIONS)}")


def _check_value(pin: Pin, platform: Platform) -> None:
    if pin.decision == "engine" and pin.value not in platform.engine_of:
        raise PinError(f"pin {pin_text(pin)}: engines are {', '.join(platform.engine_of)}")
    points = [point.name for point in platform.operating_points]
    if pin.decision == "operating_point" and (pin.value not in points or pin.layer != EVERY):
        raise PinError(f"pin {pin_text(pin)}: say *.operating_point={'|'.join(points)}")
    levels = [level.name for level in platform.levels]
    if pin.decision != "params_home":
        levels = [name for name in levels if name not in WEIGHT_MEMORIES]
    if pin.decision.endswith("_home") and pin.value not in levels:
        raise PinError(f"pin {pin_text(pin)}: levels of {platform.name} are {', '.join(levels)}")


def _kept(pin: Pin, place: Place) -> bool:
    """Whether a pin on all layers says anything about this one."""
    if pin.decision == "tile":
        dims = {dim.name for dim in place.space.dims}
        return any(name in dims for name, _, _ in tile_parts(pin))
    if pin.decision in ("input_home", "output_home", "operating_point"):
        return True
    return getattr(layer_pins((pin,), place), pin.decision) is not None


def _check_homes(pins: Sequence[Pin], graph: Graph, io_home: str, ends: frozenset[str]) -> None:
    """Every tensor has one home, whoever speaks of it."""
    end = f"it is an end of the network, at home in {io_home} (--io-home)"
    said = dict.fromkeys(ends, (io_home, end))
    for tensor, pin in _home_pins(pins, graph):
        if pin.layer == EVERY and tensor in ends:
            continue
        home, why = said.setdefault(tensor, (pin.value, f"pin {pin_text(pin)}"))
        if home != pin.value:
            raise PinError(f"pin {pin_text(pin)} contradicts what tensor {tensor} is told: {why}")


def _home_pins(pins: Sequence[Pin], graph: Graph) -> Iterator[tuple[str, Pin]]:
    """(tensor, the pin that speaks of its home), layer by layer; own pins hide those on all layers."""
    for op in graph.operators:
        for decision, tensors in (("input_home", op.inputs), ("output_home", (op.output,))):
            acting = acting_pins(pins, op.name, decision)
            yield from ((tensor, pin) for tensor in tensors for pin in acting)


def acting_pins(pins: Sequence[Pin], layer: str, decision: str) -> tuple[Pin, ...]:
    """The pins on one decision of a layer that are not hidden by its own: at most one unless one repeats."""
    own = tuple(pin for pin in pins if pin.layer == layer and pin.decision == decision)
    return own or tuple(pin for pin in pins if pin.layer == EVERY and pin.decision == decision)


def pins_around(pins: Sequence[Pin], graph: Graph, layer: str) -> tuple[Pin, ...]:
    """The pins that can leave a layer no way to run: its own, and its neighbours' on homes they share."""
    op = next(op for op in graph.operators if op.name == layer)
    found = [pin for decision in DECISIONS for pin in acting_pins(pins, layer, decision)]
    tensors = {*op.inputs, op.output}
    found += [pin for tensor, pin in _home_pins(pins, graph) if tensor in tensors]
    return tuple(dict.fromkeys(found))
