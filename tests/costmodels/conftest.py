"""Measured rows of ../shared/validation: DSE_VALIDATION names the folder, or it lies beside the checkout."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path

import pytest

Rows = Callable[[str], list[dict[str, str]]]
BESIDE = Path(__file__).resolve().parents[2].parent / "shared" / "validation"


@pytest.fixture(scope="session")
def rows() -> Rows:
    """Reads a file of measurements; skips the test where there are none."""
    folder = Path(os.environ.get("DSE_VALIDATION", BESIDE))

    def read(name: str) -> list[dict[str, str]]:
        path = folder / name
        if not path.is_file():
            pytest.skip(f"no {path}: set DSE_VALIDATION to the folder of measured rows")
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    return read
