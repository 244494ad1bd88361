"""Layer by layer against ONNX Runtime: every operator is fed ONNX Runtime's own codes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort

from compiler.frontend import Imported
from compiler.reference import Kernel

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Agreement:
    """How one operator compares: the largest difference of codes, and how many of all are equal."""

    worst: int
    equal: int
    values: int

    @property
    def exact(self) -> float:
        return self.equal / self.values


def session(model: bytes, extra: Iterable[str] = ()) -> ort.InferenceSession:
    """ONNX Runtime on the model as it is written, one thread, with `extra` tensors as outputs."""
    proto = onnx.load_from_string(model)
    known = {info.name for info in (*proto.graph.output, *proto.graph.input)}
    names = [name for name in dict.fromkeys(extra) if name not in known]
    proto.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(runner: ort.InferenceSession, feed: Arrays) -> dict[str, npt.NDArray[Any]]:
    """All outputs by name, and the feed."""
    names = [output.name for output in runner.get_outputs()]
    return {**dict(zip(names, runner.run(None, dict(feed)), strict=True)), **feed}


def feed_of(imported: Imported, runner: ort.InferenceSession, reals: Arrays) -> Arrays:
    """What ONNX Runtime is fed for real-valued inputs: themselves, or their codes for an integer input."""
    bindings = {binding.onnx: binding for binding in imported.inputs}
    feed = {}
    for port in runner.get_inputs():
        quant, array = bindings[port.name].quant, reals[port.name]
        feed[port.name] = array.astype(np.float32) if "float" in port.type else quant.encode(array)
    return feed


def layers(imported: Imported, samples: Iterable[Arrays]) -> dict[str, Agreement]:
    """The agreement of every operator over real-valued input samples.

    Transposes to memory orders that ONNX does not have are taken as they are. Raises KeyError for any
    other operator whose output is no ONNX tensor.
    """
    graph = imported.module.main
    runner = session(imported.qdq, (binding.onnx for binding in imported.bindings.values()))
    kernels = {op: Kernel(op, graph) for op in graph}
    result = {op.name: Agreement(0, 0, 0) for op in graph}
    for reals in samples:
        values = run(runner, feed_of(imported, runner, reals))
        codes = {name: b.encode(values[b.onnx]) for name, b in imported.bindings.items()}
        for op, kernel in kernels.items():
            ours = kernel(codes)
            theirs = codes.setdefault(op.output, ours) if op.kind == "transpose" else codes[op.output]
            assert ours.shape == theirs.shape == graph.by_name[op.output].shape
            difference = np.abs(ours.astype(np.int64) - theirs.astype(np.int64))
            old = result[op.name]
            result[op.name] = Agreement(
                max(old.worst, int(difference.max())),
                old.equal + int((difference == 0).sum()),
                old.values + difference.size,
            )
    return result


def exact_share(agreements: Mapping[str, Agreement]) -> float:
    """Share of equal codes over all operators."""
    return sum(a.equal for a in agreements.values()) / sum(a.values for a in agreements.values())
