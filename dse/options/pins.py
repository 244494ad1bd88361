"""Decisions taken by the user, as filters on options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.deployment import LEVELS
from compiler.ir import Dim, Graph, Space
from dse.options.homes import HomeChoice
from dse.task import Pin, TaskError

DECISIONS = (
    "engine",
    "tile",
    "order",
    "split",
    "buffering",
    "input_home",
    "output_home",
    "params_home",
    "operating_point",
)


class PinError(TaskError):
    """A pin that names no layer, no decision, or a value that this layer cannot have; one clear line."""


@dataclass(frozen=True)
class LayerPins:
    """The pins of one layer, parsed; None where free."""

    engine: str | None = None
    tile: tuple[tuple[str, int], ...] = ()
    order: tuple[str, ...] | None = None
    split: tuple[str, ...] | None = None
    buffering: int | None = None
    input_home: str | None = None
    output_home: str | None = None
    params_home: str | None = None

    def allows(self, choice: HomeChoice) -> bool:
        """Whether a choice of homes keeps to the pins."""
        return (
            (self.input_home is None or all(home == self.input_home for home in choice.inputs))
            and self.output_home in (None, choice.output)
            and (self.params_home is None or choice.params in ("-", self.params_home))
        )


def check_pins(pins: Sequence[Pin], graph: Graph, engines: Sequence[str], points: Sequence[str]) -> None:
    """Raises PinError for a pin on an unknown layer, decision, engine, level or operating point."""
    names = {op.name for op in graph.operators}
    for pin in pins:
        if pin.layer != "*" and pin.layer not in names:
            some = ", ".join(sorted(names)[:8])
            raise PinError(f"pin {pin.layer}.{pin.decision}: no layer {pin.layer}; layers are {some}, ...")
        if pin.decision not in DECISIONS:
            raise PinError(
                f"pin {pin.layer}.{pin.decision}: no such decision; there are {', '.join(DECISIONS)}"
            )
        if pin.decision == "engine" and pin.value not in engines:
            raise PinError(f"pin {pin.layer}.engine={pin.value}: engines are {', '.join(engines)}")
        if pin.decision == "operating_point" and (pin.value not in points or pin.layer != "*"):
            raise PinError(
                f"pin {pin.layer}.operating_point={pin.value}: say *.operating_point={'|'.join(points)}"
            )
        if pin.decision.endswith("_home") and pin.value not in LEVELS:
            raise PinError(f"pin {pin.layer}.{pin.decision}={pin.value}: levels are {', '.join(LEVELS)}")
    for op in graph.operators:
        layer_pins(pins, op.name, op.space(graph.by_name))


def layer_pins(pins: Sequence[Pin], layer: str, space: Space) -> LayerPins:
    """The pins of a layer; a pin on the layer itself goes before one on all layers ("*").

    Raises PinError where a value cannot be read or does not exist in this space.
    """
    chosen = {pin.decision: pin.value for pin in pins if pin.layer == "*"}
    own = {pin.decision: pin.value for pin in pins if pin.layer == layer}
    chosen |= own
    return LayerPins(
        engine=chosen.get("engine"),
        tile=_tile(layer, chosen.get("tile"), space, "tile" in own),
        order=_order(layer, chosen.get("order"), space, "order" in own),
        split=_split(layer, chosen.get("split"), space, "split" in own),
        buffering=_buffering(layer, chosen.get("buffering")),
        input_home=chosen.get("input_home"),
        output_home=chosen.get("output_home"),
        params_home=chosen.get("params_home"),
    )


def _tile(layer: str, text: str | None, space: Space, strict: bool) -> tuple[tuple[str, int], ...]:
    if text is None:
        return ()
    dims = {dim.name: dim for dim in space.dims}
    sizes = []
    for part in text.split(","):
        name, _, value = part.partition("=")
        dim = dims.get(name.strip())
        if dim is None and not strict:
            continue
        known = ", ".join(_sizes(d) for d in space.dims if d.tileable)
        if dim is None or not value.strip().isdecimal() or not _tiles(dim, int(value)):
            raise PinError(f"pin {layer}.tile={text}: {part!r} is not one of {known}")
        sizes.append((dim.name, int(value)))
    return tuple(sizes)


def _sizes(dim: Dim) -> str:
    steps = f" in steps of {dim.granule}" if dim.granule > 1 else ""
    return f"{dim.name}={dim.granule}..{dim.extent}{steps}"


def _tiles(dim: Dim, size: int) -> bool:
    return size == dim.extent or (1 <= size < dim.extent and dim.tileable and size % dim.granule == 0)


def _order(layer: str, text: str | None, space: Space, strict: bool) -> tuple[str, ...] | None:
    if text is None:
        return None
    order = tuple(text.split("-"))
    if order in space.orders:
        return order
    if strict:
        known = ", ".join("-".join(o) for o in space.orders)
        raise PinError(f"pin {layer}.order={text}: orders are {known}")
    return None


def _split(layer: str, text: str | None, space: Space, strict: bool) -> tuple[str, ...] | None:
    if text is None:
        return None
    split = tuple(part for part in text.split(",") if part)
    if split in space.spec.splits:
        return split
    if strict:
        known = "; ".join(",".join(s) for s in space.spec.splits)
        raise PinError(f"pin {layer}.split={text}: splits are {known}")
    return None


def _buffering(layer: str, text: str | None) -> int | None:
    if text is None:
        return None
    if text not in ("1", "2"):
        raise PinError(f"pin {layer}.buffering={text}: must be 1 or 2")
    return int(text)
