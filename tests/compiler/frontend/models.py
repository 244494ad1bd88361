"""Small ONNX models from text, with random weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from compiler.frontend import Imported, import_model

Weight = tuple[int, ...] | list[int] | float | npt.NDArray[Any]


def weight(rng: np.random.Generator, spec: Weight) -> npt.NDArray[Any]:
    """A tuple is the shape of a random tensor, a list the values of an int64 one, a float itself."""
    if isinstance(spec, np.ndarray):
        return spec
    if isinstance(spec, list):
        return np.array(spec, np.int64)
    if isinstance(spec, float):
        return np.array(spec, np.float32)
    fan_in = max(int(np.prod(spec[1:])), 1)
    random: npt.NDArray[Any] = (rng.standard_normal(spec) / np.sqrt(fan_in)).astype(np.float32)
    return random


def build(
    body: str,
    weights: Mapping[str, Weight] | None = None,
    *,
    inputs: str = "float[1,4,8,8] x",
    outputs: str = "y",
    opset: int = 17,
    seed: int = 0,
) -> onnx.ModelProto:
    """A model from node text (onnx.parser) and weights by name."""
    results = ", ".join(f"float[] {name.strip()}" for name in outputs.split(","))
    graph = onnx.parser.parse_graph(f"g ({inputs}) => ({results}) {{ {body} }}")
    for info in graph.output:
        info.type.tensor_type.ClearField("shape")
    rng = np.random.default_rng(seed)
    graph.initializer.extend(
        onnx.numpy_helper.from_array(weight(rng, spec), name) for name, spec in (weights or {}).items()
    )
    for index, node in enumerate(graph.node):
        node.name = node.name or f"{node.op_type}{index}"
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=8)


def save(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def imported(model: onnx.ModelProto, folder: Path) -> Imported:
    """Import through a file, as users do."""
    return import_model(save(model, folder))


def kinds(result: Imported) -> list[str]:
    """Kinds of the operators, in order."""
    return [op.kind for op in result.module.main]
