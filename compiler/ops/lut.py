"""Any function of one 8-bit code, as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from compiler.ir.access import Axis, Box, Dim, Space, TileCall
from compiler.ir.operator import TABLES, Operator, Parts
from compiler.ir.tensor import Constant, IntArray, IntType, Tensor
from compiler.ops.base import access, require
from costmodels.work import KernelSpec

ENTRIES = 256
Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True)
class Lut(Operator):
    """y = table[x - low of the input type]; the table has 256 entries of the (8-bit) output type.

    count: elements. Raises OperatorError where a type is not 8 bits wide.
    """

    kind: ClassVar[str] = "lut"
    count: int
    table: Constant
    input_type: IntType = IntType.I8
    output_type: IntType = IntType.I8

    def __post_init__(self) -> None:
        bytewise = self.input_type.bytes == self.output_type.bytes == 1
        require(bytewise, f"{self.name}: a table needs 8-bit input and output")
        good = self.table.array.shape == (ENTRIES,) and self.table.array.dtype == self.output_type.dtype
        require(good, f"{self.name}: the table must be {self.output_type.value}[{ENTRIES}]")

    def space(self, tensors: Mapping[str, Tensor]) -> Space:
        axes = (Axis(self.count, (("n", 1),)),)
        return Space(
            spec=KernelSpec("lut", (("n", self.count),), splits=(("n",),)),
            dims=(Dim("n", self.count),),
            inputs=(access(tensors, self.inputs[0], axes, self.input_type),),
            output=access(tensors, self.output, axes, self.output_type),
            orders=(("n",),),
        )

    def compute(
        self,
        call: TileCall,
        inputs: Sequence[IntArray],
        block: bytes,
        layout: str,
        accumulator: IntArray | None,
    ) -> IntArray:
        table: IntArray = np.frombuffer(block, self.output_type.dtype)
        return table[inputs[0].astype(np.int64) - self.input_type.low]

    def param_bytes(
        self, layout: str, parts: Parts, extents: Mapping[str, IntArray], last: IntArray | bool
    ) -> IntArray:
        return np.full(np.shape(extents["n"]), ENTRIES if TABLES in parts else 0, np.int64)

    def param_block(self, layout: str, parts: Parts, box: Box, last: bool) -> bytes:
        return self.table.array.tobytes() if TABLES in parts else b""


def lut_from_function(
    name: str,
    function: Callable[[Floats], Floats],
    x: Tensor,
    y: Tensor,
    bounds: tuple[int, int] | None = None,
) -> Lut:
    """The table of `function` between two quantisations, evaluated as ONNX Runtime evaluates QDQ.

    Dequantise to float32, apply `function` (elementwise, float32 to float32), divide by the output
    scale, round half to even, add the zero point, saturate. bounds: clamp in output codes.
    """
    codes = np.arange(x.dtype.low, x.dtype.low + ENTRIES, dtype=np.float32)
    real = (codes - np.float32(x.zero_point)) * np.float32(x.scale)
    # Far out in the table exp overflows to infinity on purpose: 1/(1+inf) is the right answer.
    with np.errstate(over="ignore"):
        result = function(real).astype(np.float32)
    steps = np.rint(result / np.float32(y.scale)).astype(np.float64) + y.zero_point
    low, high = bounds if bounds is not None else (y.dtype.low, y.dtype.high)
    table = np.clip(steps, low, high).astype(y.dtype.dtype)
    return Lut(
        name=name,
        inputs=(x.name,),
        output=y.name,
        count=x.elements,
        table=Constant(table),
        input_type=x.dtype,
        output_type=y.dtype,
    )
