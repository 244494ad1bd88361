"""RequantShift as the dialect defines it, and the integers that it holds.

y = clamp(floor((x*mul + add + div/2) / div), low, high): exact integers, `div` a power of two, ties towards
plus infinity. mul and add broadcast against x, or are one number per channel (axis 1). signed: low is
-n_levels/2, else 0; there are n_levels codes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compiler.frontend.constants import AnyArray
from compiler.frontend.dialect.kinds import Shift
from compiler.frontend.dialect.merged import ROUNDED
from compiler.frontend.errors import Refused
from compiler.frontend.reader import Reader
from compiler.frontend.source import Node
from compiler.frontend.steps import Quant
from compiler.ir import IntType
from compiler.ir.tensor import Constant
from compiler.ops.requant import LIMIT, MAX_SHIFT, Requant

Int64s = npt.NDArray[np.int64]
MAX_LEVELS = 256


@dataclass(frozen=True, eq=False)
class Requantisation:
    """A RequantShift: mul and add (with div/2) as the file has them, then shift, clamp, output type."""

    mul: Int64s
    add: Int64s
    shift: int
    low: int
    high: int

    @property
    def quant(self) -> Quant:
        """Codes that stand for themselves."""
        return plain(IntType.I8 if self.low < 0 else IntType.U8)

    def after(self, factor: int | Int64s, offset: int | Int64s, rank: int) -> Requantisation:
        """This requantisation of factor*v + offset, as one of v; `offset` broadcasts like mul at `rank`."""
        mul, add = (aligned(table, rank) for table in (self.mul, self.add))
        shifted = np.asarray(offset, np.int64) * mul + add
        return Requantisation(np.asarray(factor, np.int64) * mul, shifted, self.shift, self.low, self.high)

    def applied(self, values: Int64s) -> Int64s:
        """The codes of `values`; mul and add must be scalars."""
        total = values * int(self.mul.reshape(-1)[0]) + int(self.add.reshape(-1)[0])
        codes: Int64s = np.clip(total >> self.shift, self.low, self.high)
        return codes

    @property
    def is_scalar(self) -> bool:
        return _single(self.mul) and _single(self.add)

    def scalars(self) -> Shift:
        """The integers of a requantisation of whole tensors; raises Refused where it is by channel."""
        if not self.is_scalar:
            raise Refused("mul", "one multiplier per channel", "one for the whole tensor here")
        mul, add = (int(table.reshape(-1)[0]) for table in (self.mul, self.add))
        return Shift(mul, add, self.shift, self.low, self.high)

    def along(self, shape: tuple[int, ...], axis: int) -> Requant | None:
        """The tables of an output of `shape` by index of `axis`; None where they vary along another axis."""
        tables = [aligned(table, len(shape)) for table in (self.mul, self.add)]
        if any(extent > 1 and k != axis for table in tables for k, extent in enumerate(table.shape)):
            return None
        wide = tuple(n if k == axis else 1 for k, n in enumerate(shape))
        return self._requant(*(np.broadcast_to(table, wide) for table in tables))

    def by_head(self, shape: tuple[int, ...]) -> Requant:
        """The tables of an output of `shape` with an entry for every matrix of its last two axes.

        Raises Refused where they vary within a matrix.
        """
        tables = [aligned(table, len(shape)) for table in (self.mul, self.add)]
        if any(extent > 1 for table in tables for extent in table.shape[-2:]):
            raise Refused("mul", "tables that vary within a product of activations", "one entry per matrix")
        return self._requant(*(np.broadcast_to(table, (*shape[:-2], 1, 1)) for table in tables))

    def everywhere(self, shape: tuple[int, ...]) -> Requant:
        """The tables with an entry for every element of an output of `shape`."""
        tables = [np.broadcast_to(aligned(table, len(shape)), shape) for table in (self.mul, self.add)]
        return self._requant(*tables)

    def _requant(self, mul: Int64s, add: Int64s) -> Requant:
        mul32, add32 = (Constant(word(table).reshape(-1)) for table in (mul, add))
        return Requant(mul32, add32, self.shift, self.low, self.high)


def plain(dtype: IntType) -> Quant:
    """The quantisation of codes that stand for themselves."""
    return Quant(1.0, 0, dtype)


def word(table: Int64s) -> npt.NDArray[np.int32]:
    """The table in 32-bit words; raises Refused where it does not fit."""
    largest = int(np.abs(table).max(initial=0))
    if largest >= LIMIT:
        raise Refused("mul", f"a multiplier or addend of {largest}", f"less than {LIMIT}")
    return table.astype(np.int32)


def aligned(table: Int64s, rank: int) -> Int64s:
    """`table` at `rank` as numpy broadcasts it."""
    if table.ndim > rank:
        extra = table.shape[: table.ndim - rank]
        if any(extent != 1 for extent in extra):
            raise Refused("mul", f"a table of shape {table.shape} for rank {rank}", "tables that broadcast")
        return table.reshape(table.shape[table.ndim - rank :])
    return table.reshape((1,) * (rank - table.ndim) + table.shape)


def _single(table: Int64s) -> bool:
    return table.size == 1


def read_requantisation(reader: Reader, node: Node, shape: tuple[int, ...]) -> Requantisation:
    """The RequantShift `node` on a tensor of `shape`; raises Refused for what it cannot mean."""
    shift = _shift_of(reader, node)
    low, high = bounds_of(node, signed=bool(scalar(node, "signed", 0)))
    mul, add = (_table(_stated(reader, node, k, what), shape) for k, what in ((1, "mul"), (2, "add")))
    half = 0 if node.attributes.get(ROUNDED) else 1 << shift >> 1
    return Requantisation(mul, add + half, shift, low, high)


def _stated(reader: Reader, node: Node, index: int, what: str) -> Int64s:
    """A table of multipliers or addends: an input, or an attribute of a merged operator."""
    if what in node.attributes and not node.has_input(index):
        return integers_of(np.asarray(node.attributes[what]), what)
    return integers_of(reader.required(node, index, what).array, what)


def _shift_of(reader: Reader, node: Node) -> int:
    """log2 of `div`; merged operators state it once more, and it must be the same."""
    shift = log2_of(node, "div")
    stated = [np.asarray(node.attributes["shift"])] if "shift" in node.attributes else []
    if node.has_input(3):
        stated.append(reader.required(node, 3, "shift").array)
    for array in stated:
        if array.size != 1 or int(integers_of(array, "shift").reshape(-1)[0]) != shift:
            raise Refused("shift", f"a shift of {array.tolist()} beside div = 2^{shift}", "the same in both")
    return shift


def log2_of(node: Node, name: str) -> int:
    """The shift that divides by a power of two, which the attribute `name` is."""
    div = scalar(node, name)
    if div < 1 or div & (div - 1) or div.bit_length() - 1 > MAX_SHIFT:
        raise Refused(name, f"{div}", f"a power of two up to 2^{MAX_SHIFT}")
    return div.bit_length() - 1


def bounds_of(node: Node, *, signed: bool) -> tuple[int, int]:
    """Least and largest of the codes that n_levels or n_levels_out allows."""
    levels = scalar(node, "n_levels_out" if "n_levels_out" in node.attributes else "n_levels")
    if not 2 <= levels <= MAX_LEVELS:
        raise Refused("n_levels", f"{levels} levels", f"2 to {MAX_LEVELS}")
    low = -(levels // 2) if signed else 0
    return low, low + levels - 1


def _table(table: Int64s, shape: tuple[int, ...]) -> Int64s:
    """A table that broadcasts against `shape`: as it is, or one entry per channel (axis 1)."""
    try:
        if np.broadcast_shapes(table.shape, shape) == shape or table.size == 1:
            return table
    except ValueError:
        pass
    if table.ndim == 1 and len(shape) > 2 and table.size == shape[1]:
        return table.reshape((-1, *(1 for _ in shape[2:])))
    raise Refused(
        "mul", f"a table of shape {table.shape} for {shape}", "tables that broadcast, or by channel"
    )


def integers_of(array: AnyArray, what: str) -> Int64s:
    """Integers that a file may store as floats; raises Refused for fractions."""
    if array.dtype.kind not in "biuf" or not np.all(np.isfinite(array)) or np.any(array != np.rint(array)):
        raise Refused(what, "values that are no integers", "integers")
    if np.abs(array.astype(np.float64)).max(initial=0) >= 2.0**53:
        raise Refused(what, "values beyond 2^53", "integers of 32 bits")
    return array.astype(np.int64)


def scalar(node: Node, name: str, default: int | None = None) -> int:
    """An integer attribute, which the dialect stores as a number or as a tensor of one element."""
    value = node.attributes.get(name, default)
    if value is None:
        raise Refused(name, "is missing", "an integer")
    array = np.asarray(value)
    if array.size != 1:
        raise Refused(name, f"{array.size} values", "one integer")
    return int(integers_of(array, name).reshape(-1)[0])
