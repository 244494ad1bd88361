"""Decisions taken by the user, as filters on options."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from compiler.deployment import WEIGHT_MEMORIES
from compiler.ir import Dim, Operator, Space
from compiler.ops.engines import npu_blockers
from costmodels.engines import Engine
from costmodels.engines.npu import NpuEngine
from costmodels.platform import Platform
from costmodels.prefetch import LINK
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
    "fuse",
    "prefetch",
    "operating_point",
)
EVERY = "*"
ON, OFF, WANTED = "on", "off", "wanted"
"""Prefetch: a layer's parameters come under the layer before; do not; do where they can."""


class PinError(TaskError):
    """A pin that names no layer, no decision, or a value that this layer cannot have; one clear line."""


def pin_text(pin: Pin) -> str:
    """The pin as it is written on the command line."""
    return f"{pin.layer}.{pin.decision}={pin.value}"


@dataclass(frozen=True)
class LayerPins:
    """The pins of one layer, parsed; None where free. input_homes: of every input, () if all are free.

    prefetch: ON, OFF or WANTED.
    """

    engine: str | None = None
    tile: tuple[tuple[str, int], ...] = ()
    order: tuple[str, ...] | None = None
    split: tuple[str, ...] | None = None
    buffering: int | None = None
    input_homes: tuple[str | None, ...] = ()
    output_home: str | None = None
    params_home: str | None = None
    fuse: bool | None = None

    prefetch: str | None = None

    @property
    def fusible(self) -> bool:
        """Whether a layer with these pins may be one of a segment, which has tiles and homes of its own."""
        own = self.tile or self.order or self.buffering or self.output_home
        return self.fuse is not False and self.prefetch != ON and not own and not any(self.input_homes)

    def allows(self, choice: HomeChoice) -> bool:
        """Whether a choice of homes keeps to the pins."""
        inputs = zip(self.input_homes, choice.inputs, strict=False)
        return (
            all(pinned in (None, home) for pinned, home in inputs)
            and self.output_home in (None, choice.output)
            and (self.params_home is None or choice.params in ("-", self.params_home))
        )


@dataclass(frozen=True)
class Place:
    """A layer on a platform, as far as pins must know it. ends: inputs and outputs of the network, whose home
    is not the layers' to choose."""

    op: Operator
    space: Space
    platform: Platform
    ends: Collection[str] = field(default=())

    def blockers(self, engine: str) -> tuple[str, ...]:
        """Why the layer cannot run on an engine."""
        return engine_blockers(self.op, self.platform.engine_of[engine])

    def weight_memory_blocker(self, engine: str | None) -> str:
        """Why the layer's weights cannot lie in a weight memory; empty: they can. engine: a pinned one."""
        allowed = [each for each in self.platform.engines if engine in (None, each.name)]
        npus = [each for each in allowed if isinstance(each, NpuEngine)]
        if not npus or not self.op.has_weights:
            return "only weights that an NPU reads can lie there"
        reasons = [npu_blockers(self.op, npu.constraints) for npu in npus]
        return "" if not all(reasons) else f"no NPU runs the layer ({reasons[0][0]})"


def engine_blockers(op: Operator, engine: Engine) -> tuple[str, ...]:
    """Why `op` cannot run on `engine`; empty: it can."""
    return npu_blockers(op, engine.constraints) if isinstance(engine, NpuEngine) else ()


def layer_pins(pins: Sequence[Pin], place: Place) -> LayerPins:
    """The pins of a layer. Its own go before those on all layers ("*"), which hold where they can: a layer
    that cannot run on the engine, has no such order or split, or whose weights cannot lie there, is free; a
    tile longer than the dimension is the whole dimension; inputs and outputs of the network stay at home.

    Raises PinError where a value cannot be read or does not exist for this layer.
    """
    every = {pin.decision: pin for pin in pins if pin.layer == EVERY}
    own = {pin.decision: pin for pin in pins if pin.layer == place.op.name}
    chosen: Mapping[str, Pin] = every | own

    engine = _engine(place, chosen.get("engine"))
    return LayerPins(
        engine=engine,
        tile=_tile(place, chosen.get("tile")),
        order=_listed(place, chosen.get("order"), "-", place.space.orders),
        split=_listed(place, chosen.get("split"), ",", place.space.spec.splits),
        buffering=_buffering(chosen.get("buffering")),
        input_homes=_input_homes(place, chosen.get("input_home")),
        output_home=_home(place, chosen.get("output_home"), place.op.output),
        params_home=_params_home(place, chosen.get("params_home"), engine),
        fuse=_fuse(chosen.get("fuse")),
        prefetch=_prefetch(place, chosen.get("prefetch")),
    )


