"""How the tiles of one stream travel between home and L1, in C."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.codegen.expressions import address, link, slot_address
from compiler.moves import Named
from compiler.program import LayerProgram, ParamStream, Stream


@dataclass(frozen=True)
class Moves:
    """How tiles of one stream travel; C fragments.

    moves: whether tiles depend on the indices `at`, so that there is more than one. slots: tile buffers in
    L1, 0 where kernels use the tensor in place. level: position among the moving loops at or outside of
    which the tile changes (0: fetched once). home: address of the tensor or region, or of its whole copy in
    L2. slot, stage: addresses chosen by the C variable `slot`. hop, hop2: links; a tile that goes through a
    stage has both. by_row: tiles are rows of a table, which in0 names.
    """

    name: str
    moves: bool
    slots: int
    level: int
    home: str
    slot: str
    stage: str
    hop: str
    hop2: str
    by_row: bool = False

    @property
    def in_place(self) -> bool:
        return self.slots == 0

    @property
    def staged(self) -> bool:
        """Whether a tile takes two hops, through a stage in L2."""
        return bool(self.hop2)

    @property
    def parameters(self) -> str:
        """C parameters of the functions that move a tile."""
        names = (["const uint32_t *at"] if self.moves else []) + (["uint32_t slot"] if self.slots > 1 else [])
        return ", ".join(names) or "void"

    def arguments(self, at: str, slot: str) -> str:
        """C arguments for these parameters."""
        return ", ".join(([at] if self.moves else []) + ([slot] if self.slots > 1 else []))

    @property
    def slot_parameter(self) -> str:
        """Name of the variable that holds the slot in use, empty where there is no choice."""
        return f"slot_{self.name}" if self.slots > 1 else ""

    @property
    def chosen_slot(self) -> str:
        """Address of the tile that the kernel uses."""
        return self.slot.replace("(slot ?", f"(slot_{self.name} ?")


def _level(layer: LayerProgram, depth: int) -> int:
    """A depth among all loops, counted among the moving ones."""
    return sum(loop.trips > 1 for loop in layer.loops[:depth])


def _hops(stream: Stream | ParamStream, inward: bool) -> tuple[str, str]:
    """HAL links of the first and, by tiles through a stage, second hop."""
    if not stream.slots:
        return "", ""
    home = stream.home.level
    if stream.staging == "tile":
        return (link(home, "l2"), link("l2", "l1")) if inward else (link("l1", "l2"), link("l2", home))
    near = "l2" if stream.staging == "whole" else home
    return (link(near, "l1") if inward else link("l1", near)), ""


def named_offset(into: Named) -> str:
    """C expression of the bytes from the start of a table to the row that memory names."""
    return f"dse_row_offset({address(into.place)}, {into.table.rows}, {into.table.row_bytes}u)"


def _home(layer: LayerProgram, stream: Stream | ParamStream) -> str:
    """Address of what tiles are parts of."""
    if stream.staging == "whole":
        return address(stream.stage[0])
    into = layer.into if stream is layer.output else None
    return address(stream.home) if into is None else f"{address(stream.home)} + {named_offset(into)}"


def moves_of(layer: LayerProgram, stream: Stream | ParamStream, name: str, moves: bool) -> Moves:
    hop, hop2 = _hops(stream, inward=name != "out")
    return Moves(
        name=name,
        moves=moves,
        slots=len(stream.slots),
        level=_level(layer, stream.depth),
        home=_home(layer, stream),
        slot=slot_address(stream.slots, "slot") if stream.slots else "",
        stage=slot_address(stream.stage, "slot") if hop2 else "",
        hop=hop,
        hop2=hop2,
        by_row=isinstance(stream, ParamStream) and stream.fetches_rows,
    )
