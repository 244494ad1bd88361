"""Integers that no memory holds: what stands between a computation and its RequantShift.

A term knows its shape, takes constants in, and becomes a step once its requantisation is known. All
arithmetic on the way is exact; the operators prove that the kernels' 32 bits hold what is left of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from compiler.frontend import steps
from compiler.frontend.constants import AnyArray
from compiler.frontend.dialect.kinds import (
    ChannelShift,
    HeadProduct,
    RowLinear,
    ShiftedProduct,
    ShiftedRatio,
    ShiftedSum,
)
from compiler.frontend.dialect.requantshift import Int64s, Requantisation
from compiler.frontend.errors import Refused
from compiler.frontend.reader import Reader
from compiler.frontend.source import Node
from compiler.frontend.steps import Value
from compiler.ir import IntType

FloatArray32 = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Term(ABC):
    """Integers of `shape` that wait for their requantisation."""

    shape: tuple[int, ...]

    @abstractmethod
    def plus(self, constant: Int64s) -> Term:
        """This and a constant that broadcasts; raises Refused where no operator adds it."""

    @abstractmethod
    def requantised(self, reader: Reader, node: Node, by: Requantisation) -> None:
        """Define the output of `node`; raises Refused."""


@dataclass(frozen=True, eq=False)
class Sums(Term):
    """factor * (x convolved or multiplied with constant codes) + offset, which broadcasts."""

    x: Value
    kind: steps.Weighted
    factor: int
    offset: Int64s

    @property
    def channel_axis(self) -> int:
        return 1 if isinstance(self.kind, steps.Conv) else len(self.shape) - 1

    def plus(self, constant: Int64s) -> Sums:
        return replace(self, offset=self.offset + constant)

    def requantised(self, reader: Reader, node: Node, by: Requantisation) -> None:
        whole = by.after(self.factor, self.offset, len(self.shape))
        exact = whole.along(self.shape, self.channel_axis)
        kind = self._by_row(whole) if exact is None else replace(self.kind, exact=exact)
        reader.step(node, kind, (self.x,), self.shape, by.quant)

    def _by_row(self, whole: Requantisation) -> RowLinear:
        if not isinstance(self.kind, steps.Linear):
            raise Refused("mul", "tables that vary over positions", "one entry per output channel")
        return RowLinear(
            codes=self.kind.codes,
            scale=self.kind.scale,
            bias=self.kind.bias,
            exact=whole.everywhere(self.shape),
        )


@dataclass(frozen=True, eq=False)
class Scalar(Term):
    """A function of each code of x: its value for every code, lowest code first. Lazy: functions compose."""

    x: Value
    values: Int64s

    def plus(self, constant: Int64s) -> Term:
        if constant.size == 1:
            return replace(self, values=self.values + int(constant.reshape(-1)[0]))
        codes = codes_of(self.x)
        if np.array_equal(self.values, codes):
            return Scaled(self.shape, self.x, constant)
        raise Refused("input 1", "a constant per channel on a table", "one number, or a RequantShift before")

    def requantised(self, reader: Reader, node: Node, by: Requantisation) -> None:
        raise AssertionError("a table composes with its requantisation")


@dataclass(frozen=True, eq=False)
class Scaled(Term):
    """x + offset, which broadcasts and waits for multipliers by channel."""

    x: Value
    offset: Int64s

    def plus(self, constant: Int64s) -> Scaled:
        return replace(self, offset=self.offset + constant)

    def requantised(self, reader: Reader, node: Node, by: Requantisation) -> None:
        whole = by.after(1, self.offset, len(self.shape))
        kind = ChannelShift(whole.mul, whole.add, whole.shift, whole.low, whole.high)
        reader.step(node, kind, (self.x,), self.shape, by.quant)


@dataclass(frozen=True, eq=False)
class Pair(Term):
    """a + b or a * b with broadcasting, plus a number."""

    a: Value
    b: Value
    is_sum: bool
    offset: Int64s

    def plus(self, constant: Int64s) -> Pair:
        return replace(self, offset=self.offset + constant)

    def requantised(self, reader: Reader, node: Node, by: Requantisation) -> None:
        shift = by.after(1, self.offset, len(self.shape)).scalars()
        kind = ShiftedSum(shift) if self.is_sum else ShiftedProduct(shift)
        reader.step(node, kind, (self.a, self.b), self.shape, by.quant)


@dataclass(frozen=True, eq=False)
class Ratio(Term):
    """floor(a*factor / (b*eta + eps) + 1/2) with broadcasting of b, plus a number."""

    a: Value
    b: Value
    factor: int
    eta: int
    eps: int
    offset: Int64s

    def plus(self, constant: Int64s) -> Ratio:
        return replace(self, offset=self.offset + constant)

    def requantised(self, reader: Reader, node: Node, by: Requantisation) -> None:
        shift = by.after(1, self.offset, len(self.shape)).scalars()
        kind = ShiftedRatio(self.factor, self.eta, self.eps, shift)
        reader.step(node, kind, (self.a, self.b), self.shape, by.quant)


@dataclass(frozen=True, eq=False)
class Real(Term):
    """Real numbers behind a Dequant, in float32: one for every code of `codes.x`."""

    codes: Scalar
    reals: FloatArray32 = field(repr=False)
    meaning: str

    def plus(self, constant: Int64s) -> Term:
        raise Refused("input 0", "real numbers behind a Dequant", "a Quant, or an output of the graph")

    def requantised(self, reader: Reader, node: Node, by: Requantisation) -> None:
        self.plus(by.mul)


@dataclass(frozen=True, eq=False)
class Products(Term):
    """a (..., M, K) @ b (..., K, N), plus an offset that broadcasts; leading axes are equal."""

    a: Value
    b: Value
    offset: Int64s

    def plus(self, constant: Int64s) -> Products:
        return replace(self, offset=self.offset + constant)

    def requantised(self, reader: Reader, node: Node, by: Requantisation) -> None:
        whole = by.after(1, self.offset, len(self.shape))
        reader.step(node, HeadProduct(whole.by_head(self.shape)), (self.a, self.b), self.shape, by.quant)


def codes_of(x: Value) -> Int64s:
    """All codes that `x` may hold, the lowest first; raises Refused where they are not 8-bit."""
    if x.quant is None or x.quant.dtype.bytes != 1:
        raise Refused("input 0", "codes wider than 8 bits", "int8 and uint8")
    return np.arange(x.quant.dtype.low, x.quant.dtype.high + 1, dtype=np.int64)


def identity(x: Value) -> Scalar:
    """x itself, as a term."""
    return Scalar(x.shape, x, codes_of(x))


def code_type_of(values: AnyArray) -> IntType | None:
    """int8 where all values fit, else uint8; None where neither does."""
    low, high = int(values.min()), int(values.max())
    return next((t for t in (IntType.I8, IntType.U8) if t.low <= low and high <= t.high), None)
