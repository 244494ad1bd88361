"""Constant padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from compiler.ir.access import Axis, Dim, Space, TileCall
from compiler.ir.operator import Operator
from compiler.ir.tensor import IntArray, IntType, Tensor
from compiler.ops.base import access, padded, require
from costmodels.work import KernelSpec


@dataclass(frozen=True, kw_only=True)
class Pad(Operator):
    """The input (H, W, C) with `before` and `after` = (y, x, c) elements of code `value` around it.

    Numbers below 0 cut so many elements off: a slice is a padding by less than nothing.
    Raises OperatorError where nothing of the input is left.
    """

    kind: ClassVar[str] = "pad"
    in_shape: tuple[int, int, int]
    before: tuple[int, int, int] = (0, 0, 0)
    after: tuple[int, int, int] = (0, 0, 0)
    value: int = 0
    data_type: IntType = IntType.I8

    def __post_init__(self) -> None:
        require(self.data_type.bytes == 1, f"{self.name}: pad takes and gives 8-bit codes")
        cut = (
            min(b, 0) + n + min(a, 0) for b, n, a in zip(self.before, self.in_shape, self.after, strict=True)
        )
        message = f"{self.name}: padding {self.before} {self.after} leaves nothing of {self.in_shape}"
        require(min(cut) > 0, message)
        fits = self.data_type.low <= self.value <= self.data_type.high
        require(fits, f"{self.name}: padding code {self.value} is no {self.data_type.value}")

    def space(self, tensors: Mapping[str, Tensor]) -> Space:
        extents = tuple(b + n + a for b, n, a in zip(self.before, self.in_shape, self.after, strict=True))
        dims = tuple(Dim(name, extent) for name, extent in zip("yxc", extents, strict=True))
        outputs = tuple(Axis(dim.extent, ((dim.name, 1),)) for dim in dims)
        inputs = tuple(
            Axis(n, ((dim.name, 1),), offset=-before)
            for n, dim, before in zip(self.in_shape, dims, self.before, strict=True)
        )
        spec = KernelSpec(
            kernel="pad",
            dims=tuple((dim.name, dim.extent) for dim in dims),
            input_bytes=self.data_type.bytes,
            output_bytes=self.data_type.bytes,
            splits=(("y", "x"),),
            padding=self._around(),
        )
        return Space(
            spec=spec,
            dims=dims,
            inputs=(access(tensors, self.inputs[0], inputs, self.data_type),),
            output=access(tensors, self.output, outputs, self.data_type),
            orders=(("y", "x", "c"),),
        )

    def _around(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Outputs in the padding before and behind, in y and in x."""
        y, x = ((max(self.before[k], 0), max(self.after[k], 0)) for k in (0, 1))
        return y, x

    def compute(
        self,
        call: TileCall,
        inputs: Sequence[IntArray],
        block: bytes,
        layout: str,
        accumulator: IntArray | None,
    ) -> IntArray:
        return padded(inputs[0], call.inputs[0], call.output.shape, self.value)
