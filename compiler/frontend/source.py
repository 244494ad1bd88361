"""An ONNX file as plain Python values; everything that protobuf may have wrong is found here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # no stubs in dev
from onnx import external_data_helper, numpy_helper

from compiler.frontend.constants import AnyArray, check_elements
from compiler.frontend.errors import Finding, ModelError, Refused

MAX_FILE_BYTES = 1 << 31
"""Protobuf's own limit."""


@dataclass(frozen=True)
class Node:
    """One ONNX node; optional inputs that are absent have the empty name."""

    name: str
    operator: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def has_input(self, index: int) -> bool:
        return len(self.inputs) > index and bool(self.inputs[index])


@dataclass(frozen=True)
class Port:
    """A graph input or output: its shape, with the batch 1, and its ONNX element type."""

    name: str
    shape: tuple[int, ...]
    element: int


@dataclass(frozen=True)
class Source:
    """A model's graph."""

    name: str
    opset: int
    nodes: tuple[Node, ...]
    constants: Mapping[str, AnyArray]
    inputs: tuple[Port, ...]
    outputs: tuple[str, ...]
    notes: tuple[str, ...]


def read_bytes(path: Path) -> bytes:
    """The file's content; raises ModelError where it is missing, empty, too large or no file."""
    try:
        if path.is_dir():
            raise ModelError(f"{path}: is a folder, not an ONNX file")
        if (size := path.stat().st_size) > MAX_FILE_BYTES:
            raise ModelError(f"{path}: {size} bytes; ONNX files have at most {MAX_FILE_BYTES}")
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not data:
        raise ModelError(f"{path}: the file is empty")
    return data


def digest(data: bytes) -> str:
    """SHA-256 of the file, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def parse(data: bytes, path: Path) -> onnx.ModelProto:
    """The model in `data`; raises ModelError where that is not an ONNX model."""
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, ValueError, RuntimeError) as error:
        raise ModelError(f"{path}: not an ONNX model, or a truncated one ({_one_line(error)})") from error
    if not model.ir_version or not model.opset_import:
        raise ModelError(f"{path}: not an ONNX model (no IR version or no operator set)")
    if not model.graph.node or not model.graph.output:
        raise ModelError(f"{path}: the model computes nothing (no nodes or no outputs)")
    _load_external(model, path)
    return model


def read(model: onnx.ModelProto, name: str) -> Source:
    """The graph of `model`; raises ModelError with a finding per broken constant, input or attribute."""
    findings: list[Finding] = []
    notes: list[str] = []
    constants = _constants(model, findings)
    inputs = [p for p in model.graph.input if _text(p.name) not in constants]
    ports = tuple(_ports(inputs, findings, notes))
    nodes = tuple(_nodes(model, findings))
    if not ports and not findings:
        findings.append(Finding(name, "graph", "input", "the graph has no inputs", "at least one input"))
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
    if opset > (known := onnx.defs.onnx_opset_version()):
        findings.append(Finding(name, "graph", "opset", f"operator set {opset}", f"at most {known}"))
    if findings:
        raise ModelError(f"{name}: the model cannot be read", findings)
    outputs = tuple(dict.fromkeys(_text(o.name) for o in model.graph.output))
    return Source(name, opset, nodes, constants, ports, outputs, tuple(notes))


def _load_external(model: onnx.ModelProto, path: Path) -> None:
    if not any(external_data_helper.uses_external_data(t) for t in model.graph.initializer):
        return
    try:
        external_data_helper.load_external_data_for_model(model, str(path.parent))
    except Exception as error:  # whatever onnx makes of a hostile path or a short file, it is bad input
        raise ModelError(f"{path}: external data cannot be read: {_one_line(error)}") from error


def _text(value: str | bytes) -> str:
    """A protobuf string; where it is no UTF-8, protobuf hands out bytes."""
    return value if isinstance(value, str) else value.decode(errors="replace")


def to_array(tensor: onnx.TensorProto) -> AnyArray:
    """A tensor's values; raises Refused where its dimensions do not fit its data."""
    check_elements(tuple(tensor.dims))
    try:
        array = np.asarray(numpy_helper.to_array(tensor))
    except Exception as error:  # onnx raises a dozen types here: all of them mean a broken tensor
        raise Refused("data", _one_line(error), "data that fill the dimensions") from error
    if array.dtype.kind in "biuf":
        return array
    # ml_dtypes' int4, bfloat16 and others are no numpy kinds: widen them to what numpy computes with.
    try:
        return array.astype(np.int8 if "int" in array.dtype.name else np.float32)
    except (TypeError, ValueError) as error:
        raise Refused("data_type", f"element type {array.dtype}", "numbers") from error


