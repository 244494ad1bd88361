"""Kernel libraries, built once a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compiler.runtime.library import Kernels, build


@pytest.fixture(scope="session")
def build_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture(scope="session")
def kernels(build_folder: Path) -> Kernels:
    """The kernels with N-EUREKA's weight layout."""
    return Kernels(build(build_folder))


@pytest.fixture(scope="session")
def kernels_ne16(build_folder: Path) -> Kernels:
    """The kernels with NE16's weight layout."""
    return Kernels(build(build_folder, ne16=True))
