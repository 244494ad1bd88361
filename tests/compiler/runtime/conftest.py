"""The kernel library, built once a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compiler.runtime.library import Kernels, build


@pytest.fixture(scope="session")
def build_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture(scope="session")
def kernels(build_folder: Path) -> Kernels:
    """All kernels, on the test HAL."""
    return Kernels(build(build_folder))


@pytest.fixture(scope="session")
def xpulp_kernels(build_folder: Path) -> Kernels:
    """The Xpulp kernels with emulated instructions, on the test HAL."""
    return Kernels(build(build_folder, kernels="xpulp"))
