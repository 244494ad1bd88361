"""A small language model as a prefill and a decode graph, for tests of pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from compiler.frontend import ImportedPair, import_pair
from tests.compiler.frontend.language import decode_model, language_model, samples
from tests.compiler.frontend.models import save

PAST = 9
"""Rows of the caches of decode, more than prefill has."""


def saved_pair(folder: Path, past: int = PAST) -> tuple[Path, Path, Path]:
    """Files of the prefill graph, the decode graph, the calibration data."""
    paths = []
    for name, model in (("prefill", language_model(caches=True)), ("decode", decode_model(past))):
        (folder / name).mkdir()
        path = save(model, folder / name)
        paths.append(path.rename(path.with_name(f"{name}.onnx")))
    data = folder / "samples.npz"
    np.savez(data, **samples(8))  # type: ignore[arg-type]
    return paths[0], paths[1], data


def small_pair(folder: Path) -> ImportedPair:
    """Both, imported."""
    prefill, decode, data = saved_pair(folder)
    return import_pair(prefill, decode, calibration=data)
