"""Where the real networks of ../shared lie; a user's clone has none, and then these tests say so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODELS = Path(os.environ.get("DSE_MODELS", ROOT.parent / "shared" / "models"))


def shared_model(name: str) -> Path:
    """A file below the shared models; skips the test where it is absent."""
    path = MODELS / name
    if not path.is_file():
        pytest.skip(f"no {path} (set DSE_MODELS)")
    return path


def mlperf_tiny(name: str) -> Path:
    """An MLPerf Tiny network; skips the test where the shared models are absent."""
    return shared_model(f"mlperf_tiny/{name}.onnx")


def deeploy(name: str) -> Path:
    """The folder of a model in the integer dialect (network.onnx, inputs.npz, outputs.npz), or a skip."""
    return shared_model(f"deeploy/{name}/network.onnx").parent
