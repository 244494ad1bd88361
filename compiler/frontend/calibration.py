"""Inputs that the ranges of a float model are measured on: from a file, or synthetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from compiler.frontend.errors import ModelError
from compiler.frontend.samples import read_arrays
from compiler.frontend.source import Port

Samples = Mapping[str, npt.NDArray[np.float32]]
"""By input name: (samples, *shape of the input with batch 1)."""

SYNTHETIC_SAMPLES = 16
MAX_SAMPLES = 256


def load_samples(path: Path, ports: Sequence[Port]) -> Samples:
    """The arrays of an .npz named like the inputs, or its only array for the only input.

    The first axis counts samples; what follows is the input's shape, with or without its batch axis.
    Raises ModelError for files, names, shapes and types that do not fit.
    """
    arrays = read_arrays(path)
    if len(ports) == 1 and len(arrays) == 1:
        arrays = {ports[0].name: next(iter(arrays.values()))}
    missing = [port.name for port in ports if port.name not in arrays]
    if missing:
        raise ModelError(
            f"{path}: no array named {missing[0]!r}; it has {', '.join(sorted(arrays)) or 'none'}"
        )
    samples = {port.name: _fitted(path, arrays[port.name], port) for port in ports}
    if len({len(array) for array in samples.values()}) != 1:
        raise ModelError(f"{path}: the arrays differ in their number of samples")
    return samples


def sample_notes(path: Path, samples: Samples) -> tuple[str, ...]:
    """What samples of `path` cannot tell: an input that never changes has no range to measure."""
    return tuple(
        f"{path}: all samples of {name!r} are {array.flat[0]:g}: the ranges measured with them mean nothing"
        for name, array in samples.items()
        if not np.ptp(array)
    )


def check_indices(path: Path, samples: Samples, indices: Mapping[str, int]) -> None:
    """Raises ModelError where an input of `indices` is no integer below its extent there."""
    for name, extent in indices.items():
        array = samples[name]
        if (array != np.rint(array)).any() or array.min() < 0 or array.max() >= extent:
            raise ModelError(f"{path}: array {name!r} must hold integers from 0 to {extent - 1}")


def synthetic_samples(ports: Sequence[Port], seed: int, indices: Mapping[str, int] | None = None) -> Samples:
    """Standard normal noise of `seed`; for inputs of `indices` integers below their extent there."""
    rng = np.random.default_rng(seed)
    extents = indices or {}

    def noise(port: Port) -> npt.NDArray[np.float32]:
        shape = (SYNTHETIC_SAMPLES, *port.shape)
        if port.name in extents:
            return rng.integers(0, extents[port.name], shape).astype(np.float32)
        return rng.standard_normal(shape, dtype=np.float32)

    return {port.name: noise(port) for port in ports}


def _fitted(path: Path, array: npt.NDArray[Any], port: Port) -> npt.NDArray[np.float32]:
    if array.dtype.kind not in "fiu":
        raise ModelError(f"{path}: array {port.name!r} has type {array.dtype}, not numbers")
    forms = (port.shape, port.shape[1:]) if port.shape[:1] == (1,) else (port.shape,)
    if array.ndim == 0 or array.shape[1:] not in forms or len(array) == 0:
        wanted = " or ".join(f"(samples, {', '.join(map(str, form))})" for form in forms)
        raise ModelError(f"{path}: array {port.name!r} has shape {array.shape}, not {wanted}")
    if not np.isfinite(array).all():
        raise ModelError(f"{path}: array {port.name!r} has values that are not finite")
    return array[:MAX_SAMPLES].astype(np.float32).reshape(-1, *port.shape)