def _constants(model: onnx.ModelProto, findings: list[Finding]) -> dict[str, AnyArray]:
    constants: dict[str, AnyArray] = {}
    for tensor in model.graph.initializer:
        try:
            constants[_text(tensor.name)] = to_array(tensor)
        except Refused as error:
            findings.append(
                Finding(_text(tensor.name), "initializer", error.attribute, error.why, error.supported)
            )
    for sparse in model.graph.sparse_initializer:
        findings.append(
            Finding(_text(sparse.values.name), "initializer", "", "sparse tensor", "dense tensors")
        )
    return constants


def _ports(inputs: list[onnx.ValueInfoProto], findings: list[Finding], notes: list[str]) -> Iterator[Port]:
    for info in inputs:
        try:
            yield _port(info, notes)
        except Refused as error:
            findings.append(Finding(_text(info.name), "input", error.attribute, error.why, error.supported))


def _port(info: onnx.ValueInfoProto, notes: list[str]) -> Port:
    if not info.type.HasField("tensor_type") or not info.type.tensor_type.HasField("shape"):
        raise Refused("type", "no tensor type with a shape", "a tensor of known rank")
    tensor = info.type.tensor_type
    shape = [d.dim_value if d.HasField("dim_value") else 0 for d in tensor.shape.dim]
    for axis, extent in enumerate(shape):
        if extent > 0:
            continue
        if axis > 0:
            raise Refused("shape", f"axis {axis} has no fixed extent", "a dynamic batch (axis 0) only")
        shape[0] = 1
        notes.append(f"input {info.name}: the dynamic batch became 1")
    if not shape:
        raise Refused("shape", "a scalar", "a tensor with at least one axis")
    check_elements(tuple(shape))
    return Port(_text(info.name), tuple(shape), tensor.elem_type)


def _nodes(model: onnx.ModelProto, findings: list[Finding]) -> Iterator[Node]:
    for index, node in enumerate(model.graph.node):
        inputs, outputs = tuple(map(_text, node.input)), tuple(map(_text, node.output))
        name, operator = _text(node.name) or next(iter(outputs), f"node {index}"), _text(node.op_type)
        attributes: dict[str, Any] = {}
        for attribute in node.attribute:
            key = _text(attribute.name)
            try:
                attributes[key] = _attribute(attribute)
            except Refused as error:
                findings.append(Finding(name, operator, key, error.why, error.supported))
        yield Node(name, operator, _text(node.domain), inputs, outputs, attributes)


def _attribute(attribute: onnx.AttributeProto) -> Any:
    kind = onnx.AttributeProto
    if attribute.type == kind.TENSOR:
        return to_array(attribute.t)
    if attribute.type in (kind.GRAPH, kind.GRAPHS):
        return None  # the operator that has it is refused by name
    try:
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, bytes):
            return value.decode(errors="replace")
        return tuple(value) if attribute.type in (kind.INTS, kind.FLOATS, kind.STRINGS) else value
    except (ValueError, TypeError, AttributeError) as error:
        raise Refused(_text(attribute.name), _one_line(error), "a number, a string or a tensor") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
