"""Permutation of axes."""

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

MIN_RANK, MAX_RANK = 2, 5


@dataclass(frozen=True, kw_only=True)
class Transpose(Operator):
    """Output axis k is input axis perm[k]. in_shape: the collapsed input view, rank 2 to 5."""

    kind: ClassVar[str] = "transpose"
    in_shape: tuple[int, ...]
    perm: tuple[int, ...]
    data_type: IntType = IntType.I8

    def __post_init__(self) -> None:
        rank = len(self.in_shape)
        require(MIN_RANK <= rank <= MAX_RANK, f"{self.name}: a transpose has 2 to 5 axes, not {rank}")
        permutes = sorted(self.perm) == list(range(rank))
        require(permutes, f"{self.name}: {self.perm} does not permute {rank} axes")

    def space(self, tensors: Mapping[str, Tensor]) -> Space:
        dims = tuple(Dim(f"a{k}", self.in_shape[axis]) for k, axis in enumerate(self.perm))
        outputs = tuple(Axis(dim.extent, ((dim.name, 1),)) for dim in dims)
        inputs = tuple(outputs[self.perm.index(axis)] for axis in range(len(dims)))
        names = tuple(dim.name for dim in dims)
        spec = KernelSpec(
            kernel="transpose",
            dims=tuple((dim.name, dim.extent) for dim in dims),
            input_bytes=self.data_type.bytes,
            output_bytes=self.data_type.bytes,
            splits=(names[:-1],),
        )
        return Space(
            spec=spec,
            dims=dims,
            inputs=(access(tensors, self.inputs[0], inputs, self.data_type),),
            output=access(tensors, self.output, outputs, self.data_type),
            orders=(names,),
        )

    def compute(
        self,
        call: TileCall,
        inputs: Sequence[IntArray],
        block: bytes,
        layout: str,
        accumulator: IntArray | None,
    ) -> IntArray:
        return np.ascontiguousarray(inputs[0].transpose(self.perm))
