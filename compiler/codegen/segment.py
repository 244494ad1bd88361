"""One segment in C: what the template needs, computed from its program."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from compiler.codegen.blocks import LINE, Blocks, ParamBlocksC
from compiler.codegen.calls import kernel_call, tables_pointer
from compiler.codegen.expressions import (
    address,
    bounds,
    comment_text,
    link,
    range_of,
    slot_address,
    tiled_dims,
)
from compiler.fused import FusedLayer, FusedOperand, RollingWindow, SegmentProgram
from compiler.program import Loop, Transfer, row_pitches


def folded(lines: Iterable[str]) -> Iterator[str]:
    """The lines, long ones broken at spaces."""
    for line in lines:
        lead = line[: len(line) - len(line.lstrip())]
        yield from textwrap.wrap(
            line,
            LINE,
            initial_indent="",
            subsequent_indent=f"{lead}    ",
            break_long_words=False,
            break_on_hyphens=False,
            drop_whitespace=True,
            replace_whitespace=False,
        )


@dataclass(frozen=True)
class WindowC:
    """One tensor's rows by stripe."""

    name: str
    window: RollingWindow

    @property
    def what(self) -> str:
        text = f"{comment_text(self.window.tensor)}: base, start, end, kept, skip"
        return f"{text}; {self.window.row_bytes} B a row"

    @property
    def table(self) -> list[str]:
        """Lines of the initialiser."""
        rows = (f"{{{r.base}, {r.start}, {r.end}, {r.kept}, {r.skip}}}," for r in self.window.rows)
        return textwrap.wrap(" ".join(rows), LINE, break_on_hyphens=False)

    @property
    def l1(self) -> str:
        """The buffer of the stripe in the C variable `stripe`."""
        return slot_address(self.window.slots, "stripe & 1u")

    @property
    def stage(self) -> str:
        return slot_address(self.window.stage, "stripe & 1u")

    @property
    def roll(self) -> list[str]:
        """Statement that moves rows that stay, where any do."""
        if not any(rows.kept for rows in self.window.rows):
            return []
        return [f"dse_roll({self.l1}, &{self.name}_rows[stripe], {self.window.row_bytes}u);"]

    def copy(self, hop: str, to: tuple[str, str], source: tuple[str, str]) -> str:
        """Expression of a copy of the new rows, `r` being those of the stripe; (buffer, first row) each."""
        size = f"r->end - r->start, {self.window.row_bytes}u"
        return f"dse_copy_rows({hop}, {to[0]}, {to[1]}, {source[0]}, {source[1]}, {size})"

    @property
    def rows(self) -> str:
        """Declaration of the rows of the stripe."""
        return f"const dse_rows *const r = &{self.name}_rows[stripe];"

    def hops(self, inward: bool) -> tuple[str, ...]:
        """Expressions of the copies between home and L1, in order."""
        window = self.window
        assert window.home is not None
        home = (address(window.home), "r->start")
        near = (self.l1, "r->start - r->base")
        stage = ((self.stage, "0"),) if window.stage else ()
        levels = (window.home.level, *(place.level for place in window.stage[:1]), "l1")
        way = (home, *stage, near)
        if not inward:
            levels, way = levels[::-1], way[::-1]
        return tuple(
            self.copy(link(levels[k], levels[k + 1]), way[k + 1], way[k]) for k in range(len(way) - 1)
        )


@dataclass(frozen=True)
class OperandC:
    """An operand of a fused layer's kernel."""

    name: str
    ranges: tuple[str, ...]
    pitches: tuple[int, ...]
    view: str


@dataclass(frozen=True, kw_only=True)
class FusedParamsC(ParamBlocksC):
    """Parameter blocks of a fused layer; `block`: the address of number `number`, of a channel tile."""

    block: str


@dataclass(frozen=True)
class FusedLayerC:
    """Everything that the template prints about a layer. tickets: definitions of what is under way."""

    index: int
    title: str
    parameters: str
    bounds: tuple[str, ...]
    operands: tuple[OperandC, ...]
    params: FusedParamsC | None
    call: tuple[str, ...]
    before: tuple[str, ...]
    tickets: tuple[str, ...]
    arrive: tuple[str, ...]
    compute: tuple[str, ...]
    leave: tuple[str, ...]

    @property
    def prefix(self) -> str:
        return f"l{self.index}"


@dataclass(frozen=True)
class SegmentC:
    """Everything that the template prints."""

    first: int
    title: str
    stripes: int
    windows: tuple[WindowC, ...]
    layers: tuple[FusedLayerC, ...]
    end: tuple[str, ...]


