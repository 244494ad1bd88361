"""Operands in memory: a tile at pitches inside a buffer that ends right behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from compiler.ir.tensor import IntArray

Rng = np.random.Generator
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Placed:
    """A tile of codes; `pitch` are the strides of its axes in bytes, `before` a copy at placement."""

    buffer: Bytes
    view: npt.NDArray[Any]
    pitch: tuple[int, ...]
    before: Bytes

    @property
    def address(self) -> int:
        return int(self.buffer.ctypes.data)

    def untouched_outside(self) -> bool:
        """Whether every byte that is not the tile's still has its value."""
        mask = np.zeros_like(self.buffer)
        strided(mask, self.view.shape, self.pitch, self.view.dtype)[...] = np.array(-1).astype(
            self.view.dtype
        )
        return bool((self.buffer == self.before)[mask == 0].all())


def strided(buffer: Bytes, shape: tuple[int, ...], pitch: tuple[int, ...], dtype: np.dtype[Any]) -> IntArray:
    return np.lib.stride_tricks.as_strided(buffer.view(dtype), shape, pitch)


def place(rng: Rng, tile: IntArray, spare: int) -> Placed:
    """`tile` in a buffer with up to `spare` elements between neighbours of each axis but the last."""
    pitch = [tile.itemsize]
    for extent in tile.shape[:0:-1]:
        pitch.insert(0, pitch[0] * extent + tile.itemsize * int(rng.integers(spare + 1)))
    size = tile.itemsize + sum((extent - 1) * step for extent, step in zip(tile.shape, pitch, strict=True))
    buffer = rng.integers(0, 256, size).astype(np.uint8)
    view = strided(buffer, tile.shape, tuple(pitch), tile.dtype)
    view[...] = tile
    return Placed(buffer, view, tuple(pitch), buffer.copy())
