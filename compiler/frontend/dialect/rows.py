"""Softmax and normalisations over the last axis."""

from __future__ import annotations

import numpy as np

from compiler.frontend.dialect.kinds import IntegerNorm, IntegerSoftmax
from compiler.frontend.dialect.requantshift import (
    Int64s,
    bounds_of,
    integers_of,
    log2_of,
    plain,
    scalar,
    word,
)
from compiler.frontend.dialect.state import DialectReader
from compiler.frontend.errors import Refused
from compiler.frontend.source import Node
from compiler.ir import IntType
from compiler.ops.isoftmax import polynomial_table


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


def _by_channel(reader: DialectReader, node: Node, index: int, what: str, channels: int) -> Int64s:
    table = integers_of(reader.required(node, index, what).array, what).reshape(-1)
    if table.size not in (1, channels):
        raise Refused(what, f"{table.size} numbers for {channels} channels", "one, or one per channel")
    return np.broadcast_to(table, (channels,))
