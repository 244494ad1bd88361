"""Step kinds whose integers the model itself states."""

from __future__ import annotations

from dataclasses import dataclass, field

from compiler.frontend.constants import AnyArray
from compiler.frontend.steps import Kind, Weighted
from compiler.ir import Constant
from compiler.ops.requant import Requant


@dataclass(frozen=True)
class Shift:
    """clamp((v*mul + add) >> shift, low, high) with scalars; `add` includes what rounds."""

    mul: int
    add: int
    shift: int
    low: int
    high: int


@dataclass(frozen=True, eq=False)
class Table(Kind):
    """y = codes[x - low of the input type]; 256 output codes."""

    codes: AnyArray = field(repr=False)


@dataclass(frozen=True)
class ShiftedSum(Kind):
    """shift(a + b) with broadcasting."""

    shift: Shift


@dataclass(frozen=True)
class ShiftedProduct(Kind):
    """shift(a * b) with broadcasting."""

    shift: Shift


@dataclass(frozen=True)
class ShiftedRatio(Kind):
    """shift(floor(a*factor / (b*eta + eps) + 1/2)) with broadcasting of b."""

    factor: int
    eta: int
    eps: int
    shift: Shift


@dataclass(frozen=True, eq=False)
class RowLinear(Weighted):
    """The last axis K of the input times codes int8 [O, K], requantised by row and column.

    `exact` has rows*O entries, row by row.
    """


@dataclass(frozen=True, eq=False)
class ChannelShift(Kind):
    """clamp((x*mul + add) >> shift, low, high); mul and add broadcast against x at its rank."""

    mul: AnyArray = field(repr=False)
    add: AnyArray = field(repr=False)
    shift: int
    low: int
    high: int


@dataclass(frozen=True, eq=False)
class HeadProduct(Kind):
    """a (..., M, K) @ b (..., K, N) with equal leading axes, whose product is the number of heads.

    The tables of `requant` have an entry for every head.
    """

    requant: Requant = field(repr=False)


@dataclass(frozen=True)
class IntegerSoftmax(Kind):
    """`compiler.ops.isoftmax` over the last axis."""

    table: Constant
    levels: int


@dataclass(frozen=True)
class ItaSoftmax(Kind):
    """`compiler.ops.itamax` over the last axis, in parts of `part` codes."""

    part: int
    streams: bool


@dataclass(frozen=True)
class IntegerMean(Kind):
    """floor(mean + 1/2) of codes over the sorted axes `axes`, which stay with extent 1."""

    axes: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class IntegerNorm(Kind):
    """`compiler.ops.inorm` over the last axis: weight int32[C], bias int32[C] or int32[0]."""

    centred: bool
    weight: AnyArray = field(repr=False)
    bias: AnyArray = field(repr=False)
    shift: int
    low: int
    high: int
