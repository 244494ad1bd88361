"""Handlers of normalisations."""

from __future__ import annotations

import math

import numpy as np

from compiler.frontend.constants import FloatArray
from compiler.frontend.errors import Refused
from compiler.frontend.reader import Reader, axis_of, integer, number
from compiler.frontend.source import Node
from compiler.frontend.steps import Norm


def normalization(reader: Reader, node: Node) -> None:
    """LayerNormalization and RMSNormalization over all axes from `axis` on."""
    if any(node.outputs[1:]):
        raise Refused("outputs", "mean or deviation is used", "the first output only")
    x = reader.value(node)
    axis = axis_of(integer(node.attributes, "axis", -1), len(x.shape))
    channels = math.prod(x.shape[axis:])
    gamma = _parameter(reader, node, 1, "scale", x.shape[axis:])
    centred = node.operator == "LayerNormalization"
    has_bias = centred and node.has_input(2)
    beta = _parameter(reader, node, 2, "bias", x.shape[axis:]) if has_bias else np.zeros(channels)
    epsilon = number(node.attributes, "epsilon", 1e-5)
    if epsilon < 0:
        raise Refused("epsilon", f"{epsilon}", "at least 0")
    kind = Norm(gamma=gamma, beta=beta, epsilon=epsilon, centred=centred)
    if axis == len(x.shape) - 1:
        reader.step(node, kind, (x,), x.shape)
        return
    flat = reader.reshape(node, x, (*x.shape[:axis], channels), inner=":flat")
    y = reader.step(node, kind, (flat,), flat.shape, inner=":normalised")
    reader.reshape(node, y, x.shape)


def _parameter(reader: Reader, node: Node, index: int, name: str, shape: tuple[int, ...]) -> FloatArray:
    real = reader.required(node, index, name).real
    if not np.isfinite(real).all():
        raise Refused(name, "values that are not finite", "finite constants")
    pairs = zip(real.shape[::-1], shape[::-1], strict=False)
    if real.ndim > len(shape) or any(own not in (1, extent) for own, extent in pairs):
        raise Refused(name, f"shape {real.shape} over axes {shape}", "one number for each element")
    return np.broadcast_to(real, shape).reshape(-1)
