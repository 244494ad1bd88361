"""The softmax of the ITA accelerator in the integer dialect: ITAMax and ITAPartialMax."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from compiler.ir.access import Axis, Dim, Space, TileCall
from compiler.ir.operator import Operator
from compiler.ir.tensor import IntArray, IntType, Tensor
from compiler.ops.base import access, require
from compiler.ops.requant import Int64s
from costmodels.work import KernelSpec

LEVELS = 256
ONE = 256
"""What the row's maximum adds to the sum: 2^-s of it for a code s halvings below."""
FIRST_MAXIMUM = -127
MAX_CHANNELS = 1 << 22


@dataclass(frozen=True, kw_only=True)
class ITAMax(Operator):
    """Shares of every row of a (rows, channels) view, by shifts: 32 code steps halve.

    With h(d) = (d + 16) >> 5, the halvings of a distance d, rounded half up:
        m = the row's maximum,  S = sum of 256 >> h(m - x)
        y = ((255 * 256) // S) >> h(m - x)                          uint8, since S is at least 256
    streams (ITAPartialMax): 127 in place of 255, for the products behind it are signed. The sum is formed in
    parts of `part` codes, from left to right, with m = -127 and S = 0 before the first. For every part with
    maximum p:
        if p > m: S = S >> h(p - m), and m = p                      (what was summed is renormalised)
        S = S + sum of 256 >> h(m - x) over the part
    and y as above with the last m; h of a negative distance (the code -128 under m = -127) is 0. So S may
    be smaller than without parts: every renormalisation truncates. int8 codes as they are; n_levels is 256.
    The definition is QuantLib's, but for the 127, which is Deeploy's and that of its golden outputs. Raises
    OperatorError for parts that do not fill the row.
    """

    kind: ClassVar[str] = "itamax"
    rows: int
    channels: int
    part: int
    streams: bool = False
    input_type: IntType = IntType.I8

    def __post_init__(self) -> None:
        require(self.input_type is IntType.I8, f"{self.name}: itamax needs int8 input")
        fills = 0 < self.part <= self.channels < MAX_CHANNELS and self.channels % self.part == 0
        require(fills, f"{self.name}: parts of {self.part} do not fill rows of {self.channels}")
        whole = self.streams or self.part == self.channels
        require(whole, f"{self.name}: without streaming, the part is the row")

    @property
    def output_type(self) -> IntType:
        return IntType.U8

    @property
    def most(self) -> int:
        """The largest share."""
        return (LEVELS // 2 if self.streams else LEVELS) - 1

    @property
    def first_maximum(self) -> int:
        """The maximum before the first part."""
        return FIRST_MAXIMUM if self.streams else self.input_type.low

    def space(self, tensors: Mapping[str, Tensor]) -> Space:
        axes = (Axis(self.rows, (("y", 1),)), Axis(self.channels))
        spec = KernelSpec("itamax", (("y", self.rows), ("c", self.channels)), splits=(("y",),))
        return Space(
            spec=spec,
            dims=(Dim("y", self.rows), Dim("c", self.channels, tileable=False)),
            inputs=(access(tensors, self.inputs[0], axes, self.input_type),),
            output=access(tensors, self.output, axes, self.output_type),
            orders=(("y",),),
        )

    def compute(
        self,
        call: TileCall,
        inputs: Sequence[IntArray],
        block: bytes,
        layout: str,
        accumulator: IntArray | None,
    ) -> IntArray:
        codes = inputs[0].astype(np.int64)
        maximum = np.full((*codes.shape[:-1], 1), self.first_maximum, np.int64)
        total = np.zeros_like(maximum)
        for low in range(0, self.channels, self.part):
            part = codes[..., low : low + self.part]
            higher = np.maximum(maximum, part.max(axis=-1, keepdims=True))
            total = total >> halvings(higher - maximum)
            maximum = higher
            total = total + (ONE >> halvings(maximum - part)).sum(axis=-1, keepdims=True)
        shares: IntArray = (self.most * ONE // total >> halvings(maximum - codes)).astype(np.uint8)
        return shares


def halvings(distance: Int64s) -> Int64s:
    """distance / 32 rounded half up, for distances from -1 to 255."""
    rounded: Int64s = (distance + 16) >> 5
    return rounded
