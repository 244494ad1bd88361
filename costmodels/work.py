"""The vocabulary that crosses between the compiler and the cost models.

The compiler describes work (what a kernel does, how often, how many bytes move); the cost models say
what it costs. Counts are exact; every array has one row per candidate tiling.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.integer[Any]]
FloatArray = npt.NDArray[np.floating[Any]]

MAC_KERNELS = ("conv2d", "depthwise2d", "linear", "matmul")
"""Kernels whose multiply-accumulates are counted."""


@dataclass(frozen=True)
class KernelSpec:
    """One kernel on one layer: what an engine must know to price it.

    kernel: "conv2d" (dims y, x, g, o, i), "depthwise2d" (y, x, g), "linear" (y = rows, o, i), "add",
    "mul", "idiv" (dims n or y, c), "lut", "requantise" (n), "maxpool"/"avgpool" (y, x, c), "softmax",
    "isoftmax", "itamax", "inorm", "rmsnorm", "layernorm", "embed" (y = rows, c), "rope" (y = rows,
    h = heads, c), "concat" (y = rows), "transpose" (a0, a1, ...), "pad"/"resize" (y, x, c), "matmul" (two
    activations; h = heads, y = rows, o, i).
    dims: extents of the whole layer by dimension, in index order.
    window: (kh, kw) taps; stride, dilation likewise. `fan_in` inputs are read per output element where
    that is not in the dims (add 2, concat n). Element sizes in bytes.
    weight_bits: bits of a weight code as the engine reads it (bit-serial NPUs). elements_per_point: output
    elements at each point of the space where the dims do not carry them (concat: the sum of the widths).
    splits: the alternatives for dividing a tile over the cores, each a tuple of dimensions whose
    flattened product is divided, chunk c of n being [c*ceil(P/n), (c+1)*ceil(P/n)).
    padding: taps of the layer's windows (pad: outputs) in the padding, (before, behind) in y and in x.
    padding_adds: whether these taps read a value other than 0, so that their weights count.
    strided: matmul: neighbours along i are apart in the second operand. offsets: whether its first, its
    second operand has a zero point other than 0, whose share the kernel takes back.
    mask: (period, offset) of a causal mask, no mask if 0: of row k the first k % period + 1 + offset columns
    count; the others are set and cost nothing.
    """

    kernel: str
    dims: tuple[tuple[str, int], ...]
    window: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    fan_in: int = 1
    input_bytes: int = 1
    output_bytes: int = 1
    splits: tuple[tuple[str, ...], ...] = ((),)
    weight_bits: int = 8
    elements_per_point: int = 1
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    padding_adds: bool = False
    strided: bool = False
    offsets: tuple[bool, bool] = (False, False)
    mask: tuple[int, int] = (0, 0)

    @cached_property
    def all_macs(self) -> int:
        """Multiply-accumulates of the whole layer."""
        return int(self.macs({name: np.array(extent) for name, extent in self.dims}))

    def macs(self, extents: Mapping[str, IntArray]) -> IntArray:
        """Multiply-accumulates of a tile with these extents; taps in the padding count.

        Only matrix products and convolutions count MACs (`MAC_KERNELS`).
        """
        shape = np.broadcast_shapes(*(np.shape(extents[name]) for name, _ in self.dims))
        if self.kernel not in MAC_KERNELS:
            return np.zeros(shape, np.int64)
        total = np.full(shape, self.window[0] * self.window[1], np.int64)
        for name, _ in self.dims:
            total = total * extents[name]
        return total
