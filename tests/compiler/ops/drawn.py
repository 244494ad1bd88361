"""Cases of operators, and what draws their parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from compiler.ir import IntType, Operator, Tensor
from compiler.ir.tensor import IntArray

Rng = np.random.Generator


@dataclass(frozen=True)
class Case:
    """An operator, its tensors, and codes for its inputs."""

    op: Operator
    tensors: Mapping[str, Tensor]
    arrays: tuple[IntArray, ...]
    layouts: tuple[str, ...] = ("plain",)


def tensor(rng: Rng, name: str, shape: tuple[int, ...], dtype: IntType | None = None) -> Tensor:
    """An 8-bit tensor with a random quantisation."""
    kind = dtype or (IntType.I8, IntType.U8)[rng.integers(2)]
    zero = (kind.low, kind.low + 128, int(rng.integers(kind.low, kind.high + 1)))[rng.integers(3)]
    return Tensor(name, shape, kind, float(rng.uniform(0.01, 0.1)), zero)


def wide(rng: Rng, t: Tensor, *types: IntType) -> Tensor:
    """The tensor as it is, or with one of these types, symmetric, in finer steps."""
    pick = rng.integers(1 + len(types))
    if pick == 0:
        return t
    kind = types[pick - 1]
    return replace(t, dtype=kind, zero_point=0, scale=t.scale / (1 << 7 + kind.log2))


def case(rng: Rng, op: Operator, *tensors: Tensor, layouts: tuple[str, ...] = ("plain",)) -> Case:
    arrays = tuple(
        rng.integers(t.dtype.low, t.dtype.high + 1, t.shape).astype(t.dtype.dtype) for t in tensors[:-1]
    )
    return Case(op, {t.name: t for t in tensors}, arrays, layouts)


def pick(rng: Rng, low: int, high: int) -> int:
    """Uniform in [low, high], both inclusive."""
    return int(rng.integers(low, high + 1))


def pair(rng: Rng, low: int, high: int) -> tuple[int, int]:
    return pick(rng, low, high), pick(rng, low, high)
