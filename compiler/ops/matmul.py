"""Batched matrix product of two activations: scores and sums of attention, any MatMul without constants.

    y[h, m, n] = clamp((acc * mul[h] + add[h]) >> shift, low, high)
    acc        = sum over k of (a[h, m, k] - zero_a) * (b[h // ratio, n, k] - zero_b)

One constructor serves all importers:

    MatMul(name=..., inputs=(a, b), output=y, heads=H, rows=M, outputs=N, depth=K, ratio=1,
           layouts=("hmk", "hnk", "hmn"), zero_a=0, zero_b=0,
           requant=Requant(Constant(int32[H]), Constant(int32[H]), shift, low, high),
           type_a=IntType.I8, type_b=IntType.I8, output_type=IntType.I8)

and `matmul_from_scales` derives `requant` from the tensors' scales. `heads` counts the entries of the batch
(products of all leading axes), whatever they are. `ratio` heads of a share one of b (grouped-query
attention). `layouts` say in which order memory holds the axes, so that splitting and merging heads
moves nothing: a "hmk" or "mhk"; b "hnk" or "nhk" (depth contiguous), "hkn" or "khn" (outputs contiguous);
y "hmn" or "mhn".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from compiler.ir.access import Axis, Box, Dim, Space, TileCall
from compiler.ir.operator import TABLES, Operator, Parts
from compiler.ir.tensor import IntArray, IntType, Tensor
from compiler.ops.base import access, require
from compiler.ops.mul import product_range
from compiler.ops.requant import LIMIT, RealAffine, Requant, requantise
from costmodels.work import KernelSpec

LAYOUTS = (("hmk", "mhk"), ("hnk", "nhk", "hkn", "khn"), ("hmn", "mhn"))
Layouts = tuple[str, str, str]
PLAIN_LAYOUTS: Layouts = ("hmk", "hkn", "hmn")
"""What numpy's matmul takes and gives."""


