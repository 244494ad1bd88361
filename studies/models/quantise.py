"""Float network to int8 QDQ: fold BatchNormalization, measure ranges, run onnxruntime's quantiser.

Activations are int8 with a zero point, weights int8 symmetric per output channel, biases int32.
"""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from studies.models.rounding import FloatArray, round_range
from studies.models.tape import make_model, session

Constants = Mapping[str, NDArray[np.generic]]


def quantise(model: ModelProto, samples: FloatArray) -> ModelProto:
    """`model` as int8 QDQ, its activation ranges the extremes over `samples`, shape (samples, ...)."""
    folded = fold_normalisation(model)
    ranges = activation_ranges(folded, samples)
    overrides = {
        name: [{"rmin": np.float32(low), "rmax": np.float32(high)}] for name, (low, high) in ranges.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "quantised.onnx"
        quantize_static(
            folded,
            path,
            _Samples(samples),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            extra_options={"TensorQuantOverrides": overrides},
        )
        return canonical(onnx.load(path))


def fold_normalisation(model: ModelProto) -> ModelProto:
    """`model` with every BatchNormalization folded into the Conv or Gemm (transB = 1) that feeds it.

    W' = W * s, b' = (b - mean) * s + offset, where s = scale / sqrt(variance + epsilon) per output channel.
    Raises KeyError if a normalisation follows anything else.
    """
    constants = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    producers = {node.output[0]: node for node in model.graph.node if node.op_type in ("Conv", "Gemm")}
    folded = {
        producers[node.input[0]].name: _fold(producers[node.input[0]], node, constants)
        for node in model.graph.node
        if node.op_type == "BatchNormalization"
    }
    nodes = [folded[node.name][0] if node.name in folded else node for node in model.graph.node]
    constants.update({name: value for _, created in folded.values() for name, value in created.items()})
    return _rebuild(model, [node for node in nodes if node.op_type != "BatchNormalization"], constants)


def activation_ranges(model: ModelProto, samples: FloatArray) -> dict[str, tuple[float, float]]:
    """(low, high) of every activation but softmax outputs, which the quantiser fixes at (0, 1)."""
    names = [node.output[0] for node in model.graph.node if node.op_type != "Softmax"]
    values = {"input": samples} | _trace(model, names, samples)
    return {name: round_range(float(value.min()), float(value.max())) for name, value in values.items()}


def canonical(model: ModelProto) -> ModelProto:
    """`model` with initializers in order of their names; no value_info, metadata or library marks.

    Raises onnx.checker.ValidationError if it is not valid ONNX.
    """
    graph = model.graph
    constants = sorted(graph.initializer, key=lambda item: str(item.name))
    result = make_model(helper.make_graph(graph.node, graph.name, graph.input, graph.output, constants))
    checker.check_model(result, full_check=True)
    return result


class _Samples(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime carries no types
    """Feeds the quantiser one sample at a time."""

    def __init__(self, samples: FloatArray) -> None:
        self._feeds: Iterator[dict[str, FloatArray]] = iter([{"input": sample[None]} for sample in samples])

    def get_next(self) -> dict[str, FloatArray] | None:
        return next(self._feeds, None)


def _fold(
    node: NodeProto, normalisation: NodeProto, constants: Constants
) -> tuple[NodeProto, dict[str, FloatArray]]:
    """The node that computes both, and its new constants; float32 throughout, as elementwise as IEEE."""
    scale, offset, mean, variance = (constants[name].astype(np.float32) for name in normalisation.input[1:])
    epsilon = np.float32(normalisation.attribute[0].f)
    factor = scale / np.sqrt(variance + epsilon)
    weight = constants[node.input[1]].astype(np.float32)
    bias = constants[node.input[2]].astype(np.float32) if len(node.input) > 2 else np.zeros_like(mean)
    bias_name = str(node.input[1]).removesuffix("weight") + "bias"
    fused = NodeProto()
    fused.CopyFrom(node)
    fused.output[0] = normalisation.output[0]
    fused.input[2:] = [bias_name]
    created = {
        str(node.input[1]): weight * factor.reshape(-1, *(1,) * (weight.ndim - 1)),
        bias_name: (bias - mean) * factor + offset,
    }
    return fused, created


def _rebuild(model: ModelProto, nodes: list[NodeProto], constants: Constants) -> ModelProto:
    """`model` with other nodes, and of the constants those that the nodes use, in order of use."""
    used = dict.fromkeys(name for node in nodes for name in node.input if name in constants)
    tensors = [numpy_helper.from_array(constants[name], name) for name in used]
    graph = model.graph
    return make_model(helper.make_graph(nodes, graph.name, graph.input, graph.output, tensors))


def _trace(model: ModelProto, names: list[str], samples: FloatArray) -> dict[str, FloatArray]:
    """Values of the tensors `names` over all samples, the sample axis first."""
    probed = ModelProto()
    probed.CopyFrom(model)
    del probed.graph.output[:]
    probed.graph.output.extend(helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in names)
    probe = session(probed)
    runs = [probe.run(None, {"input": sample[None]}) for sample in samples]
    return {name: np.concatenate([values[i] for values in runs]) for i, name in enumerate(names)}
