"""Float models to QDQ with ONNX Runtime's static quantiser. onnxruntime is imported on demand."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import onnx

from compiler.frontend.calibration import Samples
from compiler.frontend.errors import ModelError
from compiler.frontend.source import Port
from compiler.frontend.support import OPERATORS, QUANTISERS

MIN_OPSET = 13
"""The first operator set whose DequantizeLinear has scales by channel."""

NOT_QUANTISED = ("Constant", "Shape", "Identity", "Dropout", *QUANTISERS)


def is_float(model: onnx.ModelProto) -> bool:
    """Whether the model has no quantisation at all."""
    return not any(node.op_type in QUANTISERS for node in model.graph.node)


def quantise(model: onnx.ModelProto, ports: tuple[Port, ...], samples: Samples, name: str) -> onnx.ModelProto:
    """The model in QDQ form: int8 activations, int8 weights per output channel, int32 biases.

    BatchNormalization is folded first. Raises ModelError without onnxruntime, or where it fails.
    """
    if find_spec("onnxruntime") is None:
        raise ModelError(
            f"{name}: a float model must be quantised, which needs onnxruntime: pip install 'rvdse[quant]'"
        )
    fixed = _with_fixed_inputs(model, ports)
    try:
        with tempfile.TemporaryDirectory() as folder, _quiet():
            return _quantised(fixed, samples, Path(folder))
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


def _quantised(model: onnx.ModelProto, samples: Samples, folder: Path) -> onnx.ModelProto:
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    versions = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
    if versions and versions[0] < MIN_OPSET:
        model = onnx.version_converter.convert_version(model, MIN_OPSET)
    prepared, output = folder / "prepared.onnx", folder / "quantised.onnx"
    quant_pre_process(model, prepared, skip_symbolic_shape=True)
    quantization.quantize_static(
        prepared,
        output,
        _Reader(samples),
        quant_format=quantization.QuantFormat.QDQ,
        op_types_to_quantize=[op for op in OPERATORS if op not in NOT_QUANTISED],
        per_channel=True,
        activation_type=quantization.QuantType.QInt8,
        weight_type=quantization.QuantType.QInt8,
    )
    return onnx.load(output)


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
