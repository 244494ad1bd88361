"""An ONNX graph that is built while it runs: every node is evaluated on calibration data when added.

Layers that choose their parameters from what reaches them (batch normalisation, the classifier) read the
value of a tensor instead of running the network again.
"""

from collections.abc import Mapping

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, checker, helper, numpy_helper

from studies.models.rounding import FloatArray

OPSET = 17
IR_VERSION = 8
PRODUCER = "rvdse.studies.models"

Attribute = int | float | str | tuple[int, ...]


class Tape:
    """A growing float graph with one input and the value of each of its tensors on calibration data."""

    def __init__(self, network: str, samples: FloatArray) -> None:
        """`samples` has shape (samples, ...); the graph's input is named `input`."""
        self._network = network
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, NDArray[np.generic]] = {}
        self._values: dict[str, FloatArray] = {"input": samples}

    def value(self, tensor: str) -> FloatArray:
        """What `tensor` holds on the calibration data; the first axis is the sample."""
        return self._values[tensor]

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        """Add an initializer. Raises ValueError if the name is taken."""
        if name in self._constants:
            raise ValueError(f"initializer {name} exists already")
        self._constants[name] = value
        return name

    def node(self, op_type: str, path: str, inputs: tuple[str, ...], /, **attributes: Attribute) -> str:
        """Add and evaluate the node `path`; its output, which is returned, is named as torch names it."""
        output = f"/{path}/{op_type}_output_0"
        node = helper.make_node(op_type, inputs, (output,), name=f"/{path}/{op_type}", **attributes)
        self._values[output] = _evaluate(node, {name: self._operand(name) for name in inputs})
        self._nodes.append(node)
        return output

    def model(self, output: str, batch: int | str) -> ModelProto:
        """The finished graph with leading dimension `batch`, its last tensor renamed to `output`.

        Raises onnx.checker.ValidationError if it is not valid ONNX.
        """
        nodes = [_with_output(node, "output") if node.output[0] == output else node for node in self._nodes]
        graph = helper.make_graph(
            nodes,
            self._network,
            [_describe("input", self.value("input"), batch)],
            [_describe("output", self.value(output), batch)],
            [numpy_helper.from_array(value, name) for name, value in self._constants.items()],
        )
        model = make_model(graph)
        checker.check_model(model, full_check=True)
        return model

    def _operand(self, name: str) -> NDArray[np.generic]:
        return self._constants[name] if name in self._constants else self._values[name]


def make_model(graph: GraphProto) -> ModelProto:
    """`graph` with the versions that all files here carry and no mark of the library that wrote it."""
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, ir_version=IR_VERSION, opset_imports=opsets, producer_name=PRODUCER)


def session(model: ModelProto) -> ort.InferenceSession:
    """onnxruntime on `model` exactly as written: no graph rewriting, one thread, on the processor."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _evaluate(node: NodeProto, operands: Mapping[str, NDArray[np.generic]]) -> FloatArray:
    """The value of one float node."""
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in operands.items()
    ]
    output = helper.make_tensor_value_info(node.output[0], TensorProto.FLOAT, None)
    model = make_model(helper.make_graph([node], "node", inputs, [output]))
    result: FloatArray = session(model).run(None, dict(operands))[0]
    return result


def _with_output(node: NodeProto, name: str) -> NodeProto:
    renamed = NodeProto()
    renamed.CopyFrom(node)
    renamed.output[0] = name
    return renamed


def _describe(name: str, value: FloatArray, batch: int | str) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, (batch, *value.shape[1:]))
