"""One layer in C: what the template needs, computed from its program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.codegen.blocks import Blocks, ParamBlocksC
from compiler.codegen.calls import kernel_call, tables_pointer
from compiler.codegen.expressions import address, bounds, comment_text, link, range_of, tiled_dims
from compiler.codegen.moves import Moves, moves_of, named_offset
from compiler.codegen.steps import advance, begin, prefetch, store
from compiler.ir.access import Table
from compiler.program import LayerProgram, Loop, ParamStream, Stream, Transfer, row_pitches


@dataclass(frozen=True)
class StreamC:
    """C fragments of one input or output: what it is, the ranges of a tile, its layout in memory."""

    what: str
    via: Moves
    bounds: tuple[str, ...]
    ranges: tuple[str, ...]
    pitches: tuple[int, ...]
    element: int
    block: int
    line: int

    @property
    def rank(self) -> int:
        return len(self.ranges)

    @property
    def name(self) -> str:
        return self.via.name


@dataclass(frozen=True)
class RowsC:
    """C fragments of the rows of a table that a tile fetches: table, interval of names, where these are."""

    table: Table
    bounds: str
    low: str
    high: str
    names: str


@dataclass(frozen=True, kw_only=True)
class ParamsC(ParamBlocksC):
    """C fragments of the parameter blocks of a layer of its own. number: which block a tile needs."""

    via: Moves
    number: str
    rows: RowsC | None

    @property
    def block(self) -> str:
        """Address of the block in L1."""
        return self.blocks.within(self.via.home) if self.via.in_place else self.via.chosen_slot

    @property
    def call_needs_number(self) -> bool:
        return self.call_needs_bytes or any("number" in text for text in (self.block, self.weights))


@dataclass(frozen=True)
class LayerC:
    """Everything that the layer template prints. prefetches: (later layer, copy of its parameters)."""

    index: int
    title: str
    loops: tuple[Loop, ...]
    inputs: tuple[StreamC, ...]
    output: StreamC
    params: ParamsC | None
    accumulator: str
    reductions: tuple[int, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    prefetched: bool
    prefetches: tuple[tuple[int, str], ...]
    call: tuple[str, ...]

    @property
    def streams(self) -> tuple[StreamC, ...]:
        return (*self.inputs, self.output)

    @property
    def prefix(self) -> str:
        return f"l{self.index}"

    @property
    def begin(self) -> list[str]:
        """Statements before the first tile."""
        return list(begin(self.prefix, self._fetched))

    @property
    def prefetch(self) -> list[str]:
        """Statements that start fetching what the next tile needs."""
        return list(prefetch(self.prefix, self._fetched, len(self.loops)))

    @property
    def advance(self) -> list[str]:
        """Statements that turn to the next tile."""
        return list(advance(self.prefix, self._fetched, len(self.loops)))

    @property
    def store(self) -> list[str]:
        """Statements that take a finished tile home."""
        return store(self.prefix, self.output.via, self.last)

    @property
    def awaited(self) -> tuple[str, ...]:
        """Streams whose fetch every tile waits for."""
        return tuple(via.name for via in self._fetched if via.level)

    @property
    def _fetched(self) -> tuple[Moves, ...]:
        """Inputs and parameters that are fetched to L1."""
        params = (self.params.via,) if self.params else ()
        return tuple(via for via in (*(s.via for s in self.inputs), *params) if not via.in_place)

    @property
    def _slots(self) -> list[str]:
        params = [self.params.via] if self.params else []
        users = [*(s.via for s in self.streams), *params]
        return [via.slot_parameter for via in users if via.slot_parameter]

    @property
    def call_parameters(self) -> str:
        """C parameters of the function that runs one tile."""
        at = ["const uint32_t *at"] if self.loops else []
        return ", ".join(at + [f"uint32_t {slot}" for slot in self._slots]) or "void"

    @property
    def call_arguments(self) -> str:
        """C arguments for these parameters."""
        return ", ".join((["at"] if self.loops else []) + self._slots)

    @property
    def last(self) -> str:
        """C condition: this tile finishes its output."""
        return " && ".join(f"at[{k}] == {self.loops[k].trips - 1}u" for k in self.reductions)

    @property
    def first(self) -> str:
        """C condition: this tile starts its output."""
        return " && ".join(f"at[{k}] == 0u" for k in self.reductions)


def _moving(layer: LayerProgram) -> tuple[Loop, ...]:
    return tuple(loop for loop in layer.loops if loop.trips > 1)


def _where(stream: Stream | ParamStream) -> str:
    """A stream's home and path, for a comment."""
    home = "constants" if stream.home.level == "blob" else stream.home.level.upper()
    if not stream.slots:
        return f"{home}, in place"
    stage = {"whole": ", whole in L2", "tile": ", tiles through L2"}.get(stream.staging, "")
    return f"{home}{stage}, {len(stream.slots)} L1 slot{'s' if len(stream.slots) > 1 else ''}"


