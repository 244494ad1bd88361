"""What a dialect file leaves open about its inputs, filled in: integer types, extents, emptiness.

The files declare FLOAT or INT32 where they hold 8-bit codes, and may leave extents out. A sample of the
inputs tells both. The model that results says everything itself and needs no sample to be read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from compiler.frontend.constants import AnyArray
from compiler.frontend.dialect.merged import ATTRIBUTES as MERGED
from compiler.frontend.errors import Finding, ModelError
from compiler.frontend.samples import Arrays, by_input, read_arrays

OWN_OPERATORS = frozenset(
    (
        *MERGED,
        "Dequant",
        "ITAMax",
        "ITAPartialMax",
        "IntegerDiv",
        "IntegerMean",
        "Quant",
        "RequantShift",
        "TrueIntegerDiv",
        "iGELU",
        "iHardswish",
        "iLayerNorm",
        "iNoNorm",
        "iRMSNorm",
        "iSoftmax",
    )
)
"""Operators that only this dialect has: a model with one of them is read by its rules."""

_DECLARED = {onnx.TensorProto.INT8: np.dtype(np.int8), onnx.TensorProto.UINT8: np.dtype(np.uint8)}
_ELEMENTS = {np.dtype(np.int8): onnx.TensorProto.INT8, np.dtype(np.uint8): onnx.TensorProto.UINT8}
_RULE = "an .npz with integers for every input (--calibration inputs.npz)"


def is_dialect(model: onnx.ModelProto) -> bool:
    """Whether the model has an operator that only this dialect has."""
    return any(node.op_type in OWN_OPERATORS for node in model.graph.node)


def declared(
    model: onnx.ModelProto, sample: Path | None, name: str
) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """The model with an 8-bit type and all extents at every input, and what a user should know.

    An input keeps INT8 or UINT8 where the file declares that. Otherwise its values in `sample` decide:
    int8 where they fit, else uint8. Inputs of which the sample is empty (a cache without a past) vanish,
    also from the Concat that reads them. Raises ModelError with a finding per input that stays open.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    quantised = _without_quants(changed.graph)
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [info for info in changed.graph.input if info.name not in constants]
    arrays = by_input(read_arrays(sample), [info.name for info in inputs]) if sample else {}
    findings: list[Finding] = []
    shown = {info.name: dtype for info in inputs if (dtype := _declare(info, arrays, findings))}
    if findings:
        raise ModelError(f"{name}: the integer types of the inputs are not known", findings)
    notes = [
        f"inputs hold {dtype}, as their samples show: {', '.join(n for n, d in shown.items() if d == dtype)}"
        for dtype in sorted(set(shown.values()))
    ]
    empty = [info.name for info in inputs if info.name in arrays and not arrays[info.name].size]
    _drop(changed.graph, empty)
    notes += [f"input {name} holds the codes that its Quant makes: {how}" for name, how in quantised.items()]
    if empty:
        notes.append(f"inputs without elements are left out: {', '.join(empty)}")
    return changed, tuple(notes)


def _without_quants(graph: onnx.GraphProto) -> dict[str, str]:
    """Inputs that nothing but a Quant reads become its codes; returns how, by input."""
    made: dict[str, str] = {}
    for info in graph.input:
        readers = [node for node in graph.node if info.name in node.input]
        if len(readers) != 1 or readers[0].op_type != "Quant":
            continue
        (quant,) = readers
        attributes = {item.name: onnx.helper.get_attribute_value(item) for item in quant.attribute}
        signed = attributes.get("signed", 1)
        if attributes.get("bit_width") != 8 or quant.output[0] in {port.name for port in graph.output}:
            continue
        info.type.tensor_type.elem_type = onnx.TensorProto.INT8 if signed else onnx.TensorProto.UINT8
        for node in graph.node:
            node.input[:] = [info.name if name == quant.output[0] else name for name in node.input]
        graph.node.remove(quant)
        made[info.name] = f"x * {attributes.get('scale')} + {attributes.get('zero_point')}, rounded"
    return made


def _declare(info: onnx.ValueInfoProto, arrays: Arrays, findings: list[Finding]) -> str:
    """Fill in type and extents of one input; returns the type where a sample told it, else nothing."""
    tensor = info.type.tensor_type
    known = _DECLARED.get(tensor.elem_type)
    array = arrays.get(info.name)
    if array is None:
        if known is None:
            kind = onnx.TensorProto.DataType.Name(tensor.elem_type)
            why = f"is declared {kind} and there is no sample of it"
            findings.append(Finding(info.name, "input", "", why, _RULE))
        return ""
    if problem := _misfit(array, [d.dim_value for d in tensor.shape.dim], known):
        findings.append(Finding(info.name, "input", "", problem, _RULE))
        return ""
    dtype = known or code_type(array)
    assert dtype is not None
    tensor.elem_type = _ELEMENTS[dtype]
    for dim, extent in zip(tensor.shape.dim, array.shape, strict=True):
        dim.dim_value = extent
    return "" if known or not array.size else str(dtype)


def _misfit(array: AnyArray, extents: Sequence[int], known: np.dtype[np.integer] | None) -> str:
    """Why a sample cannot be one of this input; empty where it can."""
    if array.dtype.kind not in "biuf" or not np.all(np.isfinite(array) & (array == np.rint(array))):
        return f"the sample ({array.dtype}) holds other things than integers"
    if array.ndim != len(extents) or any(
        want not in (0, n) for n, want in zip(array.shape, extents, strict=True)
    ):
        return f"the sample has shape {array.shape}, the input {tuple(extents)}"
    wanted = (known,) if known else tuple(_ELEMENTS)
    if array.size and not any(_holds(dtype, array) for dtype in wanted):
        types = " or ".join(map(str, wanted))
        return f"the sample reaches from {array.min():.0f} to {array.max():.0f}, which is not {types}"
    return ""


def _holds(dtype: np.dtype[np.integer], array: AnyArray) -> bool:
    limits = np.iinfo(dtype)
    return bool(limits.min <= array.min() and array.max() <= limits.max)


def code_type(array: AnyArray) -> np.dtype[np.integer] | None:
    """int8 where all values fit, else uint8; None where neither does."""
    return next((dtype for dtype in _ELEMENTS if not array.size or _holds(dtype, array)), None)


def _drop(graph: onnx.GraphProto, names: Sequence[str]) -> None:
    """Take inputs away, and from every Concat."""
    for info in [info for info in graph.input if info.name in names]:
        graph.input.remove(info)
    for node in graph.node:
        if node.op_type == "Concat":
            kept = [name for name in node.input if name not in names]
            del node.input[:]
            node.input.extend(kept)
