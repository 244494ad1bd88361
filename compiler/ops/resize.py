"""Nearest-neighbour resizing by integer or rational factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from compiler.ir.access import Axis, Dim, Space, TileCall
from compiler.ir.operator import Operator
from compiler.ir.tensor import IntArray, IntType, Tensor
from compiler.ops.base import access, require
from costmodels.work import KernelSpec


@dataclass(frozen=True, kw_only=True)
class Resize(Operator):
    """y[oy, ox, c] = x[(oy*down_y) // up_y + offset_y, (ox*down_x) // up_x + offset_x, c].

    in_shape (H, W, C); the output is (H*up_y // down_y, W*up_x // down_x, C).
    """

    kind: ClassVar[str] = "resize"
    in_shape: tuple[int, int, int]
    up: tuple[int, int] = (1, 1)
    down: tuple[int, int] = (1, 1)
    offset: tuple[int, int] = (0, 0)
    data_type: IntType = IntType.I8

    def __post_init__(self) -> None:
        require(self.data_type.bytes == 1, f"{self.name}: resize takes and gives 8-bit codes")
        require(min(*self.up, *self.down) >= 1, f"{self.name}: factors must be positive")
        for k in (0, 1):
            last = self._source(k, np.array([0, self.out_hw[k] - 1]))
            inside = self.out_hw[k] >= 1 and last[0] >= 0 and last[1] < self.in_shape[k]
            require(inside, f"{self.name}: reads outside the input {self.in_shape} along axis {k}")

    @property
    def out_hw(self) -> tuple[int, int]:
        """(Ho, Wo) of the output."""
        height, width, _ = self.in_shape
        return height * self.up[0] // self.down[0], width * self.up[1] // self.down[1]

    def _source(self, axis: int, positions: IntArray) -> IntArray:
        return positions * self.down[axis] // self.up[axis] + self.offset[axis]

    def space(self, tensors: Mapping[str, Tensor]) -> Space:
        channels = self.in_shape[2]
        dims = (Dim("y", self.out_hw[0]), Dim("x", self.out_hw[1]), Dim("c", channels))
        outputs = tuple(Axis(dim.extent, ((dim.name, 1),)) for dim in dims)
        inputs = tuple(
            Axis(self.in_shape[k], (("yx"[k], self.down[k]),), 1, self.offset[k], self.up[k]) for k in (0, 1)
        )
        spec = KernelSpec(
            kernel="resize",
            dims=tuple((dim.name, dim.extent) for dim in dims),
            input_bytes=self.data_type.bytes,
            output_bytes=self.data_type.bytes,
            splits=(("y", "x"),),
        )
        return Space(
            spec=spec,
            dims=dims,
            inputs=(access(tensors, self.inputs[0], (*inputs, outputs[2]), self.data_type),),
            output=access(tensors, self.output, outputs, self.data_type),
            orders=(("y", "x", "c"),),
        )

    def compute(
        self,
        call: TileCall,
        inputs: Sequence[IntArray],
        block: bytes,
        layout: str,
        accumulator: IntArray | None,
    ) -> IntArray:
        starts, ends = call.output.low, call.output.high
        rows, columns = (
            self._source(k, np.arange(starts[k], ends[k])) - call.inputs[0].low[k] for k in (0, 1)
        )
        return inputs[0][rows][:, columns]
