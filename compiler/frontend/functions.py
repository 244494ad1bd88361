"""Scalar functions of ONNX, evaluated in float64; each as ONNX's operator documentation defines it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from compiler.frontend.constants import FloatArray
from compiler.frontend.steps import Bounds, Function, Quant


def _sigmoid(x: FloatArray) -> FloatArray:
    positive = 1.0 / (1.0 + np.exp(-np.abs(x)))
    return np.where(x >= 0, positive, 1.0 - positive)


def _hard_sigmoid(x: FloatArray, alpha: float, beta: float) -> FloatArray:
    return np.clip(alpha * x + beta, 0.0, 1.0)


def _hard_swish(x: FloatArray) -> FloatArray:
    return x * np.clip(x / 6.0 + 0.5, 0.0, 1.0)


def _erf(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    result: npt.NDArray[Any] = np.vectorize(math.erf, otypes=[np.float64])(x).astype(x.dtype)
    return result


def _gelu(x: FloatArray) -> FloatArray:
    return 0.5 * x * (1.0 + _erf(x / math.sqrt(2.0)))


def _gelu_tanh(x: FloatArray) -> FloatArray:
    return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


def _quantise(x: FloatArray, scale: float, zero: float, low: float, high: float) -> FloatArray:
    codes = np.rint(x / x.dtype.type(scale)) + x.dtype.type(zero)
    return (np.clip(codes, low, high) - x.dtype.type(zero)) * x.dtype.type(scale)


FUNCTIONS: Mapping[str, Callable[..., FloatArray]] = {
    "clip": lambda x, low, high: np.minimum(np.maximum(x, low), high),
    "affine": lambda x, factor, offset: x * factor + offset,
    "sigmoid": _sigmoid,
    "hard_sigmoid": _hard_sigmoid,
    "hard_swish": _hard_swish,
    "softplus": lambda x: np.logaddexp(x.dtype.type(0), x),
    "mish": lambda x: x * np.tanh(np.logaddexp(x.dtype.type(0), x)),
    "leaky_relu": lambda x, alpha: np.where(x >= 0, x, alpha * x),
    "elu": lambda x, alpha, gamma, width: (
        gamma * np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / width))
    ),
    "tanh": np.tanh,
    "erf": _erf,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "reciprocal": np.reciprocal,
    "abs": np.abs,
    "pow": lambda x, exponent: np.power(x, x.dtype.type(exponent)),
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "swish": lambda x, alpha: x * _sigmoid(alpha * x),
    "quantise": _quantise,
}

COMBINERS: Mapping[str, Callable[[FloatArray, FloatArray], FloatArray]] = {
    "sum": np.add,
    "difference": np.subtract,
    "product": np.multiply,
    "quotient": np.divide,
}
"""What a function with two inner chains does with their results."""

RANGES: Mapping[str, tuple[float, float]] = {
    "sigmoid": (0.0, 1.0),
    "hard_sigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "erf": (-1.0, 1.0),
}
"""Ranges of functions that are bounded whatever they are applied to."""


def clip(low: float, high: float) -> Function:
    """min(max(x, low), high)."""
    return Function("clip", (low, high))


def clip_bounds(function: Function) -> Bounds | None:
    """The bounds of a clip; None for other functions."""
    return Bounds(*function.parameters) if function.name == "clip" else None


def quantise(quant: Quant) -> Function:
    """The nearest real value that a code stands for."""
    ends = (quant.dtype.low, quant.dtype.high)
    return Function("quantise", (quant.scale, quant.zero_point, *ends))


def evaluate(functions: Sequence[Function], x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """All functions in turn on real `x`, any shape, in its precision."""
    for function in functions:
        if function.inner:
            left, right = (evaluate(chain, x) for chain in function.inner)
            x = COMBINERS[function.name](left, right)
        else:
            x = FUNCTIONS[function.name](x, *function.parameters)
    return x