@dataclass(frozen=True)
class _Writer:
    """Writes one layer. windows: by tensor."""

    index: int
    layer: FusedLayer
    windows: Mapping[str, WindowC]

    @property
    def prefix(self) -> str:
        return f"l{self.index}"

    @property
    def own(self) -> WindowC:
        return self.windows[self.layer.output.window.tensor]

    @property
    def channels(self) -> Loop | None:
        """The loop over channel tiles, if there are several."""
        return next((loop for loop in self.layer.loops if loop.trips > 1), None)

    @property
    def loops(self) -> tuple[Loop, ...]:
        """All loops, the rows' counted in rows."""
        axis, unit = self.layer.output.access.axes[0], self.layer.output.unit
        return (Loop(self.layer.row, axis.extent, unit), *self.layer.loops)

    def c(self) -> FusedLayerC:
        """The C view of the layer."""
        tickets, arrive = self._arrive()
        out_tickets, before_out, leave = self._leave()
        tile = ["uint32_t stripe"] + (["uint32_t number"] if self.channels else [])
        names = (*(f"in{k}" for k in range(len(self.layer.inputs))), "out")
        operands = zip(names, (*self.layer.inputs, self.layer.output), strict=True)
        return FusedLayerC(
            index=self.index,
            title=self._title(),
            parameters=", ".join(tile),
            bounds=tuple(self._bounds()),
            operands=tuple(self._operand(name, operand) for name, operand in operands),
            params=self._params(),
            call=tuple(kernel_call(self.layer.operator, self.layer)),
            before=tuple(folded(self._before())),
            tickets=(*self._prefetch_tickets(), *tickets, *out_tickets),
            arrive=tuple(folded([*arrive, *([] if self.layer.last else self.own.roll)])),
            compute=tuple(folded([*before_out, *self._compute()])),
            leave=tuple(folded(leave)),
        )

    def _title(self) -> str:
        op = self.layer.operator
        tiles = (
            f", {self.channels.dim} {self.channels.extent} by {self.channels.tile}" if self.channels else ""
        )
        return f"Layer {self.index}: {comment_text(op.name)}, {op.kind} on {self.layer.engine}{tiles}"

    def _bounds(self) -> Iterator[str]:
        rows, *rest = self.loops
        if rows.trips > 1:
            scale = f" * {rows.tile}" if rows.tile > 1 else ""
            at = f"{self.own.name}_rows[stripe]"
            yield f"const int32_t {rows.dim}_low = {at}.start{scale}, {rows.dim}_high = {at}.end{scale};"
        for loop in rest:
            if loop.trips > 1 and self._moves(loop.dim):
                yield bounds(loop, 0).replace("at[0]", "number")

    def _moves(self, dim: str) -> bool:
        operands = (*self.layer.inputs, self.layer.output)
        return any(dim in tiled_dims(axis, self.loops) for each in operands for axis in each.access.axes)

    def _operand(self, name: str, operand: FusedOperand) -> OperandC:
        window = self.windows[operand.window.tensor]
        rank = len(operand.access.axes)
        rest = f"r_{name}, {self.prefix}_{name}_pitch, {rank}u"
        if operand.window.slots:
            base = f"{window.name}_rows[stripe].base"
            view = f"dse_rows_of({window.l1}, {base}, {operand.window.row_bytes}u, {rest})"
        else:
            assert operand.window.home is not None
            view = f"dse_window_of({address(operand.window.home)}, {rest})"
        # The initialiser of an array needs no type before braces.
        ranges = tuple(range_of(axis, self.loops) for axis in operand.access.axes)
        return OperandC(name, ranges, row_pitches(operand.access.shape, operand.access.element_bytes), view)

    def _params(self) -> FusedParamsC | None:
        params = self.layer.params
        if params is None:
            return None
        blocks = Blocks(f"{self.prefix}_starts", params.starts)
        weight_blocks = Blocks(f"{self.prefix}_weight_starts", params.weight_starts or (0, 0))
        home = address(params.home)
        if params.slots:
            slot = address(params.slots[0])
            block = blocks.within(slot) if self.layer.held else slot
        else:
            block = blocks.within(home)
        weights = "" if params.weights is None else weight_blocks.within(address(params.weights))
        size = blocks.size if blocks.one_size else "bytes"
        held = "in place" if not params.slots else "held" if self.layer.held else "in every stripe"
        count = len(params.starts) - 1
        return FusedParamsC(
            what=f"params: {count} block(s), {params.starts[-1]} B in {params.home.level.upper()}, {held}",
            blocks=blocks,
            block=block,
            weights=weights,
            weight_blocks=weight_blocks,
            tables=tables_pointer(self.layer, size),
            joint=self.layer.operator.has_weights and params.weights is None,
        )

    def _prefetch_tickets(self) -> Iterator[str]:
        for each in self.layer.prefetches:
            yield f"static dse_ticket l{each.layer}_parameters; /* on their way to L2 from here on */"

    def _before(self) -> tuple[str, ...]:
        held = (f"dse_wait({_copy(move)});" for move in self.layer.before)
        ahead = (f"l{each.layer}_parameters = {_copy(each.move)};" for each in self.layer.prefetches)
        return (*held, *ahead)

    def _arrive(self) -> tuple[list[str], list[str]]:
        """Definitions and statements that bring a stripe's new rows."""
        definitions: list[str] = []
        statements: list[str] = []
        for k, window in enumerate(self.layer.fetched):
            c = self.windows[window.tensor]
            hops = c.hops(inward=True)
            if self.layer.buffering == 1:
                fetch = [c.rows, *(f"dse_wait({hop});" for hop in hops)]
                statements += [*c.roll, "{", *(f"    {text}" for text in fetch), "}"]
                continue
            name = f"{self.prefix}_load{k}"
            definitions += [
                f"static dse_ticket {name}_ticket;",
                "\n".join(
                    [
                        f"static dse_ticket {name}(uint32_t stripe) {{",
                        f"    {c.rows}",
                        *folded([f"    return {hops[0]};"]),
                        "}",
                    ]
                ),
            ]
            statements += [
                f"if (stripe == 0u) {name}_ticket = {name}(0u);",
                f"dse_wait({name}_ticket);",
                *(
                    ["{", f"    {c.rows}", *(f"    dse_wait({hop});" for hop in hops[1:]), "}"]
                    if hops[1:]
                    else []
                ),
                f"if (stripe + 1u < {self.layer.stripes}u) {name}_ticket = {name}(stripe + 1u);",
            ]
        return definitions, statements

    def _compute(self) -> Iterator[str]:
        rows = f"{self.own.name}_rows[stripe]"
        if any(r.start == r.end for r in self.own.window.rows):
            yield f"if ({rows}.start == {rows}.end) return;"
        channels = self.channels
        body = [*self._fetch_block(), f"{self.prefix}_tile(stripe{', number' if channels else ''});"]
        if channels is None:
            yield from body
            return
        yield f"for (uint32_t number = 0u; number < {channels.trips}u; number++) {{"
        yield from (f"    {text}" for text in body)
        yield "}"

    def _fetch_block(self) -> Iterator[str]:
        """Statements that bring the block of a channel tile, where it does not stay."""
        params = self.layer.params
        if params is None or not params.slots or self.layer.held:
            return
        blocks = Blocks(f"{self.prefix}_starts", params.starts)
        way = (blocks.within(address(params.home)), *map(address, params.stage), address(params.slots[0]))
        levels = (params.home.level, *(place.level for place in params.stage), "l1")
        for k in range(len(way) - 1):
            hop = link(levels[k], levels[k + 1])
            yield f"dse_wait(dse_copy_1d({hop}, {way[k + 1]}, {way[k]}, {blocks.size}));"

    def _leave(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """Definitions, what is waited for before a tile is computed, statements that store it."""
        if not self.layer.last or not self.own.window.slots:
            return (), (), ()
        hops = self.own.hops(inward=False)
        first = tuple(f"dse_wait({hop});" for hop in hops[:-1])
        if self.layer.buffering == 1:
            return (), (), (self.own.rows, *first, f"dse_wait({hops[-1]});")
        name = f"{self.prefix}_stored"
        stored = f"{name}[stripe & 1u] = {hops[-1]};"
        return (
            (f"static dse_ticket {name}[2];",),
            (f"dse_wait({name}[stripe & 1u]);",),
            (self.own.rows, *first, stored),
        )


def _copy(move: Transfer) -> str:
    hop = link(move.source.level, move.target.level)
    return f"dse_copy_1d({hop}, {address(move.target)}, {address(move.source)}, {move.bytes}u)"


def segment_c(segment: SegmentProgram) -> SegmentC:
    """The C view of a segment."""
    tensors: dict[str, RollingWindow] = {}
    for layer in segment.layers:
        for operand in (*layer.inputs, layer.output):
            tensors.setdefault(operand.window.tensor, operand.window)
    first = segment.first
    windows = {name: WindowC(f"s{first}_t{k}", window) for k, (name, window) in enumerate(tensors.items())}
    used = {layer.output.window.tensor for layer in segment.layers}
    used |= {name for name, window in tensors.items() if window.slots}
    writers = [_Writer(first + k, layer, windows) for k, layer in enumerate(segment.layers)]
    last = segment.layers[-1]
    waits: tuple[str, ...] = ()
    if last.buffering == 2 and last.output.window.slots:
        waits = tuple(f"dse_wait(l{first + len(segment.layers) - 1}_stored[{k}]);" for k in range(2))
    end = first + len(segment.layers) - 1
    return SegmentC(
        first=first,
        title=f"Segment of layers {first} to {end}, depth-first in {segment.stripes} stripes of rows.",
        stripes=segment.stripes,
        windows=tuple(windows[name] for name in tensors if name in used),
        layers=tuple(writer.c() for writer in writers),
        end=waits,
    )
