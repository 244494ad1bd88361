"""What every operator provides. One file per operator in compiler/ops."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from compiler.ir.access import Box, Space, TileCall
from compiler.ir.tensor import IntArray, Tensor

Parts = frozenset[str]
WEIGHTS = "weights"
TABLES = "tables"
ROWS = "rows"
BOTH: Parts = frozenset((WEIGHTS, TABLES))


@dataclass(frozen=True)
class Operator(ABC):
    """An integer operator: one layer of a deployment.

    Subclasses are frozen dataclasses whose fields are everything that defines them (scalars, tuples
    and `Constant`s), so that they compare, print and parse generically.

    Constants reach a kernel as *parameter blocks*: the bytes that one tile needs, contiguous, in the
    order in which its engine reads them. A block has two parts, `weights` and `tables`
    (requantisation and lookup tables), each padded to a multiple of 4 bytes, weights first. With a
    tiled reduction the tables come with the last block of the reduction only.
    `layout` is "plain" (cores), or the NPU's own packing ("neureka", "ne16"). An operator with a `Table` has
    the whole of it as its block; in layout `ROWS` the block has the rows that the tile needs, in order.
    """

    name: str
    inputs: tuple[str, ...]
    output: str

    kind: ClassVar[str]
    updates: ClassVar[bool] = False
    """Whether the output is a state of the graph, of which a run changes some rows (`Access.into`)."""

    @abstractmethod
    def space(self, tensors: Mapping[str, Tensor]) -> Space:
        """The iteration space: dimensions, index maps, work."""

    @abstractmethod
    def compute(
        self,
        call: TileCall,
        inputs: Sequence[IntArray],
        block: bytes,
        layout: str,
        accumulator: IntArray | None,
    ) -> IntArray:
        """The operator's reference semantics on one tile, bit exact.

        `inputs[k]` has the shape of `call.inputs[k]`; `block` is this tile's parameter block.
        Returns the output tile, of the shape of `call.output`; where `call.last` is false the updated
        int32 accumulator of that shape instead. `accumulator` is None on the first reduction tile.
        """

    def param_bytes(
        self, layout: str, parts: Parts, extents: Mapping[str, IntArray], last: IntArray | bool
    ) -> IntArray:
        """Bytes of the parameter block of tiles with these extents by dimension; array shaped.

        `last` tells for each tile whether it carries the tables.
        """
        shape = np.broadcast_shapes(*(np.shape(v) for v in extents.values()))
        return np.zeros(shape, np.int64)

    def param_block(self, layout: str, parts: Parts, box: Box, last: bool) -> bytes:
        """The parameter block of one tile: exactly `param_bytes` long."""
        return b""

    @property
    def has_weights(self) -> bool:
        """Whether the parameter blocks have a weights part (which a weight memory can hold)."""
        return False


def align4(size: IntArray | int) -> IntArray:
    """Round byte counts up to multiples of 4."""
    return (np.asarray(size, np.int64) + 3) // 4 * 4
