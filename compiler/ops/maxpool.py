"""Maximum over windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from compiler.ir.access import Space, TileCall
from compiler.ir.operator import Operator
from compiler.ir.tensor import IntArray, IntType, Tensor
from compiler.ops.base import require
from compiler.ops.pooling import PoolGeometry


@dataclass(frozen=True, kw_only=True)
class MaxPool(Operator):
    """Maximum over the taps that lie inside the input; the type's lowest code where none does.

    in_shape (H, W, C); pads (top, left, bottom, right); out_hw (Ho, Wo) honours ceil_mode.
    """

    kind: ClassVar[str] = "maxpool"
    in_shape: tuple[int, int, int]
    out_hw: tuple[int, int]
    window: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    data_type: IntType = IntType.I8

    def __post_init__(self) -> None:
        require(self.data_type.bytes == 1, f"{self.name}: maxpool takes and gives 8-bit codes")
        self._geometry.check(self.name)

    @property
    def _geometry(self) -> PoolGeometry:
        return PoolGeometry(
            self.in_shape, self.out_hw, self.window, self.stride, self.dilation, self.pads[:2]
        )

    def space(self, tensors: Mapping[str, Tensor]) -> Space:
        names, types = (self.inputs[0], self.output), (self.data_type, self.data_type)
        return self._geometry.space("maxpool", tensors, names, types)

    def compute(
        self,
        call: TileCall,
        inputs: Sequence[IntArray],
        block: bytes,
        layout: str,
        accumulator: IntArray | None,
    ) -> IntArray:
        rows, columns, _ = call.output.shape
        taps = self._geometry.taps(inputs[0], call.inputs[0], (rows, columns), self.data_type.low)
        largest: IntArray = taps.max(axis=(2, 3))
        return largest
