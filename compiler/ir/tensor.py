"""Tensors and constants: shapes, integer types, quantisation."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.integer[Any]]


class IntType(Enum):
    """An integer element type of the IR; the value is numpy's name for it."""

    I8 = "int8"
    U8 = "uint8"
    I16 = "int16"
    I32 = "int32"

    @property
    def bytes(self) -> int:
        """Size of one element in bytes."""
        return np.dtype(self.value).itemsize

    @property
    def log2(self) -> int:
        """Binary logarithm of the size in bytes, as the kernels want it."""
        return self.bytes.bit_length() - 1

    @property
    def signed(self) -> bool:
        return np.dtype(self.value).kind == "i"

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.value)

    @property
    def low(self) -> int:
        """Smallest value of the type."""
        return int(np.iinfo(self.dtype).min)

    @property
    def high(self) -> int:
        """Largest value of the type (inclusive)."""
        return int(np.iinfo(self.dtype).max)


@dataclass(frozen=True)
class Tensor:
    """An activation: row-major, channels last (NHWC) where it has channels.

    A code q stands for the real value scale * (q - zero_point).
    """

    name: str
    shape: tuple[int, ...]
    dtype: IntType
    scale: float = 1.0
    zero_point: int = 0

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Size in bytes, without alignment."""
        return self.elements * self.dtype.bytes


@dataclass(frozen=True)
class Constant:
    """An immutable array, equal by content (dtype, shape and bytes)."""

    array: IntArray = field(compare=False, repr=False)
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        array = np.array(self.array, order="C", copy=True)
        array.setflags(write=False)
        head = f"{array.dtype.str}{array.shape}".encode()
        object.__setattr__(self, "array", array)
        object.__setattr__(self, "digest", hashlib.sha256(head + array.tobytes()).hexdigest())

    def __reduce__(self) -> tuple[type[Constant], tuple[IntArray]]:
        return (Constant, (self.array,))
