"""Rows that come into a state: the keys or values of new tokens, written behind those that are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from compiler.ir.access import Access, Axis, Dim, Space, Table, TileCall
from compiler.ir.operator import Operator
from compiler.ir.tensor import IntArray, IntType, Tensor
from compiler.ops.base import access, require
from costmodels.work import KernelSpec


@dataclass(frozen=True, kw_only=True)
class Update(Operator):
    """y = the state, but for y[at + t] = x[t] for t of [0, rows), at = clamp(position, 0, capacity - rows).

    Inputs (x, position): x (rows, channels), position int32 [1]; y (capacity, channels) of x's type, a state
    of the graph: what no row goes to is what the state was, and is not touched. `compute` gives the rows
    that are written; see `updated`. Raises OperatorError where the capacity does not hold the rows.
    """

    kind: ClassVar[str] = "update"
    updates: ClassVar[bool] = True
    capacity: int
    rows: int
    channels: int
    data_type: IntType = IntType.I8

    def __post_init__(self) -> None:
        require(
            0 < self.rows <= self.capacity and self.channels > 0,
            f"{self.name}: {self.rows} rows of {self.channels} in a state of {self.capacity}",
        )
        require(self.data_type.bytes <= 2, f"{self.name}: an update moves codes of 8 or 16 bits")

    @property
    def _places(self) -> Table:
        return Table(self.capacity - self.rows + 1, self.channels * self.data_type.bytes)

    def space(self, tensors: Mapping[str, Tensor]) -> Space:
        x, position = self.inputs
        axes = (Axis(self.rows, (("y", 1),)), Axis(self.channels))
        state = tensors[self.output]
        require(
            (state.elements, state.dtype) == (self.capacity * self.channels, self.data_type),
            f"tensor {state.name}: not {self.data_type.value} of {self.capacity} rows of {self.channels}",
        )
        spec = KernelSpec(
            kernel="embed",  # copies rows that lie one behind the other, as that kernel does
            dims=(("y", self.rows), ("c", self.channels)),
            input_bytes=self.data_type.bytes,
            output_bytes=self.data_type.bytes,
            splits=(("y",),),
        )
        return Space(
            spec=spec,
            dims=(Dim("y", self.rows), Dim("c", self.channels, tileable=False)),
            inputs=(
                access(tensors, x, axes, self.data_type),
                access(tensors, position, (Axis(1),), IntType.I32),
            ),
            output=Access(self.output, axes, self.data_type.bytes, self._places),
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
        return inputs[0].copy()


def updated(access: Access, state: IntArray, rows: IntArray, position: int) -> IntArray:
    """`state` with `rows`, all that an operator computes, where `access` says that they come."""
    assert access.into is not None
    width = rows.size // access.shape[0]
    low = min(max(position, 0), access.into.rows - 1)
    new = state.copy().reshape(-1, width)
    new[low : low + access.shape[0]] = rows.reshape(-1, width)
    return new.reshape(state.shape)


def update_of(name: str, x: Tensor, position: Tensor, state: Tensor, rows: int) -> Update:
    """The update that writes `rows` rows of x into `state`, as it becomes."""
    channels = x.elements // rows
    return Update(
        name=name,
        inputs=(x.name, position.name),
        output=state.name,
        capacity=state.elements // channels,
        rows=rows,
        channels=channels,
        data_type=x.dtype,
    )
