"""What values a float model's tensors take on samples. onnxruntime is imported on demand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
import onnx

from compiler.frontend.calibration import Samples
from compiler.frontend.errors import ModelError
from compiler.frontend.source import Port

Floats = npt.NDArray[np.float32]

KEPT = 4096
"""Elements kept of a tensor for every sample, evenly spread; the extremes are always among them."""

ERRORS = 3
"""onnxruntime's log level that leaves out warnings."""


def observed(
    model: onnx.ModelProto, ports: Sequence[Port], samples: Samples, names: Sequence[str], file: str
) -> Mapping[str, tuple[Floats, ...]]:
    """By tensor name, its values for each sample, in the tensor's shape.

    Raises ModelError without onnxruntime, or where it cannot run the model.
    """
    if find_spec("onnxruntime") is None:
        raise ModelError(
            f"{file}: a float model must be quantised, which needs onnxruntime: pip install 'rvdse[quant]'"
        )
    import onnxruntime as ort

    fed = [name for name in names if name in samples]
    asked = [name for name in names if name not in samples]
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = ERRORS
    try:
        exposed = _with_outputs(model, asked).SerializeToString()
        session = ort.InferenceSession(exposed, options, providers=["CPUExecutionProvider"])
        runs = [session.run(asked, feed) for feed in feeds(ports, samples)]
    except Exception as error:  # onnxruntime's exceptions share no base class
        why = " ".join(str(error).split())[:200] or type(error).__name__
        raise ModelError(f"{file}: onnxruntime cannot run this model: {why}") from error
    made = {name: tuple(np.asarray(run[k], np.float32) for run in runs) for k, name in enumerate(asked)}
    return made | {name: tuple(samples[name]) for name in fed}


def feeds(ports: Sequence[Port], samples: Samples) -> list[dict[str, npt.NDArray[np.generic]]]:
    """The inputs of each sample, in the element types that the model declares."""
    types = {port.name: onnx.helper.tensor_dtype_to_np_dtype(port.element) for port in ports}
    count = len(next(iter(samples.values())))
    return [{name: samples[name][k].astype(dtype) for name, dtype in types.items()} for k in range(count)]


def spread(values: Floats) -> Floats:
    """At most KEPT and 2 of the values: evenly spread ones, the smallest and the largest."""
    flat = values.reshape(-1)
    step = max(1, -(-flat.size // KEPT))
    return np.concatenate([flat[::step], [flat.min(), flat.max()]]).astype(np.float32)


def _with_outputs(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    present = {output.name for output in exposed.graph.output}
    missing = [name for name in names if name not in present]
    exposed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in missing)
    return exposed
