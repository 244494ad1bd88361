"""A prefill graph from tokens to logits: in float by onnxruntime, in integers by the reference."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import onnx

from compiler.frontend import Imported, import_model
from compiler.frontend.observe import ERRORS
from compiler.reference import Reference

Floats = npt.NDArray[np.float64]
Feed = dict[str, npt.NDArray[Any]]

BASE = 10000.0
"""Base of the rotary embedding's wavelengths, as in Llama 2."""

PAST = 0
"""The token behind the end of a text that is shorter than the graph: causal graphs do not look at it."""


class LanguageModel(Protocol):
    """window: the most tokens that the model looks at."""

    @property
    def window(self) -> int: ...

    def logits(self, tokens: Sequence[int]) -> Floats:
        """[tokens, vocabulary]: what follows each of at most `window` tokens."""
        ...


def rotary(positions: Sequence[int], depth: int) -> tuple[Floats, Floats]:
    """(cos, sin) [positions, depth], both halves of the depth alike."""
    waves = BASE ** (-np.arange(0, depth, 2) / depth)
    angles = np.outer(positions, np.concatenate([waves, waves]))
    return np.cos(angles), np.sin(angles)


def feed(tokens: Sequence[int], window: int, depth: int) -> Feed:
    """The inputs of a prefill graph of ../shared/models/llama."""
    if len(tokens) > window:
        raise ValueError(f"{len(tokens)} tokens for a graph of {window}")
    filled = [*tokens, *[PAST] * (window - len(tokens))]
    cos, sin = (table.astype(np.float32)[None, None] for table in rotary(range(window), depth))
    return {"tokens": np.array([filled], np.int64), "cos": cos, "sin": sin}


class FloatModel:
    """The ONNX graph in onnxruntime."""

    def __init__(self, path: Path) -> None:
        import onnxruntime as ort

        model = onnx.load(path)
        shapes = {i.name: [d.dim_value for d in i.type.tensor_type.shape.dim] for i in model.graph.input}
        self.window, self.depth = shapes["cos"][-2:]
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = ERRORS
        self._session: Any = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def logits(self, tokens: Sequence[int]) -> Floats:
        (found,) = self._session.run(["logits"], feed(tokens, self.window, self.depth))
        return np.asarray(found[0, : len(tokens)], np.float64)


class IntegerModel:
    """The same graph as `dse explore --calibration` imports it, in the numpy reference."""

    def __init__(self, path: Path, calibration: Path) -> None:
        self.imported: Imported = import_model(path, calibration=calibration)
        self._inputs = {binding.onnx: binding for binding in self.imported.inputs}
        self.window, self.depth = self._inputs["cos"].shape[-2:]

    @cached_property
    def _reference(self) -> Reference:
        return Reference(self.imported.module.main)

    def logits(self, tokens: Sequence[int]) -> Floats:
        given = feed(tokens, self.window, self.depth)
        codes = {self._inputs[name].tensor: self._inputs[name].encode(array) for name, array in given.items()}
        binding = next(each for each in self.imported.outputs if each.onnx == "logits")
        found = binding.decode(self._reference(codes)[binding.tensor])
        return np.asarray(found[0, : len(tokens)], np.float64)
