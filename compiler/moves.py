"""What programs are made of: places, loops, transfers, views, kernel calls."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.ir import TileCall
from compiler.ir.access import Table


@dataclass(frozen=True)
class Place:
    """A byte address: a level's arena and an offset into it. Level "blob" is the constants' origin."""

    level: str
    offset: int

    def at(self, bytes_: int) -> Place:
        return Place(self.level, self.offset + bytes_)


@dataclass(frozen=True)
class Loop:
    """One loop over tiles of a dimension."""

    dim: str
    extent: int
    tile: int

    @property
    def trips(self) -> int:
        return -(-self.extent // self.tile)

    def interval(self, index: int) -> tuple[int, int]:
        return index * self.tile, min((index + 1) * self.tile, self.extent)


@dataclass(frozen=True)
class Named:
    """A row of a table that memory names: the int32 at `place`, clamped to [0, table.rows)."""

    place: Place
    table: Table


@dataclass(frozen=True)
class Transfer:
    """One 1D or 2D copy. Pitches are the distances in bytes between the starts of lines.

    row: which row of a table that begins at `source` is copied, known when the copy starts. into: at which
    row of a table that begins at `target` the copy begins, known then, too.
    """

    source: Place
    target: Place
    line_bytes: int
    lines: int
    source_pitch: int
    target_pitch: int
    row: Named | None = None
    into: Named | None = None

    @property
    def link(self) -> str:
        """`source_target`, e.g. "l2_l1"; constants come from "l3" whatever holds their origin."""
        return f"{self.source.level}_{self.target.level}".replace("blob", "l3")

    @property
    def bytes(self) -> int:
        return self.line_bytes * self.lines


@dataclass(frozen=True)
class OperandView:
    """An operand as a kernel sees it: address of the first element and byte pitches by axis."""

    place: Place
    pitches: tuple[int, ...]


@dataclass(frozen=True)
class KernelCall:
    """One kernel call. `params` (in L1) and `weights` (in a weight memory) are (place, bytes)."""

    call: TileCall
    inputs: tuple[OperandView, ...]
    output: OperandView
    params: tuple[Place, int] | None
    weights: tuple[Place, int] | None


@dataclass(frozen=True)
class Step:
    """One tile: what must arrive before it, the call, what leaves after it."""

    loads: tuple[Transfer, ...]
    call: KernelCall
    stores: tuple[Transfer, ...]


@dataclass(frozen=True)
class ParamStream:
    """Parameter blocks on their way to L1; `starts` are offsets of blocks in the region, one more at the end.

    Blocks are in row-major order over the tiles of `dims`. `weights` is set where the weights part stays
    in a weight memory: its region and the starts of its blocks there. `table`: the region is one block,
    of which tiles fetch rows.
    """

    dims: tuple[str, ...]
    home: Place
    slots: tuple[Place, ...]
    staging: str
    stage: tuple[Place, ...]
    depth: int
    starts: tuple[int, ...]
    weights: Place | None = None
    weight_starts: tuple[int, ...] = ()
    table: Table | None = None

    @property
    def fetches_rows(self) -> bool:
        """Whether what kernels see are rows of a table, in the order in which they are named."""
        return self.table is not None and bool(self.slots)


@dataclass(frozen=True)
class Prefetch:
    """A copy of the parameters of a later layer (its number) to their stage in L2."""

    layer: int
    move: Transfer


def row_pitches(shape: tuple[int, ...], element_bytes: int) -> tuple[int, ...]:
    """Byte pitches of a dense row-major array."""
    pitches = []
    step = element_bytes
    for extent in reversed(shape):
        pitches.append(step)
        step *= extent
    return tuple(reversed(pitches))


def offset_of(index: tuple[int, ...], pitches: tuple[int, ...]) -> int:
    """Bytes from the start of an array to the element at `index`."""
    return sum(i * pitch for i, pitch in zip(index, pitches, strict=True))