def _fuse(pin: Pin | None) -> bool | None:
    if pin is None:
        return None
    if pin.value not in ("on", "off"):
        raise PinError(f"pin {pin_text(pin)}: must be on or off")
    return pin.value == "on"


def _engine(place: Place, pin: Pin | None) -> str | None:
    if pin is None:
        return None
    blockers = place.blockers(pin.value)
    if blockers and pin.layer != EVERY:
        raise PinError(f"pin {pin_text(pin)}: {'; '.join(blockers)}")
    return None if blockers else pin.value


def _tile(place: Place, pin: Pin | None) -> tuple[tuple[str, int], ...]:
    if pin is None:
        return ()
    dims = {dim.name: dim for dim in place.space.dims}
    known = ", ".join(_sizes(dim) for dim in place.space.dims if dim.tileable)
    sizes: dict[str, int] = {}
    for name, size, part in tile_parts(pin):
        dim = dims.get(name)
        if dim is None and pin.layer == EVERY:
            continue
        size = min(size, dim.extent) if dim is not None and pin.layer == EVERY else size
        if dim is None or not _tiles(dim, size):
            raise PinError(f"pin {pin_text(pin)}: layer {place.op.name}: {part!r} is not one of {known}")
        sizes[name] = size
    return tuple(sizes.items())


def tile_parts(pin: Pin) -> Iterator[tuple[str, int, str]]:
    """(dimension, size, as written) of every part of a tile. Raises PinError."""
    seen = set()
    for part in pin.value.split(","):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if not name or not value.isdecimal():
            raise PinError(f"pin {pin_text(pin)}: {part!r} is no size; write tile=y=8,x=32")
        if name in seen:
            raise PinError(f"pin {pin_text(pin)}: {name} is given twice")
        seen.add(name)
        yield name, int(value), part


def _sizes(dim: Dim) -> str:
    steps = f" in steps of {dim.granule}" if dim.granule > 1 else ""
    return f"{dim.name}={dim.granule}..{dim.extent}{steps}"


def _tiles(dim: Dim, size: int) -> bool:
    return size == dim.extent or (1 <= size < dim.extent and dim.tileable and size % dim.granule == 0)


def _listed(
    place: Place, pin: Pin | None, separator: str, known: Sequence[tuple[str, ...]]
) -> tuple[str, ...] | None:
    """A loop order or a split out of those that the layer has."""
    if pin is None:
        return None
    value = tuple(part for part in pin.value.split(separator) if part)
    if value in known:
        return value
    if pin.layer == EVERY:
        return None
    there = "; ".join(separator.join(each) for each in known)
    raise PinError(f"pin {pin_text(pin)}: {pin.decision}s of {place.op.name} are {there}")


def _buffering(pin: Pin | None) -> int | None:
    if pin is None:
        return None
    if pin.value not in ("1", "2"):
        raise PinError(f"pin {pin_text(pin)}: must be 1 or 2")
    return int(pin.value)


def _input_homes(place: Place, pin: Pin | None) -> tuple[str | None, ...]:
    return () if pin is None else tuple(_home(place, pin, name) for name in place.op.inputs)


def _home(place: Place, pin: Pin | None, tensor: str) -> str | None:
    """The home that a pin gives a tensor; a pin on all layers leaves ends of the network alone."""
    return None if pin is None or (pin.layer == EVERY and tensor in place.ends) else pin.value


def _params_home(place: Place, pin: Pin | None, engine: str | None) -> str | None:
    if pin is None:
        return None
    blocker = place.weight_memory_blocker(engine) if pin.value in WEIGHT_MEMORIES else ""
    if blocker and pin.layer != EVERY:
        raise PinError(f"pin {pin_text(pin)}: {blocker}")
    return None if blocker else pin.value


def _prefetch(place: Place, pin: Pin | None) -> str | None:
    """A pin on all layers holds where a layer has a copy to wait for."""
    if pin is None:
        return None
    if pin.value not in (ON, OFF):
        raise PinError(f"pin {pin_text(pin)}: must be {ON} or {OFF}")
    if pin.value == OFF:
        return OFF
    link = place.platform.link_of.get(LINK)
    if link is not None and link.asynchronous:
        return WANTED if pin.layer == EVERY else ON
    if pin.layer == EVERY:
        return None
    raise PinError(f"pin {pin_text(pin)}: on {place.platform.name} nothing comes from l3 while cores compute")