@dataclass(frozen=True, kw_only=True)
class MatMul(Operator):
    """See the module. Inputs (a, b), which may be the same tensor; views are the three axes of `layouts`.

    requant: tables [heads]. Outputs have 8 bits or are int16 or int32. Raises OperatorError where extents or
    layouts are impossible, or 32 bits may not hold a sum (which is proven from the depth and the ranges of
    both types).
    """

    kind: ClassVar[str] = "matmul"
    heads: int
    rows: int
    outputs: int
    depth: int
    requant: Requant
    ratio: int = 1
    layouts: Layouts = PLAIN_LAYOUTS
    zero_a: int = 0
    zero_b: int = 0
    type_a: IntType = IntType.I8
    type_b: IntType = IntType.I8
    output_type: IntType = IntType.I8

    def __post_init__(self) -> None:
        extents = (self.heads, self.rows, self.outputs, self.depth, self.ratio)
        require(min(extents) >= 1, f"{self.name}: a product of extents {extents[:4]}, ratio {self.ratio}")
        require(
            self.heads % self.ratio == 0,
            f"{self.name}: ratio {self.ratio} does not divide {self.heads} heads",
        )
        for layout, known in zip(self.layouts, LAYOUTS, strict=True):
            require(layout in known, f"{self.name}: layout {layout} is none of {', '.join(known)}")
        bytewise = self.type_a.bytes == self.type_b.bytes == 1
        require(bytewise, f"{self.name}: a product takes 8-bit codes")
        for dtype, zero in ((self.type_a, self.zero_a), (self.type_b, self.zero_b)):
            require(
                dtype.low <= zero <= dtype.high, f"{self.name}: zero point {zero} is no {dtype.value} code"
            )
        raw = self.depth * _largest(self.type_a) * _largest(self.type_b)
        require(raw < LIMIT, f"{self.name}: sums of {self.depth} products may reach {raw}, 32 bits hold less")
        self.requant.check(self.name, self.heads, self.output_type, self._sums_range())

    def _sums_range(self) -> tuple[IntArray, IntArray]:
        operands = ((self.type_a, self.zero_a), (self.type_b, self.zero_b))
        return matmul_range(operands, self.depth, self.heads)

    @property
    def strided(self) -> bool:
        """Whether neighbours along the depth are apart in b."""
        return self.layouts[1][-1] != "k"

    def space(self, tensors: Mapping[str, Tensor]) -> Space:
        extents = {"h": self.heads, "m": self.rows, "n": self.outputs, "k": self.depth}
        dims = (
            Dim("h", self.heads),
            Dim("y", self.rows),
            Dim("o", self.outputs),
            Dim("i", self.depth, reduction=True),
        )
        axes = {
            letter: Axis(extents[letter], ((dim.name, 1),)) for letter, dim in zip("hmnk", dims, strict=True)
        }
        shared = {**axes, "h": Axis(self.heads // self.ratio, (("h", 1),), divisor=self.ratio)}
        a, b, y = self.layouts
        spec = KernelSpec(
            kernel="matmul",
            dims=tuple((dim.name, dim.extent) for dim in dims),
            input_bytes=self.type_a.bytes,
            output_bytes=self.output_type.bytes,
            splits=(("y",), ("o",), ("h",)),
            strided=self.strided,
            offsets=(self.zero_a != 0, self.zero_b != 0),
        )
        return Space(
            spec=spec,
            dims=dims,
            inputs=(
                access(tensors, self.inputs[0], tuple(axes[k] for k in a), self.type_a),
                access(tensors, self.inputs[1], tuple(shared[k] for k in b), self.type_b),
            ),
            output=access(tensors, self.output, tuple(axes[k] for k in y), self.output_type),
            orders=(("h", "y", "o", "i"), ("h", "o", "y", "i")),
            param_dims=("h",),
            accumulator_bytes=4,
        )

    def compute(
        self,
        call: TileCall,
        inputs: Sequence[IntArray],
        block: bytes,
        layout: str,
        accumulator: IntArray | None,
    ) -> IntArray:
        a = _in_order(inputs[0], self.layouts[0], "hmk")
        b = _in_order(inputs[1], self.layouts[1], "hkn")
        low, high = next((low, high) for name, low, high in call.box if name == "h")
        heads = np.arange(low, high) // self.ratio - low // self.ratio
        acc = _sums(a, b[heads], (self.zero_a, self.zero_b))
        if accumulator is not None:
            acc = acc + _in_order(accumulator, self.layouts[2], "hmn").astype(np.int32)
        if call.last:
            mul, add = np.frombuffer(block, np.int32).reshape(2, -1, 1, 1)
            r = self.requant
            acc = requantise(acc, mul, add, r.shift, r.low, r.high)
        out = _in_order(acc, "hmn", self.layouts[2])
        return np.ascontiguousarray(out.astype(self.output_type.dtype) if call.last else out)

    def param_bytes(
        self, layout: str, parts: Parts, extents: Mapping[str, IntArray], last: IntArray | bool
    ) -> IntArray:
        shape = np.broadcast_shapes(*(np.shape(v) for v in extents.values()))
        heads = np.broadcast_to(np.asarray(extents["h"], np.int64), shape)
        return heads * (8 if TABLES in parts else 0)

    def param_block(self, layout: str, parts: Parts, box: Box, last: bool) -> bytes:
        if TABLES not in parts:
            return b""
        tables = (table.array[slice(*box["h"])] for table in (self.requant.mul, self.requant.add))
        return b"".join(table.tobytes() for table in tables)


def _largest(dtype: IntType) -> int:
    return max(-dtype.low, dtype.high)


def _in_order(tile: IntArray, stored: str, wanted: str) -> IntArray:
    return tile.transpose([stored.index(letter) for letter in wanted])


def _sums(a: IntArray, b: IntArray, zeros: tuple[int, int]) -> npt.NDArray[np.int32]:
    """int32 sums [h, m, n] of (a[h, m, k] - zero)*(b[h, k, n] - zero).

    A float matrix product, exact because no partial sum leaves the mantissa (2^24 or 2^53).
    """
    left, right = (operand.astype(np.int64) - zero for operand, zero in zip((a, b), zeros, strict=True))
    largest = left.shape[2] * int(np.abs(left).max(initial=0)) * int(np.abs(right).max(initial=0))
    real: type[np.floating[Any]] = np.float32 if largest < 2**24 else np.float64
    sums: npt.NDArray[np.int32] = np.matmul(left.astype(real), right.astype(real)).astype(np.int32)
    return sums


def matmul_range(
    operands: tuple[tuple[IntType, int], tuple[IntType, int]], depth: int, heads: int
) -> tuple[IntArray, IntArray]:
    """Least and largest sum of `depth` products, [heads] each; operands as (type, zero point).

    No partial sum leaves the range: a product that is still missing counts as 0.
    """
    low, high = product_range(*operands)
    least, most = np.minimum(low, 0) * depth, np.maximum(high, 0) * depth
    return np.repeat(least, heads), np.repeat(most, heads)


def matmul_affine(
    operands: tuple[Tensor, Tensor], y: Tensor, heads: int, depth: int, factor: float, bounds: tuple[int, int]
) -> RealAffine:
    """What factor * a @ b does to its accumulators, in real values; bounds: clamp in output codes."""
    a, b = operands
    sums = matmul_range(((a.dtype, a.zero_point), (b.dtype, b.zero_point)), depth, heads)
    multipliers = np.full(heads, factor * a.scale * b.scale / y.scale)
    return RealAffine(multipliers, (), y.zero_point, sums, bounds)


def matmul_from_scales(
    name: str,
    operands: tuple[Tensor, Tensor],
    y: Tensor,
    extents: tuple[int, int, int, int],
    *,
    ratio: int = 1,
    layouts: Layouts = PLAIN_LAYOUTS,
    factor: float = 1.0,
    bounds: tuple[int, int] | None = None,
) -> MatMul:
    """y = factor * a @ b in real values; extents (heads, rows, outputs, depth).

    bounds: clamp in output codes (default: the type's range). Raises OperatorError where 32 bits do not
    hold it.
    """
    a, b = operands
    heads, rows, outputs, depth = extents
    limits = bounds if bounds is not None else (y.dtype.low, y.dtype.high)
    return MatMul(
        name=name,
        inputs=(a.name, b.name),
        output=y.name,
        heads=heads,
        rows=rows,
        outputs=outputs,
        depth=depth,
        ratio=ratio,
        layouts=layouts,
        requant=matmul_affine(operands, y, heads, depth, factor, limits).requant(),
        zero_a=a.zero_point,
        zero_b=b.zero_point,
        type_a=a.dtype,
        type_b=b.dtype,
        output_type=y.dtype,
    )
