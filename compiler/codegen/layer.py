"""One layer in C: what the template needs, computed from its program."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.codegen.calls import kernel_call, tables_bytes
from compiler.codegen.expressions import address, link, range_of, slot_address
from compiler.program import LayerProgram, Loop, ParamStream, Place, Stream, Transfer, row_pitches


@dataclass(frozen=True)
class StreamC:
    """C fragments of one input or output.

    level: position among the moving loops at or outside of which the tile changes (0: fetched once).
    near, far: level pairs of the hops: direct or staged whole has `hop`, staged by tile has both.
    """

    name: str
    rank: int
    ranges: tuple[str, ...]
    pitches: tuple[int, ...]
    element: int
    block: int
    line: int
    slots: int
    level: int
    tensor: str
    slot: str
    stage: str
    hop: str
    hop2: str
    in_place: bool

    @property
    def staged(self) -> bool:
        """Whether a tile takes two hops, through a stage in L2."""
        return bool(self.hop2)

    @property
    def moves(self) -> bool:
        """Whether the tile's position depends on the loop indices."""
        return any("box->" in text for text in self.ranges)


@dataclass(frozen=True)
class ParamsC:
    """C fragments of the parameter blocks."""

    starts: tuple[int, ...]
    number: str
    slots: int
    level: int
    region: str
    slot: str
    stage: str
    hop: str
    hop2: str
    in_place: bool
    weights: str
    weight_starts: tuple[int, ...]

    @property
    def staged(self) -> bool:
        return bool(self.hop2)


@dataclass(frozen=True)
class LayerC:
    """Everything that the layer template prints."""

    index: int
    title: str
    loops: tuple[Loop, ...]
    inputs: tuple[StreamC, ...]
    output: StreamC
    params: ParamsC | None
    tables_bytes: str
    accumulator: str
    reductions: tuple[int, ...]
    pipelined: bool
    before: tuple[str, ...]
    after: tuple[str, ...]
    call: tuple[str, ...]

    @property
    def moving(self) -> bool:
        return bool(self.loops)

    @property
    def streams(self) -> tuple[StreamC, ...]:
        return (*self.inputs, self.output)

    @property
    def last(self) -> str:
        """C condition: this tile finishes its output."""
        return " && ".join(f"at[{k}] == {self.loops[k].trips - 1}u" for k in self.reductions) or "true"

    @property
    def first(self) -> str:
        """C condition: this tile starts its output."""
        return " && ".join(f"at[{k}] == 0u" for k in self.reductions) or "true"


def _level(layer: LayerProgram, depth: int) -> int:
    """A depth among all loops, counted among the moving ones."""
    return sum(loop.trips > 1 for loop in layer.loops[:depth])


def _hops(stream: Stream | ParamStream, inward: bool) -> tuple[str, str]:
    """HAL links of the first and, by tiles through a stage, second hop."""
    if not stream.slots:
        return "", ""
    home = stream.home.level
    if stream.staging == "direct":
        return (link(home, "l1") if inward else link("l1", home)), ""
    if stream.staging == "whole":
        return (link("l2", "l1") if inward else link("l1", "l2")), ""
    return (link(home, "l2"), link("l2", "l1")) if inward else (link("l1", "l2"), link("l2", home))


def _stream(layer: LayerProgram, stream: Stream, name: str) -> StreamC:
    hop, hop2 = _hops(stream, inward=name != "out")
    source = stream.stage[0] if stream.staging == "whole" else stream.home
    return StreamC(
        name=name,
        rank=len(stream.access.axes),
        ranges=tuple(range_of(axis, layer.loops) for axis in stream.access.axes),
        pitches=row_pitches(stream.access.shape, stream.access.element_bytes),
        element=stream.access.element_bytes,
        block=stream.block,
        line=stream.line,
        slots=len(stream.slots),
        level=_level(layer, stream.depth),
        tensor=address(source),
        slot=slot_address(stream.slots, "slot") if stream.slots else "",
        stage=slot_address(stream.stage, "slot") if hop2 else "",
        hop=hop,
        hop2=hop2,
        in_place=not stream.slots,
    )


def _number(layer: LayerProgram, params: ParamStream) -> str:
    """C expression of the block that tile `at` needs."""
    moving = [loop.dim for loop in layer.loops if loop.trips > 1]
    text = "0u"
    for dim in params.dims:
        if dim in moving:
            trips = next(loop.trips for loop in layer.loops if loop.dim == dim)
            at = f"at[{moving.index(dim)}]"
            text = at if text == "0u" else f"({text}) * {trips}u + {at}"
    return text


def _params(layer: LayerProgram) -> ParamsC | None:
    params = layer.params
    if params is None:
        return None
    hop, hop2 = _hops(params, inward=True)
    source = params.stage[0] if params.staging == "whole" else params.home
    return ParamsC(
        starts=params.starts,
        number=_number(layer, params),
        slots=len(params.slots),
        level=_level(layer, params.depth),
        region=address(source),
        slot=slot_address(params.slots, "slot") if params.slots else "",
        stage=slot_address(params.stage, "slot") if hop2 else "",
        hop=hop,
        hop2=hop2,
        in_place=not params.slots,
        weights=address(params.weights) if params.weights else "",
        weight_starts=params.weight_starts,
    )


def _copy(move: Transfer) -> str:
    name = link(move.source.level, move.target.level)
    return f"dse_copy_1d({name}, {address(move.target)}, {address(move.source)}, {move.bytes}u)"


def _title(index: int, layer: LayerProgram) -> str:
    tile = " ".join(f"{loop.dim}={loop.tile}/{loop.extent}" for loop in layer.loops if loop.extent > 1)
    mode = "double" if layer.buffering == 2 else "single"
    name = layer.operator.name.replace("*/", "* /")
    return f"Layer {index}: {name}, {layer.operator.kind} on {layer.engine}; tile {tile or 'whole'}; {mode} buffered"


def layer_c(index: int, layer: LayerProgram) -> LayerC:
    """The C view of a layer."""
    moving = tuple(loop for loop in layer.loops if loop.trips > 1)
    accumulator: Place | None = layer.accumulator
    return LayerC(
        index=index,
        title=_title(index, layer),
        loops=moving,
        inputs=tuple(_stream(layer, stream, f"in{k}") for k, stream in enumerate(layer.inputs)),
        output=_stream(layer, layer.output, "out"),
        params=_params(layer),
        tables_bytes=tables_bytes(layer.operator),
        accumulator=f"(int32_t *)(void *)({address(accumulator)})" if accumulator else "NULL",
        reductions=tuple(k for k, loop in enumerate(moving) if loop.dim in layer.reduction),
        pipelined=layer.buffering == 2,
        before=tuple(_copy(move) for move in layer.before),
        after=tuple(_copy(move) for move in layer.after),
        call=tuple(kernel_call(layer.operator, layer)),
    )
