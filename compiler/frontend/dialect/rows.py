"""Softmax, means and normalisations over the last axis."""

from __future__ import annotations

import numpy as np

from compiler.frontend.dialect.kinds import IntegerMean, IntegerNorm, IntegerSoftmax, ItaSoftmax
from compiler.frontend.dialect.requantshift import (
    Int64s,
    Requantisation,
    bounds_of,
    integers_of,
    log2_of,
    plain,
    scalar,
    word,
)
from compiler.frontend.dialect.state import DialectReader
from compiler.frontend.errors import Refused
from compiler.frontend.operators_math import reduced
from compiler.frontend.reader import axis_of
from compiler.frontend.source import Node
from compiler.ir import IntType
from compiler.ops.isoftmax import polynomial_table
from compiler.ops.itamax import LEVELS


def softmax(reader: DialectReader, node: Node) -> None:
    """iSoftmax: shares of n_levels - 1, from 0."""
    x = reader.value(node)
    names = ("coeffA", "coeffB", "coeffC", "log2")
    table = polynomial_table(*(scalar(node, name) for name in names))
    _, high = bounds_of(node, signed=False)
    reader.step(node, IntegerSoftmax(table, high + 1), (x,), x.shape, plain(IntType.U8))


def norm(reader: DialectReader, node: Node) -> None:
    """iRMSNorm(x, weight) and iLayerNorm(x, weight, bias)."""
    x = reader.value(node)
    centred = node.operator == "iLayerNorm"
    weight = _by_channel(reader, node, 1, "weight", x.shape[-1])
    bias = _by_channel(reader, node, 2, "bias", x.shape[-1]) if centred else np.zeros(0, np.int64)
    low, high = bounds_of(node, signed=True)
    kind = IntegerNorm(centred, word(weight), word(bias), log2_of(node, "D"), low, high)
    reader.step(node, kind, (x,), x.shape, plain(IntType.I8))


def ita_max(reader: DialectReader, node: Node) -> None:
    """ITAMax, and ITAPartialMax in parts of group_width codes."""
    x = reader.value(node)
    levels, streams = scalar(node, "n_levels"), node.operator == "ITAPartialMax"
    part = scalar(node, "group_width") if streams else x.shape[-1]
    if levels != LEVELS:
        raise Refused("n_levels", f"{levels} levels", f"{LEVELS}: the shifts are those of 8 bits")
    if part < 1 or x.shape[-1] % part or scalar(node, "groups", x.shape[-1] // part) * part != x.shape[-1]:
        raise Refused("group_width", f"parts of {part} of {x.shape[-1]} codes", "parts that fill the row")
    reader.step(node, ItaSoftmax(part, streams), (x,), x.shape, plain(IntType.U8))


def mean(reader: DialectReader, node: Node) -> None:
    """IntegerMean over `axes`."""
    x = reader.value(node)
    rank = len(x.shape)
    axes = tuple(sorted({axis_of(int(a), rank, "axes") for a in node.attributes.get("axes", range(rank))}))
    reduced(reader, node, x, axes, IntegerMean(axes))


def no_norm(reader: DialectReader, node: Node) -> None:
    """iNoNorm(x, weight, bias): clamp(floor((x*weight + bias)*mul / D)), without rounding."""
    weight, bias = (
        integers_of(reader.required(node, k, what).array, what) for k, what in ((1, "weight"), (2, "bias"))
    )
    low, high = bounds_of(node, signed=True)
    mul = scalar(node, "mul")
    reader.requantised(node, Requantisation(weight * mul, bias * mul, log2_of(node, "D"), low, high))


def _by_channel(reader: DialectReader, node: Node, index: int, what: str, channels: int) -> Int64s:
    table = integers_of(reader.required(node, index, what).array, what).reshape(-1)
    if table.size not in (1, channels):
        raise Refused(what, f"{table.size} numbers for {channels} channels", "one, or one per channel")
    return np.broadcast_to(table, (channels,))
