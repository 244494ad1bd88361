"""Networks to files: ONNX models, calibration inputs, and the list of their hashes."""

import hashlib
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from onnx import ModelProto

from studies.models.networks import FloatModel, Network, generate
from studies.models.quantise import quantise
from studies.models.rounding import FloatArray

MANIFEST = "SHA256SUMS"
CALIBRATION_SAMPLES = 8
"""Samples in a calibration file: the first of those that the ranges of the int8 model come from."""


def files_of(network: Network) -> dict[str, bytes]:
    """Name and content of every file of `network`; the same on every call and machine."""
    made = generate(network)
    files = {f"{network.name}_int8.onnx": serialise(quantise(made.model, made.samples))}
    if network.keeps_float:
        files |= _float_files(network.name, made)
    return files


def serialise(model: ModelProto) -> bytes:
    """The bytes of `model`, maps in a fixed order."""
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def write(files: Mapping[str, bytes], folder: Path) -> None:
    """Write `files` and refresh the manifest of `folder` over all the models that are there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    listed = sorted(path for path in folder.iterdir() if path.suffix in (".onnx", ".npz"))
    (folder / MANIFEST).write_text(manifest(listed))


def manifest(paths: Iterable[Path]) -> str:
    """One line a file, as `sha256sum --check` reads it."""
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in paths)


def _float_files(name: str, made: FloatModel) -> dict[str, bytes]:
    return {
        f"{name}_float.onnx": serialise(made.model),
        f"{name}_calibration.npz": _archive(made.samples[:CALIBRATION_SAMPLES]),
    }


def _archive(samples: FloatArray) -> bytes:
    """An .npz with the array `input`; stored, not deflated, as deflate's output depends on the zlib."""
    buffer = io.BytesIO()
    np.savez(buffer, input=samples)
    return buffer.getvalue()
