"""Where the real networks of ../shared lie; a user's clone has none, and then these tests say so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODELS = Path(os.environ.get("DSE_MODELS", ROOT.parent / "shared" / "models"))


def mlperf_tiny(name: str) -> Path:
    """An MLPerf Tiny network; skips the test where the shared models are absent."""
    path = MODELS / "mlperf_tiny" / f"{name}.onnx"
    if not path.is_file():
        pytest.skip(f"no {path} (set DSE_MODELS)")
    return path
