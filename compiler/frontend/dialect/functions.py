"""Scalar functions of the dialect with their attributes: exact integers in, exact integers out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from compiler.frontend.dialect.requantshift import Int64s, scalar
from compiler.frontend.errors import Refused
from compiler.frontend.source import Node
from compiler.ops.base import OperatorError
from compiler.ops.integer_functions import gelu, hard_swish, true_integer_div


def _hard_swish(node: Node, x: Int64s) -> Int64s:
    return hard_swish(x, *(scalar(node, name) for name in ("three", "six", "one_over_six")))


def _gelu(node: Node, x: Int64s) -> Int64s:
    return gelu(x, scalar(node, "b"), scalar(node, "one"))


def _true_division(node: Node, x: Int64s) -> Int64s:
    y, delta, eps, eta = (scalar(node, name) for name in ("y", "Delta", "eps", "eta"))
    if abs(delta * eta) * int(np.abs(x).max(initial=1)) >= 2**63:
        raise Refused("Delta", f"{delta} times eta {eta}", "products of 63 bits")
    try:
        return true_integer_div(x, y, delta, eps, eta)
    except OperatorError as error:
        raise Refused("y", str(error), "a positive divisor") from error


def _relu(node: Node, x: Int64s) -> Int64s:
    result: Int64s = np.maximum(x, 0)
    return result


FUNCTIONS: Mapping[str, Callable[[Node, Int64s], Int64s]] = MappingProxyType(
    {"Relu": _relu, "TrueIntegerDiv": _true_division, "iGELU": _gelu, "iHardswish": _hard_swish}
)
"""By operator."""
