"""Rows of a constant table, chosen by numbers: token embeddings, sines and cosines by position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from compiler.ir.access import Axis, Box, Dim, Space, TileCall
from compiler.ir.operator import TABLES, Operator, Parts, align4
from compiler.ir.tensor import Constant, IntArray, IntType, Tensor
from compiler.ops.base import access, require
from costmodels.work import KernelSpec


@dataclass(frozen=True, kw_only=True)
class Embed(Operator):
    """y[t] = table[clamp(token[t], 0, vocabulary - 1)].

    Input: int32 [rows]; table: int8, uint8 or int16 [vocabulary, channels]; y (rows, channels) of its type.
    Raises OperatorError where the table is another.
    """

    kind: ClassVar[str] = "embed"
    rows: int
    vocabulary: int
    channels: int
    table: Constant
    output_type: IntType = IntType.I16

    def __post_init__(self) -> None:
        table, shape = self.table.array, (self.vocabulary, self.channels)
        good = table.dtype == self.output_type.dtype and table.shape == shape and table.itemsize <= 2
        require(good, f"{self.name}: the table must be {self.output_type.value}{list(shape)}")

    def space(self, tensors: Mapping[str, Tensor]) -> Space:
        rows, channels = Axis(self.rows, (("y", 1),)), Axis(self.channels, (("c", 1),))
        spec = KernelSpec(
            kernel="embed",
            dims=(("y", self.rows), ("c", self.channels)),
            input_bytes=self.output_type.bytes,
            output_bytes=self.output_type.bytes,
            splits=(("y",),),
        )
        return Space(
            spec=spec,
            dims=(Dim("y", self.rows), Dim("c", self.channels)),
            inputs=(access(tensors, self.inputs[0], (rows,), IntType.I32),),
            output=access(tensors, self.output, (rows, channels), self.output_type),
            orders=(("c", "y"), ("y", "c")),
            param_dims=("c",),
        )

    def compute(
        self,
        call: TileCall,
        inputs: Sequence[IntArray],
        block: bytes,
        layout: str,
        accumulator: IntArray | None,
    ) -> IntArray:
        size = self.vocabulary * call.extent("c")
        table = np.frombuffer(block, self.output_type.dtype, size).reshape(self.vocabulary, -1)
        out: IntArray = table[np.clip(inputs[0], 0, self.vocabulary - 1)]
        return out

    def param_bytes(
        self, layout: str, parts: Parts, extents: Mapping[str, IntArray], last: IntArray | bool
    ) -> IntArray:
        shape = np.broadcast_shapes(*(np.shape(v) for v in extents.values()))
        row = np.asarray(extents["c"], np.int64) * self.output_type.bytes
        return np.broadcast_to(align4(self.vocabulary * row) if TABLES in parts else np.int64(0), shape)

    def param_block(self, layout: str, parts: Parts, box: Box, last: bool) -> bytes:
        if TABLES not in parts:
            return b""
        data = np.ascontiguousarray(self.table.array[:, slice(*box["c"])]).tobytes()
        return data + bytes(-len(data) % 4)


def embed_from_table(name: str, tokens: Tensor, y: Tensor, codes: IntArray) -> Embed:
    """Rows of `codes` [vocabulary, channels], which are codes of y."""
    vocabulary, channels = codes.shape
    return Embed(
        name=name,
        inputs=(tokens.name,),
        output=y.name,
        rows=tokens.elements,
        vocabulary=vocabulary,
        channels=channels,
        table=Constant(codes),
        output_type=y.dtype,
    )
