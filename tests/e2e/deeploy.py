"""Models in the integer dialect with their golden inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from compiler.frontend import Binding, Imported, by_input, import_model
from compiler.ir import Graph
from compiler.ir.tensor import IntArray
from tests.shared_models import deeploy


@dataclass(frozen=True)
class Golden:
    """An imported model, codes for its inputs, and the golden codes of its outputs, all by tensor."""

    imported: Imported
    inputs: Mapping[str, IntArray]
    outputs: Mapping[str, IntArray]

    @property
    def graph(self) -> Graph:
        return self.imported.module.main


def golden(name: str) -> Golden:
    """The model and both archives of a folder; skips the test where it is absent."""
    folder = deeploy(name)
    imported = import_model(folder / "network.onnx", calibration=folder / "inputs.npz")
    arrays = {key: array for key, array in _arrays(folder / "inputs.npz").items() if array.size}
    given = by_input(arrays, [binding.onnx for binding in imported.inputs])
    inputs = {binding.tensor: binding.encode(given[binding.onnx]) for binding in imported.inputs}
    ports = [port.name for port in onnx.load(folder / "network.onnx").graph.output]
    expected = dict(zip(ports, _arrays(folder / "outputs.npz").values(), strict=True))
    outputs = {b.tensor: encoded(b, expected[b.onnx]) for b in imported.outputs}
    return Golden(imported, inputs, outputs)


def encoded(binding: Binding, array: IntArray) -> IntArray:
    """Codes in the graph's memory order; the archive must have the model's shape."""
    assert array.shape == binding.shape
    return binding.encode(array)


def _arrays(path: Path) -> dict[str, IntArray]:
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
