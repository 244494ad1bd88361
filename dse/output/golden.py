"""Golden inputs: what an emitted project feeds itself to prove that it computes the right codes."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from compiler.frontend import Binding, by_input
from compiler.ir import Graph, Tensor
from compiler.ir.tensor import IntArray
from dse.output.errors import OutputError

AnyArray = npt.NDArray[Any]


def golden_inputs(
    graph: Graph, inputs: Sequence[Binding], file: Path | None, seed: int
) -> dict[str, IntArray]:
    """Codes by graph input: the first sample of `file` (see `by_input`), else made from `seed`.

    The file holds real values or, where its arrays are integers, codes. Raises OutputError.
    """
    if file is None:
        return {name: synthetic_codes(graph.by_name[name], seed + k) for k, name in enumerate(graph.inputs)}
    arrays = read_arrays(file)
    # Arrays without elements belong to inputs that the import left out.
    filled = {name: array for name, array in arrays.items() if array.size}
    found = by_input(filled, [binding.onnx for binding in inputs])
    return {binding.tensor: _encoded(file, found or arrays, binding) for binding in inputs}


def synthetic_codes(tensor: Tensor, seed: int) -> IntArray:
    """Waves over every axis with noise, over the whole range: neighbours differ, both ends of the type occur.

    Constant or white inputs leave many layers at a clamp, where wrong addresses do not show.
    """
    rng = np.random.default_rng(seed)
    wave = np.zeros(tensor.shape)
    for axis, extent in enumerate(tensor.shape):
        line = np.sin(2 * np.pi * (rng.uniform(0.5, 3) * np.arange(extent) / extent + rng.uniform()))
        wave = wave + line.reshape([-1 if k == axis else 1 for k in range(len(tensor.shape))])
    wave = wave + rng.normal(0, 0.5, tensor.shape)
    span = np.ptp(wave) or 1.0
    unit = (wave - wave.min()) / span
    low, high = tensor.dtype.low, tensor.dtype.high
    codes: IntArray = np.rint(low + unit * (high - low)).astype(tensor.dtype.dtype)
    return codes


def read_arrays(path: Path) -> dict[str, AnyArray]:
    """All arrays of an .npz file; raises OutputError."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise OutputError(f"{path}: a single array; golden data is an .npz archive")
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        why = getattr(error, "strerror", None) or "not an .npz archive of plain arrays"
        raise OutputError(f"{path}: cannot be read: {why}") from error


def _encoded(path: Path, arrays: Mapping[str, AnyArray], binding: Binding) -> IntArray:
    array = arrays.get(binding.onnx)
    if array is None:
        raise OutputError(f"{path}: no array {binding.onnx!r}; it has {', '.join(sorted(arrays)) or 'none'}")
    elements = int(np.prod(binding.shape))
    if array.dtype.kind not in "fiu" or (array.dtype.kind == "f" and not np.isfinite(array).all()):
        raise OutputError(f"{path}: array {binding.onnx!r} must hold finite numbers")
    if array.size != elements:
        if array.ndim < 2 or array.shape[0] == 0 or array[0].size != elements:
            raise OutputError(
                f"{path}: array {binding.onnx!r} has shape {array.shape}, the input is {binding.shape}"
            )
        array = array[0]
    try:
        codes: IntArray = binding.encode(array)
    except ValueError as error:
        raise OutputError(f"{path}: {error}") from error
    return codes
