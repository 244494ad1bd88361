"""Rows of a constant table, chosen by numbers: token embeddings, sines and cosines by position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from compiler.ir.access import Axis, Box, Dim, Space, Table, TileCall
from compiler.ir.operator import ROWS, TABLES, Operator, Parts, align4
from compiler.ir.tensor import Constant, IntArray, IntType, Tensor
from compiler.ops.base import access, require
from costmodels.work import KernelSpec


@dataclass(frozen=True, kw_only=True)
class Embed(Operator):
    """y[t] = table[clamp(token[t], 0, vocabulary - 1)].

    Input: int32 [rows]; table: int8, uint8 or int16 [vocabulary, channels]; y (rows, channels) of its type.
    Tiles fetch the rows that they need one by one, unless the table is at home in L1.
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

    @property
    def _table(self) -> Table:
        return Table(self.vocabulary, self.channels * self.output_type.bytes)

    def space(self, tensors: Mapping[str, Tensor]) -> Space:
        rows, channels = Axis(self.rows, (("y", 1),)), Axis(self.channels)
        spec = KernelSpec(
            kernel="embed",
            dims=(("y", self.rows), ("c", self.channels)),
            input_bytes=self.output_type.bytes,
            output_bytes=self.output_type.bytes,
            splits=(("y",),),
        )
        return Space(
            spec=spec,
            dims=(Dim("y", self.rows), Dim("c", self.channels, tileable=False)),
            inputs=(access(tensors, self.inputs[0], (Axis(self.rows),), IntType.I32),),
            output=access(tensors, self.output, (rows, channels), self.output_type),
            orders=(("y",),),
            param_dims=("y",),
            table=self._table,
        )

    def compute(
        self,
        call: TileCall,
        inputs: Sequence[IntArray],
        block: bytes,
        layout: str,
        accumulator: IntArray | None,
    ) -> IntArray:
        low, high = call.output.low[0], call.output.high[0]
        entries = high - low if layout == ROWS else self.vocabulary
        table = np.frombuffer(block, self.output_type.dtype, entries * self.channels).reshape(entries, -1)
        named = np.clip(inputs[0][low:high], 0, self.vocabulary - 1)
        out: IntArray = table if layout == ROWS else table[named]
        return out.copy()

    def param_bytes(
        self, layout: str, parts: Parts, extents: Mapping[str, IntArray], last: IntArray | bool
    ) -> IntArray:
        shape = np.broadcast_shapes(*(np.shape(v) for v in extents.values()))
        return np.full(shape, align4(self._table.bytes) if TABLES in parts else 0, np.int64)

    def param_block(self, layout: str, parts: Parts, box: Box, last: bool) -> bytes:
        data = self.table.array.tobytes()
        return data + bytes(-len(data) % 4) if TABLES in parts else b""


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
