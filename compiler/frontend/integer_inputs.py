"""Graph inputs that are integer codes: their quantisation stands at the DequantizeLinear that reads them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx

from compiler.frontend.errors import Refused
from compiler.frontend.operators_layout import activation_quant
from compiler.frontend.source import Node, Source
from compiler.frontend.steps import Quant

_TYPES = {onnx.TensorProto.INT8: np.int8, onnx.TensorProto.UINT8: np.uint8}
_CARRIERS = frozenset(
    ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Identity", "MaxPool", "Resize", "Dropout")
)


def input_quants(source: Source) -> Mapping[str, Quant]:
    """Quantisation by name of the 8-bit inputs, found behind operators that only move codes."""
    found = {}
    constants = _constants(source)
    for port in source.inputs:
        if port.element in _TYPES:
            quant = _search(source, constants, port.name, np.zeros((), _TYPES[port.element]))
            if quant is not None:
                found[port.name] = quant
    return found


def _constants(source: Source) -> Mapping[str, np.typing.NDArray[np.generic]]:
    named = {
        node.outputs[0]: np.asarray(node.attributes["value"])
        for node in source.nodes
        if node.operator == "Constant" and node.outputs and node.attributes.get("value") is not None
    }
    return {**named, **source.constants}


def _search(
    source: Source,
    constants: Mapping[str, np.typing.NDArray[np.generic]],
    name: str,
    zero: np.typing.NDArray[np.generic],
) -> Quant | None:
    carried = {name}
    for node in source.nodes:
        if not node.inputs or node.inputs[0] not in carried or not node.outputs:
            continue
        if node.operator in _CARRIERS:
            carried.add(node.outputs[0])
        elif node.operator == "DequantizeLinear":
            return _quant(node, constants, zero)
    return None


def _quant(
    node: Node,
    constants: Mapping[str, np.typing.NDArray[np.generic]],
    zero: np.typing.NDArray[np.generic],
) -> Quant | None:
    scale = constants.get(node.inputs[1]) if node.has_input(1) else None
    if node.has_input(2):
        zero = constants.get(node.inputs[2], zero)
    if scale is None:
        return None
    try:
        return activation_quant(scale, zero)
    except Refused:
        return None  # the reader reports the same scale at its node
