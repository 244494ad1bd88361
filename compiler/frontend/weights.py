"""Constant weights as int8 codes with a scale per output."""

from __future__ import annotations

import numpy as np

from compiler.frontend.constants import AnyArray, Const, FloatArray
from compiler.frontend.errors import Refused
from compiler.frontend.reader import Reader
from compiler.frontend.source import Node


def integer_weights(reader: Reader, node: Node, const: Const, out_axis: int) -> tuple[AnyArray, FloatArray]:
    """(codes int8 with the output axis first, scale per output); the zero point is subtracted.

    Weights that have no such form (float ones, differences beyond int8, a scale along another axis) are
    quantised here, symmetrically per output, with a note. Raises Refused for weights that are not finite.
    """
    moved = const.mapped(lambda array: np.moveaxis(array, out_axis, 0))
    found = _given(moved)
    if found is not None:
        return found
    why = "are float" if const.codes is None else "have no int8 form with one scale per output"
    reader.note(f"{node.name}: the weights {why}; quantised to int8 per output")
    return _symmetric(moved.real)


def _given(const: Const) -> tuple[AnyArray, FloatArray] | None:
    if const.codes is None or const.scale is None or const.zero is None:
        return None
    codes = const.codes - const.zero
    if codes.min(initial=0) < -128 or codes.max(initial=0) > 127:
        return None
    scale = np.broadcast_to(const.scale, const.shape).reshape(const.shape[0], -1)
    if not np.isfinite(scale).all() or (scale <= 0).any():
        raise Refused("scale", "weight scales that are not positive and finite", "positive scales")
    if scale.shape[1] == 0 or np.ptp(scale, axis=1).any():
        return None
    return codes.astype(np.int8), scale[:, 0].astype(np.float64)


def _symmetric(real: FloatArray) -> tuple[AnyArray, FloatArray]:
    if real.size == 0 or not np.isfinite(real).all():
        raise Refused("weights", "empty or not finite", "finite weights")
    rows = real.reshape(real.shape[0], -1)
    largest = np.abs(rows).max(axis=1)
    scale = np.where(largest > 0, largest, 1.0) / 127.0
    return np.rint(rows / scale[:, None]).astype(np.int8).reshape(real.shape), scale
