"""Iteration spaces and index maps: which part of each operand a tile of the space touches.

An operator's space is a box of named dimensions. A tile is a sub-box. Every operand axis is an
affine window over the dimensions, so the part that a tile touches is again a box (a `Region`), and
sums of its extents over all tiles of a grid factorise by axis: the reason why traffic is exact and
cheap to compute (compiler.tiling).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from costmodels.work import KernelSpec

Box = Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class Dim:
    """One loop dimension of a space. Tile sizes are multiples of `granule`, or the whole extent."""

    name: str
    extent: int
    reduction: bool = False
    tileable: bool = True
    granule: int = 1


@dataclass(frozen=True)
class Axis:
    """One axis of an operand as a function of the loop dimensions.

    For dimension intervals [lo_d, hi_d) the touched interval is, before clipping to [0, extent),
    [ (sum coef*lo_d) // divisor + offset, (sum coef*(hi_d - 1)) // divisor + offset + window ).
    Without terms the whole axis is touched. Clipping keeps at least one element, so that a tile that
    lies wholly in the padding still has an address.
    """

    extent: int
    terms: tuple[tuple[str, int], ...] = ()
    window: int = 1
    offset: int = 0
    divisor: int = 1

    def raw(self, box: Box) -> tuple[int, int]:
        """The unclipped half-open interval."""
        if not self.terms:
            return 0, self.extent
        low = sum(coef * box[name][0] for name, coef in self.terms) // self.divisor + self.offset
        high = sum(coef * (box[name][1] - 1) for name, coef in self.terms) // self.divisor + self.offset
        return low, high + self.window

    def clipped(self, box: Box) -> tuple[int, int]:
        """The half-open interval inside [0, extent); never empty."""
        low, high = self.raw(box)
        low = min(max(low, 0), self.extent - 1)
        return low, max(min(high, self.extent), low + 1)


@dataclass(frozen=True)
class Region:
    """The part of one operand that a tile touches: half-open intervals by axis.

    `shift` is raw low minus clipped low: negative where padding lies before the data.
    """

    low: tuple[int, ...]
    high: tuple[int, ...]
    shift: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(h - lo for lo, h in zip(self.low, self.high, strict=True))

    @property
    def slices(self) -> tuple[slice, ...]:
        return tuple(slice(lo, h) for lo, h in zip(self.low, self.high, strict=True))


@dataclass(frozen=True)
class Table:
    """`rows` of `row_bytes` each, one behind the other, of which a number that is known at run time names
    one: the nearest where there is none."""

    rows: int
    row_bytes: int

    @property
    def bytes(self) -> int:
        return self.rows * self.row_bytes


@dataclass(frozen=True)
class Access:
    """How a space reads or writes one tensor, seen with `axes` (a view of the row-major tensor).

    into: the tensor is longer; `axes` are a part of it, of whole rows, that begins at the row of `into` which
    the operator's last input, int32 [1] and whole in every tile, names.
    """

    tensor: str
    axes: tuple[Axis, ...]
    element_bytes: int = 1
    into: Table | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the view; its product is the number of elements of the tensor."""
        return tuple(axis.extent for axis in self.axes)

    @property
    def bytes(self) -> int:
        """Of the whole view."""
        return math.prod(self.shape) * self.element_bytes

    @property
    def dims(self) -> frozenset[str]:
        """Dimensions that the access depends on."""
        return frozenset(name for axis in self.axes for name, _ in axis.terms)

    def region(self, box: Box) -> Region:
        raw = tuple(axis.raw(box) for axis in self.axes)
        cut = tuple(axis.clipped(box) for axis in self.axes)
        return Region(
            tuple(lo for lo, _ in cut),
            tuple(hi for _, hi in cut),
            tuple(r[0] - c[0] for r, c in zip(raw, cut, strict=True)),
        )


@dataclass(frozen=True)
class Space:
    """The iteration space of an operator.

    `orders` are the loop orders worth trying, outermost first, each a permutation of the tileable
    dimensions; reduction dimensions come last in every order, so that partial sums never leave L1.
    `param_dims` select the block of constants (weights, requantisation tables) that a tile needs.
    `table`: they are no blocks but rows of a table. The first input, int32 and whole in every tile, names
    a row for each element of the one parameter dimension: what is fetched depends on data, how much does not.
    `accumulator_bytes` per output element are held in L1 while a reduction dimension is tiled.
    """

    spec: KernelSpec
    dims: tuple[Dim, ...]
    inputs: tuple[Access, ...]
    output: Access
    orders: tuple[tuple[str, ...], ...]
    param_dims: tuple[str, ...] = ()
    accumulator_bytes: int = 0
    table: Table | None = None

    @property
    def whole(self) -> dict[str, tuple[int, int]]:
        """The box of the whole space."""
        return {dim.name: (0, dim.extent) for dim in self.dims}


@dataclass(frozen=True)
class TileCall:
    """One kernel call on a tile: its box, the regions of its operands, and its place in a reduction.

    `first` and `last` tell whether this is the first/last tile along the reduction dimensions: the
    first clears the accumulator, the last requantises it into the output.
    """

    box: tuple[tuple[str, int, int], ...]
    inputs: tuple[Region, ...]
    output: Region
    first: bool = True
    last: bool = True

    def extent(self, dim: str) -> int:
        """Number of iterations along `dim` in this tile."""
        for name, low, high in self.box:
            if name == dim:
                return high - low
        raise KeyError(dim)
