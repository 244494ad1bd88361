"""Scalar functions of ONNX, evaluated in float64; each as ONNX's operator documentation defines it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from compiler.frontend.constants import FloatArray
from compiler.frontend.steps import Bounds, Function


def _sigmoid(x: FloatArray) -> FloatArray:
    positive = 1.0 / (1.0 + np.exp(-np.abs(x)))
    return np.where(x >= 0, positive, 1.0 - positive)


def _hard_sigmoid(x: FloatArray, alpha: float, beta: float) -> FloatArray:
    return np.clip(alpha * x + beta, 0.0, 1.0)


def _hard_swish(x: FloatArray) -> FloatArray:
    return x * np.clip(x / 6.0 + 0.5, 0.0, 1.0)


FUNCTIONS: Mapping[str, Callable[..., FloatArray]] = {
    "clip": lambda x, low, high: np.minimum(np.maximum(x, low), high),
    "affine": lambda x, factor, offset: x * factor + offset,
    "sigmoid": _sigmoid,
    "hard_sigmoid": _hard_sigmoid,
    "hard_swish": _hard_swish,
    "tanh": np.tanh,
}

RANGES: Mapping[str, tuple[float, float]] = {
    "sigmoid": (0.0, 1.0),
    "hard_sigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
}
"""Ranges of functions that are bounded whatever they are applied to."""


def clip(low: float, high: float) -> Function:
    """min(max(x, low), high)."""
    return Function("clip", (low, high))


def clip_bounds(function: Function) -> Bounds | None:
    """The bounds of a clip; None for other functions."""
    return Bounds(*function.parameters) if function.name == "clip" else None


def evaluate(functions: Sequence[Function], x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """All functions in turn on real `x`, any shape, in its precision."""
    for function in functions:
        x = FUNCTIONS[function.name](x, *function.parameters)
    return x