def _stream(layer: LayerProgram, stream: Stream, name: str) -> StreamC:
    used = frozenset[str]().union(*(tiled_dims(axis, layer.loops) for axis in stream.access.axes))
    moving = _moving(layer)
    shape = "".join(f"[{axis.extent}]" for axis in stream.access.axes)
    return StreamC(
        what=f"{name}: {comment_text(stream.access.tensor)}{shape} in {_where(stream)}",
        via=moves_of(layer, stream, name, bool(used)),
        bounds=tuple(bounds(loop, k) for k, loop in enumerate(moving) if loop.dim in used),
        ranges=tuple(range_of(axis, layer.loops) for axis in stream.access.axes),
        pitches=row_pitches(stream.access.shape, stream.access.element_bytes),
        element=stream.access.element_bytes,
        block=stream.block,
        line=stream.line,
    )


def _number(moving: Sequence[Loop], dims: Sequence[str]) -> str:
    """C expression of the block that tile `at` needs: row-major over the tiles of `dims`."""
    names = [loop.dim for loop in moving]
    text = ""
    for dim in dims:
        if dim in names:
            at = f"at[{names.index(dim)}]"
            outer = f"({text})" if " " in text else text
            text = f"{outer} * {moving[names.index(dim)].trips}u + {at}" if text else at
    return text


def _rows_move(layer: LayerProgram, params: ParamStream) -> bool:
    return params.fetches_rows and any(loop.dim == "y" for loop in _moving(layer))


def _row_fetch(layer: LayerProgram, params: ParamStream) -> RowsC | None:
    if params.table is None or not params.fetches_rows:
        return None
    moving, source = _moving(layer), layer.inputs[0]
    names = address(source.slots[0] if source.slots else source.home)
    extent = layer.output.access.axes[0].extent
    if not _rows_move(layer, params):
        return RowsC(params.table, "", "0", str(extent), names)
    place = next(k for k, loop in enumerate(moving) if loop.dim == "y")
    return RowsC(params.table, bounds(moving[place], place), "y_low", "y_high", names)


def _params(layer: LayerProgram, prefix: str) -> ParamsC | None:
    params = layer.params
    if params is None:
        return None
    blocks = Blocks(f"{prefix}_starts", params.starts)
    weight_blocks = Blocks(f"{prefix}_weight_starts", params.weight_starts or (0, 0))
    weights = ""
    kept = ""
    if params.weights is not None:
        weights = weight_blocks.within(address(params.weights))
        kept = f"; weights in {params.weights.level.upper()}"
    return ParamsC(
        what=f"params: {len(params.starts) - 1} block(s), {params.starts[-1]} B in {_where(params)}{kept}",
        via=moves_of(layer, params, "params", blocks.several or _rows_move(layer, params)),
        rows=_row_fetch(layer, params),
        number=_number(_moving(layer), params.dims),
        blocks=blocks,
        weights=weights,
        weight_blocks=weight_blocks,
        tables=tables_pointer(layer, blocks.size if blocks.one_size else "bytes"),
        joint=layer.operator.has_weights and params.weights is None,
    )


def _copy(move: Transfer) -> str:
    name = link(move.source.level, move.target.level)
    begin = "" if move.into is None else f" + {named_offset(move.into)}"
    return f"dse_copy_1d({name}, {address(move.target)}{begin}, {address(move.source)}, {move.bytes}u)"


def _title(index: int, layer: LayerProgram) -> str:
    name, op = comment_text(layer.operator.name), layer.operator
    tiles = "; ".join(f"{loop.dim} {loop.extent} by {loop.tile}" for loop in _moving(layer))
    mode = "double" if layer.buffering == 2 else "single"
    how = f"{layer.steps} tiles ({tiles}), {mode} buffered" if tiles else "one tile"
    return f"Layer {index}: {name}, {op.kind} on {layer.engine}, {how}"


def layer_c(index: int, layer: LayerProgram) -> LayerC:
    """The C view of a layer."""
    moving = _moving(layer)
    accumulator = layer.accumulator
    return LayerC(
        index=index,
        title=_title(index, layer),
        loops=moving,
        inputs=tuple(_stream(layer, stream, f"in{k}") for k, stream in enumerate(layer.inputs)),
        output=_stream(layer, layer.output, "out"),
        params=_params(layer, f"l{index}"),
        accumulator=f"(int32_t *)(void *)({address(accumulator)})" if accumulator else "",
        reductions=tuple(k for k, loop in enumerate(moving) if loop.dim in layer.reduction),
        before=tuple(_copy(move) for move in layer.before),
        after=tuple(_copy(move) for move in layer.after),
        prefetched=layer.prefetched,
        prefetches=tuple((each.layer, _copy(each.move)) for each in layer.prefetches),
        call=tuple(kernel_call(layer.operator, layer)),
    )
