"""Exact integer sums of products, and how large they can become."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from compiler.ir.tensor import IntArray

# Largest |activation code * weight code|: float32 sums of products stay exact below 2^24.
LARGEST_PRODUCT = 255 * 128


def dense_sums(taps: IntArray, weights: IntArray) -> npt.NDArray[np.int32]:
    """int32 sums [y, x, g*o] of window views [y, x, kh, kw, g*i] with weights [g, o, kh, kw, i].

    A float matrix product, exact because no partial sum leaves the mantissa (2^24 or 2^53).
    """
    groups, per_out, kh, kw, per_in = weights.shape
    rows, columns = taps.shape[:2]
    depth = kh * kw * per_in
    real: type[np.floating[Any]] = np.float32 if depth * LARGEST_PRODUCT < 2**24 else np.float64
    split = taps.reshape(rows, columns, kh, kw, groups, per_in).transpose(4, 0, 1, 2, 3, 5)
    left = split.astype(real).reshape(groups, rows * columns, depth)
    right = weights.astype(real).reshape(groups, per_out, depth).transpose(0, 2, 1)
    sums: npt.NDArray[np.int32] = np.matmul(left, right).astype(np.int32)
    return sums.transpose(1, 0, 2).reshape(rows, columns, groups * per_out)


def depthwise_sums(taps: IntArray, weights: IntArray) -> npt.NDArray[np.int32]:
    """int32 sums [y, x, g] of window views [y, x, kh, kw, g] with weights [g, kh, kw]."""
    rows, columns, kh, kw, channels = taps.shape
    acc = np.zeros((rows, columns, channels), np.int32)
    for ky in range(kh):
        for kx in range(kw):
            acc += taps[:, :, ky, kx, :].astype(np.int32) * weights[:, ky, kx].astype(np.int32)
    return acc


def accumulator_range(
    weights: IntArray, code_low: int, code_high: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Least and largest sum over the taps of code*weight by output channel ([O] each).

    Codes lie in [code_low, code_high] and 0; exact for independent taps. No partial sum leaves the range,
    because a tap that is left out contributes like a code of 0.
    """
    flat = weights.reshape(weights.shape[0], -1).astype(np.int64)
    positive, negative = np.maximum(flat, 0).sum(1), np.minimum(flat, 0).sum(1)
    low, high = min(code_low, 0), max(code_high, 0)
    return positive * low + negative * high, positive * high + negative * low
