"""Float models to QDQ with ONNX Runtime's static quantiser. onnxruntime is imported on demand."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from compiler.frontend.calibration import Samples
from compiler.frontend.constants import dequantise
from compiler.frontend.errors import ModelError
from compiler.frontend.rounding import unrounded
from compiler.frontend.source import Port, to_array
from compiler.frontend.support import OPERATORS, QUANTISERS

MIN_OPSET = 13
"""The first operator set whose DequantizeLinear has scales by channel."""

ERRORS = 3
"""onnxruntime's log level that leaves out warnings."""

NOT_QUANTISED = ("Constant", "Shape", "Identity", "Dropout", *QUANTISERS)


def is_float(model: onnx.ModelProto) -> bool:
    """Whether no activation is quantised: no QuantizeLinear, and no integer input is dequantised.

    Weights alone may be stored as integers behind DequantizeLinear.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    return not any(
        node.op_type == "QuantizeLinear"
        or (node.op_type == "DequantizeLinear" and node.input[0] not in constants)
        for node in model.graph.node
    )


def quantise(
    model: onnx.ModelProto,
    ports: tuple[Port, ...],
    samples: Samples,
    name: str,
    insides: frozenset[str] = frozenset(),
) -> onnx.ModelProto:
    """The model in QDQ form: int8 activations, int8 weights per output channel, int32 biases.

    BatchNormalization is folded first. insides: activations that stay float, as do constants beside them.
    Raises ModelError without onnxruntime, or where it fails.
    """
    if find_spec("onnxruntime") is None:
        raise ModelError(
            f"{name}: a float model must be quantised, which needs onnxruntime: pip install 'rvdse[quant]'"
        )
    fixed = _with_finite_constants(_with_float_constants(_with_fixed_inputs(model, ports)))
    try:
        with tempfile.TemporaryDirectory() as folder, _quiet():
            return unrounded(_quantised(fixed, samples, Path(folder)), fixed, insides)
    except Exception as error:  # onnxruntime's exceptions share no base class
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise ModelError(f"{name}: onnxruntime cannot quantise this model: {why}") from error


def _with_fixed_inputs(model: onnx.ModelProto, ports: tuple[Port, ...]) -> onnx.ModelProto:
    fixed = onnx.ModelProto()
    fixed.CopyFrom(model)
    shapes = {port.name: port.shape for port in ports}
    for info in fixed.graph.input:
        for dim, extent in zip(info.type.tensor_type.shape.dim, shapes.get(info.name, ()), strict=False):
            dim.dim_value = extent
    del fixed.graph.value_info[:]
    return fixed


def _with_float_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replace DequantizeLinear of constants by float constants; edits `model`."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    kept = []
    for node in model.graph.node:
        if node.op_type != "DequantizeLinear" or any(n and n not in tensors for n in node.input):
            kept.append(node)
            continue
        codes, scale, *zero = (to_array(tensors[name]) for name in node.input if name)
        axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
        real = dequantise(codes, scale, zero[0] if zero else None, axis).array.astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(real, node.output[0]))
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def _with_finite_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """Minus infinity in constants, which hides scores, as the least float32; edits `model`."""
    nodes = (node for node in model.graph.node if node.op_type == "Constant")
    held = [a.t for node in nodes for a in node.attribute if a.name == "value"]
    for tensor in (*model.graph.initializer, *held):
        if tensor.data_type == onnx.TensorProto.FLOAT and np.isneginf(array := to_array(tensor)).any():
            finite = np.maximum(array, np.finfo(np.float32).min)
            tensor.CopyFrom(onnx.numpy_helper.from_array(finite, tensor.name))
    return model


def _quantised(model: onnx.ModelProto, samples: Samples, folder: Path) -> onnx.ModelProto:
    from onnxruntime import quantization

    versions = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
    if versions and versions[0] < MIN_OPSET:
        model = onnx.version_converter.convert_version(model, MIN_OPSET)
    output = folder / "quantised.onnx"
    quantization.quantize_static(
        _folded(model, folder / "folded.onnx"),
        output,
        _Reader(samples),
        quant_format=quantization.QuantFormat.QDQ,
        op_types_to_quantize=[op for op in OPERATORS if op not in NOT_QUANTISED],
        per_channel=True,
        activation_type=quantization.QuantType.QInt8,
        weight_type=quantization.QuantType.QInt8,
        # Pools and reshapes are quantised even where they come first.
        extra_options={"ForceQuantizeNoInputCheck": True},
    )
    return onnx.load(output)


def _folded(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    """The model after onnxruntime's basic optimisations: constants and BatchNormalization folded."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(path)
    options.log_severity_level = ERRORS
    ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return onnx.load(path)


class _Reader:
    """One sample after the other, as onnxruntime's CalibrationDataReader protocol wants them."""

    def __init__(self, samples: Samples) -> None:
        count = len(next(iter(samples.values())))
        self._feeds = iter([{name: array[k] for name, array in samples.items()} for k in range(count)])

    def get_next(self) -> dict[str, Any] | None:
        return next(self._feeds, None)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self._feeds

    def __next__(self) -> dict[str, Any]:
        return next(self._feeds)


@contextmanager
def _quiet() -> Iterator[None]:
    """The quantiser advises on the root logger; the advice is not for our users."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
